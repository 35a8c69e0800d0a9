"""Looks for faults that Seatrial misses, in one process: `python -m benchmarks.detection.search ['text.*' …]`.

Law: quicker than the comparison, and no substitute for it. A run ends at its first finding that the conformant server
does not have, so it says that a fault is seen, and not by how many checks; a legal variation is run to its end.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.detection.catalogue import FAULTS, LEGAL
from benchmarks.detection.model import FILTERED_ANSWER, FILTERED_PROMPT, KEY, Deviation
from benchmarks.detection.server import FaultServer
from conformance.capabilities import probe, unsupported
from conformance.catalogue import checks_of, within
from conformance.endpoint import Endpoint, Target
from conformance.preflight import CannotJudge, preflight
from conformance.runner import Runner
from conformance.settings import Settings
from reference_server.serve import serving
from reports.model import Outcome
from schemas.contracts import get

CONTRACT = get("azure-llama")
# What a run asks by default.
CHECKS = within(checks_of(CONTRACT), "standard")
SETTINGS = Settings(
    key=KEY,
    shrink=False,
    # A server that hangs is to cost little here.
    request_timeout=5.0,
    filter_prompts=(f"Say {FILTERED_PROMPT} aloud.", f"Tell me about {FILTERED_ANSWER}."),
)
MOST_SECONDS = 120.0


@dataclass(frozen=True)
class Searched:
    """What was found of one deviation; `left_open` are the checks that gave no verdict, `seconds` of wall time."""

    id: str
    found: tuple[str, ...]
    left_open: tuple[str, ...]
    seconds: float


def searched(deviation: Deviation | None, base: str, known: frozenset[str] = frozenset(), *, whole: bool) -> Searched:
    """Run the checks against the server with that deviation; `known` are findings of the server without it."""
    name = deviation.id if deviation else f"control.{base}"
    began = time.monotonic()
    found: list[str] = []
    left_open: list[str] = []
    stop = threading.Event()

    def look(outcome: Outcome) -> None:
        if outcome.status == "fail" and outcome.check not in known:
            found.append(outcome.check)
            if not whole:
                stop.set()
        elif outcome.status in ("inconclusive", "error", "blocked"):
            left_open.append(f"{outcome.status}:{outcome.check}")

    with serving(FaultServer(deviation, base)) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        try:
            served = preflight(endpoint, CONTRACT, SETTINGS).served
            capabilities = probe(endpoint, CONTRACT, SETTINGS, served)
        except CannotJudge as error:
            return Searched(name, ("cannot judge",), (str(error),), time.monotonic() - began)
        found += [f"unsupported:{one.name}" for one in capabilities if not one.supported]
        if whole or not found:
            settings = replace(SETTINGS, unsupported=unsupported(capabilities))
            runner = Runner(list(CHECKS.values()), endpoint, CONTRACT, settings, on_outcome=look, stop=stop)
            timer = threading.Timer(MOST_SECONDS, stop.set)
            timer.start()
            try:
                runner.run()
            finally:
                timer.cancel()
    return Searched(name, tuple(sorted(found)), tuple(sorted(left_open)), time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, print what is missed and what is flagged, and return 1 if there is any."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.search", description=__doc__)
    parser.add_argument("globs", nargs="*", default=["*"], help="ids of faults and of legal variations")
    parser.add_argument("--output", type=Path, help="where each result is appended as a line of JSON")
    asked = parser.parse_args(arguments)
    controls: dict[str, frozenset[str]] = {}
    missed: list[str] = []
    flagged: list[str] = []
    chosen = [one for one in (*FAULTS, *LEGAL) if any(fnmatchcase(one.id, glob) for glob in asked.globs)]
    legal = {one.id for one in LEGAL}
    for deviation in chosen:
        if deviation.base not in controls:
            controls[deviation.base] = frozenset(searched(None, deviation.base, whole=True).found)
        result = searched(deviation, deviation.base, controls[deviation.base], whole=deviation.id in legal)
        if asked.output:
            with asked.output.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        if deviation.id in legal and result.found:
            flagged.append(deviation.id)
            print(f"flagged  {deviation.id}: {', '.join(result.found)}", flush=True)
        if deviation.id not in legal and not result.found:
            missed.append(deviation.id)
            print(f"missed   {deviation.id}: {deviation.title}", flush=True)
    faults = sum(one.id not in legal for one in chosen)
    print(
        f"{faults - len(missed)} of {faults} faults seen, {len(flagged)} of {len(chosen) - faults} variations flagged"
    )
    return 1 if missed or flagged else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.hostile`: every behaviour, from the first request on and after the preflight; one row each."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.cost import KEY, standin
from benchmarks.hostile.behaviours import BEHAVIOURS
from benchmarks.hostile.connections import CONNECTIONS
from benchmarks.hostile.relay import Chooser, every, greedy, relaying, streams
from benchmarks.hostile.trial import Trial, tried
from tests.conformance.hostile import serving

STAGES: dict[str, Chooser] = {"from the first": every, "every stream": streams, "every greedy request": greedy}
HEAD = "| behaviour | when | exit | verdict | pass | fail | other | requests | seconds | peak MB | log MB | wrong |"


@contextmanager
def _elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    """A server on another port that is never to hear of us."""
    with serving(lambda peer: void(peer.take())) as server:
        yield server.url, server.requests


def void(_: object) -> None:
    """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*", help="a pattern of behaviours")
    parser.add_argument("--when", choices=STAGES, action="append", help="repeatable [default: all]")
    parser.add_argument("--profile", default="standard", help="the profile of each run [default: standard]")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds for one request")
    given = parser.parse_args()
    print(f"{HEAD}\n{'|---' * 12}|")
    wrong = connections(given.only, given.timeout) if not given.when or "from the first" in given.when else 0
    with standin() as good, _elsewhere() as (elsewhere, heard):
        for name in (one for one in BEHAVIOURS if fnmatch(one, given.only)):
            for when in given.when or STAGES:
                with (
                    relaying(good, BEHAVIOURS[name], STAGES[when]) as server,
                    tempfile.TemporaryDirectory() as folder,
                ):
                    server.elsewhere = elsewhere
                    more = ("--profile", given.profile)
                    trial = tried(server.url, Path(folder), key=KEY, timeout=given.timeout, more=more)
                if heard:
                    trial.faults.append("a request went to another host")
                    heard.clear()
                wrong += bool(trial.faults)
                print(row(name, when, trial), flush=True)
    sys.exit(1 if wrong else 0)


def connections(only: str, timeout: float) -> int:
    """One row for each way to treat a connection; how many of them are wrong."""
    wrong = 0
    for name, connection in CONNECTIONS.items():
        if fnmatch(name, only):
            with (
                serving(connection.script, tls=connection.tls()) as server,
                tempfile.TemporaryDirectory() as folder,
            ):
                trial = tried(server.url, Path(folder), key=KEY, timeout=timeout, more=connection.options)
            if server.requests and connection.certificate:
                trial.faults.append("a request went out over a connection that is not to be trusted")
            wrong += bool(trial.faults)
            print(row(name, "at the connection", trial), flush=True)
    return wrong


def row(name: str, when: str, trial: Trial) -> str:
    """One line of the table."""
    cells = (
        name, when, trial.code, trial.verdict, trial.statuses["pass"], trial.statuses["fail"],
        trial.statuses.total() - trial.statuses["pass"] - trial.statuses["fail"], trial.requests,
        f"{trial.seconds:.1f}", f"{trial.peak_mb:.0f}", f"{trial.log_mb:.1f}", "; ".join(trial.faults) or "-",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()

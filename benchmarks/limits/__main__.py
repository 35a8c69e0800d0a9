"""`python -m benchmarks.limits [virtual|small|http|calibrated|URL]`: the search against limiters that are known.

Law: a row passes when the kind is right, the limit within 2 %, and no more refused than 1.3 windows' worth.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from benchmarks.limits.cases import FAMILIES, Case, lie, minutes, seconds
from loadtests.launch import run_load
from loadtests.limits.finding import finding, tally
from loadtests.limits.observed import Asked
from loadtests.limits.opinion import judged
from loadtests.limits.plans import limit_plan
from loadtests.limits.prober import Prober
from loadtests.limits.virtual import Answer, Network, rehearse
from reference_server.meters import SECOND

NETWORK = Network(way=0.01, jitter=0.006, answer=0.05, seed=1)
STARTS = (17.3, 55.0)
SMALL_STARTS = (17.3, 55.0, 101.9, 153.6)
SEEDS = (1, 2, 3)
CALIBRATED = (120, 300, 600, 1_000, 3_000)
HEAD = "| limiter | result | found | error | kind | windows | sent | refused | Retry-After | limit told | others |"
MOST_REFUSED = 1.3


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one case; `took` and `sent` in windows and windows' worth."""

    case: Case
    verdict: dict[str, Any]
    counts: dict[str, int]
    seconds: float

    @property
    def wrong(self) -> str:
        """What is wrong: the kind, the limit by more than 2 %, or too much refused; empty where nothing is."""
        if self.case.kind == "none":
            return "a limit" if self.verdict["found"] else ""
        # Where others use the quota, what they leave over is all that can be found.
        others, verdict_others = self.case.trap == "others", bool(self.verdict["others"])
        found = [
            ("kind", self.verdict["kind"] != FAMILIES[self.case.kind] and not others),
            ("limit", abs(self.error) > 0.02 + 1e-9 and not others),
            ("others", verdict_others and not others),
            ("refused", self.counts.get("429", 0) > MOST_REFUSED * self.case.limit),
        ]
        return ", ".join(name for name, bad in found if bad)

    @property
    def error(self) -> float:
        """The share by which the middle of the bounds is off."""
        low, high = self.verdict["low"], self.verdict["high"]
        if not self.case.a_minute:
            return 0.0
        return float((low if high is None else (low + high) / 2) / self.case.a_minute - 1)

    def __str__(self) -> str:
        verdict, case = self.verdict, self.case
        high = "or more" if verdict["high"] is None else f"to {verdict['high']:,.1f}"
        worth = case.limit or 1000
        result = f"FAIL: {self.wrong}" if self.wrong else "pass"
        return (
            f"| {case.name} | {result} | {verdict['low']:,.1f} {high} | {100 * self.error:+.2f} % "
            f"| {verdict['kind'] or '-'} | {self.seconds / case.span:.2f} "
            f"| {sum(self.counts.values()) / worth:.2f} | {self.counts.get('429', 0)} "
            f"({self.counts.get('429', 0) / worth:.2f}) | {verdict['retry_after']['verdict']} "
            f"| {verdict['told_limit']['verdict']} | {'yes' if verdict['others'] else '-'} |"
        )


def in_virtual_time(case: Case, start: float, seed: int = 1) -> Row:
    """One case against its meter, without a network."""
    plan = limit_plan("request-limit", {"longest": case.span, "up_to": max(2000.0, 1.4 * case.a_minute)})
    prober = Prober(plan.limits, partial(judged), plain=Asked(), broken=Asked(kind="broken"))
    meter = None if case.kind == "none" else case.meter()

    def admit(now: float, asked: Asked) -> Answer:
        at = round(now * SECOND)
        told = float(case.limit * (2 if case.trap == "limit doubled" else 1))
        if meter is None:
            return Answer(passed=True, status=400 if asked.kind == "broken" else 200)
        if wait := meter.wait(1, at):
            return Answer(passed=False, retry_after=lie(case.trap, wait / SECOND), limit=told, remaining=0.0)
        meter.add(1, at)
        left = float(meter.remaining(at))
        return Answer(passed=True, status=400 if asked.kind == "broken" else 200, limit=told, remaining=left)

    ended = rehearse(prober, admit, replace(NETWORK, seed=seed), start=start)
    return Row(
        case=case,
        verdict=finding(prober, "requests").to_record(),
        counts=tally(prober.seen),
        seconds=ended - start,
    )


def over_http(case: Case) -> Row:
    """One case against the stand-in on a socket of this machine."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.limits.served", json.dumps(asdict(case))],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        return against(case, server.stdout.readline().strip())
    finally:
        server.terminate()
        server.communicate(timeout=10)


def calibrated(binary: str, limit: int) -> Row:
    """One search at a calibrated server, a program that is not ours, with a token bucket of that limit."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "--port", str(port), "--ttft-ms", "1", "--itl-ms", "1", "--rpm", str(limit)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        # It says so when it listens.
        server.stderr.readline()
        return against(Case(kind="bucket", limit=limit), f"http://127.0.0.1:{port}/v1", "openai")
    finally:
        server.terminate()
        server.communicate(timeout=10)


def against(case: Case, url: str, contract: str = "azure-llama") -> Row:
    """One search at an address."""
    records: list[dict[str, Any]] = []
    overrides = {"longest": case.span, "up_to": max(600.0, 1.4 * case.a_minute), "seconds": 12 * case.span}
    orders = {"target": url, "contract": contract, "profile": "request-limit", "overrides": overrides}
    run_load(orders, "", records.append)
    record = records[-1]
    return Row(case=case, verdict=record["verdict"], counts=record["counts"], seconds=record["seconds"])


def table(rows: Iterable[Row]) -> int:
    """Print the rows as they come; how many are wrong."""
    print(HEAD)
    print("|" + " --- |" * (HEAD.count("|") - 1))
    wrong = 0
    for row in rows:
        print(row, flush=True)
        wrong += bool(row.wrong)
    print(f"\n{wrong} wrong")
    return wrong


def main(arguments: list[str]) -> int:
    what = arguments[0] if arguments else "virtual"
    chosen: Callable[[Case], bool] = lambda case: all(word in case.name for word in arguments[1:])  # noqa: E731
    if what == "virtual":
        return table(in_virtual_time(case, start) for case in minutes() if chosen(case) for start in STARTS)
    if what == "small":
        cases = [case for case in seconds() if chosen(case)]
        return table(in_virtual_time(case, start, seed) for case in cases for start in SMALL_STARTS for seed in SEEDS)
    if what == "http":
        return table(over_http(case) for case in seconds() if chosen(case))
    if what == "calibrated":
        return table(calibrated(arguments[-1], limit) for limit in CALIBRATED)
    limit = int(arguments[1])
    return table([against(Case(kind="bucket", limit=limit), what, "openai")])


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))

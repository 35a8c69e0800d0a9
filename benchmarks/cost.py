"""What a conformance run costs: requests, tokens, wall time and CPU per request, against the embedded stand-in.

`python -m benchmarks.cost --dearest N` lists the checks that cost most in the standard profile in place of that.
`python -m benchmarks.cost [--runs N]` starts the stand-in as its own process, so that the CPU time is the client's.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reports.model import Outcome, Run

KEY = "benchmark-key-of-seatrial"
BOUND = 600  # seconds; nothing here may take longer


@dataclass(frozen=True)
class Cost:
    """One run: its exit code, requests, tokens at most, and seconds of wall and CPU time with the start-up in them."""

    exit_code: int
    requests: int
    tokens: int
    wall: float
    cpu: float
    outcomes: tuple[Outcome, ...] = ()

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per request, start-up included."""
        return self.cpu / max(1, self.requests) * 1000


@contextmanager
def standin(*options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "seatrial", "serve", "--port", "0", "--rpm", "0", "--tpm", "0", *options]
    environment = {**os.environ, "SEATRIAL_API_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found.group()
                    break
            else:
                raise SystemExit("the stand-in did not start")
        finally:
            server.terminate()
            server.wait(timeout=10)


def measured(url: str, *options: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "run.jsonl")
        command = [
            sys.executable,
            "-m",
            "seatrial",
            "check",
            url,
            "--log",
            str(log),
            "--rpm",
            "1000000",
            "--tpm",
            "100000000",
        ]
        begun = time.monotonic()
        process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, "SEATRIAL_API_KEY": KEY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - begun > BOUND:
                process.kill()
            time.sleep(0.02)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        run = Run.read(log)
        tokens = sum(outcome.tokens for outcome in run.outcomes)
        requests = run.end.requests if run.end else 0
        return Cost(process.returncode, requests, tokens, wall, usage.ru_utime + usage.ru_stime, run.outcomes)


CASES = (
    ("profile quick", (), ("--profile", "quick")),
    ("profile standard", (), ()),
    ("profile thorough", (), ("--profile", "thorough")),
    ("profile standard, --jobs 1", (), ("--jobs", "1")),
    ("answers after 300 ms, --jobs 16", ("--ttft-ms", "300"), ("--jobs", "16")),
)


def compared(runs: int) -> None:
    print(f"{'case':34} {'exit':>4} {'requests':>8} {'tokens':>8} {'wall s':>8} {'CPU s':>7} {'CPU ms/request':>15}")
    for name, server, client in CASES:
        with standin(*server) as url:
            costs = [measured(url, *client) for _ in range(runs)]
        middle = sorted(costs, key=lambda cost: cost.wall)[len(costs) // 2]
        cpu = statistics.median(cost.cpu_ms for cost in costs)
        figures = f"{middle.exit_code:4} {middle.requests:8} {middle.tokens:8} {middle.wall:8.1f} {middle.cpu:7.1f}"
        print(f"{name:34} {figures} {cpu:15.2f}")


def dearest(most: int) -> None:
    with standin() as url:
        outcomes = measured(url).outcomes
    print(f"{'requests':>8} {'tokens':>8}  check")
    for one in sorted(outcomes, key=lambda each: (each.requests, each.tokens), reverse=True)[:most]:
        print(f"{one.requests:8} {one.tokens:8}  {one.check}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dearest", type=int, default=0)
    given = parser.parse_args()
    if given.dearest:
        dearest(given.dearest)
    else:
        compared(given.runs)


if __name__ == "__main__":
    main()

"""The layer where it is all there is: the same app bare and layered, each a process of its own, measured by turns."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.layer.client import Lines, Slice
from benchmarks.layer.pairs import Estimate, by_turns, median_difference, median_ratio, of_pairs
from loadtests.target import target
from schemas.contracts import get

_WARM_SECONDS = 0.5


@dataclass(frozen=True)
class Server:
    """A running server process."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds that its one busy thread has spent on a core."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True)
class Case:
    """What is asked for: streams of that many chunks, or documents for 0."""

    chunks: int

    @property
    def name(self) -> str:
        return f"streams of {self.chunks} chunks" if self.chunks else "documents"

    def request(self, port: int) -> bytes:
        (chat,) = (one for one in get("azure-llama").operations if one.route == "chat")
        goal = target(f"http://127.0.0.1:{port}", chat, "benchmark-key", parameters={"temperature": 0.7, "top_p": 0.9})
        body = goal.body(seed=1, number=1, prompt_tokens=64, max_tokens=self.chunks or 64)
        return goal.request(body if self.chunks else body.replace(b'"stream": true', b'"stream": false'))


_HEAD = (
    "asked for", "at once", "bare, per s of wall, of CPU", "layered, per s of wall, of CPU", "throughput, ratio",
    "layer's CPU per request, us", "first byte later by, ms", "client's CPU",
)  # fmt: skip

Turn = tuple[Slice, float]
Pair = tuple[Turn, Turn]


@contextlib.contextmanager
def serving(*, layered: bool, pin: bool, app: str = "inner") -> Iterator[Server]:
    """That app of this package in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.layer.{app}", *(["--layered"] if layered else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)\s*$", process.stdout.readline())
            if found is None:
                raise SystemExit("the server did not start")
            if pin:
                os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0) | {0})})
            yield Server(int(found[1]), process.pid)
        finally:
            process.terminate()
            process.wait(timeout=10)


def measured(rounds: int, seconds: float, concurrency: Sequence[int], chunks: int, *, pin: bool) -> Iterator[str]:
    """The lines of the report, as they become known."""
    if pin:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0} or {0})
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---|---|---|---|---|---|---|---|"
    with serving(layered=False, pin=pin) as bare, serving(layered=True, pin=pin) as layered:
        for lines in concurrency:
            costs = []
            for case in (Case(0), Case(chunks)):
                pairs = [_pair((bare, layered), case, lines, seconds, order) for order in [(0, 1), *by_turns(rounds)]][
                    1:
                ]
                costs.append(of_pairs(pairs, _cpu_per_request))
                yield _row(case, lines, pairs, costs[-1])
            per_chunk = (costs[1].value - costs[0].value) / chunks
            yield f"| | {lines} | | | the layer's CPU per chunk: {per_chunk:.2f} us | | | |"


def _pair(servers: tuple[Server, Server], case: Case, lines: int, seconds: float, order: tuple[int, int]) -> Pair:
    turns: dict[int, Turn] = {}
    for which in order:
        server = servers[which]
        opened = Lines(("127.0.0.1", server.port), lines)
        try:
            request = case.request(server.port)
            opened.run(request, min(_WARM_SECONDS, seconds) / 5)
            before = server.cpu()
            done = opened.run(request, seconds)
            turns[which] = (done, server.cpu() - before)
        finally:
            opened.close()
    return turns[0], turns[1]


def _row(case: Case, lines: int, pairs: Sequence[Pair], cost: Estimate) -> str:
    each = case.chunks or 1
    wall = [[turn[0].requests * each / turn[0].wall for turn in pair] for pair in pairs]
    cpu = [[turn[0].requests * each / turn[1] for turn in pair] for pair in pairs]
    ratio = of_pairs([(first, second) for first, second in wall], median_ratio)
    first = of_pairs(
        [(statistics.median(bare.first_ms), statistics.median(layered.first_ms)) for (bare, _), (layered, _) in pairs],
        median_difference,
    )
    rates = [
        f"{statistics.median(pair[which] for pair in wall):,.0f}, {statistics.median(pair[which] for pair in cpu):,.0f}"
        for which in (0, 1)
    ]
    busy = max(turn[0].cpu / turn[0].wall for pair in pairs for turn in pair)
    cells = [case.name, str(lines), *rates, ratio.shown(".3f"), cost.shown(".0f"), first.shown("+.2f"), f"{busy:.0%}"]
    return f"| {' | '.join(cells)} |"


def _cpu_per_request(pairs: Sequence[Pair]) -> float:
    """Microseconds of the server's CPU that the layer adds to a request."""
    return median_difference(
        [(bare_cpu / bare.requests * 1e6, cpu / done.requests * 1e6) for (bare, bare_cpu), (done, cpu) in pairs]
    )

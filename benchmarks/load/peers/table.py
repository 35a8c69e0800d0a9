"""What is printed of peers: their errors, and how many times ours the error at p99 is."""

from __future__ import annotations

import statistics

from benchmarks.load.cells import Figures, number, spread
from benchmarks.load.peers.measure import OURS

# A better error than this (ms) is taken for it in a ratio: it is below what the server's own log can tell.
LEAST = 0.1
_HEAD = ("client", "TTFT p50", "TTFT p99", "times ours", "ITL p99", "times ours", "reported", "asked", "s")


def ratio(ours: list[Figures], theirs: list[Figures], name: str) -> float | None:
    """The median over runs of their error in the run as a multiple of ours in the same run; None without any."""
    pairs = [(number(one, name), number(other, name)) for one, other in zip(ours, theirs, strict=False)]
    found = [
        max(LEAST, abs(other)) / max(LEAST, abs(one)) for one, other in pairs if one is not None and other is not None
    ]
    return statistics.median(found) if found else None


def table(rows: dict[str, list[Figures]]) -> str:
    """One line for each client, from the best to the worst of its runs; then who failed, and why."""
    lines = [f"| {' | '.join(_HEAD)} |", "|---" * len(_HEAD) + "|"]
    for name, runs in rows.items():
        cells = [
            name,
            spread(runs, "ttft_p50"),
            spread(runs, "ttft_p99"),
            _times(rows, name, "ttft_p99"),
            spread(runs, "itl_p99"),
            _times(rows, name, "itl_p99"),
            *(spread(runs, key) for key in ("reported", "asked", "seconds")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for name, runs in rows.items():
        for index, run in enumerate(runs, 1):
            reported, asked = number(run, "reported") or 0.0, number(run, "asked") or 0.0
            if reported < asked:
                lines.append(f"{name}, run {index}: reported {reported:.0f} of {asked:.0f} requests")
            lines += [f"{name}, run {index}: {run[why]}" for why in ("failure", "reason") if why in run]
    return "\n".join(lines)


def _times(rows: dict[str, list[Figures]], name: str, figure: str) -> str:
    found = None if name == OURS else ratio(rows[OURS], rows[name], figure)
    return "-" if found is None else f"{found:.3g}"

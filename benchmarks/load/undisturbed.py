"""Runs that this machine's host has left alone: which those are is decided by what it took, not by what came out."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.load.cells import Figures, number

# In percent of one processor, all of them together. A stall is felt by a request whose sending or whose first token
# falls into it, on either side: so much of it makes about one request in a hundred late.
MOST_STOLEN = 0.5


def runs_of(run: Callable[[], Figures], runs: int, again: int) -> tuple[list[Figures], list[Figures]]:
    """That many runs, and those left out in their favour; `again` bounds how many are tried beyond.

    Where the host gives no peace the least disturbed ones are taken, so that there are always `runs`.
    """
    found: list[Figures] = []
    while len(found) < runs + again and sum(_taken(one) <= MOST_STOLEN for one in found) < runs:
        found.append(run())
    kept = sorted(range(len(found)), key=lambda index: _taken(found[index]))[:runs]
    return [found[index] for index in sorted(kept)], [one for index, one in enumerate(found) if index not in kept]


def _taken(figures: Figures) -> float:
    return number(figures, "stolen_pct") or 0.0

"""Percentiles of what is measured now, cheap enough to be taken while the load runs.

Law: two sketches add up to what one would have counted; a percentile is within half a percent of a value that was
added. The log's histograms are finer: reading those would hold up the event loop for many milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import exp, log

_STEP = 0.01
# Under a microsecond there is nothing that this clock can tell.
_LEAST_MS = 0.001
# Beyond these (1 us and several days) a record from elsewhere is nonsense.
_MOST_BIN = 3_000


class Sketch:
    """Counts of values in milliseconds, in bins that are one percent wide."""

    def __init__(self, bins: Mapping[int, int] | None = None) -> None:
        self._bins: Counter[int] = Counter(bins)

    def add(self, milliseconds: float) -> None:
        """Count one value."""
        self._bins[int(log(milliseconds / _LEAST_MS) / _STEP) if milliseconds > _LEAST_MS else 0] += 1

    def merge(self, other: Sketch) -> None:
        """Count what another has counted."""
        self._bins.update(other._bins)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._bins.total()

    def percentiles(self, percents: Iterable[float]) -> list[float]:
        """These percentiles (given in ascending order) in milliseconds; all 0 where nothing was counted."""
        wanted = [max(1.0, percent / 100 * self.count) for percent in percents]
        found: list[float] = []
        seen = 0
        for place, count in sorted(self._bins.items()):
            seen += count
            while len(found) < len(wanted) and seen >= wanted[len(found)] - 1e-9:
                found.append(_LEAST_MS * exp((place + 0.5) * _STEP))
        return found + [0.0] * (len(wanted) - len(found))

    def to_json(self) -> list[list[int]]:
        """The bins and their counts."""
        return [[place, count] for place, count in sorted(self._bins.items())]

    @classmethod
    def from_json(cls, value: Iterable[Iterable[int]]) -> Sketch:
        """The sketch that `to_json` gave; `ValueError` or `TypeError` for anything else."""
        bins = {int(place): int(count) for place, count in value}
        if any(not 0 <= place <= _MOST_BIN or count < 1 for place, count in bins.items()):
            raise ValueError("no sketch has such bins")
        return cls(bins)

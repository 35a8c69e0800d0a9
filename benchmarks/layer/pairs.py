"""Compares figures taken by turns: a pair is measured within the same seconds, so the machine's moods cancel out."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_DRAWS = 2_000
_SEED = 11


@dataclass(frozen=True)
class Estimate:
    """A figure and the bounds between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    def shown(self, form: str = ".2f", unit: str = "") -> str:
        return f"{self.value:{form}}{unit} ({self.low:{form}} to {self.high:{form}})"


def of_pairs(pairs: Sequence[T], figure: Callable[[Sequence[T]], float]) -> Estimate:
    """The figure of all pairs, bounded by the percentile bootstrap over whole pairs."""
    draw = random.Random(_SEED)
    values = sorted(figure(draw.choices(pairs, k=len(pairs))) for _ in range(_DRAWS))
    return Estimate(figure(pairs), values[int(0.025 * _DRAWS)], values[int(0.975 * _DRAWS)])


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The median of second over first."""
    return statistics.median(second / first for first, second in pairs)


def median_difference(pairs: Sequence[tuple[float, float]]) -> float:
    """The median of second less first."""
    return statistics.median(second - first for first, second in pairs)


def by_turns(rounds: int) -> list[tuple[int, int]]:
    """The order within each round: first and second begin equally often."""
    return [(0, 1) if number % 2 == 0 else (1, 0) for number in range(rounds)]

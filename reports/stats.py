"""Percentiles and rates with their uncertainty, so that no verdict rests on too few samples.

Law: a bound is exact (binomial), never an approximation that fails for small counts. Each bound holds with a confidence
of 95 % on its side.
"""

from __future__ import annotations

import binascii
import math
import zlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

CONFIDENCE = 0.95
_MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


class StatsError(ValueError):
    """An encoded histogram cannot be read."""


@dataclass(frozen=True)
class Distribution:
    """Recorded values in milliseconds, ascending, each with how often it was seen; exact to the histogram's digits."""

    values: tuple[float, ...]
    counts: tuple[int, ...]

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(self.counts))

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return self._ends[-1] if self._ends else 0

    def at_rank(self, rank: int) -> float:
        """The value of that rank, counted from 1 for the smallest; `IndexError` outside of 1 to `total`."""
        if not 1 <= rank <= self.total:
            raise IndexError(f"rank {rank} of {self.total}")
        return self.values[bisect_left(self._ends, rank)]

    def percentile(self, percent: float) -> float:
        """The smallest value that at least `percent` (over 0, up to 100) of the values do not exceed."""
        # Rounded first: 0.07 * 100 is 7.000000000000001, whose ceiling would be one rank too high.
        return self.at_rank(max(1, math.ceil(round(percent / 100 * self.total, 9))))

    @property
    def mean(self) -> float:
        """The mean of the values; 0 when there are none."""
        total = sum(value * count for value, count in zip(self.values, self.counts, strict=True))
        return total / self.total if self.total else 0.0


def decode(encoded: str, unit: str) -> Distribution:
    """The distribution in a base64 HdrHistogram whose values are in `unit` (ns, us, ms or s); raises `StatsError`."""
    if unit not in _MILLISECONDS:
        raise StatsError(f"unit {unit!r} is not one of {', '.join(_MILLISECONDS)}")
    try:
        histogram = HdrHistogram.decode(encoded.encode("ascii"))
    except (binascii.Error, zlib.error, HdrCookieException, HdrLengthException, TypeError, ValueError) as error:
        raise StatsError(f"not an HdrHistogram: {error}") from None
    pairs = [
        (histogram.get_highest_equivalent_value(histogram.get_value_from_index(index)), count)
        for index in range(histogram.counts_len)
        if (count := histogram.get_count_at_index(index))
    ]
    return Distribution(
        values=tuple(value * _MILLISECONDS[unit] for value, _ in pairs), counts=tuple(count for _, count in pairs)
    )


def percentile_ranks(total: int, percent: float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """The ranks between which the true percentile lies, each with that confidence; None for no bound.

    Order statistics: the r-th smallest of n values is above the true p-quantile with probability P(Bin(n, p) < r).
    """
    share = percent / 100
    upper = _first(total, lambda rank: binomial_cdf(rank - 1, total, share) >= confidence)
    beyond = _first(total, lambda rank: 1 - binomial_cdf(rank - 1, total, share) < confidence)
    lower = total if beyond is None else beyond - 1
    return (lower or None), upper


def samples_for(percent: float) -> int:
    """How many values it takes before a percentile has an upper bound at all."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(percent / 100))


def rate_bounds(hits: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson bounds of a rate, each with that confidence; (0, 1) without samples."""
    if not total:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else _root(lambda rate: 1 - binomial_cdf(hits - 1, total, rate) - (1 - confidence))
    high = 1.0 if hits == total else _root(lambda rate: (1 - confidence) - binomial_cdf(hits, total, rate))
    return low, high


@lru_cache(maxsize=4096)
def binomial_cdf(hits: int, total: int, rate: float) -> float:
    """P(Bin(total, rate) <= hits), by the regularized incomplete beta function."""
    if hits < 0:
        return 0.0
    if hits >= total:
        return 1.0
    return _beta(total - hits, hits + 1, 1 - rate)


def _first(total: int, holds: Callable[[int], bool]) -> int | None:
    """The smallest rank from 1 to `total` for which `holds`, which stays true once it is."""
    low, high = 1, total + 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low if low <= total else None


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    result = d
    # The fraction converges within some sqrt(max(a, b)) steps.
    for m in range(1, 100 + int(10 * math.sqrt(max(a, b)))):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + even * d or tiny)
        c = 1 + even / c or tiny
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + odd * d or tiny)
        c = 1 + odd / c or tiny
        step = d * c
        result *= step
        if abs(step - 1) < 1e-15:
            break
    return result

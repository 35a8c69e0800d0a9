"""When counts and times of two runs differ for more than chance, by exact bounds.

Law: too few samples are no difference; whoever has seen a thing seldom cannot say that it is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.stats import Distribution, percentile_ranks, rate_bounds

# How likely chance may be where a difference is told.
_CHANCE = 0.05


def gone(hits: int, total: int, others: int) -> bool:
    """Whether something seen `hits` times in `total` would have shown in `others` more, had nothing changed."""
    if not hits or not others:
        return False
    low, _ = rate_bounds(hits, total)
    return bool((1 - low) ** others < _CHANCE)


def shares_differ(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two shares, each as hits and total, lie apart: their 95 % bounds have nothing in common."""
    (low, high), (other_low, other_high) = rate_bounds(*first), rate_bounds(*second)
    return low > other_high or other_low > high


def counts_differ(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether something seen so often, as hits and total, is gone from one side or clearly rarer on it."""
    if first[0] and second[0]:
        return shares_differ(first, second)
    return gone(*first, second[1]) or gone(*second, first[1])


def counted_bounds(found: Distribution, percent: float, independent: int) -> tuple[float | None, float | None]:
    """The bounds of a percentile, each with 95 % confidence, by so many independent samples; None for no bound."""
    lower, upper = percentile_ranks(independent, percent)
    low = found.percentile(100 * lower / independent) if lower else None
    return low, found.percentile(100 * upper / independent) if upper else None


def median_bounds(values: Sequence[float]) -> tuple[float, float] | None:
    """The values between which the true median lies, each bound with 95 % confidence; None for too few values."""
    ranked = sorted(values)
    lower, upper = percentile_ranks(len(ranked), 50)
    return (ranked[lower - 1], ranked[upper - 1]) if lower and upper else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; `IndexError` without values."""
    ranked = sorted(values)
    return Distribution(tuple(ranked), (1,) * len(ranked)).percentile(percent)

"""How a load changed over its time: the drift of a soak, and how soon an endpoint recovers from a burst.

Law: a drift has an interval, and one that has none is no finding. The method knows no distribution: the median of all
slopes between two windows (Theil and Sen), bounded by Kendall's statistic. Windows that follow each other are alike,
which would make the bounds too narrow, so their correlation widens them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, median
from typing import Any

from reports.shapes import Course, Window
from reports.stats import CONFIDENCE, Distribution, rate_bounds

LEAST_WINDOWS = 10
# The windows at the beginning in which caches fill and connections are made.
_SETTLING = 1


@dataclass(frozen=True)
class Trend:
    """A change over the whole run, with bounds that each hold with 95 % confidence."""

    change: float
    low: float
    high: float
    windows: int


@dataclass(frozen=True)
class Recovery:
    """How long after a burst the endpoint was slow, in seconds: from `low` to `high` (None: to beyond the run's end).

    `before` and `worst` are medians of a window in milliseconds; `burdened` is whether any window was slow at all.
    """

    low: float
    high: float | None
    before: float
    worst: float | None
    burdened: bool


def trend(values: Sequence[float], places: Sequence[float], length: float) -> Trend | None:
    """The change over `length` of what was measured at those places; None for too few of them."""
    count = len(values)
    if count < LEAST_WINDOWS:
        return None
    slopes = sorted(
        (values[later] - values[earlier]) / (places[later] - places[earlier])
        for earlier in range(count)
        for later in range(earlier + 1, count)
    )
    middle = median(slopes)
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18 * _inflation(values, places, middle))
    reach = NormalDist().inv_cdf(CONFIDENCE) * spread
    lower = math.floor((len(slopes) - reach) / 2) - 1
    upper = math.ceil((len(slopes) + reach) / 2)
    if lower < 0 or upper >= len(slopes):
        return None
    return Trend(middle * length, slopes[lower] * length, slopes[upper] * length, count)


def _inflation(values: Sequence[float], places: Sequence[float], slope: float) -> float:
    """By how much the correlation of neighbours widens the variance: (1 + r) / (1 - r), and never less than 1."""
    rests = [value - slope * place for value, place in zip(values, places, strict=True)]
    middle = median(rests)
    rests = [rest - middle for rest in rests]
    power = math.fsum(rest * rest for rest in rests)
    if not power:
        return 1.0
    correlation = math.fsum(first * then for first, then in pairwise(rests)) / power
    # The estimate itself is uncertain by some 1/sqrt(n): what may be chance is not taken for correlation.
    correlation = max(0.0, min(0.9, correlation - 1 / math.sqrt(len(rests))))
    return (1 + correlation) / (1 - correlation)


def drift(course: Course, name: str) -> Trend | None:
    """The drift of `ttft` or `e2e` (a share of its median), `errors` (a share of requests) or `memory` (MB)."""
    # The last window may have been left half empty.
    windows = [one for one in course.windows[_SETTLING:-1] if one.requests]
    if name == "errors":
        return _more_errors(windows)
    pairs = [(one.start, value) for one in windows if (value := _of(one, name, course.step)) is not None]
    if len(pairs) < LEAST_WINDOWS:
        return None
    places, values = [place for place, _ in pairs], [value for _, value in pairs]
    found = trend(values, places, places[-1] - places[0])
    if found is None or name not in ("ttft", "e2e"):
        return found
    scale = median(values)
    return Trend(found.change / scale, found.low / scale, found.high / scale, found.windows) if scale > 0 else None


def _more_errors(windows: Sequence[Window]) -> Trend | None:
    """The share of errors in the second half against that in the first; exact, since most windows have none at all."""
    if len(windows) < LEAST_WINDOWS:
        return None
    halves = windows[: len(windows) // 2], windows[len(windows) // 2 :]
    counts = [(sum(one.failed for one in half), sum(one.requests for one in half)) for half in halves]
    # Each of the four bounds has half of the error that the difference may have.
    (low, high), (then_low, then_high) = (rate_bounds(*count, 1 - (1 - CONFIDENCE) / 2) for count in counts)
    (first, of), (second, of_second) = counts
    return Trend(second / of_second - first / of, then_low - high, then_high - low, len(windows))


def _of(window: Window, name: str, step: float) -> float | None:
    if name == "memory":
        return window.memory_mb or None
    found = window.ttft if name == "ttft" else window.e2e
    return _median(found, step) if found.total else None


def _median(found: Distribution, step: float) -> float:
    """The median of values that were counted in steps, taken as spread evenly within theirs.

    Without that a drift smaller than a step would be seen as none, and with certainty.
    """
    before = 0
    for value, count in zip(found.values, found.counts, strict=True):
        if before + count >= found.total / 2:
            return float(value * step ** ((found.total / 2 - before) / count - 0.5))
        before += count
    return found.values[-1]


def recovery(course: Course, plan: Mapping[str, Any]) -> Recovery | None:
    """How the endpoint recovered from the burst in a plan's steps; None where there is none or nothing to compare.

    A window is slow when its median is above the 95th percentile of the windows before the burst, or when half of its
    requests got no whole answer.
    """
    burst = burst_of(plan)
    if burst is None:
        return None
    begin, end = burst
    before = [one for one in course.windows if one.start + course.window <= begin]
    before = before[_SETTLING:] if len(before) > _SETTLING + 1 else before
    after = [one for one in course.windows if one.start >= end]
    usual = sorted(value for one in before for value in _values(one))
    medians = [value for one in before if (value := one.median()) is not None]
    if len(usual) < 20 or not after or not medians:
        return None
    limit = usual[min(len(usual) - 1, math.ceil(0.95 * len(usual)) - 1)]
    slow = [one for one in after if _is_slow(one, limit)]
    during = [one for one in course.windows if one.start >= begin]
    peaks = [value for one in during if (value := one.median()) is not None]
    # What comes before the burst's end within a window's length belongs to both.
    last = slow[-1].start + course.window - end if slow else 0.0
    ends_slow = bool(slow) and slow[-1] is after[-1]
    return Recovery(
        low=max(0.0, last - course.window),
        high=None if ends_slow else last + (0.0 if slow else course.window),
        before=median(medians),
        worst=max(peaks, default=None),
        burdened=any(_is_slow(one, limit) for one in during),
    )


def burst_of(plan: Mapping[str, Any]) -> tuple[float, float] | None:
    """When the steps of a plan are above their first rate for the first time, and for the last (s)."""
    begin = end = None
    start, first = 0.0, None
    for part in str(plan.get("steps") or "").split(","):
        rate, _, seconds = part.partition(":")
        try:
            pace, length = float(rate), float(seconds)
        except ValueError:
            return None
        first = pace if first is None else first
        if pace > first:
            begin = start if begin is None else begin
            end = start + length
        start += length
    return None if begin is None or end is None else (begin, end)


def knee(rates: Sequence[float], latencies: Sequence[float]) -> float | None:
    """The rate from which on latency rises steeply: farthest below the line between both ends, in logarithms.

    None for fewer than four points, or where no point is clearly below that line.
    """
    if len(rates) < 4 or latencies[0] <= 0 or latencies[-1] < 1.5 * latencies[0]:
        return None
    xs = [math.log(rate) for rate in rates]
    ys = [math.log(max(latency, 1e-6)) for latency in latencies]
    rise = (ys[-1] - ys[0]) / (xs[-1] - xs[0])
    depths = [ys[0] + rise * (x - xs[0]) - y for x, y in zip(xs, ys, strict=True)]
    deepest = max(depths)
    return rates[depths.index(deepest)] if deepest > 0.1 else None


def _values(window: Window) -> list[float]:
    found = window.ttft if window.ttft.total else window.e2e
    return [value for value, count in zip(found.values, found.counts, strict=True) for _ in range(count)]


def _is_slow(window: Window, limit: float) -> bool:
    value = window.median()
    return value is None or value > limit

"""The geometry of a latency distribution's picture: bars over a logarithmic axis, with the percentiles marked.

Everything here is a number or made of numbers, so a page may place it without escaping.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from reports.loads import Latency
from reports.view import milliseconds

WIDTH, HEIGHT = 420, 172
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 412, 46, 146
_BINS = 44
_MARKED = (50.0, 95.0, 99.0)
_LABEL_WIDTH = 46
# Gaps between tokens that came in one packet are 0, which has no place on a logarithmic axis.
_SMALLEST_MS = 0.01


@dataclass(frozen=True)
class Bar:
    """One bar of the picture, in its own units from the top left."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Tick:
    """A label at a place on the axis, or the mark of a percentile (then `y` is its label's line)."""

    x: float
    label: str
    y: float = 0.0
    anchor: str = "middle"


@dataclass(frozen=True)
class Chart:
    """A distribution as a picture; `summary` says the same in words, for those who do not see it."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def chart(latency: Latency) -> Chart:
    """The picture of one latency's distribution."""
    values = [max(value, _SMALLEST_MS) for value in latency.distribution.values]
    low, high = _range(values[0], values[-1])
    counts = [0] * _BINS
    for value, count in zip(values, latency.distribution.counts, strict=True):
        counts[min(_BINS - 1, int(_share(value, low, high) * _BINS))] += count
    percentiles = {percent: latency.distribution.percentile(percent) for percent in _MARKED}
    told = ", ".join(f"p{percent:g} {milliseconds(value)}" for percent, value in percentiles.items())
    return Chart(
        bars=_bars(counts, low, high),
        ticks=_ticks(low, high),
        marks=tuple(
            _mark(f"p{percent:g} {milliseconds(value)}", _x(value, low, high), 12 + 13 * row)
            for row, (percent, value) in enumerate(percentiles.items())
        ),
        summary=f"{latency.measure.name}: {latency.distribution.total:,} values, {told}",
    )


def _range(low: float, high: float) -> tuple[float, float]:
    """A little air on both sides; at least a fifth of a decade, so that equal values do not fill the picture."""
    air = max(0.02 * math.log10(high / low), 0.1 - math.log10(high / low) / 2, 0.0)
    return low / 10**air, high * 10**air


def _share(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, math.log(value / low) / math.log(high / low)))


def _x(value: float, low: float, high: float) -> float:
    return round(_LEFT + _share(max(value, low), low, high) * (_RIGHT - _LEFT), 1)


def _bars(counts: list[int], low: float, high: float) -> tuple[Bar, ...]:
    step = (_RIGHT - _LEFT) / _BINS
    largest, total = max(counts), sum(counts)
    bars = []
    for position, count in enumerate(counts):
        if not count:
            continue
        # A single value among many thousands must still be seen: the tail is what a user feels.
        height = max(1.5, count / largest * (_BOTTOM - _TOP))
        start, end = (low * (high / low) ** (edge / _BINS) for edge in (position, position + 1))
        title = f"{milliseconds(start)} to {milliseconds(end)}: {count:,} of {total:,}"
        bars.append(
            Bar(
                round(_LEFT + position * step, 1),
                round(_BOTTOM - height, 1),
                round(step - 1, 1),
                round(height, 1),
                title,
            )
        )
    return tuple(bars)


def _ticks(low: float, high: float) -> tuple[Tick, ...]:
    """Round values along the axis, as many as their labels have room for."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**decade for decade in decades for step in steps]
        places = [(_x(value, low, high), value) for value in values if low <= value <= high]
        roomy = all(after[0] - before[0] >= _LABEL_WIDTH for before, after in pairwise(places))
        if places and roomy:
            return tuple(_tick(x, value) for x, value in places)
    middle = math.sqrt(low * high)
    return (_tick(_x(middle, low, high), middle),)


def _tick(x: float, value: float) -> Tick:
    return Tick(x, f"{value / 1000:g} s" if value >= 1000 else f"{value:.3g} ms", anchor=_anchor(x, 40))


def _mark(label: str, x: float, y: float) -> Tick:
    return Tick(x, label, y, anchor="end" if x > (_LEFT + _RIGHT) / 2 else "start")


def _anchor(x: float, room: float) -> str:
    if x < _LEFT + room / 2:
        return "start"
    return "end" if x > _RIGHT - room / 2 else "middle"

"""The geometry of line charts: latency against load, and a load over its time.

Everything here is a number or made of numbers, so a page may place it without escaping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.chart import Tick
from reports.shapes import Capacity, Course
from reports.view import milliseconds

WIDTH, HEIGHT = 420, 216
# Two rows of words for the marks stand above the top, so that they never meet a line's name.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 412, 46, 182
_FAR = 8.0


@dataclass(frozen=True)
class Line:
    """One line through points; `path` is what an SVG polyline takes, `name` its words and `place` where they end."""

    name: str
    path: str
    dots: tuple[tuple[float, float, str], ...]
    place: tuple[float, float]


@dataclass(frozen=True)
class LineChart:
    """A picture of lines; `summary` says the same in words, for those who do not see it."""

    title: str
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    upward: tuple[tuple[float, str], ...]
    marks: tuple[Tick, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def curve_chart(capacity: Capacity) -> LineChart | None:
    """Latency against load: the time to first token at each rate that was tried; None for fewer than two rates."""
    # A first look that was cut short saw the beginning of its queue only.
    seen = [point for point in capacity.curve if point.proves or not point.cut_short]
    points = list({point.rate: point for point in seen}.values())
    series = {
        name: [
            (point.rate, value) for point in points if (value := point.latency("ttft_intended", percentile)) is not None
        ]
        for name, percentile in (("p50", "p50"), ("p95", "p95"))
    }
    marks = [(rate, word) for rate, word in ((capacity.low, "good"), (capacity.high, "not good")) if rate is not None]
    return _chart("TTFT against load", series, marks, lambda rate: f"{rate:g}/s", wide=True)


def course_chart(course: Course, ends: tuple[float, float] | None) -> LineChart | None:
    """The median and the 95th percentile of TTFT over the time of a load; `ends` are those of a burst (s)."""
    series: dict[str, list[tuple[float, float]]] = {"p50": [], "p95": []}
    for window in course.windows:
        found = window.ttft if window.ttft.total else window.e2e
        if found.total:
            middle = window.start + course.window / 2
            series["p50"].append((middle, found.percentile(50)))
            series["p95"].append((middle, found.percentile(95)))
    marks = [] if ends is None else [(ends[0], "burst"), (ends[1], "its end")]
    return _chart("TTFT over time", series, marks, lambda seconds: f"{seconds:g} s", wide=False)


def _chart(
    title: str,
    series: dict[str, list[tuple[float, float]]],
    marks: Sequence[tuple[float, str]],
    told: Callable[[float], str],
    *,
    wide: bool,
) -> LineChart | None:
    """Lines over an axis that is logarithmic when `wide`; so is that of the latencies (ms) where they differ much."""
    points = [point for line in series.values() for point in line]
    if len({x for x, _ in points}) < 2:
        return None
    xs, ys = [x for x, _ in points] + [x for x, _ in marks], [max(y, 0.01) for _, y in points]
    across = _Axis(min(xs), max(xs), _LEFT, _RIGHT, logarithmic=wide)
    far = max(ys) > _FAR * min(ys)
    # Near each other they are shown from 0 on: a hundredth more is then a hundredth more to see.
    upward = _Axis(min(ys) / 1.15 if far else 0.0, max(ys) * 1.15, _BOTTOM, _TOP, logarithmic=far)
    lines: list[Line] = []
    for name, line in series.items():
        dots = tuple((across.at(x), upward.at(max(y, 0.01)), f"{told(x)}: {name} {milliseconds(y)}") for x, y in line)
        if dots:
            # The lower line's name goes below it, lest both stand in one place.
            place = dots[-1][0], round(dots[-1][1] + (14 if not lines else -6), 1)
            lines.append(Line(name, " ".join(f"{x},{y}" for x, y, _ in dots), dots, place))
    words = "; ".join(
        f"{name} " + " to ".join(f"{milliseconds(y)} at {told(x)}" for x, y in (line[0], line[-1]))
        for name, line in series.items()
        if line
    )
    return LineChart(
        title=title,
        lines=tuple(lines),
        across=tuple((across.at(x), told(x)) for x in across.ticks(64)),
        upward=tuple((upward.at(y), f"{y / 1000:g} s" if y >= 1000 else f"{y:g} ms") for y in upward.ticks(22)),
        marks=tuple(_mark(across.at(x), word, row) for row, (x, word) in enumerate(marks)),
        summary=f"{title}: {words}",
    )


def _mark(x: float, word: str, row: int) -> Tick:
    return Tick(x, word, _TOP - 26 + 12 * row, "end" if x > WIDTH / 2 else "start")


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: int
    end: int
    logarithmic: bool

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        low, high, value = (math.log(one) if self.logarithmic else one for one in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

    def ticks(self, room: float) -> list[float]:
        """Round values along the axis that are at least `room` apart, as many as there are."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        else:
            step = 10 ** math.floor(math.log10(self.high - self.low))
            step = step / 5 if (self.high - self.low) / step < 4 else step
            values = [step * place for place in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        chosen: list[float] = []
        for value in values:
            inside = self.low <= value <= self.high
            if inside and (not chosen or abs(self.at(value) - self.at(chosen[-1])) >= room):
                chosen.append(float(f"{value:.6g}"))
        return chosen

"""The kinds of limiter there are, each as what it would have counted before a request: the least and the most.

Law: what a limiter counted follows from what it let pass, and never from its limit. So the limit is not searched for:
each request that passed says how large it is at least, and each that was refused how large it can be at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loadtests.limits.observed import Timeline

# How much later than its span a sliding window may forget, for those that count in slots: a share of the span.
GRAIN = 1 / 300


class Limiter(Protocol):
    """One limiter, but for its limit."""

    @property
    def kind(self) -> str:
        """Its name, one of `KINDS`."""

    @property
    def span(self) -> float:
        """The seconds that its limit is for."""

    def counted(self, timeline: Timeline) -> Counted:
        """A reader of what it had counted by these requests."""


class Counted(Protocol):
    """What a limiter had counted when it looked at a request."""

    def __call__(self, index: int) -> tuple[float, float]:
        """The least and the most, before request `index`."""


@dataclass(frozen=True)
class Sliding:
    """Counts what came in the last `span` seconds, at whatever moment it is asked."""

    span: float
    kind = "sliding"

    def counted(self, timeline: Timeline) -> Counted:
        """A request is forgotten when it is one span old."""
        slack, late = timeline.slack, self.span * GRAIN

        def at(index: int) -> tuple[float, float]:
            now = timeline.times[index]
            # Not before: a request that was sent just one span ago may have been forgotten.
            least = timeline.least(index, now + slack - self.span + 1e-6)
            return least, timeline.most(index, now - slack - self.span - late)

        return at


@dataclass(frozen=True)
class Fixed:
    """Counts in windows that begin at `starts`, or up to `within` seconds later; `anchored`: by the first request."""

    span: float
    starts: tuple[float, ...]
    within: float = 0.0
    anchored: bool = False

    @property
    def kind(self) -> str:
        """Windows by the clock, or by the first request."""
        return "fixed-from-first" if self.anchored else "fixed"

    def counted(self, timeline: Timeline) -> Counted:
        """The count starts again with each window."""
        starts, slack, span, within = self.starts, timeline.slack, self.span, self.within

        def at(index: int) -> tuple[float, float]:
            now = timeline.times[index]
            place = bisect_right(starts, now + slack)
            if not place:
                return 0.0, timeline.most(index, float("-inf"))
            begun = starts[place - 1]
            if now >= begun + within:
                over = now > begun + span + within + slack
                return (
                    (0.0, 0.0) if over else (timeline.least(index, begun + within), timeline.most(index, begun - slack))
                )
            # The window begins about then: this request may be the first in it, or one of the last before it.
            return 0.0, timeline.most(index, starts[place - 2] - slack if place > 1 else float("-inf"))

        return at


@dataclass(frozen=True)
class Weighted:
    """A sliding window that is estimated: this window's count, and the last one's by the share that overlaps."""

    span: float
    starts: tuple[float, ...]
    kind = "sliding-weighted"

    def counted(self, timeline: Timeline) -> Counted:
        """Two windows of the clock stand for each that slides."""
        starts, span, slack = self.starts, self.span, timeline.slack

        def used(index: int, now: float, *, most: bool) -> float:
            place = bisect_right(starts, now)
            begun = starts[place - 1] if place else starts[0] - span
            current = timeline.most(index, begun - slack) if most else timeline.least(index, begun)
            return current + timeline.amount(begun - span, begun) * max(0.0, 1 - (now - begun) / span)

        def at(index: int) -> tuple[float, float]:
            now = timeline.times[index]
            values: tuple[float, ...] = (used(index, now, most=True), used(index, now + slack, most=False))
            if bisect_right(starts, now) != bisect_right(starts, now + slack):
                values = (*values, used(index, now, most=False), used(index, now + slack, most=True))
            return min(values), max(values)

        return at


@dataclass(frozen=True)
class Bucket:
    """A token bucket that is refilled at `rate` a second; what its limit says is how much it holds."""

    rate: float
    kind = "bucket"
    span = 1.0

    def counted(self, timeline: Timeline) -> Counted:
        """What the bucket lacks."""
        times, sums, slack, rate = timeline.times, timeline.sums, timeline.slack, self.rate
        lacks: list[float] = []
        lacking, before = 0.0, times[0] if times else 0.0
        for now, amount in zip(times, timeline.settled, strict=True):
            lacking = max(0.0, lacking - rate * (now - before))
            lacks.append(lacking)
            lacking += amount
            before = now

        def at(index: int) -> tuple[float, float]:
            now = times[index]
            after = sums[bisect_right(times, now + slack)] - sums[index + 1]
            drift = rate * slack
            return max(0.0, lacks[index] - drift), lacks[index] + after + drift

        return at


KINDS = ("fixed", "fixed-from-first", "sliding", "sliding-weighted", "bucket")


def clocked(span: float, phase: float, since: float, until: float) -> tuple[float, ...]:
    """The starts of all windows of that span that touch the time between, one of them at `phase`."""
    first = phase - span * (int((phase - since) / span) + 1)
    count = int((until - first) / span) + 2
    return tuple(first + span * number for number in range(count))


def lasting(limiter: Limiter, timeline: Timeline) -> Limiter:
    """That limiter with its windows as they go on over all of these requests."""
    if not isinstance(limiter, Fixed | Weighted) or not timeline.times:
        return limiter
    if isinstance(limiter, Fixed) and limiter.anchored:
        return replace(limiter, starts=tuple(from_first(limiter.span, timeline)))
    since, until = timeline.times[0] - limiter.span, timeline.times[-1] + limiter.span
    return replace(limiter, starts=clocked(limiter.span, limiter.starts[0], since, until))


def from_first(span: float, timeline: Timeline) -> Sequence[float]:
    """The starts of windows that each begin with the first request that passed after the last one's end."""
    passed = [now for now, one in zip(timeline.times, timeline.seen, strict=True) if one.passed]
    starts: list[float] = []
    place = 0
    while place < len(passed):
        starts.append(passed[place])
        place = bisect_left(passed, starts[-1] + span - timeline.slack, lo=place + 1)
    return starts

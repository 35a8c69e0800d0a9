"""Asks as fast as a limiter that is known lets pass, so that a slower one behind it shows.

Law: what a governor sends is let pass by its limiter, as far as that one's bounds and its clock are known; a bucket
refuses one in some hundreds.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from loadtests.limits.limiters import GRAIN, Bucket, Fixed
from loadtests.limits.observed import Observation
from loadtests.limits.opinion import Opinion

# The share of a window in which its requests are sent: the rest is for delays.
_SPREAD = 0.8
# What is refused all the same is asked so much more slowly from then on.
_LATER = 1.001
_BORDER = 0.1
_OFTEN, _SELDOM = 40, 400
_SLOWER = 1.005
# A bucket is kept nearly empty: it is refused now and then, and that tells its rate.
_ABOVE = 1.01


class Governor(Protocol):
    """Says when to send."""

    def next(self, now: float) -> float:
        """The next time at which a request passes for certain, `now` or later (s)."""

    def sent(self, now: float, /) -> None:
        """One was sent at that time."""

    def held(self, now: float, /) -> None:
        """One was refused all the same: what passes next does so a little later."""


class Windows:
    """For windows of the clock: as many as one takes, early in each; `margin` is kept at both ends (s)."""

    def __init__(self, start: float, span: float, count: int, margin: float) -> None:
        self._start, self._span, self._count = start, span, max(1, count)
        # What is sent at a border may fall into either window, of this limiter and of a longer one.
        self._margin = min(max(margin, _BORDER * span), span / 4)
        self._window = -1
        self._used = 0

    def next(self, now: float) -> float:
        """The next slot of this window, or the first of the next one."""
        gap = _SPREAD * (self._span - 2 * self._margin) / self._count
        window = int((now - self._start) // self._span)
        if window > self._window:
            # It may have been used before: nothing is known of one that was come into halfway.
            late = now > self._start + window * self._span + self._span / 4
            self._window, self._used = window + late, 0
        if self._used >= self._count:
            self._window, self._used = self._window + 1, 0
        begun = self._start + self._window * self._span
        at = max(now, begun + self._margin + self._used * gap)
        if at > begun + self._span - self._margin:
            self._window, self._used = self._window + 1, 0
            at = begun + self._span + self._margin
        return at

    def sent(self, _: float) -> None:
        """One more in this window."""
        self._used += 1

    def held(self, now: float) -> None:
        """The window of that time is used up."""
        window = int((now - self._start) // self._span)
        if window >= self._window:
            self._window, self._used = window, self._count


class Recent:
    """For windows that slide or begin with a request: as many as one takes in each `period` seconds."""

    def __init__(self, period: float, count: int) -> None:
        self._times: deque[float] = deque(maxlen=max(1, count))
        self._period = period
        self._gap = _SPREAD * period / max(1, count)
        self._not_before = 0.0

    def next(self, now: float) -> float:
        """When the one so many before is a period old."""
        at = max(now, self._not_before)
        if self._times:
            at = max(at, self._times[-1] + self._gap)
        if len(self._times) == self._times.maxlen:
            at = max(at, self._times[0] + self._period)
        return at

    def sent(self, now: float) -> None:
        """Note the time."""
        self._times.append(now)

    def held(self, now: float) -> None:
        """A few more are in the window than were known of."""
        self._not_before = now + self._period / 8
        self._period *= _LATER


class Even:
    """For a bucket: one after another at a rate a second, which is a little more than it takes."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / max(1e-6, rate)
        self._due = 0.0
        self._since = 0

    def next(self, now: float) -> float:
        """One gap after the last; what is late is not made up for."""
        self._due = max(self._due, now - self._gap)
        return max(now, self._due)

    def sent(self, _: float) -> None:
        """The next is due one gap later."""
        self._due += self._gap
        self._since += 1
        if self._since % _SELDOM == 0:
            self._gap /= _ABOVE

    def held(self, now: float) -> None:
        """The bucket is to fill up a little; where that comes too often, the rate was too high."""
        if self._since < _OFTEN:
            self._gap *= _SLOWER
        self._due, self._since = now + 3 * self._gap, 0


def governor(short: Opinion, seen: list[Observation]) -> Governor:
    """The governor for a limiter that was found, with delays as those that were seen."""
    best = short.best
    if best is None or isinstance(best.limiter, Bucket):
        return Even(_ABOVE * short.rate)
    trips = sorted(one.answered - one.sent for one in seen if one.passed is False)
    jitter = trips[int(0.95 * (len(trips) - 1))] - trips[0] if trips else 0.0
    span = short.spans[0] if len(short.spans) == 1 else best.limiter.span
    count = int(short.holds[0])
    if isinstance(best.limiter, Fixed) and not best.limiter.anchored:
        return Windows(best.limiter.starts[0], span, count, best.limiter.within + short.slack + 0.01)
    late = jitter + 0.01 if isinstance(best.limiter, Fixed) else span * GRAIN + jitter / 2
    return Recent(span + late, count)

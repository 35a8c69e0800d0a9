"""Counts amounts against a capacity per span: token bucket, fixed window and sliding window, in exact integers.

Law: what was really used never exceeds the capacity in the span that the kind defines, except by one amount that alone
is larger, which waits until nothing else is counted; `wait` is the shortest there is. Times are whole microseconds of
a clock that never goes back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND

_SLOTS = 600  # in the span of a sliding window: its grain, a tenth of a second for a minute
_LOWS = 128  # how exactly a bucket remembers what it was


class Meter(Protocol):
    """Counts amounts against a capacity."""

    def wait(self, amount: int, now: int) -> int:
        """Microseconds until that amount fits when nobody else asks; 0 when it fits now. Counts nothing."""

    def add(self, amount: int, now: int) -> None:
        """Count that amount, whether it fits or not."""

    def settle(self, added_at: int, change: int, now: int) -> None:
        """Correct an amount added at that time by `change`; negative gives back what is still counted of it."""

    def remaining(self, now: int) -> int:
        """The largest amount that fits now; never negative."""


class Bucket:
    """A token bucket: full at first, refilled evenly over the span."""

    __slots__ = ("_at", "_capacity", "_debt", "_lows", "_span")

    def __init__(self, capacity: int, span: int = MINUTE) -> None:
        self._capacity = capacity
        self._span = span
        # What the bucket lacks, times the span: so a microsecond pays back exactly the capacity.
        self._debt = 0
        self._at = 0
        # (time, the least that the bucket has lacked since then); both increase.
        self._lows: list[tuple[int, int]] = []

    def wait(self, amount: int, now: int) -> int:
        """How long the bucket needs to hold that amount, or to be full for a larger one."""
        self._refill(now)
        lacking = self._debt - (self._capacity - min(amount, self._capacity)) * self._span
        return max(0, -(-lacking // self._capacity))

    def add(self, amount: int, now: int) -> None:
        """Take it out; more than is there leaves a debt."""
        self._refill(now)
        self._debt += amount * self._span

    def settle(self, added_at: int, change: int, now: int) -> None:
        """Take out more, or pour back what would be there now if the change had been known then.

        A bucket that has been full since then has made good by itself: what flowed over would have flowed over.
        """
        self._refill(now)
        if change >= 0:
            self._debt += change * self._span
            return
        low = next((debt for at, debt in self._lows if at > added_at), self._debt)
        back = min(-change * self._span, low)
        self._debt -= back
        lowered = [(at, debt - back if at > added_at else debt) for at, debt in self._lows]
        self._lows = []
        for at, debt in lowered:
            self._note(at, debt)

    def remaining(self, now: int) -> int:
        """Whole units in the bucket."""
        self._refill(now)
        return max(0, self._capacity - -(-self._debt // self._span))

    def _refill(self, now: int) -> None:
        if now > self._at:
            self._debt = max(0, self._debt - (now - self._at) * self._capacity)
            self._at = now
            self._note(now, self._debt)

    def _note(self, at: int, debt: int) -> None:
        lows = self._lows
        while lows and lows[-1][1] >= debt:
            lows.pop()
        lows.append((at, debt))
        if len(lows) > _LOWS:
            self._coarsen()

    def _coarsen(self) -> None:
        """Keep of debts that are nearly the same the least, for the longest: that errs by giving back less."""
        step = (self._lows[-1][1] - self._lows[0][1]) * 2 // _LOWS
        coarse: list[tuple[int, int]] = []
        for at, debt in self._lows:
            if coarse and debt - coarse[-1][1] < step:
                coarse[-1] = (at, coarse[-1][1])
            else:
                coarse.append((at, debt))
        self._lows = coarse


class FixedWindow:
    """A count that starts again with each span of the clock."""

    __slots__ = ("_capacity", "_span", "_start", "_used")

    def __init__(self, capacity: int, span: int = MINUTE) -> None:
        self._capacity = capacity
        self._span = span
        self._start = 0
        self._used = 0

    def wait(self, amount: int, now: int) -> int:
        """How long the window still lasts, when that is too much for it."""
        self._roll(now)
        return self._start + self._span - now if self._used and self._used + amount > self._capacity else 0

    def add(self, amount: int, now: int) -> None:
        """Count it in the window of that time."""
        self._roll(now)
        self._used += amount

    def settle(self, added_at: int, change: int, now: int) -> None:
        """Correct the count, unless its window is over."""
        self._roll(now)
        if added_at >= self._start:
            self._used = max(0, self._used + change)

    def remaining(self, now: int) -> int:
        """What the window has left."""
        self._roll(now)
        return max(0, self._capacity - self._used)

    def _roll(self, now: int) -> None:
        start = now - now % self._span
        if start > self._start:
            self._start, self._used = start, 0


class SlidingWindow:
    """A count of the last span, at whatever moment it is asked; an amount leaves when its slot of time is that old."""

    __slots__ = ("_amounts", "_capacity", "_grain", "_slots", "_span", "_used")

    def __init__(self, capacity: int, span: int = MINUTE) -> None:
        self._capacity = capacity
        self._span = span
        self._grain = max(1, span // _SLOTS)
        # The slots in which something was counted, oldest first, and how much.
        self._slots = array("q")
        self._amounts = array("q")
        self._used = 0

    def wait(self, amount: int, now: int) -> int:
        """How long until enough of the older ones are old enough."""
        self._expire(now)
        left = self._used
        if not left or left + amount <= self._capacity:
            return 0
        end = now
        for slot, counted in zip(self._slots, self._amounts, strict=True):
            if counted:
                left -= counted
                end = self._end(slot)
            if not left or left + amount <= self._capacity:
                break
        return end - now

    def add(self, amount: int, now: int) -> None:
        """Count it in the slot of that time."""
        self._expire(now)
        slot = now // self._grain
        if not self._slots or self._slots[-1] != slot:
            self._slots.append(slot)
            self._amounts.append(0)
        self._amounts[-1] += amount
        self._used += amount

    def settle(self, added_at: int, change: int, now: int) -> None:
        """Correct the slot of that time, unless it is too old to count."""
        self._expire(now)
        slot = added_at // self._grain
        index = bisect_left(self._slots, slot)
        if index < len(self._slots) and self._slots[index] == slot:
            change = max(-self._amounts[index], change)
            self._amounts[index] += change
            self._used += change

    def remaining(self, now: int) -> int:
        """What the last span has left."""
        self._expire(now)
        return max(0, self._capacity - self._used)

    def _end(self, slot: int) -> int:
        return (slot + 1) * self._grain + self._span

    def _expire(self, now: int) -> None:
        gone = 0
        for slot in self._slots:
            if self._end(slot) > now:
                break
            self._used -= self._amounts[gone]
            gone += 1
        if gone:
            del self._slots[:gone]
            del self._amounts[:gone]


class Both:
    """Two meters, each of which must let an amount pass: a minute's and that of a part of it."""

    __slots__ = ("_meters",)

    def __init__(self, first: Meter, second: Meter) -> None:
        self._meters = (first, second)

    def wait(self, amount: int, now: int) -> int:
        """The longer wait."""
        return max(meter.wait(amount, now) for meter in self._meters)

    def add(self, amount: int, now: int) -> None:
        """Count it in both."""
        for meter in self._meters:
            meter.add(amount, now)

    def settle(self, added_at: int, change: int, now: int) -> None:
        """Correct both."""
        for meter in self._meters:
            meter.settle(added_at, change, now)

    def remaining(self, now: int) -> int:
        """What fits in both."""
        return min(meter.remaining(now) for meter in self._meters)

"""Counts requests and tokens per key and minute, by token bucket, fixed window or sliding window.

Law: a meter never lets more than its capacity through in the span it watches, except one request that alone is larger,
which waits until nothing else is counted; memory is bounded by the number of keys kept.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Window = Literal["bucket", "fixed", "sliding"]
WINDOWS: tuple[Window, ...] = get_args(Window)

MINUTE = 60.0
_KEYS = 1024
_SLOT = 0.1  # seconds: the grain of the sliding window, so that a minute is at most 600 entries


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one key may ask for in a minute; None means as much as it likes."""

    requests_per_minute: int | None = 1_000
    tokens_per_minute: int | None = 200_000
    window: Window = "bucket"

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise ValueError(f"window {self.window!r} is not one of {', '.join(WINDOWS)}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give a positive number, or None for no limit")


DEFAULT = Limits()
UNLIMITED = Limits(requests_per_minute=None, tokens_per_minute=None)


class Meter(Protocol):
    """Counts amounts against a capacity; times are seconds of one clock."""

    def take(self, amount: int, now: float) -> float:
        """Count that amount and return 0, or count nothing and return the seconds until it may fit."""

    def settle(self, taken_at: float, change: int, now: float) -> None:
        """Correct an amount taken at that time by `change` (negative gives back)."""

    def remaining(self, now: float) -> int:
        """How much would fit now; never negative."""


class Bucket:
    """A token bucket: full at first, refilled evenly over the minute."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._level = float(capacity)
        self._at = -math.inf

    def take(self, amount: int, now: float) -> float:
        """Count that amount, or say how long the bucket needs to hold it."""
        self._refill(now)
        needed = min(amount, self._capacity)
        # A float that should be whole may lack its last bit.
        if self._level + 1e-6 >= needed:
            self._level -= amount
            return 0.0
        return (needed - self._level) * MINUTE / self._capacity

    def settle(self, taken_at: float, change: int, now: float) -> None:  # noqa: ARG002 - a bucket forgets when
        """Pour back, or take out more."""
        self._refill(now)
        self._level = min(self._capacity, self._level - change)

    def remaining(self, now: float) -> int:
        """Whole units in the bucket."""
        self._refill(now)
        return max(0, int(self._level + 1e-6))

    def _refill(self, now: float) -> None:
        if self._at != -math.inf and now > self._at:
            self._level = min(self._capacity, self._level + (now - self._at) * self._capacity / MINUTE)
        self._at = max(self._at, now)


class FixedWindow:
    """A count that starts again at each full minute of the clock."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._start = -math.inf
        self._used = 0

    def take(self, amount: int, now: float) -> float:
        """Count that amount, or say how long the window still lasts."""
        self._roll(now)
        if self._used and self._used + amount > self._capacity:
            return self._start + MINUTE - now
        self._used += amount
        return 0.0

    def settle(self, taken_at: float, change: int, now: float) -> None:
        """Correct the count, unless its window is over."""
        self._roll(now)
        if taken_at >= self._start:
            self._used = max(0, self._used + change)

    def remaining(self, now: float) -> int:
        """What the window has left."""
        self._roll(now)
        return max(0, self._capacity - self._used)

    def _roll(self, now: float) -> None:
        start = math.floor(now / MINUTE) * MINUTE
        if start > self._start:
            self._start, self._used = start, 0


class SlidingWindow:
    """A count of the last sixty seconds, at whatever moment it is asked."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._slots: deque[list[float]] = deque()  # [time of the slot, amount]
        self._used = 0.0

    def take(self, amount: int, now: float) -> float:
        """Count that amount, or say when enough of the older ones are a minute old."""
        self._expire(now)
        if not self._used or self._used + amount <= self._capacity:
            slot = _slot(now)
            if self._slots and self._slots[-1][0] == slot:
                self._slots[-1][1] += amount
            else:
                self._slots.append([slot, amount])
            self._used += amount
            return 0.0
        left = self._used
        for at, counted in self._slots:
            left -= counted
            if left <= 0 or left + amount <= self._capacity:
                return at + _SLOT + MINUTE - now
        return MINUTE

    def settle(self, taken_at: float, change: int, now: float) -> None:
        """Correct the slot of that time, unless it is a minute old."""
        self._expire(now)
        slot = _slot(taken_at)
        for entry in reversed(self._slots):
            if entry[0] == slot:
                change_made = max(-entry[1], change)
                entry[1] += change_made
                self._used += change_made
                return

    def remaining(self, now: float) -> int:
        """What the last minute has left."""
        self._expire(now)
        return max(0, int(self._capacity - self._used))

    def _expire(self, now: float) -> None:
        while self._slots and self._slots[0][0] + _SLOT + MINUTE <= now:
            self._used -= self._slots.popleft()[1]


def _slot(now: float) -> float:
    return math.floor(now / _SLOT) * _SLOT


_METERS: dict[Window, Callable[[int], Meter]] = {"bucket": Bucket, "fixed": FixedWindow, "sliding": SlidingWindow}


@dataclass(frozen=True)
class Refusal:
    """Why a request may not pass now: which limit, and the seconds to wait."""

    limit: Literal["requests", "tokens"]
    wait: float

    @property
    def retry_after(self) -> int:
        """Whole seconds, at least one, as the header wants them."""
        return max(1, math.ceil(self.wait))


@dataclass(frozen=True)
class Charge:
    """Tokens counted when a request was admitted, to be settled by what it used."""

    key: str
    tokens: int
    at: float


class Limiter:
    """The meters of all keys; the key used longest ago is forgotten first."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._meters: OrderedDict[str, tuple[Meter | None, Meter | None]] = OrderedDict()

    def admit(self, key: str) -> Refusal | None:
        """Count one request; the refusal when there are too many."""
        requests, _ = self._of(key)
        wait = requests.take(1, self._clock()) if requests else 0.0
        return Refusal("requests", wait) if wait else None

    def charge(self, key: str, tokens: int) -> Charge | Refusal:
        """Count the tokens that a request may cost; the refusal when they are too many."""
        _, meter = self._of(key)
        now = self._clock()
        wait = meter.take(tokens, now) if meter else 0.0
        return Refusal("tokens", wait) if wait else Charge(key, tokens, now)

    def settle(self, charge: Charge, used: int) -> None:
        """Correct a charge by the tokens that the request really used."""
        _, meter = self._of(charge.key)
        if meter and used != charge.tokens:
            meter.settle(charge.at, used - charge.tokens, self._clock())

    def headers(self, key: str) -> dict[str, str]:
        """What is left, as `x-ratelimit-*` headers; empty where there is no limit."""
        now = self._clock()
        caps = (self.limits.requests_per_minute, self.limits.tokens_per_minute)
        told: dict[str, str] = {}
        for name, cap, meter in zip(("requests", "tokens"), caps, self._of(key), strict=True):
            if meter:
                told[f"x-ratelimit-limit-{name}"] = str(cap)
                told[f"x-ratelimit-remaining-{name}"] = str(meter.remaining(now))
        return told

    def _of(self, key: str) -> tuple[Meter | None, Meter | None]:
        found = self._meters.get(key)
        if found is None:
            make = _METERS[self.limits.window]
            caps = (self.limits.requests_per_minute, self.limits.tokens_per_minute)
            first, second = (make(cap) if cap else None for cap in caps)
            found = self._meters[key] = (first, second)
            while len(self._meters) > _KEYS:
                self._meters.popitem(last=False)
        else:
            self._meters.move_to_end(key)
        return found

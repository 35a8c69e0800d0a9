"""What a search may do and has done: its bounds, its steps, and a ledger of what was sent and what came back.

Law: whatever a part of a search wants, it is asked for here: never two things at once, and never more under way than
the bounds allow.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from loadtests.limits.observed import Asked, Observation

SETTLE = 3.0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a run may do: requests and refusals in all, seconds, requests a second, requests under way at once.

    `aim` is the limit a minute up to which is looked, in units of the quota; `longest` the longest window (s).
    """

    requests: int
    refused: int
    seconds: float
    rate: float = 100.0
    in_flight: int = 256
    aim: float = 2_000.0
    longest: float = 60.0


@dataclass(frozen=True)
class Send:
    """Send this now."""

    asked: Asked


@dataclass(frozen=True)
class Wait:
    """Do nothing until that time (s), or until an answer comes."""

    until: float


Step = Send | Wait
Course = Generator[Step, None, None]


class Ledger:
    """One search so far: `now` is the time, `promise` when the last refusal said that service returns (s; 0: never).

    `broken_promises` counts those refused after that time.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.seen: list[Observation] = []
        self.begun = self.now = 0.0
        self.sent = self.answered = self.refused = self.passed = 0
        self.promise = 0.0
        self.broken_promises = 0
        self._last_refused: Observation | None = None

    def take(self, one: Observation) -> None:
        """What became of a request that was sent."""
        self.seen.append(one)
        self.answered += 1
        self.passed += bool(one.passed)
        if one.passed is False:
            self.refused += 1
            if self._last_refused is None or one.sent >= self._last_refused.sent:
                self._last_refused = one
                self.promise = one.answered + one.retry_after if one.retry_after else 0.0

    @property
    def under_way(self) -> int:
        """Requests sent and not yet answered."""
        return self.sent - self.answered

    @property
    def quiet_since(self) -> float:
        """When the last request that was answered had been sent."""
        return max((one.sent for one in self.seen), default=self.begun)

    def send(self, at: float, asked: Asked) -> Generator[Step, None, bool]:
        """Send at that time, unless something is refused before; whether it was sent."""
        refused = self.refused
        while self.now < at or self.under_way >= self.bounds.in_flight:
            if self.refused > refused:
                return False
            yield Wait(at if self.now < at else self.now + 0.05)
        if self.refused > refused:
            return False
        yield Send(asked)
        return True

    def until(self, at: float) -> Course:
        """Wait until that time."""
        while self.now < at:
            yield Wait(at)

    def settle(self) -> Course:
        """Wait for what is under way."""
        until = self.now + SETTLE
        while self.under_way and self.now < until:
            yield Wait(until)

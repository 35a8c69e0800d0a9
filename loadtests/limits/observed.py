"""What a probe saw, request by request, and how much of it certainly or possibly counted at a moment.

Law: when a limiter looked at a request is never known, only that it was between sending and answering; so every amount
is a pair, the least and the most that can have been counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

FOREVER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for: `kind` names the body that was sent, the rest is what it may cost in tokens."""

    kind: str = "plain"
    prompt: int = 0
    max_tokens: int = 1
    candidates: int = 1

    @property
    def most(self) -> int:
        """The most tokens that it may cost."""
        return self.prompt + self.max_tokens * self.candidates


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One request, in seconds on the run's clock; `passed` is None where neither an answer nor a 429 came.

    `retry_after` is in seconds. `limit`, `remaining` and `reset` are what `x-ratelimit-*` said of the quota that is
    looked for; `about` is the quota that a refusal named. `used` are tokens by the endpoint's count.
    """

    sent: float
    answered: float
    passed: bool | None
    status: int | None = None
    asked: Asked = field(default_factory=Asked)
    retry_after: float | None = None
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    about: str = ""
    used: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the endpoint refused the request itself: an error that is no 429."""
        return self.passed is not None and self.status is not None and self.status not in (200, 429)

    def to_record(self) -> list[Any]:
        """The request in a few values: sent, answered, status, kind, Retry-After, limit, remaining, reset, used."""
        return [
            round(self.sent, 4), round(self.answered, 4), self.status, self.asked.kind, self.retry_after, self.limit,
            self.remaining, self.reset, self.used,
        ]  # fmt: skip


# What a request counts: the amount while it is under way, and the amount once it was answered.
Price = Callable[[Observation], tuple[float, float]]


def one_each(_: Observation) -> tuple[float, float]:
    """A quota of requests: each counts one."""
    return 1.0, 1.0


class Timeline:
    """The requests in the order of sending, with what they count by one price.

    `slack` is the longest that a request may take to be looked at (s): it was looked at between `sent` and
    `sent + slack`. `counts` says which of them count beside those that passed.
    """

    def __init__(
        self,
        seen: Iterable[Observation],
        *,
        slack: float,
        price: Price = one_each,
        refused: bool = False,
        failed: bool = True,
    ) -> None:
        self.seen: Sequence[Observation] = sorted(seen, key=lambda one: one.sent)
        self.slack = slack
        self.prices = [price(one) for one in self.seen]
        self.charged = [_counts(one, refused=refused, failed=failed) for one in self.seen]
        # What was asked and refused counts as it was asked, what passed as it was settled in the end.
        self.settled = [
            (price[1] if one.passed else price[0]) if charged else 0.0
            for one, price, charged in zip(self.seen, self.prices, self.charged, strict=True)
        ]
        self.times = [one.sent for one in self.seen]
        self.sums = [0.0, *accumulate(self.settled)]
        # What passed, counted for certain, and what did not pass but may have been counted all the same.
        self._passed = [0.0, *accumulate(a if o.passed else 0.0 for a, o in zip(self.settled, self.seen, strict=True))]
        self._revised = [
            index
            for index, (one, price) in enumerate(zip(self.seen, self.prices, strict=True))
            if one.passed and price[0] != price[1]
        ]
        self._revised_times = [self.times[index] for index in self._revised]

    def amount(self, since: float, until: float) -> float:
        """What counts of the requests with since <= sent < until."""
        low, high = bisect_left(self.times, since), bisect_left(self.times, until)
        return self.sums[high] - self.sums[low] if high > low else 0.0

    def most(self, index: int, since: float) -> float:
        """The most that can count before request `index` was looked at, of what was sent at `since` or later."""
        start = bisect_left(self.times, since)
        end = bisect_right(self.times, self.times[index] + self.slack)
        if end <= start:
            return 0.0
        own = self.settled[index] if start <= index < end else 0.0
        return self.sums[end] - self.sums[start] - own + self._unsettled(index, since, most=True)

    def least(self, index: int, since: float) -> float:
        """The least that had been counted when the last of what passed up to `index` passed, without that one.

        Whatever the order in which they were looked at, one of them came last, and the others had been counted.
        """
        start, end = bisect_left(self.times, since), bisect_left(self.times, self.times[index] - self.slack)
        amount = self._passed[index] - self._passed[start] if index > start else 0.0
        if end > start:
            amount += (self.sums[end] - self._passed[end]) - (self.sums[start] - self._passed[start])
        return amount + self._unsettled(index, since, most=False)

    def _unsettled(self, index: int, since: float, *, most: bool) -> float:
        """By how much requests that were still under way counted otherwise than they were settled."""
        if not self._revised:
            return 0.0
        at = self.times[index]
        low, high = bisect_left(self._revised_times, since), bisect_right(self._revised_times, at + self.slack)
        change = 0.0
        for other in self._revised[low:high]:
            ends = self.seen[other].answered
            difference = self.prices[other][0] - self.prices[other][1]
            if other == index or ends < at:
                continue
            if ends > at + self.slack and self.times[other] < at - self.slack:
                change += difference
            else:
                # Settled about then: it may have counted either way.
                change += max(difference, 0.0) if most else min(difference, 0.0)
        return change


def _counts(one: Observation, *, refused: bool, failed: bool) -> bool:
    if one.passed is None:
        return False
    if one.failed:
        return failed
    return one.passed or refused


def slack_of(seen: Sequence[Observation], floor: float = 0.0) -> float:
    """How long a request may take to be looked at, by how soon refusals came back; `floor` where there are none."""
    trips = sorted(one.answered - one.sent for one in seen if one.passed is False)
    if not trips:
        trips = sorted(one.answered - one.sent for one in seen if one.passed)[:20]
    if not trips:
        return floor
    return max(floor, trips[min(len(trips) - 1, int(0.95 * len(trips)))])

"""Decides what to ask next so that an endpoint's limits show in few requests; pure, with the time given from outside.

Law: within its bounds always, whatever comes back. While requests are refused it asks seldom: at the moment that was
promised, at moments at which a limiter of a customary window would let it in again, and otherwise more and more rarely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.limits.fitting import CUSTOMARY, accounted, returns
from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import Opinion

Phase = Literal["fill", "settle", "return", "burst", "long", "over"]


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

# Seconds after the head of the first fill: what is forgotten in the rhythm in which it came shows by this.
_PAUSE = 1.5
_RAMP = 15.0
_HEAD = 4
_SETTLE = 3.0
_FIRST_GAP = 0.25
_CYCLES = 16
_APART = 0.1
_FEW = 8
_TRIED = 10
_FINE = 4
_SHORT = 3.0
# Waits of one length would be taken for windows.
_VARIED = (1.0, 0.6, 0.85, 0.45)
_BELOW = 0.99
_SURE = 2


class Prober:
    """One search for one quota; `judge` says what the observations mean so far.

    `plain` is what is asked for, `broken` a request that the endpoint refuses for itself (None: not tried). `finer` are
    smaller ones that use up what is left, and `wide` one that may use as much as a plain one and uses little.
    """

    def __init__(
        self,
        bounds: Bounds,
        judge: Callable[[Sequence[Observation]], Opinion],
        *,
        plain: Asked,
        broken: Asked | None = None,
        finer: Sequence[Asked] = (),
        wide: Asked | None = None,
    ) -> None:
        self.bounds = bounds
        self.seen: list[Observation] = []
        self.phase: Phase = "fill"
        self.ended = ""
        self.opinion = Opinion()
        self.sent = 0
        self.behind: Opinion | None = None
        self.trace: list[tuple[float, Opinion]] = []
        self._judge = judge
        self._plain, self._broken = plain, broken
        self._finer, self._wide = finer, wide
        self._begun = self._now = 0.0
        self._answered = self._refused = 0
        self._last_refused: Observation | None = None
        self._promise = self._burst_begun = 0.0
        self._broken_promises = 0
        self._course: Course | None = None

    def next(self, now: float) -> Step | None:
        """What to do at that time; None when the search is over."""
        if self._course is None:
            self._begun = now
            self._course = self._search()
        self._now = now
        if not self.ended:
            self.ended = self._spent()
        if self.ended:
            return self._finish()
        step = next(self._course, None)
        if step is None:
            self.stop(self._outcome())
            return self._finish()
        if isinstance(step, Send):
            self.sent += 1
        return step

    def take(self, one: Observation) -> None:
        """What became of a request that was sent."""
        self.seen.append(one)
        self._answered += 1
        if one.passed is False:
            self._refused += 1
            if self._last_refused is None or one.sent >= self._last_refused.sent:
                self._last_refused = one
                self._promise = one.answered + one.retry_after if one.retry_after else 0.0

    def stop(self, why: str) -> None:
        """Send nothing more."""
        self.ended = self.ended or why

    @property
    def under_way(self) -> int:
        """Requests sent and not yet answered."""
        return self.sent - self._answered

    def _finish(self) -> Step | None:
        """Wait for what is under way, then judge for good."""
        if self.phase != "over" and self.under_way and self._now < self._quiet_since + _SETTLE:
            return Wait(self._quiet_since + _SETTLE)
        self.phase = "over"
        self.opinion = self._judge(self._puzzling())
        return None

    def _outcome(self) -> str:
        return "enough was seen" if self.opinion.enough else f"more would be needed: {self.opinion.open}"

    @property
    def _quiet_since(self) -> float:
        return max((one.sent for one in self.seen), default=self._begun)

    def _spent(self) -> str:
        bounds = self.bounds
        if self.sent >= bounds.requests:
            return f"the {bounds.requests:,} requests were spent"
        if self._refused >= bounds.refused:
            return f"{self._refused:,} requests had been refused"
        return f"{bounds.seconds:,.0f} s were over" if self._now - self._begun >= bounds.seconds else ""

    def _search(self) -> Course:
        """The whole search."""
        yield from self._fill()
        if not self._refused:
            self.ended = "nothing was refused"
            return
        yield from self._cycles()
        if self._wide is not None and self.opinion.enough:
            yield from self._try_wide(self._wide)
        if self.opinion.enough and self.opinion.period < self.bounds.longest / 2:
            short = self.opinion
            if (yield from self._long_check(short)):
                self.behind = short
                self.opinion = Opinion()
                yield from self._cycles()

    def _try_wide(self, wide: Asked) -> Course:
        """Ask for much and use little, as often as a limit on what is asked for would allow, and a fifth more."""
        pause = self._now + (self.bounds.longest / 4 if self.opinion.is_bucket else 0.0)
        while self._now < pause:
            yield Wait(pause)
        if not (yield from self._until_return(_FIRST_GAP)):
            return
        passed = max(1, sum(1 for one in self.seen if one.passed and one.asked == self._plain))
        at, refused = self._now, self._refused
        for _ in range(min(int(1.2 * self.bounds.aim), passed)):
            if not (yield from self._send(at, wide)):
                break
            at = max(at, self._now - 0.2) + 1 / self.bounds.rate
        yield from self._settle()
        if self._refused > refused:
            yield from self._use_up()
        self._enough()

    def _use_up(self) -> Course:
        """Ask for less and less, so that what a large request would not fit into shows how much it is."""
        yield from self._settle()
        for asked in self._finer:
            for _ in range(_FINE):
                refused = self._refused
                # Apart, or else they would be taken for too many at one moment.
                if not (yield from self._send(self._now + _APART, asked)):
                    break
                yield from self._settle()
                if self._refused > refused:
                    break

    def _puzzling(self) -> Sequence[Observation]:
        """What was seen, without the refusals that a shorter window accounts for."""
        if self.behind is None or self.behind.best is None:
            return self.seen
        return accounted(self.seen, self.behind.best, self.behind.slack)

    def _cycles(self) -> Course:
        """Wait until service returns and use it up again, until what was seen is enough."""
        patience = grown = 0
        for cycle in range(_CYCLES):
            yield from self._settle()
            if cycle and self._enough():
                return
            asked = self.sent
            gap = _FIRST_GAP * 2 ** min(patience, 6)
            if self.opinion.refill is not None and (patience or self.opinion.is_bucket):
                gap, grown = self._refilled(4 * 3**grown, _VARIED[cycle % len(_VARIED)]), grown + 1
            elif self.opinion.rivals and 0 < min(self.opinion.spans, default=0.0) <= _SHORT:
                # Just when the first of the last burst is one window old: all or one by one, that is the question.
                gap = max(_APART, self._burst_begun + self.opinion.spans[0] * (1 + 1 / 300) + 0.03 - self._now)
            returned = yield from self._until_return(gap)
            if not returned:
                self.ended = f"service did not return in {self._now - self._quiet_since:.0f} s"
                return
            # Where it returns by and by, longer waits say more; where it comes at once, they say nothing.
            patience = patience + 1 if self.sent == asked + 1 else 0
            yield from self._burst(cycle)

    def _refilled(self, amount: float, share: float) -> float:
        """The seconds until a bucket has about that much again: when it is as likely as not to hold the last of it."""
        at, level, rate = self.opinion.refill or (self._now, 0.0, 1.0)
        amount = max(1.0, min(amount, rate * self.bounds.longest / 4) * share)
        return max(_APART, at + (math.ceil(amount) - level) / rate - self._now)

    def _enough(self) -> bool:
        self.opinion = self._judge(self._puzzling())
        self.trace.append((self._now, self.opinion))
        return self.opinion.enough

    def _send(self, at: float, asked: Asked) -> Generator[Step, None, bool]:
        """Send at that time, unless something is refused before; whether it was sent."""
        refused = self._refused
        while self._now < at or self.under_way >= self.bounds.in_flight:
            if self._refused > refused:
                return False
            yield Wait(at if self._now < at else self._now + 0.05)
        if self._refused > refused:
            return False
        yield Send(asked)
        return True

    def _fill(self) -> Course:
        """Ask faster and faster until something is refused, with a pause after the first few."""
        self.phase = "fill"
        at, bounds = self._now, self.bounds
        # Time to become fast, and two windows at full speed: one of them lies whole within.
        until = at + _RAMP + 2.05 * bounds.longest
        count = 0
        # Whatever window there is, half of these fall into one.
        wanted = int(2.05 * bounds.aim) + _HEAD
        while count < wanted and not self._refused and self._now < until:
            if not (yield from self._send(at, self._plain)):
                break
            count += 1
            at = max(at, self._now - 0.2) + (_PAUSE if count == _HEAD else 1 / min(bounds.rate, 20 + count / 3))
        # The last answers may still refuse.
        yield from self._settle()
        if self._refused:
            yield from self._use_up()

    def _settle(self) -> Course:
        """Wait for what is under way."""
        until = self._now + _SETTLE
        while self.under_way and self._now < until:
            yield Wait(until)

    def _until_return(self, gap: float) -> Generator[Step, None, bool]:
        """Ask now and then until something passes."""
        self.phase = "return"
        base = self._now
        last, spacing = base, gap
        until = base + 1.15 * self.bounds.longest + 2
        while self._now < until:
            at = self._next_poll(last, spacing)
            refused = self._refused
            while self._now < at:
                yield Wait(at)
            promised = self._promise
            yield Send(self._plain)
            answered = self._answered
            while self._answered == answered and self._now < at + 5:
                yield Wait(at + 5)
            if self._refused == refused:
                return True
            if promised and at >= promised:
                self._broken_promises += 1
            last, spacing = max(at, base), min(max(spacing * self._growth(), _APART), self._coarse())
        return False

    def _growth(self) -> float:
        """By how much the next wait is longer: a small quota is not spent on asking whether it is spent."""
        return 1.6 if self._quota() >= 100 else 2.5

    def _quota(self) -> int:
        return sum(1 for one in self.seen if one.passed)

    def _coarse(self) -> float:
        """How seldom to ask at random: seldom enough to cost a small share of the quota."""
        step = self.bounds.longest / min(40.0, 3 + self._quota() / 8)
        return step * 3 if self._promise > self._now and not self._broken_promises else step

    def _next_poll(self, last: float, spacing: float) -> float:
        """The next moment worth asking at."""
        least = last + (spacing if last == self._now else _APART)
        times = [last + spacing]
        if self._promise and not self._broken_promises:
            times.append(self._promise + 0.03)
        times += [at for at in self._expected() if at > least]
        return max(min(at for at in times if at >= min(least, last + spacing)), last + _APART)

    def _expected(self) -> list[float]:
        """When limiters of customary windows would let a request in again."""
        spans = self.opinion.spans if self.opinion.limit_known else ()
        usual = CUSTOMARY if self._quota() >= 100 else (1.0, 5.0, 10.0, 60.0, self.bounds.longest)
        spans = spans or tuple(span for span in usual if span <= self.bounds.longest)
        seen = sorted(self.seen, key=lambda one: one.sent)
        begins = [next((one.sent for one in seen if one.passed), self._begun)]
        for low, high in returns(seen)[-3:]:
            begins += [high] if high - low < 0.5 else [(low + high) / 2, high]
        return [begin + span * (1 + 1 / 300) + 0.05 for begin in begins for span in spans]

    def _burst(self, cycle: int) -> Course:
        """Ask until something is refused again; few requests where they would say nothing new."""
        self.phase = "burst"
        at, count, refused = self._now, 0, self._refused
        self._burst_begun = at
        broken = 0
        while self._refused == refused:
            if count == _FEW and cycle and self.opinion.limit_known and not self.opinion.is_bucket:
                # All that may be open is how long a window is, and its return has told that.
                yield from self._settle()
                if self._enough():
                    return
                at = self._now
            if count == _TRIED and self._broken and not any(one.failed for one in self.seen):
                broken = max(2, min(20, self._quota() // 25))
            asked = self._broken if self._broken and broken else self._plain
            broken = max(0, broken - 1)
            if not (yield from self._send(at, asked)):
                break
            count += 1
            at = max(at, self._now - 0.2) + 1 / min(self.bounds.rate, self._pace(count, cycle))
        yield from self._use_up()

    def _pace(self, count: int, cycle: int) -> float:
        """Requests a second in a burst: the first few come faster than those that they may be let in for."""
        if count < _FEW * (1 + cycle % 2) and not self.opinion.is_bucket:
            return min(25.0 * (1 + cycle % 2), self._most_rate())
        return min(self._most_rate(), max(5.0, self._quota() / 10) + count)

    def _most_rate(self) -> float:
        return self.bounds.rate if self.behind is None else 0.95 * self.behind.rate

    def _long_check(self, short: Opinion) -> Generator[Step, None, bool]:
        """Ask as fast as a short window allows, as long as a longer one may hide behind it; whether one did."""
        self.phase = "long"
        at, until = self._now, self._now + 2 * self.bounds.longest + 2
        known, refused = self._refused, self._refused
        while self._now < until and short.best is not None:
            at = max(at + 1 / (_BELOW * short.rate), self._now)
            while self._now < at:
                yield Wait(at)
            if self._refused > refused:
                # One refusal may be bad luck at a border; what is refused a short window later is not.
                refused = self._refused
                yield from self._settle()
                if self._refused - known > _SURE:
                    left = accounted(self.seen, short.best, short.slack)
                    if sum(one.passed is False for one in left) > _SURE:
                        return True
                pause = self._now + short.period / 4
                while self._now < pause:
                    yield Wait(pause)
                at = self._now
            yield Send(self._plain)
        return False

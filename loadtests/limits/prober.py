"""Decides what to ask next so that an endpoint's limits show in few requests; pure, with the time given from outside.

Law: within its bounds always, whatever comes back.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Literal

from loadtests.limits.behind import hides, unexplained, use_up_behind
from loadtests.limits.fitting import accounted
from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import Judge, Opinion
from loadtests.limits.others import Others, others_of, suspected, watch
from loadtests.limits.refusing import Refusals
from loadtests.limits.returning import APART, until_return
from loadtests.limits.spending import ask_wide, use_up
from loadtests.limits.steps import SETTLE, Bounds, Course, Ledger, Send, Step, Wait
from loadtests.limits.tariff import Tariff, together, told
from loadtests.limits.telling import Trial

Phase = Literal["fill", "return", "burst", "long", "watch", "charge", "over"]


# Seconds after the head of the first fill: what is forgotten in the rhythm in which it came shows by this.
_PAUSE = 1.5
_RAMP = 15.0
_HEAD = 4
_FIRST_GAP = 0.25
_CYCLES = 16
_TWICE = 2
_FEW = 8
_TRIED = 10
_SHORT = 3.0
# A bucket that is full tells no rate.
_FULL = 0.7
_NEARLY = 1.1
_SMALL = 100
_PART = 0.15
# Refusals, in windows' worth; and how many there may be in any case.
_BORNE = 1.3
_LEAST_BORNE = 8
# Waits of one length would be taken for windows.
_VARIED = (1.0, 0.6, 0.85, 0.45)


class Prober:
    """One search for one quota; `judge` says what the observations mean so far.

    `plain` is what is asked for, `broken` a request that the endpoint refuses for itself (None: not tried). `finer` are
    smaller ones that use up what is left, and `wide` one that may use as much as a plain one and uses little.
    """

    def __init__(
        self,
        bounds: Bounds,
        judge: Judge,
        *,
        plain: Asked,
        broken: Asked | None = None,
        finer: Sequence[Asked] = (),
        wide: Asked | None = None,
    ) -> None:
        self.bounds = bounds
        self.ledger = Ledger(bounds)
        self.phase: Phase = "fill"
        self.ended = ""
        self.opinion = Opinion()
        self.behind: Opinion | None = None
        self.others: Others | None = None
        self.tariff = Tariff()
        self.trace: list[tuple[float, Opinion]] = []
        self._judge = judge
        self._plain, self._broken = plain, broken
        self._finer, self._wide = finer, wide
        self._alone: Opinion | None = None
        self._burst_begun = 0.0
        self._first_full = 0
        self._judged_until: int | None = None
        self._course: Course | None = None

    @property
    def seen(self) -> list[Observation]:
        """What was answered so far, in the order of the answers, but for those that tell how they are charged."""
        return self.ledger.seen[: self._judged_until]

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.ledger.sent

    def next(self, now: float) -> Step | None:
        """What to do at that time; None when the search is over."""
        ledger = self.ledger
        if self._course is None:
            ledger.begun = now
            self._course = self._search()
        ledger.now = now
        if not self.ended:
            self.ended = self._spent()
        if self.ended:
            return self._finish()
        step = next(self._course, None)
        if step is None:
            self.stop(self._outcome())
            return self._finish()
        if isinstance(step, Send):
            ledger.sent += 1
        return step

    def take(self, one: Observation) -> None:
        """What became of a request that was sent."""
        self.ledger.take(one)

    def stop(self, why: str) -> None:
        """Send nothing more."""
        self.ended = self.ended or why

    def _finish(self) -> Step | None:
        """Wait for what is under way, then judge for good."""
        ledger = self.ledger
        if self.phase != "over" and ledger.under_way and ledger.now < ledger.quiet_since + SETTLE:
            return Wait(ledger.quiet_since + SETTLE)
        self.phase = "over"
        self.opinion = self._judged()
        return None

    def _outcome(self) -> str:
        return "enough was seen" if self.opinion.enough else f"more would be needed: {self.opinion.open}"

    def _spent(self) -> str:
        bounds, ledger = self.bounds, self.ledger
        if ledger.sent >= bounds.requests:
            return f"the {bounds.requests:,} requests were spent"
        if ledger.refused >= min(bounds.refused, self._bearable()):
            return f"{ledger.refused:,} requests had been refused"
        return f"{bounds.seconds:,.0f} s were over" if ledger.now - ledger.begun >= bounds.seconds else ""

    def _bearable(self) -> int:
        """How many refusals are no more than a share of what the quota is known to let pass in the longest window."""
        known, worth = self.behind or self.opinion, float(self._first_full)
        if known.best is not None and known.period < 2 * self.bounds.longest:
            likely = [fit.low for fit in (known.best, *known.rivals) if fit.kind != "bucket"]
            surely = min(worth, max(*likely, known.holds[0])) if likely else 0.0
            worth = worth if self._finer else max(surely, known.low / 60 * self.bounds.longest)
        # So many windows, or so much of a bucket, can have been met by now, and no more.
        windows = 2 + (self.ledger.now - self.ledger.begun) / self.bounds.longest
        worth = max(worth, self.ledger.passed / windows)
        return max(_LEAST_BORNE, int(_BORNE * worth)) if self._first_full else self.bounds.refused

    def _search(self) -> Course:
        """The whole search."""
        yield from self._fill()
        if not self.ledger.refused:
            self.ended = "nothing was refused"
            return
        yield from self._cycles()
        if self._wide is not None and self.opinion.enough:
            yield from self._try_wide(self._wide)
            yield from self._try_charges()
        # Tokens are not asked for one by one, so nothing could be asked as fast as a short window of them allows.
        known = self.opinion.enough or self._only_rate
        if known and not self._finer and self.opinion.period < self.bounds.longest / 2:
            yield from self._look_behind()
        if self.opinion.enough and not self._finer and suspected(self.seen, self.opinion):
            yield from self._watch()

    def _watch(self) -> Course:
        """Wait until what we used is given back, or a part of it, and look whether others use the quota."""
        self.phase = "watch"
        ledger, known = self.ledger, self.opinion
        last = max((one.sent for one in self.seen if one.passed), default=ledger.now)
        share = _PART if known.is_bucket else 1 + 1 / 300
        yield from ledger.until(last + share * known.period + APART)
        if (yield from self._until_return(_FIRST_GAP)):
            yield from watch(ledger, self._plain, known)
            self.others = others_of(self.seen, known)

    @property
    def _only_rate(self) -> bool:
        """Whether all that is open is the rate of a small bucket: a look behind it tells that as well."""
        known, longest = self.opinion, self.bounds.longest
        if self._finer or self.behind is not None or not known.is_bucket or known.rivals:
            return False
        return known.period < longest / 6 and known.high < _NEARLY * known.low

    def _look_behind(self) -> Course:
        """Whether a longer window hides behind the short one, and what it is."""
        short = self.opinion
        self.phase = "long"
        wait = 2 * self.bounds.longest + 2
        found, short = yield from hides(self.ledger, short, self._plain, wait, self._judge)
        if found:
            self.behind = short
            self.opinion = Opinion()
            yield from self._cycles()
        else:
            self._alone = None if short.is_bucket else short
            self._enough()

    def _try_wide(self, wide: Asked) -> Course:
        """Ask for much and use little, as often as a limit on what is asked for would allow, and a fifth more."""
        ledger = self.ledger
        yield from ledger.until(ledger.now + (self.bounds.longest / 4 if self.opinion.is_bucket else 0.0))
        for _ in range(_TWICE):
            if not (yield from self._until_return(_FIRST_GAP)):
                return
            if self._enough():
                break
            # What returned was not what was thought: once more, and then with the whole quota.
            yield from self._cycles()
            last = max((one.sent for one in self.seen if one.passed), default=ledger.now)
            yield from ledger.until(last + (0.25 if self.opinion.is_bucket else 1.01) * self.opinion.period)
        if not self.opinion.enough:
            return
        passed = max(1, sum(1 for one in self.seen if one.passed and one.asked == self._plain))
        refused = ledger.refused
        yield from ask_wide(ledger, wide, min(int(1.2 * self.bounds.aim), passed))
        if ledger.refused > refused:
            yield from use_up(ledger, self._finer)
        self._enough()

    def _try_charges(self) -> Course:
        """What a request is charged when it comes and when it is answered; the limit is judged without these."""
        self.phase = "charge"
        yield from self.ledger.settle()
        self._judged_until = len(self.ledger.seen)
        if told(self.seen):
            self.tariff = yield from Trial(self.ledger, self.opinion).run()
        if not self.tariff.whole:
            shown = yield from Refusals(self.ledger, self.opinion).run()
            self.tariff = together(self.tariff, shown)

    def _judged(self) -> Opinion:
        """What was seen means this; behind a shorter window, what that one does not account for."""
        short = self.behind
        if self._alone is not None:
            # A few refusals that are not the short limiter's, too few to be another's, say nothing of it either.
            odd = {id(one) for one in unexplained(self.seen, self._alone)}
            return self._judge([one for one in self.seen if id(one) not in odd])
        if short is None or short.best is None:
            return self._judge(self.seen)
        beyond = 1.5 * max(short.period, *short.spans)
        return self._judge(accounted(self.seen, short.best, short.slack), beyond=beyond)

    def _cycles(self) -> Course:
        """Wait until service returns and use it up again, until what was seen is enough."""
        ledger = self.ledger
        patience = grown = 0
        for cycle in range(_CYCLES):
            yield from ledger.settle()
            if cycle and (self._enough() or self._only_rate):
                return
            asked = ledger.sent
            gap = _FIRST_GAP * 2 ** min(patience, 6)
            if self.opinion.refill is not None and (patience or self.opinion.is_bucket):
                gap, grown = self._refilled(4 * 3**grown, _VARIED[cycle % len(_VARIED)]), grown + 1
            elif self.opinion.rivals and 0 < min(self.opinion.spans, default=0.0) <= _SHORT:
                # Just when the first of the last burst is one window old: all or one by one, that is the question.
                gap = max(APART, self._burst_begun + self.opinion.spans[0] * (1 + 1 / 300) + 0.03 - ledger.now)
            if not (yield from self._until_return(gap)):
                self.ended = f"service did not return in {ledger.now - ledger.quiet_since:.0f} s"
                return
            # Where it returns by and by, longer waits say more; where it comes at once, they say nothing.
            patience = patience + 1 if ledger.sent == asked + 1 else 0
            if self.behind is None:
                yield from self._burst(cycle)
            elif (yield from use_up_behind(ledger, self.behind, self._plain, self._enough)):
                return

    def _until_return(self, gap: float) -> Generator[Step, None, bool]:
        self.phase = "return"
        wait = 1.15 * self.bounds.longest + 2
        return (yield from until_return(self.ledger, self.opinion, self._plain, gap, wait=wait))

    def _refilled(self, amount: float, share: float) -> float:
        """The seconds until a bucket has about that much again: when it is as likely as not to hold the last of it."""
        now = self.ledger.now
        at, level, rate = self.opinion.refill or (now, 0.0, 1.0)
        most = rate * self.bounds.longest / 4
        if self.opinion.is_bucket:
            # Longer waits cost less refusals, but one that is full tells no rate.
            most = _FULL * self.opinion.holds[0] if self.opinion.holds[0] < _SMALL else min(most, self.opinion.holds[0])
        amount = max(1.0, min(amount, most) * share)
        return max(APART, at + (math.ceil(amount) - level) / rate - now)

    def _enough(self) -> bool:
        self.opinion = self._judged()
        self.trace.append((self.ledger.now, self.opinion))
        return self.opinion.enough

    def _fill(self) -> Course:
        """Ask faster and faster until something is refused, with a pause after the first few."""
        ledger, bounds = self.ledger, self.bounds
        at = ledger.now
        # Time to become fast, and two windows at full speed: one of them lies whole within.
        until = at + _RAMP + 2.05 * bounds.longest
        count = 0
        # Whatever window there is, half of these fall into one.
        wanted = int(2.05 * bounds.aim) + _HEAD
        while count < wanted and not ledger.refused and ledger.now < until:
            if not (yield from ledger.send(at, self._plain)):
                break
            count += 1
            at = max(at, ledger.now - 0.2) + (_PAUSE if count == _HEAD else 1 / min(bounds.rate, 20 + count / 3))
        # The last answers may still refuse.
        yield from ledger.settle()
        if ledger.refused:
            first = min(one.sent for one in self.seen if one.passed is False)
            self._first_full = sum(1 for one in self.seen if one.passed and one.sent < first)
            yield from use_up(ledger, self._finer)

    def _burst(self, cycle: int) -> Course:
        """Ask until something is refused again; few requests where they would say nothing new."""
        self.phase = "burst"
        ledger = self.ledger
        at, count, refused = ledger.now, 0, ledger.refused
        self._burst_begun = at
        broken = 0
        while ledger.refused == refused:
            if count == _FEW and cycle and self.opinion.limit_known and not self.opinion.is_bucket:
                # All that may be open is how long a window is, and its return has told that.
                yield from ledger.settle()
                if self._enough():
                    return
                at = ledger.now
            if count == _TRIED and self._broken and not any(one.failed for one in self.seen):
                broken = max(2, min(20, ledger.passed // 25))
            asked = self._broken if self._broken and broken else self._plain
            broken = max(0, broken - 1)
            if not (yield from ledger.send(at, asked)):
                break
            count += 1
            at = max(at, ledger.now - 0.2) + 1 / min(self.bounds.rate, self._pace(count, cycle))
        yield from use_up(ledger, self._finer)

    def _pace(self, count: int, cycle: int) -> float:
        """Requests a second in a burst: the first few come faster than those that they may be let in for."""
        if count < _FEW * (1 + cycle % 2) and not self.opinion.is_bucket:
            return min(25.0 * (1 + cycle % 2), self.bounds.rate)
        return min(self.bounds.rate, max(5.0, self.ledger.passed / 10) + count)

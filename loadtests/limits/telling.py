"""Asks for much and uses little where answers say what is left of a quota: each shows what it was charged, and when.

Law: nothing is concluded from headers that do not show the cost of a long prompt at once.
"""

from __future__ import annotations

from collections.abc import Generator

from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import Opinion
from loadtests.limits.steps import Course, Ledger, Send, Step
from loadtests.limits.tariff import (
    CANDIDATES,
    PROMPT,
    TOLERANCE,
    Ballot,
    Tariff,
    answer_to,
    ask,
    drop,
    fitting,
    size_of,
    small,
    wide,
)

_ROUNDS = 3
_SHORT = 15.0
_LATER = 2.0
_LONG = 1_000
_DEADLINE = 35.0
_ALIKE = 0.1
_CONTROL = 0.25
_LEAST = 200

Answers = tuple[Observation, Observation, Observation, Observation]


class _Over(Exception):
    """The trial cannot go on: something was refused, failed or told nothing."""


class Trial:
    """One trial at a limiter that is known; `ballot` has what it showed."""

    def __init__(self, ledger: Ledger, known: Opinion) -> None:
        self.ballot = Ballot()
        self._live = Ballot()
        self._ledger = ledger
        self._known = known
        self._size = size_of(known.holds[0])
        self._prompt = max(_LEAST, self._size // 2)
        self._name = "best_of"
        self._last: Observation | None = None

    def run(self) -> Generator[Step, None, Tariff]:
        """The whole trial; returns what is sure by it."""
        if not self._size:
            return Tariff()
        try:
            for number in range(_ROUNDS):
                if not number or (not self._known.is_bucket and self._known.period < _SHORT):
                    yield from self._quiet()
                yield from self._round()
            if self.ballot.says("settled") is False:
                yield from self._look_later()
        except _Over:
            pass
        yield from self._end()
        if self._live.says("live") is not True:
            return Tariff()
        return self.ballot.tariff(self._name, "headers")

    def _quiet(self) -> Course:
        """Wait until nothing is forgotten any more of what was asked before."""
        known, ledger = self._known, self._ledger
        last = max((one.sent for one in ledger.seen if one.passed), default=ledger.now)
        share = 0.6 if known.is_bucket else 1 + 1 / 100
        yield from ledger.until(last + share * known.period + 0.1)
        self._last = None

    def _round(self) -> Course:
        yield from self._wide(1)
        answers = yield from self._between(Asked(kind="probe", prompt=self._prompt, max_tokens=1))
        if answers[1].failed and self._prompt > _LEAST:
            # Too long for the endpoint.
            self._prompt, self._last = _LEAST, None
            answers = yield from self._between(Asked(kind="probe", prompt=self._prompt, max_tokens=1))
        self._control(answers)
        if self._name:
            yield from self._wide(CANDIDATES)
        yield from self._overlap()

    def _wide(self, candidates: int) -> Course:
        """One request that asks for much; where that is refused for itself, for less, or by another name."""
        while True:
            answers = yield from self._between(wide(self._size, candidates, self._name))
            if not answers[1].failed:
                break
            self._last = None
            if candidates > 1:
                self._name = "n" if self._name == "best_of" else ""
                if not self._name:
                    return
            elif size := size_of(12.5 * self._size):
                self._size = size
            else:
                raise _Over
        self._judge(answers, candidates)

    def _between(self, asked: Asked) -> Generator[Step, None, Answers]:
        """That request between small ones, each asked when the one before was answered."""
        if self._last is None:
            self._last = yield from self._told(small())
        before = self._last
        one = yield from self._told(asked, failing=True)
        first = yield from self._told(small())
        self._last = yield from self._told(small())
        return before, one, first, self._last

    def _told(self, asked: Asked, *, failing: bool = False) -> Generator[Step, None, Observation]:
        one = yield from ask(self._ledger, asked)
        if one is None or not one.passed or (one.failed and not failing):
            raise _Over
        if not one.failed and one.remaining is None:
            raise _Over
        return one

    def _control(self, answers: Answers) -> None:
        """A long prompt has to show at once as what it was, and nothing more after it."""
        before, one, first, second = answers
        if one.failed or one.used is None:
            raise _Over
        ways = {"used": ((1 - _CONTROL) * one.used - TOLERANCE, (1 + _CONTROL) * one.used + TOLERANCE)}
        ways["nothing"] = (-TOLERANCE, TOLERANCE)
        names = {fitting(drop(self._known, before, after), ways) for after in (first, second)}
        self._live.vote("live", names == {"used"})

    def _ways(self, size: int, used: float) -> dict[str, tuple[float, float]]:
        few = used + 2 * PROMPT + TOLERANCE
        ways = {"used": (-TOLERANCE, few)}
        for name, times in (("once", 1), ("all", CANDIDATES)):
            ways[name] = ((1 - _ALIKE) * size * times, (1 + _ALIKE) * size * times + few)
        return ways

    def _judge(self, answers: Answers, candidates: int) -> None:
        before, one, first, second = answers
        if one.used is None or one.used > self._size / 4:
            # It did not end early, so what was asked for was used.
            return
        ways = self._ways(self._size, one.used)
        if candidates == 1:
            del ways["all"]
        own = fitting(drop(self._known, before, one), ways)
        if own in ("once", "all"):
            self.ballot.vote("admission", True)
        after = {fitting(drop(self._known, before, later), ways) for later in (first, second)}
        name = after.pop() if len(after) == 1 else ""
        if name:
            self.ballot.vote("settled", name == "used")
        if candidates > 1:
            for shown in {own, name} & {"once", "all"}:
                self.ballot.vote("multiplied", shown == "all")

    def _overlap(self) -> Course:
        """Ask small ones while a long answer is under way: what they tell has it counted, or not yet."""
        if self._last is None:
            self._last = yield from self._told(small())
        ledger, before, size = self._ledger, self._last, min(self._size, _LONG)
        asked = Asked(kind="probe-long", prompt=PROMPT, max_tokens=size)
        yield from ledger.until(ledger.now + 1 / ledger.bounds.rate)
        place, sent = len(ledger.seen), ledger.now
        yield Send(asked)
        yield from ledger.until(sent + self._known.slack + 0.01)
        meanwhile = [(yield from self._told(small())), (yield from self._told(small()))]
        over = ledger.now + _DEADLINE
        while (long := answer_to(ledger, asked, place)) is None and ledger.now < over:
            yield from ledger.until(min(over, ledger.now + 0.1))
        self._last = None
        if long is None or long.passed is False or long.failed or long.answered <= meanwhile[-1].answered:
            return
        ways = self._ways(size, 0.0)
        del ways["all"]
        names = {fitting(drop(self._known, before, one), ways) for one in meanwhile}
        name = names.pop() if len(names) == 1 else ""
        if name:
            self.ballot.vote("admission", name == "once")

    def _look_later(self) -> Course:
        """What was not settled at once may be settled a little later."""
        before = yield from self._told(small())
        yield from self._ledger.until(self._ledger.now + _LATER)
        after = yield from self._told(small())
        ways = {"used": (-TOLERANCE, 2 * PROMPT + TOLERANCE), "late": (-100.0 * self._size, -0.9 * self._size)}
        if fitting(drop(self._known, before, after), ways) != "used":
            self.ballot.vote("settled", True)

    def _end(self) -> Course:
        """Wait for what is under way."""
        ledger = self._ledger
        over = ledger.now + _DEADLINE
        while ledger.under_way and ledger.now < over:
            yield from ledger.until(min(over, ledger.now + 0.1))

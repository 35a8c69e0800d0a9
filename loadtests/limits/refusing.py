"""Asks for much and uses little near the end of a quota: what is refused and what passes next shows what counts when.

Law: a way to charge is ruled out only by requests one after another that it cannot explain, whatever the quota held,
and by two such at least; what no way explains rules out none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from loadtests.limits.fitting import returns
from loadtests.limits.limiters import Fixed
from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import MINUTE, Opinion
from loadtests.limits.steps import Course, Ledger, Step
from loadtests.limits.tariff import CANDIDATES, PROMPT, TOLERANCE, Tariff, ask, size_of, small, wide

# (whether what is asked for counts when it comes, whether only what was used counts in the end, what candidates are).
WAYS = {
    "usage": (False, True, 0),
    "settled": (True, True, 1),
    "settled, multiplied": (True, True, CANDIDATES),
    "unsettled": (True, False, 1),
    "unsettled, multiplied": (True, False, CANDIDATES),
}
_MOST_CYCLES = 40
_ROUNDS = 3
_NEARLY = 0.94
_LARGEST = 2.5
# What one round may use beside what empties the quota: so many times what is asked for at once.
_WORTH = 16
# Requests that may be refused in one round.
_BORNE = 20
_SURE = 2
_ENOUGH = 4
_PAUSES = 3
_DRAINED = 8
# The shortest of the prompts that empty a quota.
_SHORTER = 100
_RISES = 1.6
_AGED = 0.9
_FEW = 2 * PROMPT + TOLERANCE
# Longer than the prompts of those that ask for much.
_MIDDLE = Asked(kind="probe", prompt=3 * PROMPT, max_tokens=1)


@dataclass(frozen=True)
class Ruled:
    """Requests in the order in which they were asked, at a limiter that gives back `low` to `high` tokens a second."""

    low: float
    high: float
    sizes: Mapping[int, float]

    def at_once(self, one: Observation, way: str) -> tuple[float, float]:
        """The least and most tokens that a request needs to be there, charged that way."""
        admission, _, times = WAYS[way]
        if one.asked.max_tokens == 1:
            most = max(self.sizes.get(one.asked.prompt, 0.0), one.asked.prompt)
            return (one.asked.prompt / 2 if admission else 0.0), 1.1 * most + _FEW
        much = one.asked.max_tokens * (min(times, one.asked.candidates) if admission else 0)
        return float(much), much + _FEW

    def kept(self, one: Observation, way: str) -> float:
        """The most tokens that stay counted of one that passed."""
        used = float(one.used or 0) + TOLERANCE
        return used if WAYS[way][1] else max(used, self.at_once(one, way)[1])

    def against(self, seen: Sequence[Observation]) -> Counter[str]:
        """How often each way cannot explain what was seen, of that which some way explains."""
        wrong: Counter[str] = Counter()
        for index, one in enumerate(seen[1:], start=1):
            before = seen[index - 1]
            if one.passed and before.passed is False:
                wrong.update(_some({way for way in WAYS if self._dearer(before, one, way)}))
            elif before.passed and one.passed is False:
                wrong.update(_some({way for way in WAYS if self._idle(before, one, way)}))
        for chain in _chains(seen):
            for place, one in enumerate(chain[:-1]):
                if one.passed and one.asked.max_tokens > 1:
                    wrong.update(_some({way for way in WAYS if self._vanished(chain[place:], way)}))
        return wrong

    def _dearer(self, refused: Observation, passed: Observation, way: str) -> bool:
        """Whether what passed just after that refusal needs more than what was refused."""
        back = self.high * (passed.answered - refused.sent)
        if not WAYS[way][0]:
            # Nothing that is asked for counts, so a longer prompt cannot pass where a short one did not.
            return not self.high and refused.asked.max_tokens > 1 and passed.asked.prompt > 2 * PROMPT
        return self.at_once(passed, way)[0] > self.at_once(refused, way)[1] + back

    def _idle(self, passed: Observation, refused: Observation, way: str) -> bool:
        """Whether enough was there: what that one left, and what came back since."""
        back = self.low * (refused.sent - passed.answered)
        least = self.at_once(passed, way)[0] - self.kept(passed, way)
        if not WAYS[way][1]:
            least = 0.0
        return least + back > self.at_once(refused, way)[1]

    def _vanished(self, chain: Sequence[Observation], way: str) -> bool:
        """Whether more was there for the first than the others used, yet the last, a small one, was refused."""
        gone = sum(self.kept(one, way) for one in chain[:-1] if one.passed)
        return self.at_once(chain[0], way)[0] > gone + self.at_once(chain[-1], way)[1]

    def too_much(self, seen: Sequence[Observation], there: float) -> Counter[str]:
        """The ways by which what passed would have stayed counted, and was more than was there and came back."""
        passed = [one for one in seen if one.passed]
        if not passed:
            return Counter()
        room = there + self.high * (passed[-1].answered - seen[0].sent)
        ways = [way for way, (_, settled, _) in WAYS.items() if not settled]
        # Many requests say that, not one.
        return Counter({way: _SURE for way in ways if sum(self.at_once(one, way)[0] for one in passed) > room})


def tariff_of(wrong: Counter[str], candidates: str) -> Tariff:
    """What those ways have in common that are not ruled out; nothing where none is left."""
    left = [way for way in WAYS if wrong[way] < _SURE]
    if not left or not wrong:
        return Tariff(candidates=candidates)
    admission, settled = ({WAYS[way][place] for way in left} for place in (0, 1))
    times = {WAYS[way][2] for way in left}
    made = Tariff(
        admission=bool(admission.pop()) if len(admission) == 1 else None,
        settled=bool(settled.pop()) if len(settled) == 1 else None,
        multiplied=times == {CANDIDATES} if len(times) == 1 and 0 not in times else None,
        candidates=candidates,
    )
    said = (made.admission, made.settled, made.multiplied) != (None, None, None)
    return replace(made, by="refusals" if said else "")


def _some(ways: set[str]) -> set[str]:
    """Those ways, unless none is left: then something else went on."""
    return ways if len(ways) < len(WAYS) else set()


def _chains(seen: Sequence[Observation]) -> list[list[Observation]]:
    """For each refusal of a prompt that follows something that passed, the requests before it, a few."""
    chains = []
    last = -1
    for index, one in enumerate(seen):
        if one.passed is False and one.asked.max_tokens == 1:
            since = [place for place in range(last + 1, index) if seen[place].passed]
            if since:
                chains.append(list(seen[max(last + 1, since[-1] - _ENOUGH) : index + 1]))
            last = index
    return chains


class Refusals:
    """One trial at a limiter that is known, where nothing is told of what is left."""

    def __init__(self, ledger: Ledger, known: Opinion) -> None:
        self._ledger = ledger
        self._known = known
        self._size = size_of(known.holds[0])
        self._heavy = self._size
        self._name = "best_of"
        self._seen: list[Observation] = []
        self._sizes: dict[int, float] = {}
        self._over = False
        self._ratio = 1.0
        self._there = math.inf
        self._lasts, self._sure = known.period, True
        self._spent, self._allowed = 0.0, float(_WORTH * self._size)
        self._wrong: Counter[str] = Counter()
        self._ruled = Ruled(0.0, 0.0, self._sizes)

    def run(self) -> Generator[Step, None, Tariff]:
        """The whole trial; returns what is sure by it."""
        bucket = self._known.is_bucket
        if not self._size:
            return Tariff()
        low, high = (self._known.low / MINUTE, self._known.high / MINUTE) if bucket else (0.0, 0.0)
        self._ruled = Ruled(low, 1.02 * high, self._sizes)
        for _ in range(_ROUNDS if bucket else 1):
            self._allowed = self._spent + _WORTH * self._size
            begun = yield from self._spend()
            yield from self._cycles(begun)
            if bucket:
                yield from self._pauses(low)
            self._wrong, self._seen = self._so_far(), []
            if self._over or self._told().whole:
                break
        return self._told()

    def _so_far(self) -> Counter[str]:
        """What speaks against each way by now."""
        return self._wrong + self._ruled.against(self._seen) + self._ruled.too_much(self._seen, self._there)

    def _told(self) -> Tariff:
        return tariff_of(self._so_far(), self._name)

    def _spend(self) -> Generator[Step, None, float]:
        """Use the quota up but for its last part, a bucket whole, and then let it rise; when that began (s)."""
        ledger, known = self._ledger, self._known
        heavy = Asked(kind="probe", prompt=self._heavy, max_tokens=1)
        if not known.is_bucket:
            last = max((one.sent for one in ledger.seen if one.passed), default=ledger.now)
            yield from ledger.until(self._fresh(last + known.period * 1.01 + 0.1))
        begun, spent = ledger.now, 0.0
        one: Observation | None = None
        for _ in range(int(2 * known.holds[0] / min(_SHORTER, self._size)) + 4):
            one = yield from ask(ledger, heavy)
            if one is not None and one.failed and self._heavy > _SHORTER:
                # Too long for the endpoint.
                self._heavy = max(_SHORTER, self._heavy // 4)
                heavy = replace(heavy, prompt=self._heavy)
                continue
            if one is None or not one.passed or one.failed:
                break
            spent += one.used or self._heavy
            if spent > 1.2 * known.holds[0]:
                break
            self._ratio = max(1.0, (one.used or self._heavy) / self._heavy)
            if not known.is_bucket and spent + (one.used or self._heavy) > _NEARLY * known.holds[0]:
                break
        if known.is_bucket:
            # Less than the last one that was refused, and what comes back.
            refused = one is not None and one.passed is False
            self._there = (1.2 * self._ratio + _RISES * 1.1) * self._size + _FEW if refused else math.inf
            yield from ledger.until(ledger.now + _RISES * self._size * MINUTE / known.low)
        else:
            # Where a window may begin meanwhile, nobody knows what there is.
            self._there = 1.02 * known.holds[1] - 0.98 * spent if self._sure else math.inf
        return begun

    def _fresh(self, at: float) -> float:
        """The first moment from then on with most of a window ahead: just after service may have returned."""
        best, span = self._known.best, self._known.period
        self._lasts, self._sure = span, True
        if best is None or not isinstance(best.limiter, Fixed):
            return at
        pairs = sorted(returns(sorted(self._ledger.seen, key=lambda one: one.sent)), key=lambda pair: pair[1] - pair[0])
        if not pairs or pairs[0][1] - pairs[0][0] > span / 3:
            self._sure = False
            return at
        # Windows begin between a refusal and the first that passed after it.
        low, high = pairs[0]
        self._lasts = span - (high - low)
        begun = high + self._known.slack + 0.1
        return begun + span * math.ceil((at - begun) / span)

    def _cycles(self, begun: float) -> Course:
        """Small prompts between requests that ask for much, until a few of the prompts in a row are refused."""
        ledger, known = self._ledger, self._known
        back = known.high / MINUTE if known.is_bucket else 0.0
        refused, turn = 0, 5 / ledger.bounds.rate
        for _ in range(_MOST_CYCLES):
            started = ledger.now
            # More than comes back meanwhile.
            prompt = int((self._size / 4 + back * turn) / self._ratio)
            filler = Asked(kind="probe", prompt=max(3 * PROMPT, prompt), max_tokens=1)
            if prompt * self._ratio > _LARGEST * self._size or self._spent > self._allowed:
                return
            for asked in (filler, self._wide(1), self._wide(CANDIDATES), self._wide(1), _MIDDLE):
                if asked is None:
                    continue
                if sum(one.passed is False for one in self._seen) >= _BORNE:
                    return
                if not known.is_bucket and ledger.now - begun > _AGED * self._lasts:
                    return
                one = yield from self._ask(asked)
                if one is None or self._over:
                    return
                if asked is filler:
                    refused = 0 if one.passed else refused + 1
            turn = ledger.now - started
            if refused >= _SURE or self._told().whole:
                return

    def _pauses(self, low: float) -> Course:
        """What comes back while nothing is asked would do for a short prompt, not for what is asked for."""
        filler = Asked(kind="probe", prompt=max(3 * PROMPT, int(self._size / 2 / self._ratio)), max_tokens=1)
        for _ in range(_PAUSES):
            for _ in range(_DRAINED):
                one = yield from self._ask(filler)
                if one is None or not one.passed:
                    break
            one = yield from self._ask(small())
            if one is None or self._over:
                return
            if not one.passed:
                yield from self._ledger.until(self._ledger.now + self._size / 4 / low)
                continue
            enough = (one.used or 0) + TOLERANCE + 1.2 * _FEW
            yield from self._ledger.until(self._ledger.now + enough / low)
            if (asked := self._wide(1)) is not None:
                yield from self._ask(asked)

    def _wide(self, candidates: int) -> Asked | None:
        if candidates == 1:
            return wide(self._size)
        return wide(self._size // 2, candidates, self._name) if self._name else None

    def _ask(self, asked: Asked) -> Generator[Step, None, Observation | None]:
        """Ask, and keep what came of it; `_over` is set where the trial cannot go on."""
        one = yield from ask(self._ledger, asked)
        if one is None or one.passed is None:
            self._over = True
            return None
        if one.failed:
            # Refused for itself: by another name or not at all, or for less.
            if asked.candidates > 1:
                self._name = "n" if self._name == "best_of" else ""
            elif asked.max_tokens > 1 and (size := size_of(12.5 * self._size)):
                # Candidates may have been refused for that as well.
                self._size, self._name = size, "best_of"
            else:
                self._over = True
            self._seen = []
            return one
        if one.passed and asked.max_tokens > 1 and (one.used is None or one.used > asked.max_tokens / 4):
            # It did not end early, so what it shows is nothing that is looked for.
            self._over = True
            return None
        self._seen.append(one)
        self._spent += (one.used or 0) if one.passed else 0
        if asked.max_tokens == 1:
            self._sizes[asked.prompt] = max(
                self._sizes.get(asked.prompt, 0.0), self._ratio * asked.prompt, one.used or 0
            )
        return one

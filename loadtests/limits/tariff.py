"""How a request is charged, told from single requests: what counts at once, what remains, what `best_of` multiplies.

Law: a statement rests on two observations at least that each fit one way only, and on none that fits another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import MINUTE, Opinion
from loadtests.limits.steps import Ledger, Send, Step, Wait
from loadtests.prompts import most_tokens

PROMPT = 16
# What a short prompt and one token cost, in any way of counting them.
TOLERANCE = 64.0
CANDIDATES = 4
# Of the quota: what is asked for in one request, and the least and most that this may be (tokens).
_PART = 50
_LEAST, _MOST = 200, 4_000
_PATIENCE = 35.0
_SURE = 2
_NEARLY_FULL = 0.97


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """How requests are charged; None where it did not show.

    `admission`: what is asked for counts before it is used. `settled`: only what was used counts in the end.
    `multiplied`: candidates multiply it, asked for by `candidates`. `by` says how that was seen.
    """

    admission: bool | None = None
    settled: bool | None = None
    multiplied: bool | None = None
    candidates: str = "best_of"
    by: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be asked."""
        return self.admission is not None and self.settled is not None and self.multiplies_known

    @property
    def multiplies_known(self) -> bool:
        """Whether it is known what candidates do, or there is nothing that they could multiply."""
        return self.multiplied is not None or (self.admission is False and self.settled is not False)

    def to_record(self) -> dict[str, Any]:
        """The tariff for the log."""
        return asdict(self)


@dataclass
class Ballot:
    """Votes for and against each statement."""

    votes: dict[str, Counter[bool]] = field(default_factory=dict)

    def vote(self, name: str, value: bool) -> None:
        """One observation that fits that only."""
        self.votes.setdefault(name, Counter())[value] += 1

    def says(self, name: str) -> bool | None:
        """What all of at least two votes say; None where there are fewer, or others."""
        counts = self.votes.get(name, Counter())
        if len(counts) != 1:
            return None
        ((value, count),) = counts.items()
        return value if count >= _SURE else None

    def tariff(self, candidates: str, by: str) -> Tariff:
        """The statements that are sure; `by` is kept where there is one."""
        admission, settled, multiplied = (self.says(name) for name in ("admission", "settled", "multiplied"))
        if admission is False and settled is False:
            # Charged for what was asked, and only later: no way that is known.
            settled = None
        said = admission is not None or settled is not None or multiplied is not None
        return Tariff(
            admission=admission,
            settled=settled,
            multiplied=multiplied,
            candidates=candidates,
            by=by if said else "",
        )


def size_of(capacity: float) -> int:
    """How much to ask for in one request where a quota holds that much; 0: too little to tell it from a prompt."""
    size = int(min(_MOST, capacity / _PART))
    return size if size >= _LEAST else 0


def tokens_of_trial(capacity: float) -> int:
    """The most tokens that finding out how requests are charged can use, with answers that never stop early."""
    size = min(_MOST, int(capacity / _PART) + 1)
    # Three long prompts where headers tell; else the quota once, and then some for each of three rounds.
    return int(1.2 * capacity) + 3 * most_tokens(size) + 20 * CANDIDATES * size


def small() -> Asked:
    """A short prompt, and one token of an answer."""
    return Asked(kind="probe", prompt=PROMPT, max_tokens=1)


def wide(size: int, candidates: int = 1, name: str = "best_of") -> Asked:
    """A short prompt whose answer may be that long and stops at once; with candidates by that name."""
    return Asked(kind="probe-n" if name == "n" else "probe", prompt=PROMPT, max_tokens=size, candidates=candidates)


def ask(ledger: Ledger, asked: Asked) -> Generator[Step, None, Observation | None]:
    """Ask that, no sooner than the rate allows; its answer, None where none came in time."""
    # An object of its own, by which its answer is known.
    asked = replace(asked)
    yield from ledger.until(ledger.now + 1 / ledger.bounds.rate)
    place = len(ledger.seen)
    yield Send(asked)
    until = ledger.now + _PATIENCE
    while ledger.now < until:
        if (one := answer_to(ledger, asked, place)) is not None:
            return one
        yield Wait(until)
    return None


def answer_to(ledger: Ledger, asked: Asked, place: int) -> Observation | None:
    """What became of that very request, if it is known."""
    return next((one for one in ledger.seen[place:] if one.asked is asked), None)


def drop(known: Opinion, before: Observation, after: Observation) -> tuple[float, float]:
    """Between which bounds lies what was counted between two answers that say what is left."""
    assert before.remaining is not None
    assert after.remaining is not None
    less = before.remaining - after.remaining
    if not known.is_bucket:
        return less, less
    low, high = known.low / MINUTE, known.high / MINUTE
    # One that is full is not refilled.
    full = max(before.remaining, after.remaining) > _NEARLY_FULL * known.holds[0]
    least = 0.0 if full else low * max(0.0, after.sent - before.answered)
    return less + least, less + high * (after.answered - before.sent)


def fitting(bounds: tuple[float, float], ways: dict[str, tuple[float, float]]) -> str:
    """The only way that fits, by its least and most tokens; empty where none or more than one does."""
    fits = [name for name, (least, most) in ways.items() if bounds[0] <= most and bounds[1] >= least]
    return fits[0] if len(fits) == 1 else ""


def told(seen: Sequence[Observation]) -> bool:
    """Whether answers say what is left."""
    passed = [one for one in seen if one.passed and not one.failed]
    return bool(passed) and sum(one.remaining is not None for one in passed) > 0.9 * len(passed)


def together(first: Tariff, second: Tariff) -> Tariff:
    """What two trials say: nothing where they contradict each other."""

    def said(*values: bool | None) -> bool | None:
        known = {value for value in values if value is not None}
        return known.pop() if len(known) == 1 else None

    return Tariff(
        admission=said(first.admission, second.admission),
        settled=said(first.settled, second.settled),
        multiplied=said(first.multiplied, second.multiplied),
        candidates=(first if first.by else second).candidates,
        by=" and ".join(dict.fromkeys(one.by for one in (first, second) if one.by)),
    )

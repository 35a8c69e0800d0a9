"""Whether others use the same quota, by what the endpoint says is left of it while nearly nothing is asked.

Law: it is said only where the headers were seen to count our own requests exactly, at once and one by one, and where
more went than those; headers that are rounded, that lag or that lie in another way say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import MINUTE, Opinion
from loadtests.limits.steps import Course, Ledger, Send

KIND = "watch"
_FEWEST, _PAIRS = 6, 24
_SHARE = 0.15
_EXACT = 0.8
_SURE = 3.0
_SPREAD = 1.6
_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Others:
    """What others use, a minute: `low` at least, and about `high` at most (None: it cannot be told)."""

    low: float
    high: float | None


def suspected(seen: Sequence[Observation], opinion: Opinion) -> bool:
    """Whether more was said to be there than was found, by an endpoint that says in every answer what is left."""
    answers = [one for one in seen if one.passed and not one.failed]
    left = [one.remaining for one in answers if one.remaining is not None]
    if opinion.best is None or opinion.rivals or len(left) < 0.9 * len(answers) or not left:
        return False
    if not opinion.is_bucket:
        return max(left) + 1 > opinion.holds[1] + max(1.0, 0.005 * opinion.holds[1])
    told = [one.limit for one in answers if one.limit is not None]
    return bool(told) and max(left) <= min(told) and opinion.high < 0.98 * min(told)


def watch(ledger: Ledger, plain: Asked, opinion: Opinion) -> Course:
    """Ask in pairs, one after the other, for a part of a window: few enough to leave most of the quota to others."""
    asked = Asked(kind=KIND, prompt=plain.prompt, max_tokens=plain.max_tokens)
    period = min(opinion.period, ledger.bounds.longest)
    seconds = period * (0.25 if opinion.is_bucket else 0.4)
    pairs = int(max(_FEWEST, min(_PAIRS, _SHARE * opinion.holds[0] / 2)))
    begun = ledger.now
    for pair in range(pairs):
        # Not in one rhythm, which might be that of the others.
        yield from ledger.until(begun + seconds * (pair + 0.3 * (pair % 3)) / pairs)
        for _ in range(2):
            yield Send(asked)
            yield from ledger.settle()


def others_of(seen: Sequence[Observation], opinion: Opinion) -> Others | None:
    """What the watch showed of others; None where it showed none, or could not."""
    watched = sorted((one for one in seen if one.asked.kind == KIND), key=lambda one: one.sent)
    known = [(one.sent, one.remaining) for one in watched if one.passed and one.remaining is not None]
    if len(known) < 2 * _FEWEST or len(known) < len(watched):
        return None
    falls = [first[1] - second[1] for first, second in zip(known[::2], known[1::2], strict=False)]
    refill = opinion.rate if opinion.is_bucket else 0.0
    slow = known[1][0] - known[0][0]
    if sum(fall == 1 for fall in falls) < (_EXACT - refill * slow) * len(falls) or max(falls) > 1 + _SURE:
        return None
    if opinion.is_bucket:
        return Others(low=0.0, high=None) if _uneven(known, refill) else None
    between = [earlier[1] - later[1] - 1 for earlier, later in zip(known[1::2], known[2::2], strict=False)]
    gone = sum(fall for fall in between if fall > 0)
    seconds = known[-1][0] - known[0][0]
    if gone < _SURE or seconds <= 0:
        return None
    about = [gone - 1.5 * math.sqrt(gone), gone + 2 * math.sqrt(gone) + 1]
    high = about[1] * MINUTE / seconds if "fixed" in (opinion.best.kind if opinion.best else "") else None
    return Others(low=max(0.0, about[0]) * MINUTE / seconds, high=high)


def _uneven(known: Sequence[tuple[float, float]], rate: float) -> bool:
    """Whether a bucket that is refilled evenly, and that only we use, cannot have been left so.

    What it holds and what we took lie on a line in time then, but for less than one that is not whole.
    """
    level = [(at - known[0][0], left + place) for place, (at, left) in enumerate(known)]

    def spread(slope: float) -> float:
        off = [value - slope * at for at, value in level]
        return max(off) - min(off)

    low, high = 0.0, 3 * rate + 1
    for _ in range(_STEPS):
        # The spread is convex in the slope.
        third = (high - low) / 3
        low, high = (low, high - third) if spread(low + third) < spread(high - third) else (low + third, high)
    return spread((low + high) / 2) > _SPREAD + 0.04 * rate

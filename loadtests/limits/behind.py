"""Looks for a longer window behind a short one, which lets pass little more than the longer one does.

Law: a longer window is there only when requests were refused, several in a row, that the short limiter would have let
pass for certain; what shows of it is judged without the refusals that are the short one's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from loadtests.limits.fitting import Fit, accounted
from loadtests.limits.observed import Asked, Observation
from loadtests.limits.opinion import Judge, Opinion
from loadtests.limits.pacing import governor
from loadtests.limits.steps import Course, Ledger, Send, Step, Wait

_SURE = 2
_FIRST_LOOK = 8
_SELDOMER = 1.5


def unexplained(seen: Sequence[Observation], short: Opinion) -> list[Observation]:
    """The refusals that are not the short limiter's doing."""
    if not isinstance(short.best, Fit):
        return []
    return [one for one in accounted(seen, short.best, short.slack) if one.passed is False]


def hides(
    ledger: Ledger, short: Opinion, asked: Asked, seconds: float, judge: Judge
) -> Generator[Step, None, tuple[bool, Opinion]]:
    """Ask as fast as the short limiter lets pass, for that long.

    Returns whether something else refused meanwhile, and the short limiter as it is known by then.
    """
    pace = governor(short, ledger.seen)
    begun, until, known = ledger.now, ledger.now + seconds, ledger.refused
    while ledger.now < until:
        yield from _wait(ledger, pace.next(ledger.now), known)
        if ledger.refused > known:
            yield from ledger.settle()
            known = ledger.refused
            pace.held(ledger.now)
            if sure(ledger, short, begun):
                better = judge(ledger.seen)
                if not _same(better, short):
                    return True, short
                # It was not known well enough: it explains these refusals, with other bounds.
                short, begun = better, ledger.now
                pace = governor(short, ledger.seen)
            elif _odd(ledger, short):
                yield from _shortly(ledger, short)
            else:
                continue
        pace.sent(ledger.now)
        yield Send(asked)
    yield from ledger.settle()
    return False, short


def sure(ledger: Ledger, short: Opinion, since: float) -> bool:
    """Whether the last requests were refused and no such refusal is the short limiter's."""
    odd = [one.sent for one in unexplained(ledger.seen, short) if one.sent >= since]
    last = max((one.sent for one in ledger.seen if one.passed), default=0.0)
    return sum(at > last for at in odd) >= _SURE


def use_up_behind(
    ledger: Ledger, short: Opinion, asked: Asked, enough: Callable[[], bool]
) -> Generator[Step, None, bool]:
    """Ask as fast as the short limiter lets pass until the longer one refuses; whether enough was seen before."""
    pace = governor(short, ledger.seen)
    begun, known, count, look = ledger.now, ledger.refused, 0, _FIRST_LOOK
    # What passed last was the first of its window.
    pace.next(begun)
    pace.sent(begun)
    while True:
        yield from _wait(ledger, pace.next(ledger.now), known)
        if ledger.refused > known:
            yield from ledger.settle()
            known = ledger.refused
            pace.held(ledger.now)
            if sure(ledger, short, begun):
                return False
            if not _odd(ledger, short):
                continue
            yield from _shortly(ledger, short)
        pace.sent(ledger.now)
        yield Send(asked)
        count += 1
        if count >= look:
            # Looked at more and more seldom: that takes time as well.
            look = int(_SELDOMER * look)
            yield from ledger.settle()
            if enough():
                return True


def _same(better: Opinion, short: Opinion) -> bool:
    """Whether that is the same limiter, and all that was seen is its doing."""
    if better.best is None or short.best is None or better.family != short.family:
        return False
    return better.period < 1.5 * short.period and better.best.contradictions <= short.best.contradictions + 1


def _odd(ledger: Ledger, short: Opinion) -> bool:
    last = max((one.sent for one in ledger.seen if one.passed), default=0.0)
    return any(one.sent > last for one in unexplained(ledger.seen, short))


def _shortly(ledger: Ledger, short: Opinion) -> Course:
    """Wait until once more before the short one's next window: that is where the two differ."""
    yield from ledger.until(ledger.now + max(0.1, min(1.0, short.period / 4)))


def _wait(ledger: Ledger, at: float, refused: int) -> Course:
    """Wait until then, or until something is refused."""
    while ledger.now < at and ledger.refused == refused:
        yield Wait(at)

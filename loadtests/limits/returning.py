"""Waits for service to return after a refusal, by asking at the moments at which it is worth asking.

Law: while requests are refused it asks seldom: at the moment that was promised, at moments at which a limiter of a
customary window would let it in again, and otherwise more and more rarely.
"""

from __future__ import annotations

from collections.abc import Generator

from loadtests.limits.fitting import CUSTOMARY, returns
from loadtests.limits.observed import Asked
from loadtests.limits.opinion import Opinion
from loadtests.limits.steps import Ledger, Send, Step, Wait

APART = 0.1
_AFTER_PROMISE = 0.03
_PATIENCE = 5.0
_SMALL = 50


def until_return(
    ledger: Ledger, opinion: Opinion, asked: Asked, gap: float, *, wait: float
) -> Generator[Step, None, bool]:
    """Ask now and then, first after `gap` seconds, until something passes; False when nothing did in `wait` seconds."""
    base = ledger.now
    last, spacing = base, gap
    while ledger.now < base + wait:
        at = _next_poll(ledger, opinion, last, spacing)
        refused = ledger.refused
        yield from ledger.until(at)
        promised = ledger.promise
        yield Send(asked)
        answered = ledger.answered
        while ledger.answered == answered and ledger.now < at + _PATIENCE:
            yield Wait(at + _PATIENCE)
        if ledger.refused == refused:
            return True
        if promised and at >= promised:
            ledger.broken_promises += 1
        last, spacing = max(at, base), min(max(spacing * _growth(ledger, opinion), APART), _coarse(ledger, opinion))
    return False


def _growth(ledger: Ledger, opinion: Opinion) -> float:
    """By how much the next wait is longer: a small quota is not spent on asking whether it is spent."""
    if ledger.passed < _SMALL and (opinion.best is None or opinion.best.kind == "fixed"):
        # It returns all at once or not at all, so little is learned before.
        return 4.0
    return 1.6 if ledger.passed >= 100 else 2.5


def _coarse(ledger: Ledger, opinion: Opinion) -> float:
    """How seldom to ask at random: seldom enough to cost a small share of the quota."""
    step = ledger.bounds.longest / min(40.0, 2 + ledger.passed / 10)
    if ledger.passed < _SMALL and opinion.limit_known and opinion.spans:
        # When it may return is known, but for a few moments.
        step = max(step, min(opinion.spans) / 2)
    return step * 3 if ledger.promise > ledger.now and not ledger.broken_promises else step


def _next_poll(ledger: Ledger, opinion: Opinion, last: float, spacing: float) -> float:
    """The next moment worth asking at."""
    least = last + (spacing if last == ledger.now else APART)
    times = [last + spacing]
    if ledger.promise and not ledger.broken_promises:
        times.append(ledger.promise + _AFTER_PROMISE)
    times += [at for at in _expected(ledger, opinion) if at > least]
    return max(min(at for at in times if at >= min(least, last + spacing)), last + APART)


def _expected(ledger: Ledger, opinion: Opinion) -> list[float]:
    """When limiters of customary windows would let a request in again."""
    longest = ledger.bounds.longest
    spans = opinion.spans if opinion.limit_known else ()
    usual = CUSTOMARY if ledger.passed >= 100 else (1.0, 5.0, 10.0, 60.0, longest)
    spans = spans or tuple(span for span in usual if span <= longest)
    seen = sorted(ledger.seen, key=lambda one: one.sent)
    begins = [next((one.sent for one in seen if one.passed), ledger.begun)]
    for low, high in returns(seen)[-3:]:
        begins += [high] if high - low < 0.5 else [(low + high) / 2, high]
    return [begin + span * (1 + 1 / 300) + 0.05 for begin in begins for span in spans]

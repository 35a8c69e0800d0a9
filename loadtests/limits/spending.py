"""Uses up a quota of tokens to its last few, and asks for much while using little, to see how tokens are charged.

Law: every request of these moves is bounded in number before the first is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.limits.observed import Asked
from loadtests.limits.returning import APART
from loadtests.limits.steps import Course, Ledger

_FINE = 4


def use_up(ledger: Ledger, finer: Sequence[Asked]) -> Course:
    """Ask for less and less, so that what a large request would not fit into shows how much it is."""
    yield from ledger.settle()
    for asked in finer:
        for _ in range(_FINE):
            refused = ledger.refused
            # Apart, or else they would be taken for too many at one moment.
            if not (yield from ledger.send(ledger.now + APART, asked)):
                break
            yield from ledger.settle()
            if ledger.refused > refused:
                break


def ask_wide(ledger: Ledger, wide: Asked, count: int) -> Course:
    """Ask for much and use little, so often or until something is refused."""
    at = ledger.now
    for _ in range(count):
        if not (yield from ledger.send(at, wide)):
            break
        at = max(at, ledger.now - 0.2) + 1 / ledger.bounds.rate
    yield from ledger.settle()

"""One outcome for each check out of several rounds of it.

Law: the worst counts, so that trying until it passes does not pay; that a verdict changed is never lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reports.model import Outcome

_SEVERITY = {
    status: rank
    for rank, status in enumerate(("fail", "error", "inconclusive", "blocked", "unsupported", "skip", "pass"))
}


def merged(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """One outcome for each check, in the order of the first; several rounds of one share what they spent."""
    by_check: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_check.setdefault(outcome.check, []).append(outcome)
    return tuple(_merged(several) for several in by_check.values())


def _merged(several: list[Outcome]) -> Outcome:
    worst = _worst(several)
    numbers = sorted({one.round for one in several})
    if len(numbers) == 1:
        return worst
    return replace(
        worst,
        rounds=tuple(_worst([one for one in several if one.round == number]).status for number in numbers),
        seconds=sum(one.seconds for one in several),
        requests=sum(one.requests for one in several),
        tokens=sum(one.tokens for one in several),
    )


def _worst(several: list[Outcome]) -> Outcome:
    return min(several, key=lambda one: _SEVERITY[one.status])

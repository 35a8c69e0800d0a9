"""Layered against plain, request by request: two are sent at the same moment, one each way, and their TTFT compared.

Which moment of its step an engine is in, and how many others wait, decides how long a request waits: by ten times what
the layer costs, and from turn to turn by more. Twins share all that. Which of the two is sent first takes turns, since
the server looks at one after the other.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gevent

from benchmarks.layer import served
from benchmarks.layer.pairs import of_pairs

_TITLES = ("at once", "twins", "TTFT p50, ms, plain", "layered later by, ms, median", "mean")
_PLAIN, _LAYERED = 0, 1


@dataclass(frozen=True)
class Twins:
    """The ms to the first token of two requests sent at the same moment; `first` is which of them was sent first."""

    first: int
    plain: float
    layered: float


def measured(urls: Sequence[str], key: str, plan: served.Plan, concurrency: Sequence[int]) -> Iterator[str]:
    """The lines of the report, as they become known; the first URL is the plain server, or the way around the layer."""
    yield f"| {' | '.join(_TITLES)} |"
    yield "|---" * len(_TITLES) + "|"
    with served.opened(urls, key, plan) as sides:
        for number, lines in enumerate(concurrency, 1):
            yield _row(lines, _asked(sides, plan, max(1, lines // 2), number * 100_000))


def _asked(sides: Sequence[served.Side], plan: served.Plan, pairs: int, begin: int) -> list[Twins]:
    """As many twins as rounds times waves for each of so many pairs at once; those of the first round are left out."""
    found: list[Twins] = []
    numbers = iter(range(begin, begin + pairs * plan.waves * (plan.rounds + 1)))

    def ask() -> None:
        for number in numbers:
            served.pause(number)
            order = (_PLAIN, _LAYERED) if number % 2 else (_LAYERED, _PLAIN)
            jobs = {which: gevent.spawn(served.answered, sides[which], number) for which in order}
            gevent.joinall(list(jobs.values()), raise_error=True)
            if number >= begin + pairs * plan.waves:
                times = [(one.first - one.sent) / 1e6 for one in (jobs[_PLAIN].value, jobs[_LAYERED].value)]
                found.append(Twins(order[0], *times))

    for side in sides:
        side.pool.warm(pairs)
    gevent.joinall([gevent.spawn(ask) for _ in range(pairs)], raise_error=True)
    return found


def later(twins: Sequence[Twins]) -> float:
    """By how many ms the layered one is later, in the median: between where it went first and where it went second."""
    return statistics.mean(statistics.median(found) for found in _by_order(twins) if found)


def later_on_average(twins: Sequence[Twins]) -> float:
    """The same by the mean, which has in it what a request loses that just misses a step."""
    return statistics.mean(statistics.mean(found) for found in _by_order(twins) if found)


def _by_order(twins: Sequence[Twins]) -> list[list[float]]:
    return [[one.layered - one.plain for one in twins if one.first == first] for first in (_PLAIN, _LAYERED)]


def _row(lines: int, twins: Sequence[Twins]) -> str:
    cells = [
        str(max(2, lines)),
        f"{len(twins):,}",
        f"{statistics.median(one.plain for one in twins):,.2f}",
        *(of_pairs(twins, figure).shown("+.2f") for figure in (later, later_on_average)),
    ]
    return f"| {' | '.join(cells)} |"

"""Runs a prober in virtual time against any function that lets requests pass or not: a minute takes milliseconds.

Law: nothing here waits, and nothing is random but by the seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from loadtests.limits.observed import Asked, Observation
from loadtests.limits.prober import Prober
from loadtests.limits.steps import Send

_STEPS = 400_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a limiter said, in the terms of an `Observation`; `settle` is told when the answer is complete.

    `takes` is how long it is generated beside what every answer takes (s).
    """

    passed: bool
    status: int = 200
    retry_after: float | None = None
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    about: str = ""
    used: int | None = None
    settle: Callable[[float], None] | None = None
    takes: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Network:
    """How long things take, in seconds: to the limiter and back, what is added at random, and generating."""

    way: float = 0.0
    jitter: float = 0.0
    answer: float = 0.0
    seed: int = 0


class _World:
    """Time, and what is due in it."""

    def __init__(self, prober: Prober, admit: Callable[[float, Asked], Answer], network: Network, start: float) -> None:
        self.now = start
        self._prober = prober
        self._admit = admit
        self._network = network
        self._draw = random.Random(network.seed)  # noqa: S311 - delays are no secrets
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def send(self, asked: Asked) -> None:
        sent = self.now
        self._later(self._delay(), lambda: self._arrive(asked, sent))

    def happens(self, until: float) -> bool:
        """Do what is due first, if it is due until then."""
        if not self._events or self._events[0][0] > until:
            return False
        self.now, _, what = heapq.heappop(self._events)
        what()
        return True

    def _arrive(self, asked: Asked, sent: float) -> None:
        answer = self._admit(self.now, asked)
        generating = self._network.answer + answer.takes if answer.passed and answer.status == 200 else 0.0
        self._later(generating, lambda: self._complete(asked, answer, sent))

    def _complete(self, asked: Asked, answer: Answer, sent: float) -> None:
        if answer.settle is not None:
            answer.settle(self.now)
        self._later(self._delay(), lambda: self._back(asked, answer, sent))

    def _back(self, asked: Asked, answer: Answer, sent: float) -> None:
        self._prober.take(
            Observation(
                sent=sent,
                answered=self.now,
                passed=answer.passed,
                status=answer.status if answer.passed else 429,
                asked=asked,
                retry_after=answer.retry_after,
                limit=answer.limit,
                remaining=answer.remaining,
                reset=answer.reset,
                about=answer.about,
                used=answer.used,
            )
        )

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what))

    def _delay(self) -> float:
        return self._network.way + self._network.jitter * self._draw.random()


def rehearse(
    prober: Prober,
    admit: Callable[[float, Asked], Answer],
    network: Network = Network(),
    *,
    start: float = 0.0,
) -> float:
    """Run the prober to its end from `start` against what `admit` says at a time; returns the time at its end."""
    world = _World(prober, admit, network, start)
    for _ in range(_STEPS):
        step = prober.next(world.now)
        if step is None:
            return world.now
        if isinstance(step, Send):
            world.send(step.asked)
        elif not world.happens(step.until):
            world.now = max(world.now, step.until)
    raise RuntimeError("the search did not end")

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from loadtests.limits.observed import Asked
from loadtests.limits.virtual import Answer
from reference_server.meters import SECOND, Meter
from tests.loadtests.limits.worlds import meter, search

LIMIT = 240
Told = Callable[[float, list[tuple[float, float]]], float]


class Crowded:
    """An endpoint that says what is left, with others who ask `rate` times a second at random."""

    def __init__(self, counts: Meter, rate: float, told: Told, limit: float = LIMIT, seed: int = 5) -> None:
        self._counts, self._rate, self._told, self._limit = counts, rate, told, limit
        self._draw = random.Random(seed)
        self._next = 0.0
        self._left: list[tuple[float, float]] = []

    def __call__(self, now: float, asked: Asked) -> Answer:
        while self._rate and self._next < now:
            at = round(self._next * SECOND)
            if not self._counts.wait(1, at):
                self._counts.add(1, at)
            self._next += self._draw.expovariate(self._rate)
        at = round(now * SECOND)
        if wait := self._counts.wait(1, at):
            return Answer(passed=False, retry_after=float(-(-wait // SECOND)), limit=self._limit, remaining=0.0)
        self._counts.add(1, at)
        self._left.append((now, float(self._counts.remaining(at))))
        left = self._told(now, self._left)
        return Answer(passed=True, status=400 if asked.kind == "broken" else 200, limit=self._limit, remaining=left)


def exact(_: float, left: list[tuple[float, float]]) -> float:
    return left[-1][1]


def rounded(_: float, left: list[tuple[float, float]]) -> float:
    return 10.0 * round(left[-1][1] / 10)


def lagging(now: float, left: list[tuple[float, float]]) -> float:
    return next((value for at, value in reversed(left) if at <= now - 1.0), LIMIT - 1.0)


def doubled(_: float, left: list[tuple[float, float]]) -> float:
    return 2.0 * left[-1][1]


def frozen(now: float, left: list[tuple[float, float]]) -> float:
    return lagging(float(int(now)) + 1.0, left)


@pytest.mark.parametrize("kind", ["fixed", "bucket"])
def test_others_on_the_quota_are_told(kind: str) -> None:
    _, found, _ = search(Crowded(meter(kind, LIMIT), 0.8, exact), start=21.0, seconds=720)
    assert found.others is not None
    assert found.others.low <= 48 <= (found.others.high or 1000.0)


def test_others_on_a_sliding_quota_lead_to_no_wrong_limit() -> None:
    _, found, _ = search(Crowded(meter("sliding", LIMIT), 0.8, exact), start=55.0, seconds=120)
    assert found.low <= LIMIT
    assert found.high >= 0.8 * LIMIT - 48


@pytest.mark.parametrize(
    ("kind", "told", "limit"),
    [
        ("fixed", exact, 2 * LIMIT),
        ("fixed", lagging, LIMIT),
        ("sliding", doubled, 2 * LIMIT),
        ("bucket", exact, 2 * LIMIT),
        ("bucket", rounded, 2 * LIMIT),
        ("bucket", lagging, 2 * LIMIT),
        ("bucket", frozen, 2 * LIMIT),
    ],
)
def test_nobody_else_is_never_told_of(kind: str, told: Told, limit: int) -> None:
    _, found, _ = search(Crowded(meter(kind, LIMIT), 0.0, told, limit), start=21.0)
    assert found.others is None
    assert found.low <= LIMIT * 1.001
    assert found.high >= LIMIT * 0.999

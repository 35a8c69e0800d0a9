from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.pace import WINDOW, Pacer


class Clock:
    """Time that passes by sleeping only; refuses to be spun on."""

    def __init__(self) -> None:
        self.now = 500.0
        self.sleeps = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps += 1
        self.now += seconds


def _passed(pacer: Pacer, clock: Clock, costs: list[int]) -> list[float]:
    times = []
    for tokens in costs:
        assert pacer.wait(tokens)
        times.append(clock.now)
    return times


def test_without_limits_nothing_waits() -> None:
    clock = Clock()
    _passed(Pacer(clock=clock, sleep=clock.sleep), clock, [1000] * 100)
    assert clock.sleeps == 0


def test_a_burst_passes_at_once_and_the_next_waits_for_a_whole_window() -> None:
    clock = Clock()
    times = _passed(Pacer(3, clock=clock, sleep=clock.sleep), clock, [0] * 7)
    assert [t - 500 for t in times] == [0, 0, 0, 60, 60, 60, 120]
    assert clock.sleeps == 2


def test_tokens_are_limited_too() -> None:
    clock = Clock()
    times = _passed(Pacer(None, 100, clock=clock, sleep=clock.sleep), clock, [60, 40, 1, 99, 100])
    assert [t - 500 for t in times] == [0, 0, 60, 60, 120]


def test_a_request_above_a_minutes_tokens_waits_for_an_empty_minute_and_goes() -> None:
    clock = Clock()
    times = _passed(Pacer(None, 100, clock=clock, sleep=clock.sleep), clock, [10, 500, 10])
    assert [t - 500 for t in times] == [0, 60, 120]


@given(
    requests=st.integers(1, 5),
    tokens=st.integers(10, 50),
    steps=st.lists(st.tuples(st.floats(0, 45), st.integers(0, 10)), max_size=40),
    pauses=st.dictionaries(st.integers(0, 39), st.floats(0, 100), max_size=3),
)
def test_no_minute_has_more_than_the_limits(
    requests: int, tokens: int, steps: list[tuple[float, int]], pauses: dict[int, float]
) -> None:
    clock = Clock()
    pacer = Pacer(requests, tokens, clock=clock, sleep=clock.sleep)
    passed: list[tuple[float, int]] = []
    for index, (idle, cost) in enumerate(steps):
        clock.now += idle
        if index in pauses:
            pacer.pause(pauses[index])
            quiet_until = clock.now + pauses[index]
        else:
            quiet_until = clock.now
        assert pacer.wait(cost)
        assert clock.now >= quiet_until
        passed.append((clock.now, cost))
    for start, _ in passed:
        window = [cost for at, cost in passed if start <= at < start + WINDOW - 0.001]
        assert len(window) <= requests
        assert sum(window) <= tokens
    assert clock.sleeps <= 3 * len(steps) + len(pauses)


def test_a_pause_is_for_all_and_a_shorter_one_does_not_end_it() -> None:
    clock = Clock()
    pacer = Pacer(clock=clock, sleep=clock.sleep)
    pacer.pause_until(530)
    pacer.pause_until(510)
    assert pacer.wait(1)
    assert clock.now == 530


def test_a_pause_that_comes_while_waiting_is_kept() -> None:
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        pacer.pause_until(600)

    pacer = Pacer(1, clock=clock, sleep=sleep)
    assert pacer.wait(0)
    assert pacer.wait(0)
    assert clock.now == 600


def test_stopping_ends_the_wait_without_letting_through() -> None:
    pacer, stop = Pacer(1), threading.Event()
    assert pacer.wait(0, stop=stop)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(pacer.wait(0, stop=stop))) for _ in range(4)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(5)
    assert results == [False] * 4


def test_threads_together_stay_under_the_limit() -> None:
    pacer, stop = Pacer(10), threading.Event()
    passed: list[bool] = []

    def work() -> None:
        while pacer.wait(1, stop=stop):
            passed.append(True)
            if len(passed) == 10:
                stop.set()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(passed) == 10


@pytest.mark.parametrize("limits", [(0, None), (None, 0), (-1, 5)])
def test_a_limit_that_lets_nothing_through_is_refused(limits: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match="nothing through"):
        Pacer(*limits)

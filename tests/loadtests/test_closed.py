from __future__ import annotations

import heapq
from typing import Any

import gevent
import pytest

from loadtests.closed import ClosedLoop
from loadtests.plans import plan
from loadtests.profiles import PROFILES


class Clock:
    """Time that passes only when everybody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, Any]] = []

    def wait(self, seconds: float) -> bool:
        event = gevent.event.Event()
        heapq.heappush(self._waiting, (self.now + seconds, len(self._waiting) + id(event), event))
        event.wait()
        return False

    def run(self, jobs: list[Any]) -> None:
        for _ in range(100_000):
            gevent.idle()
            if all(job.ready() for job in jobs):
                return
            self.now, _, event = heapq.heappop(self._waiting)
            event.set()
        raise AssertionError("the users did not end")


def live(answer: float = 1.0, *, share: tuple[int, int] = (0, 1), **changes: Any) -> list[tuple[float, int]]:
    """When each request was sent, by its number, where an answer takes that long."""
    made = plan(PROFILES["streaming"], {"concurrency": 4, "duration": 10, **changes})
    loop, clock, sent = ClosedLoop(made, 1, *share), Clock(), []

    def send(number: int) -> bool:
        sent.append((clock.now, number))
        clock.wait(answer * (1 + number % 4))
        return True

    jobs = [gevent.spawn(loop.live, user, send, clock.wait, lambda: clock.now) for user in loop.users]
    clock.run(jobs)
    assert len(sent) <= loop.requests
    return sent


def test_a_user_sends_when_its_last_answer_has_ended() -> None:
    sent = live()
    # User 0 has answers in one second, user 3 in four.
    assert [at for at, number in sent if number % 4 == 0] == list(range(10))
    assert [at for at, number in sent if number % 4 == 3] == [0, 4, 8]
    assert [number for _, number in sent if number % 4 == 3] == [3, 7, 11]


def test_no_more_is_sent_than_was_asked_for_whoever_is_quick() -> None:
    assert len(live(requests=10, duration=60)) == 10
    assert len(live(answer=0.01, requests=10)) == 10


def test_users_think_before_they_send_again_and_do_not_march_in_step() -> None:
    made = plan(PROFILES["streaming"], {"concurrency": 1, "think": 2.0})
    pauses = [made.pause(1, number) for number in range(3000)]
    assert sum(pauses) / 3000 == pytest.approx(2.0, rel=0.06)
    assert made.pause(1, 5) == pauses[5] != pauses[6]
    times = [at for at, _ in live(concurrency=1, think=1.0, duration=400, answer=0.0)]
    assert len(times) == pytest.approx(400, rel=0.2)
    assert all(at < 400 for at in times)


def test_users_and_their_requests_are_shared_out() -> None:
    made = plan(PROFILES["streaming"], {"concurrency": 5, "requests": 23})
    loops = [ClosedLoop(made, 1, index, 2) for index in range(2)]
    assert [list(loop.users) for loop in loops] == [[0, 2, 4], [1, 3]]
    assert sum(loop.requests for loop in loops) == 23
    numbers = [
        number for index in range(2) for _, number in live(share=(index, 2), concurrency=5, requests=23, answer=0.1)
    ]
    assert len(numbers) == len(set(numbers)) == 23


def test_a_user_stops_when_sending_or_waiting_says_so() -> None:
    made = plan(PROFILES["streaming"], {"concurrency": 1, "think": 1.0})
    sent: list[int] = []

    def once(number: int) -> bool:
        sent.append(number)
        return False

    def again(number: int) -> bool:
        sent.append(number)
        return True

    ClosedLoop(made, 1).live(0, once, lambda _: False, lambda: 0.0)
    assert sent == [0]
    ClosedLoop(made, 1).live(0, again, lambda _: True, lambda: 0.0)
    assert sent == [0, 0]

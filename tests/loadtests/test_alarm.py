from __future__ import annotations

import time

import gevent
import gevent.event
import pytest

import loadtests.alarm
from loadtests.alarm import Alarm


@pytest.fixture(params=["kernel", "loop"])
def stop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> gevent.event.Event:
    """What ends the waiting, with and without a timer of the kernel's."""
    if request.param == "loop":
        monkeypatch.setattr(loadtests.alarm, "_timer", lambda: (None, None))
    return gevent.event.Event()


def test_it_never_rings_early(stop: gevent.event.Event) -> None:
    alarm = Alarm(stop)
    for seconds in (0.0004, 0.003, 0.01):
        before = time.perf_counter()
        assert not alarm.wait(seconds)
        assert time.perf_counter() - before >= seconds - 1e-5
    alarm.close()


def test_a_stop_ends_the_wait_and_every_later_one(stop: gevent.event.Event) -> None:
    alarm = Alarm(stop)
    gevent.spawn_later(0.01, stop.set)
    before = time.perf_counter()
    assert alarm.wait(60)
    assert alarm.wait(60)
    assert alarm.wait(-1)
    assert time.perf_counter() - before < 30
    alarm.close()


def test_others_run_even_when_the_moment_is_past(stop: gevent.event.Event) -> None:
    ran: list[int] = []
    gevent.spawn(ran.append, 1)
    alarm = Alarm(stop)
    assert not alarm.wait(-5)
    assert ran == [1]
    alarm.close()
    alarm.close()

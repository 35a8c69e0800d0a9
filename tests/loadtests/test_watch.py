from __future__ import annotations

import gc

import gevent
import pytest

from loadtests.watch import Watch, peak_rss_mb


class Clock:
    """A clock in ns that goes only when told."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clocks() -> tuple[Clock, Clock]:
    return Clock(), Clock()


def test_a_pause_of_the_collector_is_seen_and_a_long_one_invalidates(clocks: tuple[Clock, Clock]) -> None:
    wall, cpu = clocks
    watch = Watch(lambda _: None, wall, cpu)
    for pause in (30_000_000, 40_000_000):
        wall.now += 1
        watch.collecting("start", {})
        wall.now += pause
        watch.collecting("stop", {})
    assert watch.to_record()["gc"] == {"pauses": 2, "total_ms": 70.0, "longest_ms": 40.0}
    assert watch.why_invalid() == ""
    watch.collecting("start", {})
    wall.now += 120_000_000
    watch.collecting("stop", {})
    assert "garbage collection" in watch.why_invalid()
    assert "120 ms" in watch.why_invalid()


def test_a_saturated_core_invalidates(clocks: tuple[Clock, Clock]) -> None:
    wall, cpu = clocks
    for share, valid in ((0.9, True), (0.99, False)):
        watch = Watch(lambda _: None, wall, cpu)
        watch.start()
        wall.now += 2_000_000_000
        cpu.now += int(share * 2e9)
        watch.end()
        assert watch.to_record()["cpu"] == share
        assert (watch.why_invalid() == "") is valid


def test_it_hears_real_collections_and_leaves_nothing_behind() -> None:
    before = list(gc.callbacks), gc.get_freeze_count()
    watch = Watch(lambda _: None)
    watch.start()
    assert gc.get_freeze_count() > before[1]
    gc.collect()
    watch.end()
    watch.end()
    assert watch.pauses >= 1
    assert (list(gc.callbacks), gc.get_freeze_count()) == before


def test_a_loop_that_is_kept_busy_shows_as_lag() -> None:
    lags: list[float] = []
    watch = Watch(lags.append)
    watch.start()
    gevent.sleep(0.05)
    watch.end()
    assert lags
    assert all(lag >= -0.001 for lag in lags)


def test_memory_is_this_processes_own() -> None:
    assert 10 < peak_rss_mb() < 10_000

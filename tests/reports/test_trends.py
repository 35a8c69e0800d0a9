from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

import pytest

from reports.shapes import Course
from reports.trends import burst_of, drift, knee, recovery, trend
from tests.reports.loads import timeline


def course(windows: list[Any], **changes: Any) -> Course:
    return Course.from_record(timeline(windows, **changes))


def noisy(seed: int, slope: float, *, alike: float = 0.0, count: int = 40) -> list[float]:
    """Values that rise by `slope` over all of them, with noise of 1 that is `alike` from one to the next."""
    draw = random.Random(seed)
    noise = accumulate(range(count), lambda last, _: alike * last + draw.gauss(0, (1 - alike**2) ** 0.5), initial=0.0)
    return [value + slope * place / (count - 1) for place, value in zip(range(count), noise, strict=False)]


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_a_drift_that_is_not_there_is_seldom_seen(alike: float) -> None:
    places = [float(place) for place in range(40)]
    wrong = 0
    for seed in range(200):
        found = trend(noisy(seed, 0.0, alike=alike), places, 39.0)
        assert found is not None
        assert found.low <= found.change <= found.high
        wrong += found.low > 0
    # One side of the bounds is missed in 5 % of runs; what a correlation of 0.6 would make 20 % of is held near that.
    assert wrong / 200 <= (0.075 if not alike else 0.12)


def test_a_drift_that_is_there_is_seen_with_its_size() -> None:
    found = trend(noisy(1, 5.0), [float(place) for place in range(40)], 39.0)
    assert found is not None
    assert 0 < found.low < 5 < found.high
    assert found.change == pytest.approx(5.0, abs=1.2)


def test_too_few_windows_show_no_drift() -> None:
    assert trend([1.0] * 9, [float(place) for place in range(9)], 8.0) is None
    assert drift(course([[20.0]] * 8), "ttft") is None
    assert drift(course([[None]] * 40), "ttft") is None


def test_the_drift_of_a_median_is_a_share_of_it() -> None:
    draw = random.Random(1)
    rising = course([[draw.gauss(100 + place, 4) for _ in range(30)] for place in range(42)])
    found = drift(rising, "ttft")
    assert found is not None
    assert 0.2 < found.low < 0.39 / 1.2 < found.high < 0.45
    still = drift(course([[draw.gauss(100, 4) for _ in range(30)] for _ in range(42)]), "ttft")
    assert still is not None
    assert still.low <= 0 <= still.high
    assert still.high - still.low < 0.05


def test_errors_are_held_half_against_half_by_exact_bounds() -> None:
    """No error at all still leaves open how many there may be."""
    none = drift(course([[20.0] * 10] * 22), "errors")
    assert none is not None
    assert none.change == 0
    assert none.low < -0.01 < 0.01 < none.high
    more = drift(course([[20.0] * 10] * 11 + [[20.0] * 8 + [None] * 2] * 11), "errors")
    assert more is not None
    assert 0.05 < more.low < more.change < more.high


def test_memory_is_what_the_process_held() -> None:
    found = drift(course([[20.0]] * 32), "memory")
    assert found is not None
    assert found.change == pytest.approx(2.9)


def test_a_burst_is_where_the_steps_are_above_their_first_rate() -> None:
    assert burst_of({"steps": "4:20,20:10,4:30"}) == (20.0, 30.0)
    assert burst_of({"steps": "4:5,9:5,2:5,9:5,4:5"}) == (5.0, 20.0)
    assert burst_of({"steps": "4:5"}) is None
    assert burst_of({"steps": "x"}) is None
    assert burst_of({}) is None


USUAL = [20.0, 21.0, 22.0, 23.0]
SLOW = [900.0, 1000.0]
PLAN = {"steps": "4:10,20:5,4:15"}


@pytest.mark.parametrize(
    ("after", "low", "high"),
    [
        ([USUAL] * 15, 0.0, 1.0),
        ([SLOW] * 4 + [USUAL] * 11, 3.0, 4.0),
        # Slow again later: not recovered before that.
        ([SLOW] * 2 + [USUAL] * 5 + [SLOW] + [USUAL] * 7, 7.0, 8.0),
        ([SLOW] * 15, 14.0, None),
        # Failing at once is not quick.
        ([[None, None, 20.0]] * 6 + [USUAL] * 9, 5.0, 6.0),
    ],
)
def test_a_recovery_is_over_when_no_window_is_slow_any_more(after: list[Any], low: float, high: float | None) -> None:
    found = recovery(course([*[USUAL] * 10, *[SLOW] * 5, *after]), PLAN)
    assert found is not None
    assert (found.low, found.high, found.burdened) == (low, high, True)
    assert found.before == pytest.approx(21, rel=0.02)
    assert found.worst == pytest.approx(900, rel=0.02)


def test_a_burst_that_slowed_nothing_is_no_recovery() -> None:
    found = recovery(course([USUAL] * 30), PLAN)
    assert found is not None
    assert not found.burdened


def test_no_recovery_is_told_without_something_to_compare_with() -> None:
    assert recovery(course([USUAL] * 30), {}) is None
    assert recovery(course([[20.0]] * 30), PLAN) is None
    assert recovery(course([USUAL] * 14), PLAN) is None


def test_a_knee_is_where_latency_begins_to_rise() -> None:
    assert knee([2, 4, 8, 12, 13, 16], [100, 100, 104, 150, 900, 2500]) == 12
    assert knee([2, 4, 8], [1, 2, 3]) is None
    assert knee([2, 4, 8, 16], [100, 101, 102, 103]) is None
    assert knee([2, 4, 8, 16], [1, 2, 4, 8]) is None

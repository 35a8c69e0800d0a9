from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.arrivals import ARRIVALS, Shape, constant, gamma, poisson, ramp, scheduled, shared_out, steps


def test_constant_arrivals_do_not_drift() -> None:
    schedule = constant(1_000_000, 30.0)
    assert schedule[0] == 0.0
    assert schedule[900_000] == 30_000.0
    assert schedule[-1] == 999_999 / 30.0


def test_poisson_arrivals_are_exactly_as_many_as_planned_sorted_and_seeded() -> None:
    schedule = poisson(5_000, 50.0, 7)
    assert len(schedule) == 5_000
    assert list(schedule) == sorted(schedule)
    assert schedule[0] >= 0
    assert schedule[-1] <= 100.0
    assert schedule == poisson(5_000, 50.0, 7)
    assert schedule != poisson(5_000, 50.0, 8)


def test_poisson_gaps_are_exponential_and_not_even() -> None:
    schedule = poisson(20_000, 100.0, 1)
    gaps = [later - earlier for earlier, later in pairwise(schedule)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.01, rel=0.02)
    assert variance**0.5 / mean == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ARRIVALS)
def test_no_arrivals_are_an_empty_schedule(name: str) -> None:
    assert ARRIVALS[name](0, 1.0, 0, 1.0) == ()


@pytest.mark.parametrize(("count", "rate"), [(-1, 1.0), (1, 0.0), (1, -2.0), (1, float("inf")), (1, float("nan"))])
def test_senseless_arrivals_are_refused(count: int, rate: float) -> None:
    for make in ARRIVALS.values():
        with pytest.raises(ValueError, match="arrivals at"):
            make(count, rate, 0, 1.0)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_workers_share_a_schedule_without_gap_or_overlap(workers: int) -> None:
    schedule = constant(100, 10.0)
    shares = [shared_out(schedule, index, workers) for index in range(workers)]
    assert sorted(due for share in shares for due in share) == list(schedule)


def test_a_share_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        shared_out((), 2, 2)


def spread(schedule: tuple[float, ...]) -> float:
    """How much gaps vary, as a share of their mean."""
    gaps = [later - earlier for earlier, later in pairwise(schedule)]
    mean = sum(gaps) / len(gaps)
    return float((sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 / mean)


@pytest.mark.parametrize("shape", [0.1, 0.25, 1.0, 4.0, 25.0])
def test_gaps_of_gamma_arrivals_vary_by_their_shape(shape: float) -> None:
    schedule = gamma(20_000, 100.0, 3, shape)
    assert len(schedule) == 20_000
    assert list(schedule) == sorted(schedule)
    assert 0 <= schedule[0] <= schedule[-1] <= 200.0
    assert spread(schedule) == pytest.approx(shape**-0.5, rel=0.06)
    assert schedule == gamma(20_000, 100.0, 3, shape) != gamma(20_000, 100.0, 4, shape)


def test_gamma_arrivals_of_shape_one_count_like_a_poisson_process() -> None:
    schedule = gamma(50_000, 100.0, 5)
    counts = Counter(int(due) for due in schedule)
    mean = sum(counts.values()) / 500
    assert sum((counts[second] - mean) ** 2 for second in range(500)) / 500 == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize("shape", [0.0, -1.0, float("nan"), float("inf")])
def test_gamma_arrivals_without_a_shape_are_refused(shape: float) -> None:
    with pytest.raises(ValueError, match="burstiness"):
        gamma(3, 1.0, 0, shape)


def test_gaps_too_small_for_a_float_are_none_at_all() -> None:
    assert max(gamma(5, 1.0, 1, 0.01)) <= 5.0


def test_a_ramp_sends_as_its_rate_says() -> None:
    schedule = scheduled("constant", ramp(0.0, 20.0, 10.0), 0)
    assert len(schedule) == 100
    # Half of the time has a quarter of the requests.
    assert sum(due < 5.0 for due in schedule) == 25
    assert schedule[25] == pytest.approx(5.0)
    assert sum(due < 5.0 for due in scheduled("constant", ramp(20.0, 0.0, 10.0), 0)) == 75


def test_steps_send_at_each_rate_for_its_time_and_pause_at_none() -> None:
    shape = steps("5:2, 0:3, 20:1")
    assert (shape.seconds, shape.count, shape.highest) == (6.0, 30, 20.0)
    schedule = scheduled("constant", shape, 0)
    assert sum(due < 2.0 for due in schedule) == 10
    assert not any(2.0 <= due < 5.0 for due in schedule)
    assert sum(due >= 5.0 for due in schedule) == 20
    assert sum(due < 2.0 for due in scheduled("poisson", shape, 1)) == pytest.approx(10, abs=8)


@pytest.mark.parametrize(
    "text", ["", "5", "5:0", "-1:3", "0:5", "5:3,", "5:nan", "x:3", "5:3:1", "1:1," * 1001 + "1:1"]
)
def test_steps_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="step"):
        steps(text)


_RATES = st.floats(0.0, 50.0).map(lambda rate: round(rate, 2))
_STRETCHES = st.lists(st.tuples(_RATES, _RATES, st.floats(0.1, 5.0)), min_size=1, max_size=4).filter(
    lambda rows: any(first + last for first, last, _ in rows)
)


@settings(deadline=None, max_examples=40)
@given(_STRETCHES, st.sampled_from(list(ARRIVALS)), st.integers(0, 3), st.floats(0.05, 20))
def test_any_shape_has_its_count_in_its_time_in_order_and_again_the_same(
    stretches: list[tuple[float, float, float]], name: str, seed: int, burstiness: float
) -> None:
    shape = Shape(tuple(stretches))
    schedule = scheduled(name, shape, seed, burstiness)
    assert len(schedule) == shape.count >= 1
    assert list(schedule) == sorted(schedule)
    assert schedule[0] >= 0
    # A steady rate has its last request when the rate says, which is later where the time has room for less than one.
    assert schedule[-1] <= max(shape.seconds, 1 / shape.highest) + 1e-9
    assert schedule == scheduled(name, shape, seed, burstiness)


@settings(deadline=None, max_examples=40)
@given(_STRETCHES, st.floats(0, 1))
def test_the_time_of_a_position_is_the_inverse_of_the_cumulated_rate(
    stretches: list[tuple[float, float, float]], share: float
) -> None:
    shape = Shape(tuple(stretches))
    total = sum((first + last) / 2 * seconds for first, last, seconds in stretches)
    position, cumulated, left = share * total, 0.0, shape.at(share * total)
    for first, last, seconds in stretches:
        inside = min(left, seconds)
        cumulated += first * inside + (last - first) * inside**2 / (2 * seconds)
        left -= inside
    assert cumulated == pytest.approx(position, abs=1e-6 + 1e-6 * total)


@pytest.mark.parametrize("workers", [2, 5])
def test_bursts_survive_being_shared_out(workers: int) -> None:
    """Workers that each drew bursts of their own would together send an even stream."""
    whole = gamma(5_000, 100.0, 1, 0.1)
    together = sorted(due for index in range(workers) for due in shared_out(whole, index, workers))
    assert spread(tuple(together)) == spread(whole) == pytest.approx(0.1**-0.5, rel=0.1)

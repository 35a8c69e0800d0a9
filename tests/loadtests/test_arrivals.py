from __future__ import annotations

from itertools import pairwise

import pytest

from loadtests.arrivals import ARRIVALS, constant, poisson, shared_out


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

"""Percentiles and bounds, against sums that anybody can do."""

from __future__ import annotations

import math
import random

import pytest

from reports.stats import (
    Distribution,
    StatsError,
    binomial_cdf,
    decode,
    percentile_ranks,
    rate_bounds,
    samples_for,
)
from tests.reports.samples import encoded


def summed(hits: int, total: int, rate: float) -> float:
    return sum(math.comb(total, n) * rate**n * (1 - rate) ** (total - n) for n in range(hits + 1))


@pytest.mark.parametrize("total", [1, 2, 17, 60, 400])
@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5, 0.95, 0.999])
def test_the_binomial_is_the_sum_of_its_terms(total: int, rate: float) -> None:
    for hits in range(0, total, max(1, total // 13)):
        assert binomial_cdf(hits, total, rate) == pytest.approx(summed(hits, total, rate), abs=1e-9)
    assert binomial_cdf(-1, total, rate) == 0
    assert binomial_cdf(total, total, rate) == 1


def test_rate_bounds_hold_their_confidence() -> None:
    for hits, total in ((0, 50), (1, 407), (6, 407), (30, 60), (60, 60)):
        low, high = rate_bounds(hits, total)
        assert low <= hits / total <= high
        if hits:
            assert 1 - summed(hits - 1, total, low) == pytest.approx(0.05, abs=1e-6)
        if hits < total:
            assert summed(hits, total, high) == pytest.approx(0.05, abs=1e-6)


def test_no_hit_in_n_bounds_a_rate_by_the_rule_of_three() -> None:
    assert rate_bounds(0, 300)[1] == pytest.approx(3 / 300, rel=0.01)
    assert rate_bounds(0, 0) == (0.0, 1.0)


def test_ranks_of_a_percentile() -> None:
    assert samples_for(95) == 59
    assert samples_for(99) == 299
    assert percentile_ranks(58, 95)[1] is None
    assert percentile_ranks(59, 95)[1] == 59
    assert percentile_ranks(1, 99) == (1, None)
    assert percentile_ranks(0, 99) == (None, None)
    low, high = percentile_ranks(1000, 95)
    assert low is not None
    assert high is not None
    assert summed(high - 1, 1000, 0.95) >= 0.95 > summed(high - 2, 1000, 0.95)
    assert 1 - summed(low - 1, 1000, 0.95) >= 0.95 > 1 - summed(low, 1000, 0.95)


def test_the_bounds_of_a_percentile_contain_it_as_often_as_they_say() -> None:
    generator = random.Random(4)
    missed_below = missed_above = 0
    for _ in range(400):
        values = sorted(generator.random() for _ in range(200))
        low, high = percentile_ranks(200, 95)
        assert low is not None
        assert high is not None
        missed_below += values[high - 1] < 0.95
        missed_above += values[low - 1] > 0.95
    # At most 5 % on each side, with room for the luck of 400 draws.
    assert missed_below <= 34
    assert missed_above <= 34


def test_a_histogram_comes_out_as_it_went_in() -> None:
    found = decode(encoded(range(1000, 101_000, 1000)), "us")
    assert found.total == 100
    assert found.percentile(50) == pytest.approx(50, rel=1e-3)
    assert found.percentile(95) == pytest.approx(95, rel=1e-3)
    assert found.percentile(100) == pytest.approx(100, rel=1e-3)
    assert found.mean == pytest.approx(50.5, rel=1e-3)


def test_units_are_milliseconds_in_the_end() -> None:
    assert decode(encoded([2_000]), "us").values[0] == pytest.approx(2, rel=1e-3)
    assert decode(encoded([2_000]), "ms").values[0] == pytest.approx(2000, rel=1e-3)


def test_a_percentile_is_a_value_that_occurred() -> None:
    found = Distribution(values=(1.0, 5.0, 9.0), counts=(90, 9, 1))
    assert [found.percentile(percent) for percent in (1, 90, 91, 99, 99.5, 100)] == [1, 1, 5, 5, 9, 9]
    assert found.at_rank(1) == 1
    with pytest.raises(IndexError):
        found.at_rank(101)
    with pytest.raises(IndexError):
        Distribution((), ()).percentile(50)


@pytest.mark.parametrize("text", ["", "xx", "AAAA", "not base64 at all", "é", encoded([5])[:-12]])
def test_what_is_no_histogram(text: str) -> None:
    with pytest.raises(StatsError):
        decode(text, "us")


def test_an_unknown_unit() -> None:
    with pytest.raises(StatsError, match="ns, us, ms, s"):
        decode(encoded([5]), "minutes")

from __future__ import annotations

import math
from random import Random

import pytest

from conformance.checks.candidates import N, _chance_of_copies
from conformance.checks.sampling import FALSE_ALARM


def test_choices_that_differ_repeat_nothing() -> None:
    assert _chance_of_copies(["a", "b", "c"], [-1.0, -2.0, -3.0]) == 0


def test_a_copy_is_as_likely_as_what_it_may_repeat() -> None:
    assert _chance_of_copies(["a", "a"], [-5.0, -5.0]) == pytest.approx(-5)
    assert _chance_of_copies(["a", "b", "a"], [-5.0, -5.0, -5.0]) == pytest.approx(-5 + math.log(2))
    assert _chance_of_copies(["a", "a", "a"], [-5.0, -5.0, -5.0]) == pytest.approx(-10)


def test_an_empty_choice_is_no_evidence() -> None:
    assert _chance_of_copies(["", "", ""], [0.0, 0.0, 0.0]) == 0


@pytest.mark.parametrize("weights", [(0.9, 0.05, 0.05), (0.5, 0.5), (0.999, 0.001), tuple([0.1] * 10)])
def test_the_bound_holds_for_honest_samples(weights: tuple[float, ...]) -> None:
    """Markov's bound at a level that a test can see: 1 in 100 instead of 1 in a million."""
    random, runs, alarms = Random(7), 4000, 0
    for _ in range(runs):
        drawn = random.choices(range(len(weights)), weights, k=N)
        chance = _chance_of_copies([str(one) for one in drawn], [math.log(weights[one]) for one in drawn])
        alarms += chance < math.log(0.01) - (N - 1) * math.log(2)
    assert alarms <= runs * 0.01
    assert FALSE_ALARM < 0.01

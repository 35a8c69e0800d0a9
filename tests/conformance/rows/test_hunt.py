"""The search for a failing value: seeded, remembered, bounded, and not confused by what is not the endpoint's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from conformance.check import Inconclusive, Violation
from conformance.rows.hunt import SIMPLER_REQUESTS, hunt

NUMBERS = st.sampled_from(range(100))


class Asker:
    def __init__(self, wrong: Any) -> None:
        self.wrong = wrong
        self.asked: list[Any] = []

    def __call__(self, value: Any) -> None:
        self.asked.append(value)
        if self.wrong(value):
            raise Violation(f"{value} is wrong")


def test_nothing_wrong_raises_nothing_and_asks_each_value_once() -> None:
    asker = Asker(lambda value: False)
    hunt(NUMBERS, asker, examples=60, seed=1)
    assert 30 < len(asker.asked) <= 60
    assert len(set(asker.asked)) == len(asker.asked)


def test_the_simplest_failing_value_is_reported() -> None:
    asker = Asker(lambda value: value >= 37)
    with pytest.raises(Violation, match=r"^37 is wrong$"):
        hunt(NUMBERS, asker, examples=60, seed=1)


def test_looking_for_a_simpler_value_is_bounded() -> None:
    failed: list[int] = []

    def wrong(value: list[int]) -> bool:
        failed.append(len(asker.asked))
        return sum(value) >= 300

    asker = Asker(wrong)
    with pytest.raises(Violation):
        hunt(st.lists(NUMBERS, min_size=8, max_size=12), asker, examples=40, seed=1)
    first = next(number for number, value in enumerate(asker.asked, 1) if sum(value) >= 300)
    assert len(asker.asked) - first <= SIMPLER_REQUESTS


def test_without_shrinking_the_first_failure_is_reported() -> None:
    asker = Asker(lambda value: value >= 37)
    with pytest.raises(Violation) as caught:
        hunt(NUMBERS, asker, examples=60, seed=1, shrink=False)
    assert caught.value.message == f"{asker.asked[-1]} is wrong"
    assert sum(value >= 37 for value in asker.asked) == 1


def test_a_seed_names_the_same_values() -> None:
    runs = []
    for seed in (7, 7, 8):
        asker = Asker(lambda value: False)
        hunt(NUMBERS, asker, examples=30, seed=seed)
        runs.append(asker.asked)
    assert runs[0] == runs[1] != runs[2]


def test_no_examples_ask_nothing() -> None:
    asker = Asker(lambda value: True)
    hunt(NUMBERS, asker, examples=0, seed=1)
    assert asker.asked == []


def test_what_is_no_violation_ends_the_hunt_at_once() -> None:
    asked: list[int] = []

    def throttled(value: int) -> None:
        asked.append(value)
        if len(asked) == 3:
            raise Inconclusive("throttled to the end")

    with pytest.raises(Inconclusive, match="throttled"):
        hunt(NUMBERS, throttled, examples=50, seed=1)
    assert len(asked) == 3


def test_an_abort_while_simplifying_keeps_what_was_found() -> None:
    def throttled_after_a_failure(value: int) -> None:
        if asked:
            raise Inconclusive("out of budget")
        if value > 5:
            asked.append(value)
            raise Violation("wrong")

    asked: list[int] = []
    with pytest.raises(Violation, match="wrong"):
        hunt(NUMBERS, throttled_after_a_failure, examples=50, seed=1)


def test_a_report_has_none_of_the_advice_of_the_search() -> None:
    with pytest.raises(Violation) as caught:
        hunt(NUMBERS, Asker(lambda value: value > 3), examples=20, seed=1)
    assert getattr(caught.value, "__notes__", []) == []


def test_an_endpoint_that_answers_differently_each_time_is_still_reported() -> None:
    calls: list[int] = []

    def moody(value: int) -> None:
        calls.append(value)
        if len(calls) % 2 == 0:
            raise Violation("wrong this time")

    with pytest.raises(Violation, match="wrong this time"):
        hunt(NUMBERS, moody, examples=20, seed=1)

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.collect import RecordError
from loadtests.goodput import Goodput, goodput_bounds, judged
from tests.loadtests.made import sample

BOUNDS = {"ttft": 200.0, "itl": 50.0, "tpot": 20.0, "e2e": 1000.0}


def test_bounds_are_read_and_nonsense_is_refused() -> None:
    assert goodput_bounds(" ttft:800, tpot:60.5 ") == {"ttft": 800.0, "tpot": 60.5}
    assert goodput_bounds("") == {}
    for text in ("ttft", "ttft:", "ttft:0", "ttft:-3", "ttft:nan", "ttft:1e9", "speed:3", "ttft:1,ttft:2", "ttft=3"):
        with pytest.raises(ValueError, match="goodput is NAME:MILLISECONDS"):
            goodput_bounds(text)


@pytest.mark.parametrize(
    ("one", "missed"),
    [
        (sample(), ()),
        (sample(ttft=0.2), ()),
        (sample(ttft=0.201), ("ttft",)),
        (sample(gaps=(0.001,) * 9 + (0.051,)), ("itl",)),
        (sample(gaps=(0.021,) * 4), ("tpot",)),
        # Two tokens in a chunk are half the time for each.
        (sample(gaps=(0.021,) * 4, tokens=10), ()),
        (sample(gaps=(0.0199,) * 47), ("e2e",)),
        (sample(gaps=()), ()),
        (sample(ttft=2.0), ("ttft", "e2e")),
    ],
)
def test_a_good_answer_keeps_every_bound(one: Any, missed: tuple[str, ...]) -> None:
    result = judged(one, BOUNDS)
    assert result.missed == missed
    assert result.good == result.good_intended == (not missed)


def test_an_answer_that_had_to_wait_for_its_turn_was_not_good_for_its_user() -> None:
    result = judged(sample(late=0.15), BOUNDS)
    assert (result.good, result.good_intended, result.missed) == (True, False, ())


@pytest.mark.parametrize("outcome", ["429", "5xx", "cut", "timeout", "refused"])
def test_a_request_that_failed_was_not_good_however_quick(outcome: str) -> None:
    found = Goodput({})
    assert not found.add(sample(outcome=outcome, ttft=0.0)).good
    assert (found.requests, found.good, found.failed) == (1, 0, 1)


def test_parts_of_a_run_add_up_to_the_whole() -> None:
    every = [sample(), sample(ttft=0.5), sample(late=1.0), sample(outcome="429"), sample(tokens=7)]
    whole, first, second = (Goodput(BOUNDS) for _ in range(3))
    for place, one in enumerate(every):
        whole.add(one)
        (first if place % 2 else second).add(one)
    first.merge(json.loads(json.dumps(second.to_record())))
    assert first.to_record() == whole.to_record()
    assert (whole.requests, whole.good, whole.good_intended, whole.good_tokens) == (5, 3, 2, 10)
    assert whole.missed == {"ttft": 1, "itl": 0, "tpot": 0, "e2e": 0}


@pytest.mark.parametrize("change", [{"bounds": {"ttft": 1.0}}, {"good": "x"}, {"missed": {}}, {"requests": None}])
def test_what_is_no_goodput_of_these_bounds_is_not_added(change: dict[str, Any]) -> None:
    found = Goodput(BOUNDS)
    with pytest.raises(RecordError):
        found.merge({**Goodput(BOUNDS).to_record(), **change})
    assert found.to_record() == Goodput(BOUNDS).to_record()

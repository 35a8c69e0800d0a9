from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.plans import plan
from loadtests.profiles import PROFILES, PlanError, profile
from loadtests.prompts import most_tokens

STREAMING = PROFILES["streaming"]


def test_the_streaming_profile_is_short_by_default() -> None:
    made = plan(STREAMING)
    assert made.scheduled == 50
    assert made.requests == 50 + STREAMING.warmup
    assert made.seconds == 10.0
    assert made.tokens == made.requests * (most_tokens(64) + 16)
    assert made.likely == 52 * 80 < made.tokens


@pytest.mark.parametrize(
    ("rate", "duration", "scheduled"),
    [(30.0, 0.1, 3), (3.0, 0.1, 1), (0.5, 1.0, 1), (10.0, 0.99, 9), (7.0, 3.0, 21), (1 / 3, 30.0, 10)],
)
def test_the_number_of_requests_is_rate_times_duration_and_at_least_one(
    rate: float, duration: float, scheduled: int
) -> None:
    made = plan(STREAMING, {"rate": rate, "duration": duration})
    assert made.scheduled == scheduled
    assert len(made.schedule(0)) == scheduled


def test_changes_that_are_none_change_nothing() -> None:
    assert plan(STREAMING, {"rate": None, "max_tokens": None}) == plan(STREAMING)


def test_more_time_for_a_request_is_more_time_to_drain() -> None:
    assert plan(STREAMING, {"deadline": 300}).profile.drain >= 300
    assert plan(STREAMING, {"deadline": 300, "drain": 10}).profile.drain == 10


def test_a_plan_beyond_its_token_cap_is_refused_before_anything_is_sent() -> None:
    most = plan(STREAMING).likely
    assert plan(STREAMING, {"token_cap": most}).likely == most
    with pytest.raises(PlanError, match="the cap is"):
        plan(STREAMING, {"token_cap": most - 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0}, "rate is a number from 0.01"),
        ({"rate": float("nan")}, "rate is a number"),
        ({"rate": "5"}, "rate is a number"),
        ({"rate": True}, "rate is a number"),
        ({"max_tokens": 1.5}, "whole number"),
        ({"max_tokens": 0}, "max_tokens is a number from 1"),
        ({"route": "embeddings"}, "completions, chat"),
        ({"arrivals": "uniform"}, "constant, poisson, gamma"),
        ({"speed": 3}, "no speed"),
        ({"name": "x"}, "no name"),
    ],
)
def test_a_senseless_change_is_refused_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan(STREAMING, changes)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    assert profile("streaming") is STREAMING
    with pytest.raises(PlanError, match="streaming"):
        profile("sprint")


def test_a_plan_says_what_it_costs_and_can_be_logged() -> None:
    made = plan(STREAMING, {"route": "completions", "max_tokens": 100})
    assert "52 completions requests" in str(made)
    assert f"{made.tokens:,} tokens" in str(made)
    record = json.loads(json.dumps(made.to_record()))
    assert (record["requests"], record["tokens"], record["rate"]) == (52, made.tokens, 5.0)

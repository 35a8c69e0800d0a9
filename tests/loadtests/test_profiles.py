from __future__ import annotations

import json
from pathlib import Path
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


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_a_plan_that_says_what_it_does(name: str) -> None:
    made = plan(PROFILES[name])
    told = str(made)
    assert told.startswith(f"{name}: ")
    assert f"{made.tokens:,} tokens" in told
    assert f"{made.seconds:.0f} s" in told
    assert made.likely < made.tokens
    assert json.loads(json.dumps(made.to_record()))["name"] == name
    if not made.profile.search:
        assert len(made.schedule(1)) == made.scheduled
        assert max(made.schedule(1)) <= made.seconds


@pytest.mark.parametrize(
    ("changes", "words", "requests"),
    [
        ({"rate_from": 1, "rate": 10, "duration": 10}, "at 1 rising to 10 per second", 57),
        ({"steps": "5:2,20:1"}, "in steps 5:2,20:1", 32),
        ({"arrivals": "gamma", "burstiness": 0.5}, "as a gamma process", 52),
        ({"concurrency": 4, "duration": 3}, "4 users, each sending after its last answer", 126),
        ({"concurrency": 4, "think": 1, "duration": 3}, "and 1 s of thought", 18),
        ({"concurrency": 4, "requests": 9}, "at most 11 chat requests", 11),
        ({"mix": "chat=2,completions-whole"}, "chat and completions-whole requests", 52),
    ],
)
def test_a_plan_says_how_its_requests_are_spread(changes: dict[str, Any], words: str, requests: int) -> None:
    made = plan(STREAMING, changes)
    assert words in str(made)
    assert made.requests == requests


def test_a_trace_is_a_plan_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"offset": 1, "max_tokens": 4}\n{"offset": 1.5, "max_tokens": 8}\n{"offset": 9, "max_tokens": 8}\n'
    )
    made = plan(STREAMING, {"trace": str(path), "warmup": 0})
    assert (made.schedule(0), made.requests, made.seconds) == ((0.0, 0.5, 8.0), 3, 8.0)
    assert made.tokens == 3 * (most_tokens(64) + 8)
    assert plan(STREAMING, {"trace": str(path), "warmup": 0, "requests": 2}).schedule(0) == (0.0, 0.5)
    with pytest.raises(PlanError, match="cannot read"):
        plan(STREAMING, {"trace": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": "1:1", "concurrency": 2}, "steps and concurrency"),
        ({"trace": "x", "rate_from": 1}, "trace and rate_from"),
        ({"think": 1}, "think is for a closed loop"),
        ({"prompt_file": "x", "turns": 2}, "not for those of a prompt_file"),
        ({"steps": 5}, "steps is text"),
        ({"mix": "x" * 20_000}, "at most 10,000 characters"),
        ({"prompt_tokens": float("nan")}, "whole number"),
        ({"prompt_tokens": "uniform:3"}, "prompt_tokens is a number"),
        ({"goodput": "speed:3"}, "goodput is NAME"),
        ({"prefix_share": 1}, "prefix_share is a number"),
        ({"search": "capacity"}, "no search"),
        ({"rate": 10_000, "duration": 86_400}, "more than one run sends"),
        ({"concurrency": 20_000, "duration": 86_400}, "more than one run sends"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan(STREAMING, changes)


def test_another_shape_takes_the_place_of_the_rows_own() -> None:
    assert plan(PROFILES["burst"], {"rate": 3, "duration": 2}).profile.steps == ""
    assert plan(PROFILES["burst"], {"max_tokens": 4}).profile.steps
    assert plan(PROFILES["mixed"], {"route": "chat"}).profile.mix == ""

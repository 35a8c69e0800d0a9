"""Models that emit half characters: tokens that look alike are no fault of the endpoint's."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Inconclusive, Violation
from conformance.checks.candidates import N, choices_are_samples_of_their_own
from conformance.checks.likeliest import as_many_as_the_most, the_likeliest_come_first
from conformance.settings import Settings
from conformance.wire.exchange import Sent
from reports.model import Capability
from tests.conformance.fakes import api_over, document


def listed(*tokens: tuple[str, list[int]]) -> list[dict[str, Any]]:
    return [{"token": text, "logprob": -1.0 - place, "bytes": raw} for place, (text, raw) in enumerate(tokens)]


def greedy(*tokens: tuple[str, list[int]]) -> dict[str, Any]:
    answer = document("calm", "chat")
    top = listed(*tokens)
    answer["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return answer


def test_halves_of_characters_without_bytes_are_not_one_token_twice() -> None:
    api, _ = api_over(lambda _: (200, greedy(("", []), ("T", [84]), ("", []))), route="chat")
    the_likeliest_come_first.function(api)


def test_a_token_with_its_bytes_is_not_listed_twice() -> None:
    api, _ = api_over(lambda _: (200, greedy(("T", [84]), ("", []), ("T", [84]))), route="chat")
    with pytest.raises(Violation, match="twice"):
        the_likeliest_come_first.function(api)


def choices_of(*texts: str) -> dict[str, Any]:
    row = {"tokens": ["a"], "token_logprobs": [-9.0], "top_logprobs": [{"a": -9.0}], "text_offsets": [0]}
    answer = document()
    choice = answer["choices"][0]
    answer["choices"] = [{**choice, "index": i, "text": text, "logprobs": row} for i, text in enumerate(texts)]
    return answer


def test_choices_with_half_characters_that_differ_are_samples_of_their_own() -> None:
    api, courier = api_over(lambda _: (200, choices_of(*(f"\ufffd {number}" for number in range(N)))))
    choices_are_samples_of_their_own.function(api)
    assert len(courier.sent) == 1


def test_choices_that_look_alike_in_half_characters_are_no_copies() -> None:
    api, _ = api_over(lambda _: (200, choices_of(*["\ufffd"] * N)))
    with pytest.raises(Inconclusive, match="half a character"):
        choices_are_samples_of_their_own.function(api)


def test_the_most_are_not_asked_for_where_none_are_given() -> None:
    """An endpoint that supports no `logprobs` may still answer the request."""
    lacking = Capability(route="completions", parameter="logprobs", requirement="r", supported=False, message="no")

    def reply(_: Sent) -> tuple[int, Any]:
        return 400, {"error": "logprobs is not supported"}

    api, courier = api_over(reply)
    api.settings = Settings(unsupported={"completions": {"logprobs": lacking}})
    with pytest.raises(Exception, match="not supported"):
        as_many_as_the_most.function(api)
    assert not courier.sent

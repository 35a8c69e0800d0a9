from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.api import Api
from conformance.check import Violation
from conformance.checks import strict
from conformance.checks.strict import (
    a_boolean_is_no_number,
    a_number_is_no_text,
    a_stream_says_who_speaks,
    the_best_does_not_come_in_pieces,
)
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over, document


def stream(*choices: dict[str, Any]) -> Exchange:
    """A stream with an event for each of those choices."""
    body = b"".join(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n" for choice in choices)
    return Exchange("x1", "s", 0, Sent("POST", "/", ()), 0.0, 200, (("content-type", "text/event-stream"),), body)


def text(said: str, index: int = 0) -> dict[str, Any]:
    return {"index": index, "text": said}


def delta(index: int = 0, **parts: str) -> dict[str, Any]:
    return {"index": index, "delta": parts}


@pytest.mark.parametrize("status", [400, 422])
def test_what_is_refused_is_in_order(status: int) -> None:
    for check in (a_number_is_no_text, a_boolean_is_no_number):
        api, courier = api_over(lambda _: (status, {}))
        check.function(api)
        assert courier.sent


def test_what_is_taken_is_named() -> None:
    api, _ = api_over(lambda _: (200, document()))
    with pytest.raises(Violation, match="the number 17 for `prompt` was accepted"):
        a_number_is_no_text.function(api)
    with pytest.raises(Violation, match="`n` true was accepted"):
        a_boolean_is_no_number.function(api)


@pytest.mark.parametrize(
    ("choices", "fine"),
    [
        ([text(""), text("all of it"), text("")], True),
        ([text("one", 0), text("two", 1)], True),
        ([text("in "), text("pieces")], False),
    ],
)
def test_the_best_may_be_streamed_once_it_is_known(
    monkeypatch: pytest.MonkeyPatch, choices: list[dict[str, Any]], fine: bool
) -> None:
    api, _ = api_over(lambda _: (200, document()))
    monkeypatch.setattr(strict, "streamed_best_of", lambda _: stream(*choices))
    if fine:
        the_best_does_not_come_in_pieces.function(api)
        return
    with pytest.raises(Violation, match="was sent in 2 pieces"):
        the_best_does_not_come_in_pieces.function(api)


def test_the_best_may_come_without_a_stream() -> None:
    api, _ = api_over(lambda _: (200, document()))
    the_best_does_not_come_in_pieces.function(api)


def introduced(monkeypatch: pytest.MonkeyPatch, *choices: dict[str, Any]) -> None:
    api: Api
    api, _ = api_over(lambda _: (200, document()), route="chat")
    monkeypatch.setattr(strict, "greedy_stream", lambda _: stream(*choices))
    monkeypatch.setattr(strict, "stream_of_two", lambda _: None)
    a_stream_says_who_speaks.function(api)


def test_a_role_may_come_with_the_text_or_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    introduced(monkeypatch, delta(role="assistant"), delta(content="calm"))
    introduced(monkeypatch, delta(role="assistant", content="calm"), delta(content="!"))
    introduced(monkeypatch, delta(1), delta(role="assistant", content="calm"))


def test_each_choice_has_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Violation, match="no delta of choice 1 has a role"):
        introduced(monkeypatch, delta(role="assistant", content="calm"), delta(1, content="calm"))

"""What a check may ask, and how silence, refusals and contradictions reach it."""

from __future__ import annotations

import pytest

from conformance.api import Unreachable
from conformance.budget import upper_bound
from conformance.check import Inconclusive, Violation
from tests.conformance.fakes import api_over, document


def test_ask_sends_the_documented_head_and_a_capped_body() -> None:
    api, courier = api_over(lambda _: (200, document()))
    api.ask(temperature=0)
    (sent,) = courier.sent
    assert (sent.method, sent.path) == ("POST", "/v1/completions")
    assert ("Authorization", "Bearer a-key-for-tests") in sent.headers
    assert ("Content-Type", "application/json") in sent.headers
    assert sent.json["temperature"] == 0
    assert 0 < sent.json["max_tokens"] <= 16


def test_an_ellipsis_leaves_a_parameter_out() -> None:
    api, courier = api_over(lambda _: (200, document()))
    api.ask(max_tokens=...)
    assert "max_tokens" not in courier.sent[0].json


def test_headers_can_be_replaced_and_removed() -> None:
    api, courier = api_over(lambda _: (200, document()))
    api.send(b"{", headers={"Authorization": None, "Content-Type": "text/plain"})
    assert courier.sent[0].headers == (("Content-Type", "text/plain"),)
    assert courier.sent[0].body == b"{"


@pytest.mark.parametrize("failure", ["dns", "connect", "tls"])
def test_a_refused_connection_is_not_held_against_the_endpoint(failure: str) -> None:
    api, _ = api_over(lambda _: (0, failure))
    with pytest.raises(Unreachable, match=failure):
        api.ask()


@pytest.mark.parametrize("failure", ["timeout", "reset", "protocol", "too-large", "too-long"])
def test_half_an_answer_is_a_violation_with_its_evidence(failure: str) -> None:
    api, _ = api_over(lambda _: (0, failure))
    with pytest.raises(Violation, match=failure) as caught:
        api.ask()
    assert [exchange.failure for exchange in caught.value.exchanges] == [failure]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": "none"}', b'{"id": NaN}'])
def test_a_success_without_a_document_is_a_violation(body: bytes) -> None:
    api, _ = api_over(lambda _: (200, body))
    with pytest.raises(Violation):
        api.choices(api.ask())


def test_usage_must_be_counts() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": True, "total_tokens": 4}
    api, _ = api_over(lambda _: (200, document(usage=usage)))
    with pytest.raises(Violation, match="completion_tokens"):
        api.usage(api.ask())


def test_what_is_shared_is_asked_once_and_under_its_own_scope() -> None:
    api, courier = api_over(lambda _: (200, document()))
    first = api.shared("plain", lambda view: view.ask())
    assert api.shared("plain", lambda view: view.ask()) is first
    assert courier.scopes == [("shared:completions.plain", 0)]
    assert api.requests == 1


def test_a_shared_violation_is_everybodys() -> None:
    api, courier = api_over(lambda _: (500, {}))
    for _ in range(2):
        with pytest.raises(Violation, match="500"):
            api.shared("plain", lambda view: view.answer())
    assert len(courier.sent) == 1


def test_another_route_counts_for_the_same_check() -> None:
    api, courier = api_over(lambda sent: (200, document(route="chat" if "chat" in sent.path else "completions")))
    other = api.on("chat")
    other.ask()
    api.ask()
    assert [sent.path for sent in courier.sent] == ["/v1/chat/completions", "/v1/completions"]
    assert courier.scopes == [("a.check", 0), ("a.check", 1)]


def test_a_check_that_waited_too_long_gives_up() -> None:
    api, _ = api_over(lambda _: (200, document()), seconds=-1.0)
    with pytest.raises(Inconclusive, match="too slow"):
        api.ask()


def test_a_reading_that_does_not_pass_is_a_violation() -> None:
    api, _ = api_over(lambda _: (200, document()))
    failing = [(e.id, r.name) for e in api.contract.errata for r in e.readings if not r.passes and not e.unobservable]
    passing = [(e.id, r.name) for e in api.contract.errata for r in e.readings if r.passes and not e.unobservable]
    assert passing
    api.reading(*passing[0])
    assert api.readings == dict([passing[0]])
    for erratum, name in failing:
        with pytest.raises(Violation):
            api.reading(erratum, name)


def test_the_bound_on_tokens_counts_every_candidate() -> None:
    one = upper_bound({"prompt": "x", "max_tokens": 10})
    assert upper_bound({"prompt": "x", "max_tokens": 10, "n": 3}) - one == 20
    assert upper_bound({"prompt": "x", "max_tokens": 10, "n": 2, "best_of": 4}) - one == 30
    assert upper_bound(b"{") == upper_bound([1]) == 0
    # Bytes that are a body after all cost what that body costs.
    assert upper_bound(b'{"prompt": "x", "max_tokens": 10}') == one
    # A broken value must not make the bound negative or absurd.
    assert 0 < upper_bound({"prompt": "x", "max_tokens": -1}) < 1000

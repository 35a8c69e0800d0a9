"""Which contract an endpoint speaks: the stand-in under each, and servers of other shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.endpoint import Endpoint, Target
from conformance.preflight import CannotJudge
from conformance.recognise import MOST_REQUESTS, Recognised, recognise
from conformance.wire.exchange import Exchange, Sent
from reference_server.serve import serving, standin_app
from schemas.contracts import get, names

KEY = "recognised-by-its-key"
COMPLETION = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Aye"}}]}
Reply = tuple[int, Any]


class Foreign:
    """A courier that answers by path: a status and a document, or what a function makes of the body."""

    def __init__(self, replies: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.replies, self.headers, self.sent = replies, headers, []  # type: ignore[var-annotated]

    def deliver(self, sent: Sent, *, scope: str, ordinal: int, **_: object) -> Exchange:
        self.sent.append(sent)
        reply = self.replies.get(sent.path.split("?")[0], (404, {"detail": "Not Found"}))
        status, document = reply(sent) if callable(reply) else reply
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = ("content-type", "text/html" if body.startswith(b"<") else "application/json")
        return Exchange(f"x{ordinal}", scope, ordinal, sent, 0.0, status, (*self.headers, kind), body)


def found(replies: dict[str, Any], **given: Any) -> Recognised:
    courier = Foreign(replies, given.pop("headers", ()))
    result = recognise(courier, **given)
    assert len(courier.sent) <= MOST_REQUESTS
    assert all(b'"max_tokens": 1' in sent.body for sent in courier.sent if sent.method == "POST")
    return result


def wants_bool(sent: Sent) -> Reply:
    return (400, {"error": {"message": "logprobs: a boolean"}}) if b"logprobs" in sent.body else (200, COMPLETION)


def listing(*ids: str) -> Reply:
    return 200, {"object": "list", "data": [{"id": name} for name in ids]}


def wanting(sent: Sent) -> Reply:
    return wants_bool(sent) if b'"model"' in sent.body else (422, {"error": {"message": "Field required: model"}})


@pytest.mark.parametrize("name", names())
def test_the_standin_is_recognised(name: str) -> None:
    app = standin_app(get(name), key=KEY, limits=None)
    with serving(app) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        one = recognise(endpoint, key=KEY)
    assert one.contract == name
    assert one.certain
    assert len(one.exchanges) <= MOST_REQUESTS
    assert one.line.startswith(f"contract: {name}, because ")


@pytest.mark.parametrize("variation", ["short-routes", "content-logprobs", "offset-spelling", "extras-refused"])
def test_a_legal_variation_is_recognised(variation: str) -> None:
    app = standin_app(get("azure-llama"), key=KEY, limits=None, variation=variation)
    with serving(app) as server, Endpoint(Target(server.url, KEY)) as endpoint:
        assert recognise(endpoint, key=KEY).contract == "azure-llama"


def test_plain_vllm_is_openai() -> None:
    one = found({"/v1/models": listing("tiny-llama"), "/v1/chat/completions": wants_bool})
    assert (one.contract, one.certain, one.model) == ("openai", True, None)
    assert "GET /v1/models lists 'tiny-llama'" in one.why


def test_both_families_without_the_header_are_openai() -> None:
    replies = {"/v1/models": listing("a"), "/v1/chat/completions": wants_bool, "/chat/completions": wants_bool}
    one = found(replies)
    assert one.contract == "openai"
    assert "the routes without /v1 answer as well" in one.why
    assert "azure-inference" not in one.why


def test_the_vendors_headers_speak_for_the_page() -> None:
    one = found({"/v1/chat/completions": (200, COMPLETION)}, headers=(("x-ms-rai-invoked", "true"),))
    assert one.contract == "azure-llama"
    assert "x-ms-rai-invoked" in one.why


def test_the_only_model_listed_is_taken_where_one_is_needed() -> None:
    one = found({"/v1/models": listing("only"), "/v1/chat/completions": wanting})
    assert (one.contract, one.model) == ("openai", "only")
    assert "'only' goes along, the only one that /v1/models names" in one.line
    assert found({"/v1/models": listing("only"), "/v1/chat/completions": wanting}, model="mine").model is None


def test_of_several_models_the_user_chooses() -> None:
    with pytest.raises(CannotJudge, match="lists 5 \\('a', 'b', 'c', …\\); name one with --model"):
        found({"/v1/models": listing(*"abcde"), "/v1/chat/completions": wanting})


def test_a_server_of_text_only_is_recognised() -> None:
    def text(sent: Sent) -> Reply:
        offsets = {"logprobs": {"text_offsets": [0]}} if b"logprobs" in sent.body else {}
        return 200, {"choices": [{"index": 0, "text": "Aye", **offsets}]}

    assert found({"/v1/completions": text}).contract == "azure-llama"
    assert found({"/completions": (200, {"choices": [{"text": "a"}]})}).contract == "azure-inference"


def test_a_guess_is_called_one() -> None:
    one = found({"/v1/chat/completions": (400, {"error": {"message": "max_tokens is not supported"}})})
    assert not one.certain or "logprobs" in one.why
    plain = found({"/v1/models": listing("a"), "/v1/chat/completions": (200, COMPLETION)})
    assert not plain.certain
    assert "(a guess: --contract names another)" in plain.line


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ({}, "no contract fits: no model endpoint"),
        (dict.fromkeys(["/v1/models", "/v1/chat/completions", "/v1/completions", "/chat/completions", "/completions"],
                       (200, b"<!doctype html>")), "a web page answers"),
        ({"/v1/chat/completions": (401, {})}, "wants a key"),
        ({"/v1/chat/completions": (500, {})}, "/v1/chat/completions 500"),
    ],
)  # fmt: skip
def test_nothing_that_fits_cannot_be_judged(replies: dict[str, Any], says: str) -> None:
    with pytest.raises(CannotJudge, match=says):
        found(replies)


def test_what_an_endpoint_says_of_itself_is_harmless() -> None:
    one = found({"/v1/models": listing("\x1b[31m" + "x" * 200), "/v1/chat/completions": wants_bool})
    assert "\x1b" not in one.line
    assert len(one.line) < 300
    odd = {"/v1/models": (200, {"data": [7, {"id": 5}, {"id": ""}, None]}), "/v1/chat/completions": wants_bool}
    assert found(odd).contract == "openai"
    documents: tuple[Any, ...] = ([], {"data": {}}, b"{", 7)
    for document in documents:
        assert found({"/v1/models": (200, document), "/v1/chat/completions": wants_bool}).contract

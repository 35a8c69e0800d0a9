"""Every variation is different from the plain server, and still what the contract promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from conformance.wire.sse import read_events
from reference_server.content_filter import IN_OUTPUT, IN_PROMPT
from reference_server.serve import StandinApp
from reference_server.variations import VARIATIONS
from schemas import emit
from schemas.model import Contract

CUTS = ("coalesced", "byte-by-byte", "odd-cuts")
PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Is the sea calm today?"}], "max_tokens": 8}


@pytest.fixture(autouse=True)
def _plain(app: StandinApp) -> Iterator[None]:
    yield
    app.variation = None


def body_of(route: str, **given: Any) -> dict[str, Any]:
    return {**({"prompt": "The sea was calm", "max_tokens": 8} if route == "completions" else CHAT), **given}


def chunks_of(response: httpx.Response) -> list[dict[str, Any]]:
    data = [event.data for event in read_events(response.content)]
    assert data[-1] == "[DONE]"
    return [json.loads(one) for one in data[:-1]]


def spoken(chunks: list[dict[str, Any]]) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join((c["delta"].get("content") or "") if "delta" in c else c["text"] for c in choices)


@pytest.mark.parametrize("route", PATHS)
@pytest.mark.parametrize("name", VARIATIONS)
def test_a_variation_keeps_the_contract(
    app: StandinApp, client: httpx.Client, contract: Contract, name: str, route: Any
) -> None:
    validators = {part: Draft202012Validator(emit.schema(contract, route, part)) for part in ("response", "chunk")}
    app.variation = VARIATIONS[name]
    for given in ({}, {"logprobs": 2}, {"n": 2}, {"n": 2, "best_of": 4, "logprobs": 1}):
        response = client.post(PATHS[route], json=body_of(route, **given))
        assert response.status_code == 200
        assert [error.message for error in validators["response"].iter_errors(response.json())] == []
    app.variation = None
    plain = chunks_of(client.post(PATHS[route], json=body_of(route, stream=True)))
    app.variation = VARIATIONS[name]
    for given in ({}, {"logprobs": 2}):
        response = client.post(PATHS[route], json=body_of(route, stream=True, **given))
        chunks = chunks_of(response)
        assert [error.message for chunk in chunks for error in validators["chunk"].iter_errors(chunk)] == []
        assert spoken(chunks) == spoken(plain)
        reasons = [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
        assert len(reasons) == 1
    refused = client.post(PATHS[route], json=body_of(route, temperature=7))
    assert refused.status_code in (400, 422)
    assert refused.json()


COMMA = b'{"prompt": "The sea", "max_tokens": 2,}'
TWICE = b'{"prompt": "The sea", "max_tokens": 1, "max_tokens": 6, "temperature": 0}'
JSON = {"content-type": "application/json"}
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", PATHS["chat"], {"json": CHAT}),
    ("POST", PATHS["chat"], {"json": {**CHAT, "stream": True}}),
    ("POST", PATHS["chat"], {"json": {**CHAT, "logprobs": 1}}),
    ("POST", PATHS["chat"], {"json": {**CHAT, "model": "another"}}),
    ("POST", PATHS["chat"], {"json": {**CHAT, "n": None}}),
    ("POST", PATHS["chat"], {"json": {**CHAT, "messages": "Hello"}}),
    ("POST", PATHS["completions"], {"json": {"prompt": "The sea was calm", "temperature": 0}}),
    ("POST", PATHS["completions"], {"json": {"prompt": "The sea was calm", "temperature": 0, "max_tokens": 60}}),
    ("POST", PATHS["completions"], {"json": body_of("completions", logprobs=1)}),
    ("POST", PATHS["completions"], {"json": body_of("completions", best_of=3, n=2)}),
    ("POST", PATHS["completions"], {"json": body_of("completions", best_of=3, stream=True)}),
    ("POST", PATHS["completions"], {"json": body_of("completions", temperature=0, n=2)}),
    ("POST", PATHS["completions"], {"json": body_of("completions", temperature="0.5")}),
    ("POST", PATHS["completions"], {"json": {}}),
    ("POST", PATHS["completions"], {"content": COMMA, "headers": JSON}),
    ("POST", PATHS["completions"], {"content": b"x", "headers": {"content-type": "text/plain"}}),
    ("POST", PATHS["completions"], {"content": b"\xef\xbb\xbf" + TWICE, "headers": JSON}),
    ("POST", PATHS["completions"], {"content": TWICE, "headers": JSON}),
    ("POST", PATHS["completions"], {"json": body_of("completions", prompt=IN_PROMPT)}),
    ("POST", PATHS["completions"], {"json": body_of("completions", prompt=IN_OUTPUT)}),
    ("POST", "/completions", {"json": body_of("completions")}),
    ("GET", PATHS["chat"], {}),
    ("GET", "/openapi.json", {}),
    ("POST", PATHS["chat"], {"json": CHAT, "headers": {"authorization": "key-of-the-tests"}}),
    ("POST", PATHS["chat"], {"json": CHAT, "headers": {"authorization": "", "api-key": "key-of-the-tests"}}),
]


def answers(client: httpx.Client) -> list[tuple[int, str, str]]:
    """What a server says to a set of questions, but for what differs each time."""
    told = []
    for method, path, given in ASKED:
        response = client.request(method, path, **given)
        text = re.sub(r'("created": *)\d+', r"\g<1>0", response.text)
        text = re.sub(r'("id": *"(?:\w+-)?)([0-9a-f-]{32,36})"', lambda m: m[1] + re.sub("[0-9a-f]", "0", m[2]), text)
        head = response.headers["content-type"] + response.headers.get("www-authenticate", "")
        told.append((response.status_code, head, text))
    return told


@pytest.mark.parametrize("name", [name for name in VARIATIONS if name not in CUTS])
def test_a_variation_differs_from_the_plain_server(app: StandinApp, client: httpx.Client, name: str) -> None:
    app.variation = None
    plain = answers(client)
    assert plain == answers(client)
    app.variation = VARIATIONS[name]
    assert plain != answers(client)


@pytest.mark.parametrize(("name", "parts"), [("coalesced", 1), ("byte-by-byte", 100), ("odd-cuts", 20)])
def test_a_cut_changes_how_bytes_travel(app: StandinApp, client: httpx.Client, name: str, parts: int) -> None:
    plain = client.post(PATHS["chat"], json={**CHAT, "stream": True})
    app.variation = VARIATIONS[name]
    cut = client.post(PATHS["chat"], json={**CHAT, "stream": True})
    assert spoken(chunks_of(cut)) == spoken(chunks_of(plain))
    variation = VARIATIONS[name]
    assert variation.cut is not None


def test_details_of_single_variations(app: StandinApp, client: httpx.Client) -> None:
    def streamed(name: str, **given: Any) -> httpx.Response:
        app.variation = VARIATIONS[name]
        return client.post(PATHS["chat"], json={**CHAT, "stream": True, **given})

    assert b"\r\n\r\n" in streamed("sse-crlf").content
    assert b"\n\n" not in streamed("sse-crlf").content
    assert streamed("sse-comments").content.startswith(b": ")
    assert b"data: " not in streamed("sse-no-space").content
    assert chunks_of(streamed("usage-apart"))[-1]["choices"] == []
    assert not any("usage" in chunk for chunk in chunks_of(streamed("no-stream-usage")))
    assert chunks_of(streamed("filter-chunk"))[0]["choices"] == []
    last = chunks_of(streamed("finish-with-text"))[-1]
    assert last["choices"][0]["finish_reason"]
    assert last["choices"][0]["delta"]["content"]
    assert last["usage"]
    assert len(chunks_of(streamed("merged-tokens"))) < len(chunks_of(streamed("turned-keys")))
    assert len(chunks_of(streamed("finish-with-text", stream_options={"include_usage": True}))) > 2
    assert len(chunks_of(streamed("merged-tokens", stream_options={"include_usage": True}))) > 2


def test_shapes_of_refusals(app: StandinApp, client: httpx.Client) -> None:
    def refused(name: str) -> Any:
        app.variation = VARIATIONS[name]
        return client.post(PATHS["chat"], json={}).json()

    assert "messages" in refused("error-flat")["message"]
    assert "messages" in refused("error-detail")["detail"]
    assert "messages" in refused("error-string")["error"]
    assert refused("error-openai")["error"]["code"] == 400


def test_indices_of_candidates(app: StandinApp, client: httpx.Client) -> None:
    app.variation = VARIATIONS["candidate-indices"]
    response = client.post(PATHS["chat"], json={**CHAT, "n": 2, "best_of": 3})
    assert [choice["index"] for choice in response.json()["choices"]] == [3, 1]
    assert client.post(PATHS["chat"], json={**CHAT, "n": 2}).json()["choices"][0]["index"] == 0

"""The contract layer: who may come in, by which door, with what in hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from reference_server import asgi
from reference_server.layer import ContractLayer, NotJsonError, read_json
from reference_server.limits import Limits
from reference_server.serve import serving, standin_app
from reference_server.standin import Standin
from schemas.model import Contract
from tests.reference_server.conftest import KEY

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
BODY = {"prompt": "The sea was calm", "max_tokens": 2}


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert error["status"] == response.status_code
    assert error["message"]
    assert response.headers["content-type"] == "application/json"
    return error


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        "Bearer ü",
    ],
)
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT, "/info", "/v1/models", "/nowhere", "/health/secret"])
def test_without_the_key_nothing_is_said(client: httpx.Client, authorization: str | None, path: str) -> None:
    del client.headers["authorization"]
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    response = client.post(path, json={"wrong": 1}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "prompt" not in response.text
    assert KEY not in response.text
    error_of(response)


def test_the_scheme_is_read_in_any_case(client: httpx.Client) -> None:
    assert client.post(COMPLETIONS, json=BODY, headers={"authorization": f"bearer {KEY}"}).status_code == 200


def test_health_needs_no_key(client: httpx.Client) -> None:
    del client.headers["authorization"]
    assert client.get("/health").status_code == 200
    assert client.head("/health").status_code == 200


@pytest.mark.parametrize(("below", "status"), [(200, 200), (404, 200), (503, 503), (500, 503), (None, 503)])
def test_the_health_is_that_of_the_app_below(contract: Contract, below: int | None, status: int) -> None:
    paths: list[str] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        paths.append(scope["path"])
        if below is not None:
            await asgi.send_json(send, below, {"insides": 1})

    sent: list[asgi.Message] = []

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": b""}

    layer = ContractLayer(app, contract=contract, key=KEY)
    asyncio.run(_run(layer({"type": "http", "method": "GET", "path": "/health", "headers": []}, receive, send)))
    assert (paths, sent[0]["status"]) == (["/health"], status)
    assert b"insides" not in sent[1]["body"]


async def _run(answering: Any) -> None:
    await answering


def test_the_paths_beside_the_contract(client: httpx.Client) -> None:
    assert client.get("/info").json()["model_name"] == "seatrial-tiny"
    assert client.get("/v1/models").json()["data"][0]["id"] == "seatrial-tiny"
    assert client.post("/info").status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/completions", "/chat/completions", "/v1/completions/", "/v1/chat", "/v2/completions"]
)
def test_an_unknown_route_is_not_found(client: httpx.Client, path: str) -> None:
    response = client.post(path, json=BODY)
    assert response.status_code == 404
    error_of(response)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
def test_another_method_is_not_allowed(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    error_of(response)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8"]
)
def test_json_is_accepted_with_its_charset(client: httpx.Client, kind: str) -> None:
    assert client.post(COMPLETIONS, content=json.dumps(BODY), headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ],
)
def test_another_content_type_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post(COMPLETIONS, content=json.dumps(BODY).encode(), headers=headers)
    assert response.status_code == 415
    error_of(response)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"prompt": "a",}',
        b"prompt=a",
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": "a", "temperature": -Infinity}',
        b'{"prompt": "\xff"}',
        b'\xef\xbb\xbf{"prompt": "a"}',
        '{"prompt": "a"}'.encode("utf-16"),
        b'{"a":' * 100_000,
        b'{"prompt": "a", "n": ' + b"9" * 5_000 + b"}",
        b'{"prompt": "a"} trailing',
        b"[]",
        b'"a"',
        b"null",
        b"5",
    ],
)
def test_what_is_no_json_object_is_refused(client: httpx.Client, raw: bytes) -> None:
    response = client.post(COMPLETIONS, content=raw, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert "completions.head.payload" in error_of(response)["message"]


def test_of_a_repeated_key_the_last_counts() -> None:
    assert read_json(b'{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(NotJsonError, match="NaN"):
        read_json(b"[NaN]")


def test_deeply_nested_extras_are_no_reason_to_fail(client: httpx.Client) -> None:
    for depth in (200, 900):
        nested = b"[" * depth + b"]" * depth
        raw = b'{"prompt": "a", "n": null, "max_tokens": 1, "extra": ' + nested + b"}"
        response = client.post(COMPLETIONS, content=raw, headers={"content-type": "application/json"})
        assert response.status_code in (200, 400)


def test_a_body_above_the_bound_is_refused_and_the_server_lives_on(client: httpx.Client) -> None:
    response = client.post(COMPLETIONS, json={"prompt": "a" * (1 << 20)})
    assert response.status_code == 413
    error_of(response)
    assert client.post(COMPLETIONS, json=BODY).status_code == 200


def test_a_refusal_names_the_parameter_and_the_requirement(client: httpx.Client) -> None:
    error = error_of(client.post(CHAT, json={"messages": [{"role": "user", "content": "a"}], "top_p": 7}))
    assert error["param"] == "top_p"
    assert "chat.request.top_p" in error["message"]
    assert error["type"] == "invalid_request_error"


class Scripted:
    """An upstream that raises before or after it has begun to answer."""

    def __init__(self, begin: bool) -> None:
        self.begin = begin

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if self.begin:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("secret detail")


def ask_app(app: asgi.App, body: Any = BODY, path: str = COMPLETIONS) -> list[asgi.Message]:
    """The messages that an app answers, without a socket."""
    sent: list[asgi.Message] = []
    raw = json.dumps(body).encode()

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    async def receive() -> asgi.Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    asyncio.run(_called(app, scope, asgi.replay(raw, receive), send))
    return sent


async def _called(app: asgi.App, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await app(scope, receive, send)


def test_a_failing_upstream_is_a_500_that_tells_nothing(contract: Contract) -> None:
    sent = ask_app(ContractLayer(Scripted(begin=False), contract=contract, key=None))
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    with pytest.raises(RuntimeError):
        ask_app(ContractLayer(Scripted(begin=True), contract=contract, key=None))


def test_the_refusal_of_a_broken_request_may_be_422(contract: Contract) -> None:
    layer = ContractLayer(Standin(), contract=contract, key=None, refusal=422)
    assert ask_app(layer, {"prompt": 1})[0]["status"] == 422
    with pytest.raises(ValueError, match="422"):
        ContractLayer(Standin(), contract=contract, key=None, refusal=403)
    with pytest.raises(ValueError, match="key is empty"):
        ContractLayer(Standin(), contract=contract, key="")


def test_a_layer_can_forget_and_be_lenient_from_the_start(contract: Contract) -> None:
    forgetful = ContractLayer(
        Standin(), contract=contract, key=None, forgets=frozenset({("completions.request.prompt", "required")})
    )
    assert ask_app(forgetful, {})[0]["status"] == 200
    lenient = ContractLayer(Standin(), contract=contract, key=None, lenient=True)
    assert ask_app(lenient, {**BODY, "temperature": "0.5"})[0]["status"] == 200


@pytest.fixture
def limited(contract: Contract) -> Iterator[httpx.Client]:
    app = standin_app(contract, key=KEY, limits=Limits(requests_per_minute=6, tokens_per_minute=100))
    headers = {"authorization": f"Bearer {KEY}"}
    with (
        serving(app) as server,
        httpx.Client(base_url=server.url, headers=headers, verify=False, trust_env=False) as client,
    ):
        yield client


def test_too_many_requests_are_throttled(limited: httpx.Client) -> None:
    answers = [limited.post(COMPLETIONS, json=BODY) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 2
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers[:3]] == ["5", "4", "3"]
    last = answers[-1]
    assert 1 <= int(last.headers["retry-after"]) <= 20
    assert last.headers["x-ratelimit-limit-requests"] == "6"
    assert "requests" in error_of(last)["message"]


def test_tokens_are_charged_by_estimate_and_settled_by_usage(limited: httpx.Client) -> None:
    first = limited.post(COMPLETIONS, json={**BODY, "max_tokens": 30, "stop": " "})
    # Charged 34 at the door, settled by what the usage says.
    used = first.json()["usage"]["total_tokens"]
    assert used < 30
    second = limited.post(COMPLETIONS, json=BODY)
    assert 100 - used - 6 <= int(second.headers["x-ratelimit-remaining-tokens"]) <= 100 - used - 5
    refused = limited.post(COMPLETIONS, json={**BODY, "max_tokens": 95})
    assert refused.status_code == 429
    assert "tokens" in error_of(refused)["message"]


def test_a_stream_is_settled_by_its_last_chunk(limited: httpx.Client) -> None:
    limited.post(COMPLETIONS, json={**BODY, "max_tokens": 60, "stream": True, "stop": " "})
    assert int(limited.post(COMPLETIONS, json=BODY).headers["x-ratelimit-remaining-tokens"]) > 80

"""The class that vLLM builds: where its settings come from, and what it lets pass."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reference_server import asgi
from reference_server.limits import limits_of
from reference_server.vllm.entry import Middleware, layered
from reference_server.vllm.settings import VARIABLE, LayerSettings
from schemas.contracts import get

LIMITS = limits_of(get("azure-inference"), window="sliding", window_seconds=5, burst_seconds=1, count_refused="all")
SETTINGS = LayerSettings.of_contract("azure-inference", "tiny", key="a-key-of-some-length", limits=LIMITS)


async def inner(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await send({"type": "inner", "scope": scope["type"]})


def asked(app: asgi.App, scope: dict[str, Any], body: bytes = b"") -> list[asgi.Message]:
    said: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": body}

    async def send(message: asgi.Message) -> None:
        said.append(message)

    asyncio.run(app({"headers": [], "method": "GET", "query_string": b"", **scope}, receive, send))  # type: ignore[arg-type]
    return said


def test_settings_survive_the_way() -> None:
    assert LayerSettings.from_json(SETTINGS.to_json()) == SETTINGS
    assert SETTINGS.limits == LIMITS
    assert LayerSettings.of_contract("azure-inference", "tiny").limits.requests_per_minute == 1_000
    assert "a-key" not in repr(SETTINGS)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b'{"contract": "openai", "model": "m", "more": 1}',
        b'{"contract": "openai", "model": "m", "limits": {"window_seconds": 0}}',
        b"no JSON",
    ],
)
def test_what_is_no_settings_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"settings|JSON|Expecting|window_seconds"):
        LayerSettings.from_json(raw)


@pytest.mark.parametrize("change", [{"contract": "nope"}, {"key": ""}, {"content_filter": "nope"}])
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nope|empty"):
        replace(SETTINGS, **change)


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_it_reads_its_settings_once(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, SETTINGS.to_json())
    os.close(writer)
    (tmp_path / "settings").write_bytes(SETTINGS.to_json())
    monkeypatch.setenv(VARIABLE, f"/dev/fd/{reader}" if way == "pipe" else str(tmp_path / "settings"))
    app = Middleware(inner)
    os.close(reader)
    assert VARIABLE not in os.environ
    for kind in ("lifespan", "websocket"):
        assert asked(app, {"type": kind}) == [{"type": "inner", "scope": kind}]
    start, _ = asked(app, {"type": "http", "path": "/chat/completions"})
    assert start["status"] == 401
    with pytest.raises(RuntimeError, match="seatrial serve"):
        Middleware(inner)


def test_the_filter_lies_behind_the_contract() -> None:
    head = [(b"content-type", b"application/json")]
    scope = {"type": "http", "path": "/v1/completions", "method": "POST", "headers": head}
    body = json.dumps({"prompt": "seatrial-filter-prompt"}).encode()
    app = layered(inner, replace(SETTINGS, contract="azure-llama", key=None))
    start, end = asked(app, scope, body)
    assert (start["status"], json.loads(end["body"])["error"]["code"]) == (400, "content_filter")
    start, end = asked(app, scope, body.replace(b'"}', b'", "temperature": 9}'))
    assert json.loads(end["body"])["error"]["param"] == "temperature"


class Rewriting:
    """A filter of one's own that changes what is asked."""

    def __init__(self, app: asgi.App) -> None:
        self._app = app

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        raw = (await asgi.read_body(receive, 1 << 20)).replace(b"secret", b"hidden")
        await self._app(scope, asgi.replay(raw, receive), send)


def test_what_a_filter_makes_of_a_request_is_what_vllm_is_asked() -> None:
    heard: list[Any] = []

    async def vllm(_: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        heard.append(json.loads(await asgi.read_body(receive, 1 << 20)))
        await asgi.send_json(send, 400, {"error": {"message": "no", "type": "E", "param": None, "code": 400}})

    head = [(b"content-type", b"application/json")]
    scope = {"type": "http", "path": "/v1/completions", "method": "POST", "headers": head}
    name = f"{__name__}:{Rewriting.__name__}"
    app = layered(vllm, replace(SETTINGS, contract="azure-llama", key=None, content_filter=name))
    asked(app, scope, json.dumps({"prompt": "a secret"}).encode())
    assert heard[0]["prompt"] == "a hidden"

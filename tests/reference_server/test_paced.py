from __future__ import annotations

import asyncio
import json
import time

import pytest

from conformance.wire.answer import frame
from reference_server import asgi
from reference_server.paced import LONG, Paced

SECONDS = 0.005
EVENTS = [frame({"number": number}) for number in range(4)]


def taken(max_tokens: int, parts: list[bytes], kind: bytes = b"text/event-stream", seconds: float = SECONDS) -> float:
    """How long an answer in those writes takes."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.read_body(receive, 1000)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sent: list[asgi.Message] = []

    async def converse() -> None:
        async def send(message: asgi.Message) -> None:
            sent.append(message)

        async def receive() -> asgi.Message:
            return {"type": "http.request", "body": json.dumps({"max_tokens": max_tokens}).encode()}

        await Paced(app, seconds)({"type": "http"}, receive, send)

    started = time.monotonic()
    asyncio.run(converse())
    assert b"".join(message.get("body", b"") for message in sent) == b"".join(parts)
    return time.monotonic() - started


@pytest.mark.parametrize("parts", [EVENTS, [b"".join(EVENTS)], [bytes((b,)) for b in b"".join(EVENTS)]])
def test_an_event_of_a_long_stream_leaves_when_it_is_due(parts: list[bytes]) -> None:
    assert taken(LONG, parts) >= 4 * SECONDS


def test_nothing_else_is_paced() -> None:
    # At this pace each of them would take minutes.
    assert taken(LONG - 1, EVENTS, seconds=60) < 30
    assert taken(LONG, EVENTS, b"application/json", seconds=60) < 30
    assert taken(LONG, EVENTS, seconds=0) < 30


def test_a_pace_is_not_negative() -> None:
    with pytest.raises(ValueError, match="not negative"):
        Paced(None, -1)  # type: ignore[arg-type]

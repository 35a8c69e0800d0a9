"""Carries a request and its answer as the values of `conformance.wire.answer` through an ASGI app.

Law: an answer that nobody changed leaves as it came, stream events one message each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from conformance.wire.answer import Answer, Ask, Headers
from reference_server import asgi

MOST_BODY = 8 << 20


async def asked(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> Ask | None:
    """The request as a value; None when the client went away, or was told that its body is too large."""
    try:
        raw = await asgi.read_body(receive, MOST_BODY)
    except asgi.DisconnectError:
        return None
    except asgi.TooLargeError:
        await asgi.send_json(send, 413, asgi.error_body(413, "the body is too large"))
        return None
    query = scope.get("query_string", b"").decode("latin-1")
    path = scope["path"] + (f"?{query}" if query else "")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Ask(scope["method"], path, headers, raw, route_of(scope["path"]))


def route_of(path: str) -> str:
    """Which route of a contract a path leads to; empty for none."""
    if path.endswith("/chat/completions"):
        return "chat"
    return "completions" if path.endswith("/completions") else ""


async def answered(app: asgi.App, scope: asgi.Scope, ask: Ask, receive: asgi.Receive) -> Answer:
    """What the app answers to that request, in whole."""
    status = 500
    headers: Headers = ()
    parts: list[bytes] = []

    async def collect(message: asgi.Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
        else:
            parts.append(message.get("body", b""))

    await app(_scope(scope, ask), asgi.replay(ask.raw, receive), collect)
    answer = Answer(ask, status, headers, b"".join(parts))
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    if kind.startswith("text/event-stream"):
        events = answer.body.split(b"\n\n")
        return replace(answer, body=b"", frames=tuple(event + b"\n\n" for event in events[:-1]))
    return answer


async def deliver(answer: Answer, send: asgi.Send, parts: Sequence[bytes] | None = None) -> None:
    """Send the answer; `parts` are its body cut up as it shall be written, by default one for each event."""
    if parts is None:
        parts = (answer.body,) if answer.frames is None else answer.frames
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers
        if name.lower() != "content-length"
    ]
    if answer.frames is None:
        headers.append((b"content-length", str(sum(map(len, parts))).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    if answer.lingers:
        await asyncio.sleep(answer.lingers)
    await send({"type": "http.response.body", "body": b""})


def _scope(scope: asgi.Scope, ask: Ask) -> asgi.Scope:
    path, _, query = ask.path.partition("?")
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in ask.headers
        if name.lower() not in ("content-length", "transfer-encoding")
    ]
    headers.append((b"content-length", str(len(ask.raw)).encode()))
    return {
        **scope,
        "method": ask.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "headers": headers,
    }

"""The few ASGI moves that the server's layers share: read a body within a bound, hand it on, answer in JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]

# What one layer tells the layer below it, as keys of the scope.
FORGETS = "seatrial.forgets"
LENIENT = "seatrial.lenient"
# A body as bytes and as read, for one below that receives the very same bytes.
READ = "seatrial.read"

# A client that sends too much is heard out a little longer, so that it reads the refusal instead of a reset.
_PATIENCE = 8

_PHRASES = {
    400: ("Bad Request", "invalid_request_error"),
    401: ("Unauthorized", "authentication_error"),
    404: ("Not Found", "not_found_error"),
    405: ("Method Not Allowed", "invalid_request_error"),
    413: ("Payload Too Large", "invalid_request_error"),
    415: ("Unsupported Media Type", "invalid_request_error"),
    422: ("Invalid input", "invalid_request_error"),
    429: ("Too Many Requests", "rate_limit_error"),
    500: ("Internal Server Error", "server_error"),
    503: ("Service Unavailable", "server_error"),
}


class DisconnectError(Exception):
    """The client went away before its request was complete."""


class TooLargeError(Exception):
    """The request's body is larger than the bound."""


class Outlet:
    """A client's `send` that knows whether an answer has begun; `straight` is for what comes after its head."""

    __slots__ = ("begun", "straight")

    def __init__(self, send: Send) -> None:
        self.straight = send
        self.begun = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message of the answer."""
        self.begun = True
        return self.straight(message)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The request's body; raises `TooLargeError` above `limit` bytes and `DisconnectError` when the client leaves."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        if not message.get("more_body", False):
            break
        if size > limit * _PATIENCE:
            raise TooLargeError
    if size > limit:
        raise TooLargeError
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that delivers that body first, and then whatever the client's own `receive` says."""
    delivered = False

    async def replayed() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def header(scope: Scope, name: str) -> str | None:
    """The first header of that lower-case name, as ASGI has all of them; None when absent."""
    wanted = name.encode()
    for key, value in scope["headers"]:
        if key == wanted:
            return str(value.decode("latin-1"))
    return None


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of a refusal, in the nested shape that the service's own server code uses."""
    phrase, kind = _PHRASES.get(status, ("Error", "error"))
    return {"error": {"code": code or phrase, "message": message, "param": param, "status": status, "type": kind}}


async def send_json(send: Send, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
    """Answer with one JSON document."""
    body = json.dumps(value).encode()
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    raw.extend((name.lower().encode(), text.encode("latin-1")) for name, text in (headers or {}).items())
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})

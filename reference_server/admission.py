"""What a request may cost before it is answered, and what it did cost after.

Law: every admitted request is settled once, however its answer ends: by the usage that the answer tells; else, for a
stream or an answer that was cut, by the prompt and the events that were sent; by nothing where it failed. A whole
document that tells no usage stays at its estimate. Chunks are counted and never parsed.

A prompt is estimated at four characters a token. An event counts as a token, the few without text included.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import Any

from reference_server import asgi
from reference_server.answer_length import AnswerLength, whole
from reference_server.limits import Charge, Limiter

_TAIL = 4096  # bytes at the end of an answer in which its usage stands
_LINES = 2  # of an event: its data, and the empty one
_HELD = 64  # parts of an answer that are held until they are counted
_TOKENS = re.compile(rb'"(prompt_tokens|completion_tokens)"\s*:\s*(\d{1,15})')


def account_name(scope: asgi.Scope) -> str:
    """Whose limits a request counts against: its key, however the header spells the scheme; empty without one."""
    scheme, _, token = (asgi.header(scope, "authorization") or "").strip().partition(" ")
    return token.strip() or scheme


def prompt_estimate(body: Mapping[str, Any]) -> int:
    """The tokens that the texts of a judged request may have."""
    letters = sum(len(text) for text in _texts(body.get("prompt"), body.get("messages")))
    return -(-letters // 4)


def answer_estimate(body: Mapping[str, Any], prompt: int, length: AnswerLength) -> int:
    """The most tokens that may be generated for a judged request, by all its candidates."""
    n, best_of = (whole(body.get(name)) for name in ("n", "best_of"))
    return length.most(body, prompt) * max(n or 1, best_of or 1)


class Settlement:
    """Watches an answer pass, and settles its charge; `prompt` is the estimate of the prompt in tokens."""

    __slots__ = (
        "_charge", "_ended", "_limiter", "_lines", "_parts", "_prompt", "_settled", "_status",
        "_stream",
    )  # fmt: skip

    def __init__(self, limiter: Limiter, charge: Charge, prompt: int) -> None:
        self._limiter = limiter
        self._charge = charge
        self._prompt = prompt
        self._status: int | None = None
        self._stream = False
        self._ended = False
        self._settled = False
        self._lines = 0
        self._parts: list[bytes] = []

    def watching(self, send: asgi.Outlet, told: asgi.RawHeaders) -> asgi.Send:
        """A `send` that sees an answer pass, and adds the headers `told` to its head."""
        parts, straight = self._parts, send.straight

        # No coroutine of its own: this is what each chunk of a stream goes through.
        def watched(message: asgi.Message) -> Awaitable[None]:
            if message.get("more_body", False):
                body: bytes = message.get("body", b"")
                parts.append(body)
                if len(parts) > _HELD or len(body) > _TAIL:
                    self._forget()
                return straight(message)
            if message["type"] == "http.response.start":
                self._begin(message)
                return send({**message, "headers": [*message.get("headers", ()), *told]})
            parts.append(message.get("body", b""))
            # Before the client has the last of it: its next request finds the tokens given back.
            self._ended = True
            self.settle()
            return straight(message)

        return watched

    def _begin(self, message: asgi.Message) -> None:
        """See the head of the answer."""
        self._status = message["status"]
        self._stream = any(
            name.lower() == b"content-type" and value.startswith(b"text/event-stream")
            for name, value in message.get("headers", ())
        )

    def settle(self, *, failed: bool = False) -> None:
        """Settle the charge, unless it was; `failed` where the server failed before it began to answer."""
        if self._settled:
            return
        self._settled = True
        used = self._used(failed)
        if used is not None:
            self._limiter.settle(self._charge, used)

    def _used(self, failed: bool) -> int | None:
        if self._status is None:
            # Given up by the client: the prompt was read, and nobody saw what was generated.
            return 0 if failed else self._prompt
        if self._status != 200:
            return 0
        held = b"".join(self._parts)
        told = used_by(held[-_TAIL:])
        if told is None and (self._stream or not self._ended):
            return self._prompt + ((self._lines + held.count(b"\n")) // _LINES if self._stream else 0)
        return told

    def _forget(self) -> None:
        """Hold the end only of what is held, with the lines before it counted."""
        held = b"".join(self._parts)
        cut = max(0, len(held) - _TAIL)
        self._lines += held.count(b"\n", 0, cut)
        self._parts[:] = [held[cut:]]


def used_by(tail: bytes) -> int | None:
    """The tokens that the last usage in an answer counts; None when it has none."""
    # Within a text its quotes would be escaped.
    found = {name: int(count) for name, count in _TOKENS.findall(tail, max(0, tail.rfind(b'"usage"')))}
    return sum(found.values()) if len(found) == 2 else None


def _texts(*values: Any) -> list[str]:
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found.extend(_texts(*value))
        elif isinstance(value, dict):
            found.extend(_texts(value.get("content")))
    return found

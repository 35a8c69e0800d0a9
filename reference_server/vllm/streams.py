"""vLLM's streams: handed on as they come where nothing has to change, chunk by chunk where something has to.

Law: an event that needs no change is neither parsed nor held back. Only the chunk that ends a choice waits for the next
event, since the usage may have to go with it, and vLLM has that ready.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterator
from typing import Any

from conformance.wire.answer import frame
from reference_server import asgi
from reference_server.vllm.answers import copied
from reference_server.vllm.choices import Writer
from reference_server.vllm.refusals import refusal
from reference_server.vllm.requests import Order
from reference_server.vllm.tokens import laid_out, read_tokens

Json = dict[str, Any]

# Within a text each of these would have its quotes escaped, so that finding them takes no parser.
_FINISH = b'"finish_reason":"'
_USAGE = b'"choices":[],'
_ERROR = b'data: {"error"'
_FIRST = b'"choices":[{"index":0,'
_DATA = b"data: "
STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_END = b"\n\n"
_CLOSE = b"}" + _END
_USED = b'"usage":'
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Relay:
    """One stream on its way from vLLM to the client, as the `send` that vLLM is given.

    `otherwise` is for an answer that is no stream: it gets all of its messages.
    """

    __slots__ = ("_apart", "_begun", "_clear", "_held", "_order", "_otherwise", "_quick", "_rest", "_send", "_writers")

    def __init__(self, order: Order, send: asgi.Send, otherwise: asgi.Send) -> None:
        self._order = order
        self._send = send
        self._otherwise = otherwise
        self._quick = order.verbatim and order.copies == 1
        self._apart = order.usage_apart
        self._begun = False
        # Whether a message may go out as it is: nothing before it is held back.
        self._clear = False
        self._rest = b""
        self._held = b""
        self._writers: dict[int, Writer] = {}

    def __call__(self, message: asgi.Message) -> Awaitable[None]:
        """One message of vLLM's; whole events of which none needs a look cost no coroutine of their own."""
        if self._clear:
            body: bytes = message.get("body", b"")
            # The end of a choice waits for the usage, unless that was asked for apart.
            if body.endswith(_END) and _ERROR not in body and (self._apart or _FINISH not in body):
                return self._send(message)
        return self._take(message)

    async def _take(self, message: asgi.Message) -> None:
        if self._begun:
            await self._part(message)
            self._clear = self._quick and not self._rest and not self._held
        elif message["type"] == "http.response.start" and message["status"] == 200:
            self._begun, self._clear = True, self._quick
            await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        else:
            await self._otherwise(message)

    async def _part(self, message: asgi.Message) -> None:
        """Pass on one message of the body, which may begin and end anywhere in an event."""
        body: bytes = message.get("body", b"")
        *events, self._rest = (self._rest + body).split(_END)
        out = b"".join(self._passed(event + _END) for event in events)
        more = message.get("more_body", False)
        if not more:
            out, self._rest = out + self._released() + self._rest, b""
        if out or not more:
            await self._send({"type": "http.response.body", "body": out, "more_body": more})

    def _passed(self, event: bytes) -> bytes:
        """What goes out for one event."""
        if _USAGE in event:
            return self._with_usage(event)
        if event.startswith(_ERROR):
            # Too late for a status; what went wrong is the server's own affair.
            return self._released() + frame(refusal(500, b"", {})[1])
        if not event.startswith(b"data: {"):
            return self._released() + event
        events = list(self._copies(event) if self._order.verbatim else self._rewritten(event))
        if not events:
            return b""
        released = self._released()
        if _FINISH in events[-1] and not self._order.usage_apart:
            self._held = events.pop()
        return released + b"".join(events)

    def _copies(self, event: bytes) -> Iterator[bytes]:
        for index in range(self._order.copies):
            yield event.replace(_FIRST, b'"choices":[{"index":%d,' % index, 1)

    def _rewritten(self, event: bytes) -> Iterator[bytes]:
        chunk = json.loads(event[len(_DATA) :])
        head = {name: chunk[name] for name in ("id", "object", "created", "model")}
        for choice in chunk["choices"]:
            for one in self._choices(choice):
                yield _compact({**head, "choices": [one]})

    def _choices(self, choice: Json) -> Iterator[Json]:
        """One choice of a chunk, as often as it is given; not at all when there is nothing to show yet."""
        order, index = self._order, choice["index"]
        delta = choice.get("delta")
        if delta is not None and "role" in delta:
            changed: Json = {"delta": delta, "logprobs": None, "finish_reason": None}
        else:
            writer = self._writers.get(index) or self._writers.setdefault(index, Writer(order))
            text = (choice["text"] if delta is None else delta.get("content")) or ""
            piece = writer.write(text, read_tokens(choice.get("logprobs")), choice["finish_reason"])
            if piece.silent:
                return
            said = {"text": piece.text} if delta is None else {"delta": {**delta, "content": piece.text}}
            logprobs = laid_out(piece.placed, order) if piece.placed else None
            changed = {**said, "logprobs": logprobs, "finish_reason": piece.reason}
        for copy in range(order.copies):
            yield {"index": index + copy, **changed}

    def _with_usage(self, event: bytes) -> bytes:
        """The usage, in the chunk that was held back for it or in its own where that was asked for."""
        if self._order.copies == 1 and _USED not in self._held:
            return self._joined(event)
        chunk = json.loads(event[len(_DATA) :])
        used = copied(chunk["usage"], self._order)
        if not self._held:
            return _compact({**chunk, "usage": used})
        last, self._held = json.loads(self._held[len(_DATA) :]), b""
        return _compact({**last, "usage": used})

    def _joined(self, event: bytes) -> bytes:
        """The chunk that was held back for it, with the usage set in before its last brace; alone without one."""
        held = self._released()
        return held[: -len(_CLOSE)] + b"," + _USED + event.rpartition(_USED)[2] if held else event

    def _released(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _compact(document: Json) -> bytes:
    """An event written as vLLM writes its own."""
    return _DATA + _encoded(document).encode() + _END

"""Gives long streams the pace of a real model, so that a client can see whether events leave as they are made.

Law: only a stream that may have `LONG` tokens or more is paced; each of its events leaves at its time on an absolute
schedule, and an event that shares a write with others leaves when the last of them is due.
"""

from __future__ import annotations

import asyncio
import re

from conformance.wire.sse import SseReader
from reference_server import asgi

LONG = 48
SECONDS = 0.004

_MOST_TOKENS = re.compile(rb'"max_tokens"\s*:\s*(\d{1,9})')


class Paced:
    """An ASGI app whose long streams have an event every `seconds`; 0 leaves them as fast as they come."""

    def __init__(self, app: asgi.App, seconds: float = SECONDS) -> None:
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}; a pace is not negative")
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not self._seconds:
            await self._app(scope, receive, send)
            return
        started = asyncio.get_running_loop().time()
        long = False
        reader: SseReader | None = None
        events = 0

        async def heard() -> asgi.Message:
            nonlocal long
            message = await receive()
            asked = _MOST_TOKENS.search(message.get("body", b""))
            long = long or (asked is not None and int(asked[1]) >= LONG)
            return message

        async def paced(message: asgi.Message) -> None:
            nonlocal reader, events
            if message["type"] == "http.response.start":
                kinds = (value for name, value in message.get("headers", ()) if name.lower() == b"content-type")
                if long and next(kinds, b"").startswith(b"text/event-stream"):
                    reader = SseReader()
            elif reader is not None:
                events += len(reader.feed(message.get("body", b"")))
                due = started + events * self._seconds
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await send(message)

        await self._app(scope, heard, paced)

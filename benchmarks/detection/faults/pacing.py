"""Streams that are held back, or do not end."""

from __future__ import annotations

import asyncio

from benchmarks.detection.model import Area
from reference_server.asgi import App, Message, Receive, Scope, Send

area = Area("streaming")
slow = Area("streaming", base="slow")


def _buffered(app: App) -> App:
    """Holds every stream back until it is complete."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                for one in held:
                    await send(one)

        await app(scope, receive, hold)

    return serve


def _bursts(app: App) -> App:
    """Sends the head and the first event at once, and everything else at the end."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []
        bodies = 0

        async def hold(message: Message) -> None:
            nonlocal bodies
            bodies += message["type"] == "http.response.body"
            if bodies <= 1:
                await send(message)
                return
            held.append(message)
            if not message.get("more_body"):
                for one in held:
                    await send(one)

        await app(scope, receive, hold)

    return serve


slow.app("buffered", "a stream comes all at once at its end", "BerriAI/litellm#29557", _buffered)
slow.app("burst", "after the first chunk a stream comes all at once at its end", "langgenius/dify#41755", _bursts)


def _open_end(app: App) -> App:
    """Leaves the connection of a stream open for ten seconds after [DONE]."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        streams = False

        async def linger(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                streams = any(v.startswith(b"text/event-stream") for k, v in message["headers"] if k == b"content-type")
            elif streams and not message.get("more_body"):
                await send({**message, "more_body": True})
                await asyncio.sleep(10)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await app(scope, receive, linger)

    return serve


area.app(
    "open-end",
    "the connection stays open for ten seconds after [DONE]",
    "CherryHQ/cherry-studio#19793 (end not told)",
    _open_end,
)
FAULTS = [*area.found, *slow.found]

"""Endpoints on loopback for the tests of the front door: a good one, and some that are not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from reference_server import asgi
from reference_server.serve import StandinApp, serving, standin_app
from schemas.contracts import get

KEY = "front-door-tests-key"


def standin(**options: object) -> StandinApp:
    return standin_app(get("azure-llama"), **{"key": KEY, "limits": None, **options})  # type: ignore[arg-type]


def answering(status: int, media: str, body: bytes) -> asgi.App:
    """An app that answers everything alike."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        head = [(b"content-type", media.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    return app


def only_chat(inner: asgi.App) -> asgi.App:
    """An app without the completions route, like a deployment of a chat model."""
    missing = answering(404, "application/json", b'{"error":{"message":"no such route"}}')

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        chosen = inner if "chat" in scope["path"] else missing
        await chosen(scope, receive, send)

    return app


def wanting_model(inner: asgi.App, *names: str) -> asgi.App:
    """An app that refuses a request without `model`, and lists the models of those names, if any."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["path"] == "/v1/models":
            listed = {"object": "list", "data": [{"id": name} for name in names]}
            await asgi.send_json(send, 200 if names else 404, listed)
            return
        body = await asgi.read_body(receive, 1 << 22)
        if b'"model"' not in body and scope["path"].endswith("completions"):
            await asgi.send_json(send, 400, asgi.error_body(400, "you must provide a model parameter"))
            return

        async def again() -> asgi.Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await inner(scope, again, send)

    return app


def stalling(inner: asgi.App, after: int) -> asgi.App:
    """An app that answers so many requests and then none any more."""
    seen = 0

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return
        await inner(scope, receive, send)

    return app


@contextlib.contextmanager
def endpoint(app: asgi.App | None = None) -> Iterator[str]:
    with serving(app or standin()) as server:
        yield server.url


@contextlib.contextmanager
def mortal(inner: asgi.App, after: int) -> Iterator[str]:
    """A server that answers so many requests and is gone then: nobody listens any more."""
    seen = 0
    last = threading.Event()

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        nonlocal seen
        if last.is_set():
            # It came before the socket was closed; cut off, it is as unanswered as those that come later.
            raise ConnectionError
        await inner(scope, receive, send)
        seen += 1
        if seen >= after:
            last.set()

    def end() -> None:
        last.wait()
        server.close()

    server = contextlib.ExitStack()
    url = server.enter_context(endpoint(app))
    ending = threading.Thread(target=end)
    ending.start()
    try:
        yield url
    finally:
        last.set()
        ending.join()


def closed_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

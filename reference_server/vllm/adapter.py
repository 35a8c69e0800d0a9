"""vLLM's own ASGI app behind the contract: judged requests go in as vLLM wants them, answers come out as the page says.

Law: one request is one request to vLLM, whose end it is when the client goes; no answer is held back that could be
handed on as it comes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from reference_server import asgi
from reference_server.inner import PATHS, TOKENIZE, received
from reference_server.vllm.answers import rewritten, told
from reference_server.vllm.refusals import refusal
from reference_server.vllm.requests import Dialect, Order, OrderError, read_order
from reference_server.vllm.streams import STREAM_HEADERS, Relay
from schemas.model import Contract, Route

HEALTH = "/health"

# JSON can spell half of a surrogate pair in this way alone.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_encoded = json.JSONEncoder(separators=(",", ":")).encode
_TOLD = (b"content-type", b"content-length")
_TOKENIZED = ("prompt", "messages", "add_special_tokens", "add_generation_prompt", "return_token_strs")


class VllmAdapter:
    """vLLM under the contract, served as `model`; POST on the two `/v1` paths and `/tokenize`, and GET `/health`."""

    def __init__(self, app: asgi.App, *, contract: Contract, model: str) -> None:
        self._app = app
        self._dialect = Dialect.of(contract, model)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request; what is no request (the start and end of the server) is vLLM's own affair."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path == HEALTH and method in ("GET", "HEAD"):
            # vLLM says by the status alone whether its engine lives, and knows no HEAD.
            await self._app({**scope, "method": "GET"}, receive, send)
        elif (asked := await received(scope, receive, send)) is not None:
            body, raw = asked
            if _SURROGATE.search(raw) and (named := _broken(body)):
                # Some releases of vLLM fail over half of a pair, with a 500.
                await asgi.send_json(send, 400, asgi.error_body(400, "the text is not valid Unicode", named))
            elif path == TOKENIZE:
                await self._tokenize(body, scope, receive, send)
            else:
                await self._generate(PATHS[path], body, scope, receive, send)

    async def _generate(
        self, route: Route, body: Mapping[str, Any], scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send
    ) -> None:
        try:
            order = read_order(route, body, self._dialect)
        except OrderError as error:
            await asgi.send_json(send, 400, asgi.error_body(400, str(error), error.param))
            return
        streamed = order.stream and not order.whole
        exchange = _Exchange(body, send, verbatim=order.verbatim and order.copies == 1 and not streamed)
        relay = Relay(order, send, exchange) if streamed else exchange
        await self._ask(scope, order.inner, receive, relay)
        await exchange.close()
        if exchange.document is not None:
            await _answer(exchange.document, order, send)

    async def _tokenize(
        self, body: Mapping[str, Any], scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send
    ) -> None:
        if not isinstance(body.get("prompt"), str) and "messages" not in body:
            await asgi.send_json(send, 400, asgi.error_body(400, "prompt is a string", "prompt"))
            return
        asked = {name: body[name] for name in _TOKENIZED if body.get(name) is not None}
        exchange = _Exchange(body, send)
        await self._ask(scope, {**asked, "model": self._dialect.model}, receive, exchange)
        await exchange.close()
        if exchange.document is not None:
            known = {name: exchange.document[name] for name in ("count", "max_model_len", "tokens")}
            await asgi.send_json(send, 200, known)

    async def _ask(self, scope: asgi.Scope, body: Mapping[str, Any], receive: asgi.Receive, send: asgi.Send) -> None:
        raw = _encoded(body).encode()
        # Nothing that the client put in its head is vLLM's business: there it may choose ids and ranks.
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
        await self._app({**scope, "query_string": b"", "headers": headers}, asgi.replay(raw, receive), send)


class _Exchange:
    """vLLM's whole answer to one request: handed on as it comes where it is `verbatim`, or kept for the asker."""

    def __init__(self, asked: Mapping[str, Any], send: asgi.Send, *, verbatim: bool = False) -> None:
        self._asked = asked
        self._send = send
        self._status = 0
        self._parts: list[bytes] = []
        self._verbatim = verbatim
        self.document: Any = None

    async def __call__(self, message: asgi.Message) -> None:
        """One message of vLLM's."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._status == 200 and self._verbatim:
                told = [pair for pair in message["headers"] if pair[0].lower() in _TOLD]
                await self._send({**message, "headers": told})
        elif self._status == 200 and self._verbatim:
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))

    async def close(self) -> None:
        """Read what was kept; without any answer, as after a disconnection, there is nothing to do."""
        raw = b"".join(self._parts)
        if self._status not in (0, 200):
            status, document = refusal(self._status, raw, self._asked)
            await asgi.send_json(self._send, status, document)
        elif raw:
            self.document = json.loads(raw)


async def _answer(document: Any, order: Order, send: asgi.Send) -> None:
    document = rewritten(document, order)
    if not order.stream:
        await asgi.send_json(send, 200, document)
        return
    await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
    for event in told(document, order):
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _broken(body: Mapping[str, Any]) -> str | None:
    """The first parameter that has half of a surrogate pair, which no UTF-8 can spell; None when all are whole."""
    for name, value in body.items():
        try:
            json.dumps([name, value], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return name
    return None

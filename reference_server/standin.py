"""The stand-in: the tiny language model behind the two routes, for requests that a contract layer has judged already.

Law: the same request gets the same answer; a token leaves at its time on an absolute schedule, and a client that has
gone gets no more of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conformance.wire.answer import frame
from reference_server import asgi
from reference_server.documents import Paper, usage
from reference_server.inner import PATHS, TOKENIZE, received
from reference_server.orders import Order, OrderError, read_order
from reference_server.sampling import Completion, Piece, complete, pieces
from reference_server.tinylm import tiny_lm
from schemas.model import Route

MODEL = "seatrial-tiny"

_STREAM_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


@dataclass(frozen=True, kw_only=True)
class StandinOptions:
    """How the stand-in behaves; the delays are seconds to the first token and between tokens.

    `default_ignore_eos` is what a request without `ignore_eos` gets; `default_max_tokens` None means the whole context;
    `unsupported` are the options, such as `chat.n`, that are refused in every form.
    """

    seed: int = 0
    ttft_s: float = 0.0
    itl_s: float = 0.0
    context_length: int = 2048
    default_max_tokens: int | None = 16
    default_ignore_eos: bool = False
    model: str = MODEL
    unsupported: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.ttft_s < 0 or self.itl_s < 0:
            raise ValueError(f"ttft_s is {self.ttft_s} and itl_s is {self.itl_s}; delays are not negative")
        if self.context_length < 2:
            raise ValueError(f"context_length is {self.context_length}; give at least 2")


class Standin:
    """The ASGI app; it answers POST on the two `/v1` paths and on `/tokenize`, and nothing else."""

    def __init__(self, options: StandinOptions | None = None) -> None:
        self._options = options or StandinOptions()
        self._lm = tiny_lm()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        asked = await received(scope, receive, send)
        if asked is None:
            return
        body, _ = asked
        if scope["path"] == TOKENIZE:
            await self._tokenize(body, send)
            return
        route = PATHS[scope["path"]]
        started = asyncio.get_running_loop().time()
        try:
            order = self._order(route, body)
        except OrderError as error:
            signed = f"{error} [{error.requirement}]" if error.requirement else str(error)
            await asgi.send_json(send, 400, asgi.error_body(400, signed, error.param))
            return
        paper = Paper.of(route, self._options.model, order.layout)
        async with _watched(receive) as pace:
            if order.stream:
                await self._stream(order, paper, send, pace, started)
            else:
                await self._answer(order, paper, send, pace, started)

    async def _tokenize(self, body: Mapping[str, Any], send: asgi.Send) -> None:
        """The ids of a text, as vLLM's route of that name gives them."""
        text = body.get("prompt")
        if not isinstance(text, str):
            await asgi.send_json(send, 400, asgi.error_body(400, "prompt is a string", "prompt"))
            return
        begin = [self._lm.begin] if body.get("add_special_tokens", True) else []
        ids = [*begin, *self._lm.encode(text)]
        length = self._options.context_length
        await asgi.send_json(send, 200, {"count": len(ids), "max_model_len": length, "tokens": ids})

    def _order(self, route: Route, body: Mapping[str, Any]) -> Order:
        options = self._options
        for name in body:
            if f"{route}.{name}" in options.unsupported:
                raise OrderError(name, "", f"`{name}` is not supported by this model")
        return read_order(
            self._lm,
            route,
            body,
            seed=options.seed,
            context_length=options.context_length,
            default_max_tokens=options.default_max_tokens,
            default_ignore_eos=options.default_ignore_eos,
        )

    async def _answer(self, order: Order, paper: Paper, send: asgi.Send, pace: _Pace, started: float) -> None:
        completions = await _done(order, pace)
        if completions is None:
            return
        most = max(completion.tokens for completion in completions)
        if not await pace.until(started + self._due(most)):
            return
        await asgi.send_json(send, 200, paper.document(completions, len(order.prompt)))

    async def _stream(self, order: Order, paper: Paper, send: asgi.Send, pace: _Pace, started: float) -> None:
        sources = await self._sources(order, pace)
        if sources is None:
            return
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        if paper.route == "chat":
            for index in range(len(sources)):
                await _event(send, paper.chunk(index, "", (), role=True))
        live = dict(enumerate(sources))
        tokens = 0
        while live:
            for index, (count, piece) in [(index, next(source)) for index, source in live.items()]:
                tokens += 1
                if not await pace.until(started + self._due(count)):
                    return
                if piece.text or piece.entries:
                    await _event(send, paper.chunk(index, piece.text, piece.entries))
                if piece.finish_reason is not None:
                    del live[index]
                    await self._finish(order, paper, send, index, piece.finish_reason, None if live else tokens)
        await send({"type": "http.response.body", "body": frame("[DONE]")})

    async def _sources(self, order: Order, pace: _Pace) -> list[Iterator[tuple[int, Piece]]] | None:
        """For each choice its pieces, numbered from 1; None when the client has gone."""
        if order.sampling.best_of > order.sampling.n or order.sampling.beam:
            # Only a server that forgets the rule comes here: the best is known once all candidates are made.
            completions = await _done(order, pace)
            return None if completions is None else [iter(_told(completion)) for completion in completions]
        return [
            enumerate(pieces(order.prompt, order.sampling, index, order.model), start=1)
            for index in range(order.sampling.n)
        ]

    async def _finish(
        self, order: Order, paper: Paper, send: asgi.Send, index: int, reason: str, tokens: int | None
    ) -> None:
        """The last chunk of a choice; the last of all (`tokens` is their sum) brings the usage."""
        last = paper.chunk(index, "", (), reason)
        if tokens is None:
            await _event(send, last)
            return
        used = usage(len(order.prompt), tokens)
        if order.usage_apart:
            await _event(send, last)
            await _event(send, paper.usage_chunk(used))
        else:
            await _event(send, {**last, "usage": used})

    def _due(self, count: int) -> float:
        """Seconds from the request to its token of that number, counted from 1."""
        return self._options.ttft_s + (count - 1) * self._options.itl_s


class _Pace:
    """Waits, and notices a client that goes away meanwhile."""

    def __init__(self, receive: asgi.Receive) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Task[None] = self._loop.create_task(_disconnection(receive))

    async def until(self, moment: float) -> bool:
        """Whether the client is still there at that time of the loop's clock."""
        delay = moment - self._loop.time()
        if delay > 0:
            await asyncio.wait((self._gone,), timeout=delay)
        else:
            await asyncio.sleep(0)
        return not self._gone.done()

    def stop(self) -> None:
        """Watch no longer."""
        self._gone.cancel()


@asynccontextmanager
async def _watched(receive: asgi.Receive) -> AsyncIterator[_Pace]:
    pace = _Pace(receive)
    try:
        yield pace
    finally:
        pace.stop()


async def _disconnection(receive: asgi.Receive) -> None:
    if (await receive())["type"] != "http.disconnect":
        # Nothing else may come after the body; a server that sends it anyway tells no disconnection.
        await asyncio.Event().wait()


async def _done(order: Order, pace: _Pace) -> tuple[Completion, ...] | None:
    """The completions, made in slices between which other requests have their turn; None when the client has gone."""
    work = complete(order.prompt, order.sampling, order.model)
    while True:
        try:
            next(work)
        except StopIteration as finished:
            made: tuple[Completion, ...] = finished.value
            return made
        if not await pace.until(0.0):
            return None


def _told(completion: Completion) -> list[tuple[int, Piece]]:
    """A finished completion as the pieces of a stream: silent ones but for the last, so that the tokens count."""
    silent = [(count, Piece("", ())) for count in range(1, completion.tokens)]
    return [*silent, (completion.tokens, Piece(completion.text, completion.entries, completion.finish_reason))]


async def _event(send: asgi.Send, document: dict[str, Any]) -> None:
    await send({"type": "http.response.body", "body": frame(document), "more_body": True})

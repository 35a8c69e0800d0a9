"""Breaks a conformant server on purpose: one mutant at a time, exchangeable while the server runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from conformance.wire.answer import Answer, Ask
from reference_server import asgi, relay


class Mutant(Protocol):
    """A server's fault: any of a misheard request, a wrong answer, rows that are not enforced."""

    @property
    def ask(self) -> Callable[[Ask], Ask] | None:
        """What the server hears instead of the request."""

    @property
    def answer(self) -> Callable[[Answer], Answer] | None:
        """What the server says instead of its answer."""

    @property
    def forgets(self) -> frozenset[tuple[str, str]]:
        """Pairs of a requirement's id and a keyword that the contract layer does not enforce."""


class Faulty:
    """The outermost ASGI app: applies `mutant` to every request that begins while it is set; None changes nothing.

    `error` is what a mutant itself raised last: a fault of ours, which no check may take for the server's.
    """

    def __init__(self, app: asgi.App, mutant: Mutant | None = None) -> None:
        self._app = app
        self.mutant = mutant
        self.error: Exception | None = None

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, wrongly."""
        mutant = self.mutant
        if mutant is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[asgi.FORGETS] = scope.get(asgi.FORGETS, frozenset()) | mutant.forgets
        if mutant.ask is None and mutant.answer is None:
            await self._app(scope, receive, send)
            return
        ask = await relay.asked(scope, receive, send)
        if ask is None:
            return
        try:
            heard = mutant.ask(ask) if mutant.ask else ask
            answer = await relay.answered(self._app, scope, heard, receive)
            # A mutant decides by what was asked of it, not by what it misheard.
            said = mutant.answer(_about(answer, ask)) if mutant.answer else answer
        except Exception as error:
            self.error = error
            raise
        await relay.deliver(said, send)


def _about(answer: Answer, ask: Ask) -> Answer:
    return Answer(ask, answer.status, answer.headers, answer.body, answer.frames)

"""What a fault and a legal variation are, and how one is declared.

Law: a fault is single. It is written from the contract's page and from what users of other servers reported, never from
the checks that are measured with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.wire.answer import Answer, Ask
from reference_server.asgi import App

KEY = "Detect-aBcDeFgHiJkLmNoPqRsTuVwXyZ"
# Seconds that stand for ever: longer than any tool here waits.
HANG = 40.0
# Words that the server's content filter refuses in a prompt, or blanks the answer for.
FILTERED_PROMPT = "kumquatdoom"
FILTERED_ANSWER = "mangodoom"

Json = Any
Serve = Callable[[Ask], Awaitable[Answer]]


@dataclass
class Call:
    """One request on its way; `serve` has the conformant server answer, `state` lasts as long as the server."""

    ask: Ask
    serve: Serve
    state: dict[Any, Any]


Around = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Deviation:
    """A fault, or a legal variation: `about` is its source or the reason why it is legal.

    `around` answers one request; `app` wraps the whole server, where time or the connection matter. `base` names the
    conformant server that it stands on.
    """

    id: str
    title: str
    area: str
    about: str
    around: Around | None = None
    app: Callable[[App], App] | None = None
    base: str = "plain"


@dataclass
class Area:
    """Declares the deviations of one area."""

    name: str
    base: str = "plain"
    found: list[Deviation] = field(default_factory=list)

    def answer(self, name: str, title: str, about: str, change: Callable[[Answer], Answer]) -> None:
        """One that changes what is answered."""

        async def around(call: Call) -> Answer:
            return change(await call.serve(call.ask))

        self.around(name, title, about, around)

    def ask(self, name: str, title: str, about: str, change: Callable[[Ask], Ask]) -> None:
        """One that changes an accepted request before the model sees it; what is refused stays refused."""

        async def around(call: Call) -> Answer:
            answer = await call.serve(call.ask)
            if answer.status != 200 or not call.ask.body:
                return answer
            changed = change(call.ask)
            return answer if changed == call.ask else await call.serve(changed)

        self.around(name, title, about, around)

    def accepts(
        self, name: str, title: str, about: str, wrong: Callable[[dict[str, Json]], bool], repair: Callable[[Ask], Ask]
    ) -> None:
        """One that accepts a body that ought to be refused: it is answered as if it had been repaired."""

        async def around(call: Call) -> Answer:
            answer = await call.serve(call.ask)
            if not 400 <= answer.status < 500 or answer.status in (401, 403) or not _holds(wrong, call.ask.body):
                return answer
            repaired = await call.serve(repair(call.ask))
            return repaired if repaired.status == 200 else answer

        self.around(name, title, about, around)

    def refuses(
        self,
        name: str,
        title: str,
        about: str,
        right: Callable[[dict[str, Json]], bool],
        message: str = "not supported",
    ) -> None:
        """One that refuses a body that ought to be accepted."""

        async def around(call: Call) -> Answer:
            answer = await call.serve(call.ask)
            return answer.with_error(400, message) if answer.status == 200 and _holds(right, call.ask.body) else answer

        self.around(name, title, about, around)

    def around(self, name: str, title: str, about: str, around: Around) -> None:
        """One that handles a request by itself."""
        self.found.append(Deviation(f"{self.name}.{name}", title, self.name, about, around, None, self.base))

    def app(self, name: str, title: str, about: str, app: Callable[[App], App]) -> None:
        """One that wraps the server."""
        self.found.append(Deviation(f"{self.name}.{name}", title, self.name, about, None, app, self.base))


def _holds(condition: Callable[[dict[str, Json]], bool], body: dict[str, Json]) -> bool:
    """Whether it holds; strange bodies hold nothing."""
    try:
        return bool(body) and condition(body)
    except (TypeError, KeyError, AttributeError, IndexError):
        return False

"""The place where a content filter of one's own goes: by the name of a Python object, around any ASGI app.

Law: a filter sees texts and answers yes or no; how a refusal looks is the contract's business and the same for all.
"""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from conformance.wire.answer import Answer
from reference_server import asgi, relay
from reference_server.content_filter import Filtered, error, screened

Wrap = Callable[[asgi.App], asgi.App]

WORDS, NONE = "words", "none"


@runtime_checkable
class Judge(Protocol):
    """Says of a prompt whether it is refused; one that has `flagged_output(text)` judges answers as well."""

    def flagged(self, text: str) -> bool:
        """Whether that text of a prompt is refused."""
        ...


class Judged:
    """An ASGI app with a judge in front of it.

    A judge of answers needs each in whole, so its streams are held back until they end.
    """

    def __init__(self, app: asgi.App, judge: Judge) -> None:
        self._app = app
        self._flagged = judge.flagged
        self._flagged_output: Callable[[str], bool] | None = getattr(judge, "flagged_output", None)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or refuse its prompt, or keep back what the judge flags of its answer."""
        if scope["type"] != "http" or scope["method"] != "POST" or not relay.route_of(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            raw = await asgi.read_body(receive, relay.MOST_BODY)
        except asgi.DisconnectError:
            return
        if any(self._flagged(text) for text in _prompts(raw)):
            await asgi.send_json(send, 400, {"error": error("prompt")})
            return
        rest, flagged = asgi.replay(raw, receive), self._flagged_output
        if flagged is None:
            await self._app(scope, rest, send)
            return
        await screened(
            self._app,
            scope,
            rest,
            send,
            lambda answer: frozenset(index for index, text in _outputs(answer).items() if flagged(text)),
        )


def hook(name: str) -> Wrap:
    """The filter of that name: the trigger words, none, or the object at `module:attribute`.

    The object is a `Judge`, a class whose instances are, or a function that wraps an ASGI app. `ValueError` for a name
    that leads to nothing.
    """
    place = place_of(name)
    if place is None:
        return Filtered if name == WORDS else lambda app: app
    module, attribute = place
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as cause:
        raise ValueError(f"the content filter {name} cannot be loaded: {cause}") from None
    if isinstance(found, type) and callable(getattr(found, "flagged", None)):
        found = found()
    if isinstance(found, Judge):
        judge = found
        return lambda app: Judged(app, judge)
    if callable(found):
        wrap: Wrap = found
        return wrap
    raise ValueError(f"the content filter {name} has no method `flagged`, and wraps no app either")


def place_of(name: str) -> tuple[str, str] | None:
    """The module and the attribute in a filter's name; None for one that is built in, `ValueError` for neither."""
    if name in (WORDS, NONE):
        return None
    module, _, attribute = name.partition(":")
    if not module or not attribute.isidentifier():
        raise ValueError(f"the content filter {name!r} is not `module:attribute`, `{WORDS}` or `{NONE}`")
    return module, attribute


def _prompts(raw: bytes) -> list[str]:
    """Every text that a request hands to the model."""
    try:
        body = json.loads(raw)
    except ValueError:
        return []
    return _texts([body.get("prompt"), body.get("messages")]) if isinstance(body, dict) else []


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, dict):
        return _texts([value.get("content"), value.get("text")])
    return []


def _outputs(answer: Answer) -> dict[int, str]:
    """The text of each choice."""
    said: defaultdict[int, str] = defaultdict(str)

    def hear(choice: dict[str, Any]) -> None:
        part = choice.get("text") or (choice.get("message") or choice.get("delta") or {}).get("content")
        said[choice.get("index", 0)] += part or ""

    answer.edit_choices(hear)
    return said

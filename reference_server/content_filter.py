"""A content filter with trigger words of its own: on the prompt, on the output, and one that fails.

Law: a request without a trigger word passes as it came. With several choices only the first is filtered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.wire.answer import Answer
from reference_server import asgi, relay

Json = Any

# In a prompt, these stand for what a real filter would act on.
IN_PROMPT = "seatrial-filter-prompt"
IN_OUTPUT = "seatrial-filter-output"
TRIGGERS = (IN_PROMPT, IN_OUTPUT)

CODE = "content_filter"
_MESSAGE = (
    "The response was filtered due to the prompt triggering the content management policy. Please modify your prompt "
    "and retry."
)


class Filtered:
    """An ASGI app whose prompts and answers are filtered."""

    def __init__(self, app: asgi.App) -> None:
        self._app = app

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or refuse its prompt, or keep back its output."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            raw = await asgi.read_body(receive, relay.MOST_BODY)
        except asgi.DisconnectError:
            return
        if IN_PROMPT.encode() in raw:
            await asgi.send_json(send, 400, {"error": error("prompt")})
            return
        rest = asgi.replay(raw, receive)
        if IN_OUTPUT.encode() not in raw:
            await self._app(scope, rest, send)
            return
        await screened(self._app, scope, rest, send, lambda _: frozenset({0}))


async def screened(
    app: asgi.App, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, bad: Callable[[Answer], frozenset[int]]
) -> None:
    """Have the app answer, in whole, and keep back the choices whose indices `bad` tells."""
    ask = await relay.asked(scope, receive, send)
    if ask is None:
        return
    answer = await relay.answered(app, scope, ask, receive)
    indices = bad(answer)
    await relay.deliver(withheld(answer, indices) if indices else answer, send)


def error(param: str) -> dict[str, Json]:
    """The error object of a filtered prompt, as the service's documentation has it."""
    return {"message": _MESSAGE, "type": None, "param": param, "code": CODE, "status": 400}


def withheld(answer: Answer, indices: frozenset[int]) -> Answer:
    """The answer with the choices of those indices filtered."""

    def keep_back(choice: dict[str, Json]) -> None:
        if choice.get("index") not in indices:
            return
        choice["logprobs"] = None
        if "text" in choice:
            choice["text"] = ""
        elif "message" in choice:
            choice["message"]["content"] = None
        elif choice.get("delta", {}).get("content"):
            choice["delta"]["content"] = ""
        if choice.get("finish_reason"):
            choice["finish_reason"] = CODE

    return answer.edit_choices(keep_back)


def _refused(change: Callable[[dict[str, Json]], dict[str, Json]]) -> Callable[[Answer], Answer]:
    """A change of the document that refuses a prompt."""

    def changed(answer: Answer) -> Answer:
        document = answer.json if answer.frames is None else None
        said = document.get("error") if isinstance(document, dict) else None
        return answer.with_json(change(said)) if isinstance(said, dict) and said.get("code") == CODE else answer

    return changed


def _choices(change: Callable[[dict[str, Json]], object]) -> Callable[[Answer], Answer]:
    """A change in place of every choice that is filtered."""

    def each(choice: dict[str, Json]) -> None:
        if choice.get("finish_reason") == CODE:
            change(choice)

    return lambda answer: answer.edit_choices(each)


def _failed(choice: dict[str, Json]) -> None:
    """The filter did not work, and says so beside an ordinary reason."""
    failure = {"code": "content_filter_error", "message": "The contents are not filtered"}
    choice.update(finish_reason="stop", content_filter_result={"error": failure})


flat = _refused(lambda said: {**said, "param": "messages", "message": "The response was filtered"})
coded = _refused(lambda said: {"error": {"code": "Bad Request", "status": 400, "message": said["message"]}})
innermost = _refused(
    lambda said: {
        "error": {
            **said,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
            },
        }
    }
)
failed = _choices(_failed)
failed_reason = _choices(lambda choice: choice.update(finish_reason="content_filter_error"))

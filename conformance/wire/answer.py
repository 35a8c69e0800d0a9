"""What a server was asked and what it is about to answer: the values that a mutant changes.

A conformant server produces an `Answer`; a mutant turns the `Ask` before the server sees it, or the `Answer` before the
client does. Everything is immutable, so that a mutant is one expression.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Json = Any
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ask:
    """A request as a server sees it. `route` is `chat`, `completions` or empty for any other path."""

    method: str
    path: str
    headers: Headers
    raw: bytes
    route: str = ""

    @property
    def body(self) -> dict[str, Json]:
        """The JSON object that was sent; empty when the body is anything else."""
        try:
            value = json.loads(self.raw)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def header(self, name: str) -> str:
        """The first header of that name, any case; empty when absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def with_body(self, **changes: Json) -> Ask:
        """The same request with these parameters set; a parameter set to `...` is removed."""
        body = {**self.body, **changes}
        return replace(self, raw=json.dumps({k: v for k, v in body.items() if v is not ...}).encode())

    def with_header(self, name: str, value: str | None) -> Ask:
        """The same request with this header; without it when `value` is None."""
        return replace(self, headers=_with_header(self.headers, name, value))


@dataclass(frozen=True)
class Answer:
    """A response: `body` when it is one document, `frames` when it is a stream.

    `frames` are the raw bytes of each server-sent event, terminator included, as they will be written one by one.
    `lingers` is how long the body stays open after its last byte (s).
    """

    ask: Ask
    status: int
    headers: Headers
    body: bytes = b""
    frames: tuple[bytes, ...] | None = None
    lingers: float = 0.0

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.frames is not None

    @property
    def json(self) -> Json:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def succeeded(self) -> bool:
        """Whether the status is 200."""
        return self.status == 200

    def with_json(self, value: Json) -> Answer:
        """The same answer with that document."""
        return replace(self, body=json.dumps(value).encode())

    def with_status(self, status: int) -> Answer:
        """The same answer with that status."""
        return replace(self, status=status)

    def with_header(self, name: str, value: str | None) -> Answer:
        """The same answer with this header; without it when `value` is None."""
        return replace(self, headers=_with_header(self.headers, name, value))

    def with_error(self, status: int, message: str = "refused") -> Answer:
        """An error of that status in place of the answer, in the shape that the reference server uses."""
        body = {"error": {"code": str(status), "message": message, "status": status}}
        headers = _with_header(self.headers, "content-type", "application/json")
        return replace(self, status=status, headers=headers, body=json.dumps(body).encode(), frames=None)

    def with_success(self) -> Answer:
        """A small valid document in place of the answer: a server that accepts what it ought to refuse."""
        choice: dict[str, Json] = {"index": 0, "finish_reason": "stop", "logprobs": None}
        if self.ask.route == "chat":
            choice["message"] = {"role": "assistant", "content": "aye"}
        else:
            choice["text"] = "aye"
        document = {
            "id": "accepted",
            "object": "chat.completion" if self.ask.route == "chat" else "text_completion",
            "created": 0,
            "model": "mutant",
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        headers = _with_header(self.headers, "content-type", "application/json")
        return replace(self, status=200, headers=headers, body=json.dumps(document).encode(), frames=None)

    def edit(self, change: Callable[[dict[str, Json]], object]) -> Answer:
        """The answer with `change` applied in place to a copy of its document, or to each chunk of its stream.

        Answers that are not 200, and documents that are not objects, stay as they are.
        """
        if not self.succeeded:
            return self
        if self.frames is not None:
            return replace(self, frames=tuple(_edited(frame, change) for frame in self.frames))
        value = self.json
        if not isinstance(value, dict):
            return self
        change(value)
        return self.with_json(value)

    def edit_choices(self, change: Callable[[dict[str, Json]], object]) -> Answer:
        """The answer with `change` applied to each choice of its document or of each chunk."""

        def each(document: dict[str, Json]) -> None:
            for choice in document.get("choices", []):
                change(choice)

        return self.edit(each)

    def edit_usage(self, change: Callable[[dict[str, Json], dict[str, Json]], object]) -> Answer:
        """The answer with `change` applied to each usage in it, given with the document; most chunks have none."""

        def each(document: dict[str, Json]) -> None:
            usage = document.get("usage")
            if isinstance(usage, dict):
                change(usage, document)

        return self.edit(each)

    def with_frames(self, frames: tuple[bytes, ...]) -> Answer:
        """The same stream with those events."""
        return replace(self, frames=frames)

    def without_last_event(self) -> Answer:
        """The stream without its last event; any other answer as it is."""
        return self if self.frames is None else replace(self, frames=self.frames[:-1])


def frame(payload: Mapping[str, Json] | str) -> bytes:
    """One server-sent event whose data is that document or text."""
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def payload(event: bytes) -> dict[str, Json] | None:
    """The JSON object that a frame made by `frame` carries; None for `[DONE]`, comments and the like."""
    text = event.decode("utf-8", "replace").strip()
    if not text.startswith("data:"):
        return None
    try:
        value = json.loads(text.removeprefix("data:"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _edited(event: bytes, change: Callable[[dict[str, Json]], object]) -> bytes:
    value = payload(event)
    if value is None:
        return event
    change(value)
    return frame(value)


def _with_header(headers: Headers, name: str, value: str | None) -> Headers:
    kept = tuple(pair for pair in headers if pair[0].lower() != name.lower())
    return kept if value is None else (*kept, (name, value))

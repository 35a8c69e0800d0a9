"""Changes of answers that leave the contract kept: the order and shape of JSON, of refusals, of bytes.

Law: each returns the answer as it is where it has nothing to change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.wire.answer import Answer, frame, payload

Json = Any


def turned(value: Json) -> Json:
    """The same JSON with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def extended(value: Json, *, inside: str = "") -> Json:
    """The same JSON with a field more in every object, but for those whose keys are data."""
    if isinstance(value, list):
        return [extended(item, inside=inside) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {key: extended(item, inside=key) for key, item in value.items()}
    return fields if inside == "top_logprobs" else {**fields, "x_note": {"added": True}}


def rewritten(change: Callable[[Json], Json]) -> Callable[[Answer], Answer]:
    """A change of every JSON document, errors and chunks included."""

    def rewrite(answer: Answer) -> Answer:
        if answer.frames is not None:
            return answer.with_frames(tuple(_reframed(event, change) for event in answer.frames))
        value = answer.json
        return answer if value is None else answer.with_json(change(value))

    return rewrite


def _reframed(event: bytes, change: Callable[[Json], Json]) -> bytes:
    """The event with its chunk changed."""
    value = payload(event)
    return event if value is None else frame(change(value))


def events(change: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    """A change of the bytes of every event of a stream."""
    return lambda answer: answer if answer.frames is None else answer.with_frames(tuple(map(change, answer.frames)))


def chunks(change: Callable[[list[Json]], list[Json]]) -> Callable[[Answer], Answer]:
    """A change of the list of a stream's chunks; what is no chunk stays at the end."""

    def rechunk(answer: Answer) -> Answer:
        if answer.frames is None:
            return answer
        values = [payload(event) for event in answer.frames]
        chunks = change([value for value in values if value is not None])
        rest = [event for event, value in zip(answer.frames, values, strict=True) if value is None]
        return answer.with_frames((*map(frame, chunks), *rest))

    return rechunk


def documents(change: Callable[[dict[str, Json]], object]) -> Callable[[Answer], Answer]:
    """A change in place of every document or chunk of a successful answer."""
    return lambda answer: answer.edit(change)


def choices(change: Callable[[dict[str, Json]], object]) -> Callable[[Answer], Answer]:
    """A change in place of every choice."""
    return lambda answer: answer.edit_choices(change)


def refusals(change: Callable[[dict[str, Json]], Json]) -> Callable[[Answer], Answer]:
    """A change of the `error` object of every refusal into another body."""

    def reshape(answer: Answer) -> Answer:
        value = answer.json
        if answer.status < 400 or not isinstance(value, dict) or "error" not in value:
            return answer
        return answer.with_json(change(value["error"]))

    return reshape


def status(old: int, new: int) -> Callable[[Answer], Answer]:
    """Another status for one that would be."""
    return lambda answer: answer.with_status(new) if answer.status == old else answer


def charset(answer: Answer) -> Answer:
    """The charset of JSON and of event streams, said aloud."""
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    return answer.with_header("Content-Type", f"{kind}; charset=utf-8")


def spelled(choice: dict[str, Json]) -> None:
    """The spelling that most servers use."""
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict) and "text_offsets" in logprobs:
        logprobs["text_offset"] = logprobs.pop("text_offsets")


def without_null_logprobs(choice: dict[str, Json]) -> None:
    """Absent rather than null."""
    if choice.get("logprobs") is None:
        choice.pop("logprobs", None)


def pretty(answer: Answer) -> Answer:
    """A document as people like to read it."""
    value = None if answer.streams else answer.json
    return answer if value is None else replace(answer, body=json.dumps(value, indent=4, ensure_ascii=False).encode())


def several_lines(event: bytes) -> bytes:
    """The event with its JSON spread over several lines, each a `data:` line of its own."""
    value = payload(event)
    if value is None:
        return event
    lines = json.dumps(value, indent=1).split("\n")
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


def unescaped(event: bytes) -> bytes:
    """The event with a field that has characters of two, three and four bytes."""
    value = payload(event)
    if value is None:
        return event
    return f"data: {json.dumps({**value, 'x_note': 'é – ⛵ 𝄞'}, ensure_ascii=False)}\n\n".encode()  # noqa: RUF001


def numbered(event: bytes) -> bytes:
    """The event with an id, and with the time after which a client may come back."""
    return b"id: 7\nretry: 3000\n" + event


def marked(answer: Answer) -> Answer:
    """A stream behind a byte order mark."""
    if not answer.frames:
        return answer
    return answer.with_frames((b"\xef\xbb\xbf" + answer.frames[0], *answer.frames[1:]))


def last_words(answer: Answer) -> Answer:
    """A stream with a comment behind its last event."""
    return answer.with_frames((*answer.frames, b": bye\n\n")) if answer.frames else answer


def gathered(count: int) -> Callable[[Answer], list[bytes]]:
    """So many events in each write; anything but a stream in one."""

    def cut(answer: Answer) -> list[bytes]:
        if answer.frames is None:
            return [answer.body]
        return [b"".join(answer.frames[place : place + count]) for place in range(0, len(answer.frames), count)]

    return cut


def slices(size: int) -> Callable[[Answer], list[bytes]]:
    """So many bytes in each write."""

    def cut(answer: Answer) -> list[bytes]:
        data = whole(answer)
        return [data[place : place + size] for place in range(0, len(data), size)]

    return cut


def whole(answer: Answer) -> bytes:
    """The bytes of the answer's body."""
    return answer.body if answer.frames is None else b"".join(answer.frames)

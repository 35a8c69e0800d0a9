"""Small moves on asks and answers that many faults share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from conformance.wire.answer import Answer, Ask, frame, payload

Json = Any
Change = Callable[[dict[str, Json]], object]


def chat(ask: Ask) -> bool:
    """Whether the request goes to the chat route."""
    return ask.route == "chat"


def number(value: Json) -> bool:
    """Whether that is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def usage(answer: Answer, change: Change) -> Answer:
    """The answer with `change` applied to every usage object."""
    return answer.edit(lambda d: change(d["usage"]) if isinstance(d.get("usage"), dict) else None)


def logprobs(answer: Answer, change: Change) -> Answer:
    """The answer with `change` applied to every logprobs object."""
    return answer.edit_choices(lambda c: change(c["logprobs"]) if isinstance(c.get("logprobs"), dict) else None)


def plain(answer: Answer, change: Change) -> Answer:
    """The answer with `change` applied to its document; streams stay as they are."""
    return answer if answer.streams else answer.edit(change)


def plain_choices(answer: Answer, change: Change) -> Answer:
    """The answer with `change` applied to each choice of its document; streams stay as they are."""
    return answer if answer.streams else answer.edit_choices(change)


def chunks(answer: Answer, change: Change) -> Answer:
    """The stream with `change` applied to each chunk; documents stay as they are."""
    return answer.edit(change) if answer.streams else answer


def frames(answer: Answer, change: Callable[[list[bytes]], Iterable[bytes]]) -> Answer:
    """The stream with other events; documents stay as they are."""
    return answer if answer.frames is None else answer.with_frames(tuple(change(list(answer.frames))))


def refusal(answer: Answer, change: Callable[[Answer], Answer], statuses: Iterable[int] = (400, 422)) -> Answer:
    """The answer changed when its status is one of these."""
    return change(answer) if answer.status in statuses else answer


def raw(answer: Answer, body: bytes | str, kind: str = "application/json", status: int | None = None) -> Answer:
    """The answer with these bytes for a body."""
    data = body.encode() if isinstance(body, str) else body
    changed = replace(answer, body=data, frames=None, status=answer.status if status is None else status)
    return changed.with_header("content-type", kind)


def text_of(choice: dict[str, Json]) -> str:
    """The text of a choice, of any route and mode."""
    inner = choice.get("message") or choice.get("delta")
    value = inner.get("content") if isinstance(inner, dict) else choice.get("text")
    return value if isinstance(value, str) else ""


def put_text(choice: dict[str, Json], text: str) -> None:
    """Give a choice that text."""
    inner = choice.get("message") or choice.get("delta")
    if isinstance(inner, dict):
        inner["content"] = text
    elif "text" in choice:
        choice["text"] = text


def retext(answer: Answer, change: Callable[[str], str]) -> Answer:
    """The answer with the text of every choice changed."""

    def each(choice: dict[str, Json]) -> None:
        if text_of(choice):
            put_text(choice, change(text_of(choice)))

    return answer.edit_choices(each)


def content_places(events: list[bytes]) -> list[int]:
    """Where the events with text are."""
    found = []
    for place, event in enumerate(events):
        value = payload(event)
        if value and any(text_of(choice) for choice in value.get("choices", [])):
            found.append(place)
    return found


def prompts(ask: Ask, change: Callable[[str], str]) -> Ask:
    """The request with every text of its prompt or messages changed."""
    body = ask.body
    if isinstance(body.get("prompt"), str):
        return ask.with_body(prompt=change(body["prompt"]))
    if isinstance(body.get("messages"), list):
        told = [
            {**one, "content": change(one["content"])}
            if isinstance(one, dict) and isinstance(one.get("content"), str)
            else one
            for one in body["messages"]
        ]
        return ask.with_body(messages=told)
    return ask


def messages(ask: Ask, change: Callable[[list[Json]], list[Json]]) -> Ask:
    """The request with other messages; never with none."""
    told = ask.body.get("messages")
    if not isinstance(told, list):
        return ask
    changed = change(told)
    return ask.with_body(messages=changed) if changed and changed != told else ask


def prompt_text(ask: Ask) -> str:
    """All text of a request's prompt or messages."""
    body = ask.body
    if "prompt" in body:
        return str(body["prompt"])
    return json.dumps(body.get("messages", ""), ensure_ascii=False)


def drop(*names: str) -> Callable[[Ask], Ask]:
    """A change of a request that removes these parameters."""
    return lambda ask: ask.with_body(**dict.fromkeys(names, ...)) if any(n in ask.body for n in names) else ask


def put(**values: Json) -> Callable[[Ask], Ask]:
    """A change of a request that sets these parameters."""
    return lambda ask: ask.with_body(**values)


def swap(name: str, change: Callable[[Json], Json]) -> Callable[[Ask], Ask]:
    """A change of a request that replaces one parameter, where it is given and not null."""
    return lambda ask: ask.with_body(**{name: change(ask.body[name])}) if ask.body.get(name) is not None else ask


def done() -> bytes:
    """The event that ends a stream."""
    return frame("[DONE]")

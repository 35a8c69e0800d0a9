"""Legal variations of a conformant server: what a harness must take without a word, since no contract forbids it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.wire.answer import Answer, Ask, frame, payload
from reference_server import asgi, relay

Json = Any


@dataclass(frozen=True)
class Variation:
    """One way to be different and right: a changed request, a changed answer, another cut of its bytes, or leniency."""

    name: str
    title: str
    ask: Callable[[Ask], Ask] | None = None
    answer: Callable[[Answer], Answer] | None = None
    cut: Callable[[Answer], Sequence[bytes]] | None = None
    lenient: bool = False


class Varied:
    """An ASGI app that varies another one; `variation` None changes nothing."""

    def __init__(self, app: asgi.App, variation: Variation | None = None) -> None:
        self._app = app
        self.variation = variation

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request in the varied way."""
        variation = self.variation
        if variation is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[asgi.LENIENT] = variation.lenient
        try:
            ask = await relay.asked(scope, receive)
        except asgi.DisconnectError:
            return
        except asgi.TooLargeError:
            await asgi.send_json(send, 413, asgi.error_body(413, "the body is too large"))
            return
        answer = await relay.answered(self._app, scope, variation.ask(ask) if variation.ask else ask, receive)
        if variation.answer:
            answer = variation.answer(answer)
        await relay.deliver(answer, send, variation.cut(answer) if variation.cut else None)


def _turned(value: Json) -> Json:
    """The same JSON with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(item) for item in value] if isinstance(value, list) else value


def _extended(value: Json, *, inside: str = "") -> Json:
    """The same JSON with a field more in every object, but for those whose keys are data."""
    if isinstance(value, list):
        return [_extended(item, inside=inside) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {key: _extended(item, inside=key) for key, item in value.items()}
    return fields if inside == "top_logprobs" else {**fields, "x_note": {"added": True}}


def _rewritten(change: Callable[[Json], Json]) -> Callable[[Answer], Answer]:
    """A change of every JSON document, errors and chunks included."""

    def rewrite(answer: Answer) -> Answer:
        if answer.frames is not None:
            return answer.with_frames(tuple(_reframed(event, change) for event in answer.frames))
        value = answer.json
        return answer if value is None else answer.with_json(change(value))

    return rewrite


def _reframed(event: bytes, change: Callable[[Json], Json]) -> bytes:
    value = payload(event)
    return event if value is None else frame(change(value))


def _events(change: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    """A change of the bytes of every event of a stream."""
    return lambda answer: answer if answer.frames is None else answer.with_frames(tuple(map(change, answer.frames)))


def _chunks(change: Callable[[list[Json]], list[Json]]) -> Callable[[Answer], Answer]:
    """A change of the list of a stream's chunks; what is no chunk stays at the end."""

    def rechunk(answer: Answer) -> Answer:
        if answer.frames is None:
            return answer
        values = [payload(event) for event in answer.frames]
        chunks = change([value for value in values if value is not None])
        rest = [event for event, value in zip(answer.frames, values, strict=True) if value is None]
        return answer.with_frames((*map(frame, chunks), *rest))

    return rechunk


def _edited(change: Callable[[dict[str, Json]], object]) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edit(change)


def _choices(change: Callable[[dict[str, Json]], object]) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edit_choices(change)


def _refusals(change: Callable[[dict[str, Json]], Json]) -> Callable[[Answer], Answer]:
    """A change of the `error` object of every refusal into another body."""

    def reshape(answer: Answer) -> Answer:
        value = answer.json
        if answer.status < 400 or not isinstance(value, dict) or "error" not in value:
            return answer
        return answer.with_json(change(value["error"]))

    return reshape


def _status(old: int, new: int) -> Callable[[Answer], Answer]:
    return lambda answer: answer.with_status(new) if answer.status == old else answer


def _charset(answer: Answer) -> Answer:
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    return answer.with_header("Content-Type", f"{kind}; charset=utf-8")


def _spelled(choice: dict[str, Json]) -> None:
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict) and "text_offsets" in logprobs:
        logprobs["text_offset"] = logprobs.pop("text_offsets")


def _without_null_logprobs(choice: dict[str, Json]) -> None:
    if choice.get("logprobs") is None:
        choice.pop("logprobs", None)


def _usage_apart(chunks: list[Json]) -> list[Json]:
    if not chunks or "usage" not in chunks[-1]:
        return chunks
    used = chunks[-1].pop("usage")
    return [*chunks, {**chunks[-1], "choices": [], "usage": used}]


def _usage_null(chunks: list[Json]) -> list[Json]:
    return [{**chunk, "usage": chunk.get("usage")} for chunk in chunks]


def _without_role_chunk(chunks: list[Json]) -> list[Json]:
    return [chunk for chunk in chunks if not any("role" in choice.get("delta", {}) for choice in chunk["choices"])]


def _role_everywhere(choice: dict[str, Json]) -> None:
    if "delta" in choice:
        choice["delta"]["role"] = "assistant"


def _role_only(choice: dict[str, Json]) -> None:
    if "role" in choice.get("delta", {}):
        choice["delta"].pop("content", None)


def _filter_chunk(chunks: list[Json]) -> list[Json]:
    if not chunks:
        return chunks
    first = {key: value for key, value in chunks[0].items() if key != "usage"}
    results = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
    return [{**first, "choices": [], "prompt_filter_results": results}, *chunks]


def _said(choice: dict[str, Json]) -> str:
    return str(choice["delta"].get("content") or "") if "delta" in choice else str(choice["text"])


def _say(choice: dict[str, Json], text: str) -> None:
    if "delta" in choice:
        choice["delta"]["content"] = text
    else:
        choice["text"] = text


def _finish_with_text(chunks: list[Json]) -> list[Json]:
    """The finish reason (and the usage) on the chunk with the last text instead of an empty one."""
    kept: list[Json] = []
    for chunk in chunks:
        if not chunk["choices"]:
            kept.append(chunk)
            continue
        choice = chunk["choices"][0]
        before = next((one for one in reversed(kept) if one["choices"][0]["index"] == choice["index"]), None)
        if choice["finish_reason"] is None or _said(choice) or before is None or not _said(before["choices"][0]):
            kept.append(chunk)
            continue
        before["choices"][0]["finish_reason"] = choice["finish_reason"]
        if "usage" in chunk:
            # The usage stays on the last event, whichever choice that belongs to.
            kept[-1]["usage"] = chunk["usage"]
    return kept


def _merged(chunks: list[Json]) -> list[Json]:
    """Three tokens to an event, as a server sends them whose client reads slowly."""
    kept: list[Json] = []
    merged = 1
    for chunk in chunks:
        choice = next(iter(chunk["choices"]), None)
        before = kept[-1]["choices"][0] if kept else None
        plain = all(one and _said(one) and one["logprobs"] is None for one in (choice, before))
        if plain and choice and before and before["index"] == choice["index"] and merged < 3:
            _say(before, _said(before) + _said(choice))
            merged += 1
        else:
            kept.append(chunk)
            merged = 1
    return kept


def _candidate_indices(answer: Answer) -> Answer:
    """The indices of the best candidates, best last, where `best_of` made more candidates than answers."""
    best_of = answer.ask.body.get("best_of")
    if not isinstance(best_of, int | float) or best_of <= 1:
        return answer

    def renumber(document: dict[str, Json]) -> None:
        document["choices"] = [{**choice, "index": 2 * choice["index"] + 1} for choice in document["choices"][::-1]]

    return answer if answer.frames is not None else answer.edit(renumber)


def _greedy_n_refused(answer: Answer) -> Answer:
    body = answer.ask.body
    refused = answer.succeeded and body.get("temperature") == 0 and (body.get("n") or 1) > 1
    return answer.with_error(400, "n must be 1 when using greedy sampling") if refused else answer


def _bearer_added(ask: Ask) -> Ask:
    token = ask.header("authorization")
    return ask.with_header("authorization", f"Bearer {token}") if token and " " not in token.strip() else ask


def _pretty(answer: Answer) -> Answer:
    value = None if answer.streams else answer.json
    return answer if value is None else replace(answer, body=json.dumps(value, indent=4, ensure_ascii=False).encode())


def _whole(answer: Answer) -> bytes:
    return answer.body if answer.frames is None else b"".join(answer.frames)


def _made(*variations: Variation) -> Mapping[str, Variation]:
    named = {variation.name: variation for variation in variations}
    assert len(named) == len(variations)
    return named


VARIATIONS: Mapping[str, Variation] = _made(
    Variation("turned-keys", "keys in the opposite order", answer=_rewritten(_turned)),
    Variation("extra-fields", "a field more in every object", answer=_rewritten(_extended)),
    Variation("pretty", "documents with white space, in UTF-8 instead of escapes", answer=_pretty),
    Variation("sse-comments", "a comment before each event", answer=_events(lambda event: b": still here\n\n" + event)),
    Variation("sse-crlf", "lines that end in CRLF", answer=_events(lambda event: event.replace(b"\n", b"\r\n"))),
    Variation("sse-no-space", "no space after `data:`", answer=_events(lambda e: e.replace(b"data: ", b"data:", 1))),
    Variation("coalesced", "the whole answer in one write", cut=lambda answer: (_whole(answer),)),
    Variation("byte-by-byte", "every byte in a write of its own", cut=lambda a: [bytes((b,)) for b in _whole(a)]),
    Variation("charset", "a charset in the content type", answer=_charset),
    Variation("status-422", "422 for a request that breaks the tables", answer=_status(400, 422)),
    Variation("status-400-for-415", "400 for another content type", answer=_status(415, 400)),
    Variation("status-404-for-405", "404 for another method", answer=_status(405, 404)),
    Variation("error-flat", "refusals without an `error` object around them", answer=_refusals(lambda error: error)),
    Variation("error-detail", 'refusals as {"detail": …}', answer=_refusals(lambda e: {"detail": e["message"]})),
    Variation(
        "error-openai",
        "refusals with a numeric code and no status",
        answer=_refusals(lambda e: {"error": {**{k: v for k, v in e.items() if k != "status"}, "code": e["status"]}}),
    ),
    Variation("error-string", "refusals whose `error` is a text", answer=_refusals(lambda e: {"error": e["message"]})),
    Variation("offset-spelling", "`text_offset` for `text_offsets`", answer=_choices(_spelled)),
    Variation("logprobs-absent", "no `logprobs` where they are null", answer=_choices(_without_null_logprobs)),
    Variation("no-model", "no `model` field", answer=_edited(lambda document: document.pop("model", None))),
    Variation("empty-model", "an empty `model` field", answer=_edited(lambda document: document.update(model=""))),
    Variation("usage-apart", "the usage in a last chunk without choices", answer=_chunks(_usage_apart)),
    Variation("usage-null", "a null usage in every chunk but the last", answer=_chunks(_usage_null)),
    Variation(
        "no-stream-usage",
        "no usage in streams",
        answer=_chunks(lambda chunks: [{k: v for k, v in chunk.items() if k != "usage"} for chunk in chunks]),
    ),
    Variation("no-role-chunk", "no chunk with the role before the first text", answer=_chunks(_without_role_chunk)),
    Variation("role-only", "a first delta with nothing but the role", answer=_choices(_role_only)),
    Variation("role-everywhere", "the role in every delta", answer=_choices(_role_everywhere)),
    Variation("filter-chunk", "a first chunk with filter results and no choices", answer=_chunks(_filter_chunk)),
    Variation(
        "finish-with-text", "the finish reason on the chunk with the last text", answer=_chunks(_finish_with_text)
    ),
    Variation("merged-tokens", "three tokens to an event", answer=_chunks(_merged)),
    Variation("candidate-indices", "with `best_of`, indices of candidates in any order", answer=_candidate_indices),
    Variation("greedy-n-refused", "several greedy answers are refused", answer=_greedy_n_refused),
    Variation("bare-key", "the key is taken without `Bearer` too", ask=_bearer_added),
    Variation("lenient", "values that the contract leaves open are accepted", lenient=True),
)

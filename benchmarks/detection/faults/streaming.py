"""Streams that lose, double, mislabel or hold back what they carry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from benchmarks.detection.editing import chunks, content_places, done, frames, put_text, raw, retext, text_of
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer, frame, payload

area = Area("streaming")


def _kind(value: str | None) -> Any:
    return lambda a: a.with_header("content-type", value) if a.streams else a


area.answer("type-json", "a stream is labelled application/json", "page: server-sent events", _kind("application/json"))
area.answer("type-text", "a stream is labelled text/plain", "page: server-sent events", _kind("text/plain"))
area.answer("type-missing", "a stream has no content type", "page: server-sent events", _kind(None))
area.answer(
    "done-missing",
    "a stream ends without [DONE]",
    "huggingface/text-generation-inference#2221",
    lambda a: frames(a, lambda e: e[:-1]),
)
area.answer(
    "done-lower",
    "a stream ends with [done]",
    "page: terminated by a payload [DONE]",
    lambda a: frames(a, lambda e: [*e[:-1], frame("[done]")]),
)
area.answer(
    "done-json",
    'a stream ends with {"done": true}',
    "ollama/ollama#10015",
    lambda a: frames(a, lambda e: [*e[:-1], frame({"done": True})]),
)
area.answer(
    "done-twice",
    "[DONE] comes twice",
    "page: terminated by a payload [DONE]",
    lambda a: frames(a, lambda e: [*e, done()]),
)
area.answer(
    "done-early",
    "[DONE] comes before the last chunk",
    "page: the last one is terminated by [DONE]",
    lambda a: frames(a, lambda e: [*e[:-2], e[-1], e[-2]]),
)
area.answer(
    "finish-missing",
    "no chunk has a finish_reason",
    "waybarrios/vllm-mlx#628",
    lambda a: chunks(a, lambda d: [c.update(finish_reason=None) for c in d.get("choices", [])]),
)
area.answer(
    "finish-everywhere",
    "every chunk has a finish_reason",
    "page: always null, except the last",
    lambda a: chunks(a, lambda d: [c.update(finish_reason=c["finish_reason"] or "stop") for c in d.get("choices", [])]),
)
area.answer(
    "finish-empty",
    "finish_reason is empty instead of null",
    "ollama/ollama#4357",
    lambda a: chunks(a, lambda d: [c.update(finish_reason=c["finish_reason"] or "") for c in d.get("choices", [])]),
)
area.answer(
    "finish-camel",
    "the last chunk has finishReason",
    "jakobdylanc/llmcord#84",
    lambda a: chunks(a, lambda d: [c.update(finishReason=c.pop("finish_reason")) for c in d.get("choices", [])]),
)


def _finishes(event: bytes) -> bool:
    return any(c.get("finish_reason") for c in (payload(event) or {}).get("choices", []))


area.answer(
    "finish-twice",
    "the last chunk of a choice comes twice",
    "Blaizzy/mlx-vlm#1215",
    lambda a: frames(a, lambda e: [x for one in e for x in ([one, one] if _finishes(one) else [one])]),
)


def _text_after_finish(events: list[bytes]) -> list[bytes]:
    places, ends = content_places(events), [i for i, e in enumerate(events) if _finishes(e)]
    if not places or not ends or places[-1] > ends[-1]:
        return events
    last = events.pop(places[-1])
    return [*events[: ends[-1]], last, *events[ends[-1] :]]


area.answer(
    "text-after-finish",
    "the last piece of text comes after finish_reason",
    "page: null except the last one",
    lambda a: frames(a, _text_after_finish),
)


def _numbered(name: str, value: Any) -> Any:
    def change(answer: Answer) -> Answer:
        count = iter(range(10_000))
        return chunks(answer, lambda d: d.update({name: value(d.get(name), next(count))}))

    return change


area.answer(
    "id-changes",
    "every chunk has an id of its own",
    "ggml-org/llama.cpp#5876",
    _numbered("id", lambda v, k: f"{v}-{k}"),
)
area.answer(
    "id-by-choice",
    "each choice of a stream has an id of its own",
    "sgl-project/sglang#39864",
    lambda a: chunks(a, lambda d: d.update(id=f"{d['id']}-{d['choices'][0]['index'] if d['choices'] else 0}")),
)
area.answer(
    "created-changes",
    "created grows from chunk to chunk",
    "sgl-project/sglang#39864",
    _numbered("created", lambda v, k: v + k),
)
area.answer(
    "model-changes",
    "the last chunks name another model",
    "page: the model_id used for completion",
    _numbered("model", lambda v, k: v if k < 2 else "fallback"),
)
area.answer(
    "object-missing", "chunks have no object", "page: object", lambda a: chunks(a, lambda d: d.pop("object", None))
)


def _without(place: int) -> Any:
    def change(events: list[bytes]) -> list[bytes]:
        places = content_places(events)
        return events if len(places) < 2 else [e for i, e in enumerate(events) if i != places[place]]

    return lambda a: frames(a, change)


area.answer("first-lost", "the first piece of text is lost", "vllm-project/vllm#30099", _without(0))
area.answer("last-lost", "the last piece of text is lost", "LostRuins/koboldcpp#1031", _without(-1))
area.answer("middle-lost", "one piece of text in the middle is lost", "vllm-project/vllm#30099", _without(1))


def _with_places(change: Any) -> Any:
    return lambda a: frames(a, lambda e: change(e, content_places(e)) if len(content_places(e)) > 2 else e)


area.answer(
    "doubled",
    "one piece of text comes twice",
    "vllm-project/vllm#30099 (text differs)",
    _with_places(lambda e, p: [*e[: p[1]], e[p[1]], *e[p[1] :]]),
)
area.answer(
    "swapped",
    "two pieces of text change places",
    "page: streamed as they become available",
    _with_places(lambda e, p: [*e[: p[0]], e[p[1]], *e[p[0] + 1 : p[1]], e[p[0]], *e[p[1] + 1 :]]),
)


def _cumulative(answer: Answer) -> Answer:
    so_far: dict[int, str] = {}

    def change(document: dict[str, Any]) -> None:
        for choice in document.get("choices", []):
            if text_of(choice):
                so_far[choice["index"]] = so_far.get(choice["index"], "") + text_of(choice)
                put_text(choice, so_far[choice["index"]])

    return chunks(answer, change)


area.answer("cumulative", "each chunk repeats all text so far", "page: delta; vllm-project/vllm-omni#2313", _cumulative)
area.answer(
    "spaces-stripped",
    "pieces of text have lost their leading space",
    "page: the generated tokens",
    lambda a: retext(a, lambda t: t.strip() or t) if a.streams else a,
)
area.answer(
    "text-upper",
    "a stream has other text than the answer without one at temperature 0",
    "gpustack/llama-box#2 (the two modes differ)",
    lambda a: retext(a, str.upper) if a.streams else a,
)
area.answer(
    "message-for-delta",
    "chat chunks have message and not delta",
    "page: the key is changed by delta",
    lambda a: chunks(a, lambda d: [c.update(message=c.pop("delta")) for c in d.get("choices", []) if "delta" in c]),
)
area.answer(
    "delta-string",
    "delta is a string",
    "facts A.3: delta:{role,content}",
    lambda a: chunks(a, lambda d: [c.update(delta=text_of(c)) for c in d.get("choices", []) if "delta" in c]),
)
area.answer(
    "role-missing",
    "no chunk says whose message it is",
    "reference/vllm-on-cpu.md: first chunk has the role",
    lambda a: chunks(a, lambda d: [c.get("delta", {}).pop("role", None) for c in d.get("choices", [])]),
)
area.answer(
    "index-missing",
    "chunks have no index",
    "page: index",
    lambda a: chunks(a, lambda d: [c.pop("index", None) for c in d.get("choices", [])]),
)
area.answer(
    "index-token",
    "the index counts tokens",
    "microsoft/foundry-local#144",
    _numbered("choices", lambda v, k: [{**c, "index": k} for c in v]),
)
area.answer(
    "blank-line-missing",
    "events are separated by one line end",
    "WHATWG HTML 9.2.6: a blank line ends an event",
    lambda a: frames(a, lambda e: [x.rstrip(b"\n") + b"\n" for x in e]),
)
area.answer(
    "bare-json",
    "a stream is lines of bare JSON",
    "ollama/ollama#10015 (ndjson); page: server-sent events",
    lambda a: frames(a, lambda e: [x.removeprefix(b"data: ").rstrip(b"\n") + b"\n" for x in e]),
)
area.answer(
    "doubled-prefix",
    "every event says data: data:",
    "WHATWG HTML 9.2.6",
    lambda a: frames(a, lambda e: [b"data: " + x for x in e]),
)
area.answer(
    "pretty-printed",
    "the JSON of an event runs over lines without data:",
    "WHATWG HTML 9.2.6",
    lambda a: frames(
        a, lambda e: [b"data: " + json.dumps(payload(x), indent=1).encode() + b"\n\n" if payload(x) else x for x in e]
    ),
)
area.answer(
    "single-quotes",
    "chunks are Python dictionaries, printed",
    "RFC 8259 7",
    lambda a: frames(a, lambda e: [f"data: {payload(x)}\n\n".encode() if payload(x) else x for x in e]),
)
area.answer(
    "cut-off",
    "a stream breaks off in the middle of an event",
    "vllm-project/vllm#9260",
    lambda a: frames(a, lambda e: [*e[: len(e) // 2], e[len(e) // 2][:20]]),
)
area.answer(
    "ends-early",
    "a stream ends after the second token, with [DONE]",
    "vllm-project/vllm#9260",
    lambda a: frames(a, lambda e: [*e[: (content_places(e) or [0])[:2][-1] + 1], done()]),
)
area.answer(
    "unsplit", "all text comes in one chunk", "page: sent as tokens become available", lambda a: frames(a, _in_one)
)


def _in_one(events: list[bytes]) -> list[bytes]:
    places = content_places(events)
    if not places or any(len((payload(events[p]) or {"choices": []})["choices"]) != 1 for p in places):
        return events
    told = [payload(events[p]) or {} for p in places]
    if len({t["choices"][0]["index"] for t in told}) != 1 or told[0]["choices"][0].get("logprobs"):
        return events
    put_text(told[0]["choices"][0], "".join(text_of(t["choices"][0]) for t in told))
    kept = [e for i, e in enumerate(events) if i not in places[1:]]
    kept[kept.index(events[places[0]])] = frame(told[0])
    return kept


async def _never(call: Call) -> Answer:
    return await call.serve(call.ask.with_body(stream=False) if call.ask.body.get("stream") is True else call.ask)


async def _always(call: Call) -> Answer:
    first = await call.serve(call.ask)
    body = call.ask.body
    if first.status != 200 or first.streams or not body or (body.get("best_of") or 1) > 1:
        return first
    return await call.serve(call.ask.with_body(stream=True)) if "stream" not in body else first


area.around(
    "never", "stream is ignored: one document comes", "TheTom/vllm-swift#19 (stream options); page: stream", _never
)
area.around("always", "a request without stream is answered with one", "page: stream, default False", _always)


async def _error_inside(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    if answer.status == 400 and call.ask.body.get("stream") is True:
        event = f"data: {answer.body.decode()}\n\n".encode()
        told = replace(answer, status=200, body=b"", frames=(event, done()))
        return told.with_header("content-type", "text/event-stream")
    return answer


area.around(
    "error-inside",
    "a refused request with stream gets 200 and the error as an event",
    "ggml-org/llama.cpp#14566",
    _error_inside,
)
area.answer(
    "as-document",
    "a stream is one JSON list of chunks",
    "page: server-sent events",
    lambda a: raw(a, json.dumps([payload(e) for e in a.frames if payload(e)])) if a.frames else a,
)


FAULTS = area.found

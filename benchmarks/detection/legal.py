"""What no contract forbids: variations that a tool must not take for faults, each with the reason why it is legal."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from typing import Any

from benchmarks.detection.editing import chunks, frames, plain, raw, refusal
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer, frame, payload
from reference_server.asgi import App, Message, Receive, Scope, Send

area = Area("legal")
slow = Area("legal", base="slow")
limited = Area("legal", base="limited")
described = Area("legal", base="described")


def _ok(change: Any) -> Any:
    return lambda a: change(a) if a.status == 200 and not a.streams else a


def _typed(answer: Answer, body: str | bytes) -> Answer:
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "application/json")
    return raw(answer, body, kind)


def _json(**options: Any) -> Any:
    return _ok(lambda a: _typed(a, json.dumps(a.json, **options)))


area.answer(
    "extra-fields",
    "answers have fields that the page does not list",
    "the page nowhere closes its objects; vLLM adds such",
    lambda a: a.edit(
        lambda d: (
            d.update(system_fingerprint="fp_1", service_tier=None),
            [c.update(stop_reason=None) for c in d.get("choices", [])],
        )
    ),
)
area.answer(
    "usage-details",
    "usage has details",
    "OpenAI and vLLM add prompt_tokens_details; the page closes nothing",
    lambda a: plain(
        a,
        lambda d: (
            d["usage"].update(prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": 0})
            if d.get("usage")
            else None
        ),
    ),
)
area.answer("key-order", "keys come in another order", "RFC 8259 4: an object is unordered", _json(sort_keys=True))
area.answer("pretty", "JSON is indented", "RFC 8259 2: insignificant white space", _json(indent=2))
area.answer("compact", "JSON has no white space", "RFC 8259 2", _json(separators=(",", ":")))
area.answer(
    "line-end",
    "a line end follows the JSON",
    "RFC 8259 2: white space after the value",
    _ok(lambda a: _typed(a, a.body + b"\r\n")),
)
area.answer(
    "charset",
    "the content type names utf-8",
    "RFC 9110 8.3.1: parameters are part of a media type",
    _ok(lambda a: a.with_header("content-type", "application/json; charset=utf-8")),
)
area.answer(
    "type-case",
    "the content type is Application/JSON",
    "RFC 9110 8.3.1: case-insensitive",
    _ok(lambda a: a.with_header("content-type", "Application/JSON")),
)
area.answer(
    "stream-charset",
    "the type of a stream is text/event-stream;charset=UTF-8",
    "RFC 9110 8.3.1",
    lambda a: a.with_header("content-type", "text/event-stream;charset=UTF-8") if a.streams else a,
)
area.answer(
    "headers",
    "answers have headers of the server's own",
    "RFC 9110 5.1: fields are extensible",
    lambda a: a.with_header("x-request-id", "7").with_header("x-ms-rai-invoked", "true").with_header("server", "any"),
)
area.answer(
    "status-422",
    "refusals are 422",
    "facts B: 422 for a body that breaks the schema; the page names no status",
    lambda a: refusal(a, lambda b: replace(b, status=422), (400,)),
)


def _message(answer: Answer) -> tuple[str, Any]:
    told = answer.json["error"]
    return told["message"], told.get("param")


area.answer(
    "error-flat",
    "errors are flat, as older vLLM has them",
    "facts F.2 10: flat, nested and detail are all accepted",
    lambda a: refusal(
        a,
        lambda b: b.with_json(
            {
                "object": "error",
                "message": _message(b)[0],
                "type": "BadRequestError",
                "param": _message(b)[1],
                "code": 400,
            }
        ),
    ),
)
area.answer(
    "error-detail",
    "errors have detail, as FastAPI has them",
    "facts F.2 10; E 1: {'detail': ...}",
    lambda a: refusal(
        a,
        lambda b: b.with_json(
            {"detail": [{"loc": ["body", _message(b)[1]], "msg": _message(b)[0], "type": "value_error"}]}
        ),
    ),
)
area.answer(
    "error-code-number",
    "the code of an error is a number",
    "reference/vllm-on-cpu.md: code is an integer",
    lambda a: refusal(
        a,
        lambda b: b.with_json(
            {"error": {"message": _message(b)[0], "type": "BadRequestError", "param": _message(b)[1], "code": 400}}
        ),
    ),
)
area.answer(
    "problem-json",
    "errors are application/problem+json",
    "RFC 9457 3: a JSON format for errors",
    lambda a: refusal(
        a,
        lambda b: b.with_json(
            {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": f"{_message(b)[1]}: {_message(b)[0]}",
                "message": _message(b)[0],
            }
        ).with_header("content-type", "application/problem+json"),
    ),
)
area.answer(
    "forbidden",
    "a wrong key is 403",
    "RFC 9110 15.5.4: credentials that are not enough; the page names no status",
    lambda a: replace(a, status=403) if a.status == 401 and a.ask.header("authorization") else a,
)
area.answer(
    "crlf",
    "a stream has CRLF line ends",
    "WHATWG HTML 9.2.6: CRLF, LF or CR",
    lambda a: frames(a, lambda e: [x.replace(b"\n", b"\r\n") for x in e]),
)
area.answer(
    "no-space",
    "events have no space after data:",
    "WHATWG HTML 9.2.6: one space is removed if present; facts F: data:[DONE]",
    lambda a: frames(a, lambda e: [x.replace(b"data: ", b"data:", 1) for x in e]),
)
area.answer(
    "comments",
    "comments come between events to keep the connection alive",
    "WHATWG HTML 9.2.7: a comment every 15 seconds",
    lambda a: frames(a, lambda e: [y for x in e for y in (b": ping\n\n", x)]),
)
area.answer(
    "event-fields",
    "events have id and retry fields",
    "WHATWG HTML 9.2.6: the fields of an event",
    lambda a: frames(a, lambda e: [b"id: %d\nretry: 3000\n" % i + x for i, x in enumerate(e)]),
)
area.answer(
    "several-data-lines",
    "the JSON of an event stands on several data lines",
    "WHATWG HTML 9.2.6: joined by a line end",
    lambda a: frames(
        a,
        lambda e: [
            b"".join(b"data: " + line + b"\n" for line in json.dumps(payload(x), indent=1).encode().split(b"\n"))
            + b"\n"
            if payload(x)
            else x
            for x in e
        ],
    ),
)
area.answer(
    "ascii-escapes",
    "chunks escape every letter e",
    "RFC 8259 7: any character may be escaped",
    lambda a: frames(a, lambda e: [x.replace(b'"content":" the"', b'"content":" th\\u0065"') for x in e]),
)
area.answer(
    "chunk-null-usage",
    "every chunk has usage null",
    "vLLM and OpenAI with include_usage",
    lambda a: chunks(a, lambda d: d.setdefault("usage", None)),
)


def _usage_apart(events: list[bytes]) -> list[bytes]:
    made: list[bytes] = []
    for event in events:
        value = payload(event)
        if value and value.get("usage") and value.get("choices"):
            used = value.pop("usage")
            made += [frame(value), frame({**value, "choices": [], "usage": used})]
        else:
            made.append(event)
    return made


area.answer(
    "usage-chunk",
    "the usage of a stream comes in a chunk of its own, without choices",
    "reference/vllm-on-cpu.md: choices []",
    lambda a: frames(a, _usage_apart),
)
area.answer(
    "stream-without-usage",
    "a stream has no usage",
    "reference/vllm-on-cpu.md: usage only with include_usage",
    lambda a: (
        a
        if (a.ask.body.get("stream_options") or {}).get("include_usage")
        else chunks(a, lambda d: d.pop("usage", None))
    ),
)


def _role_again(document: dict[str, Any]) -> None:
    for choice in document.get("choices", []):
        if isinstance(choice.get("delta"), dict):
            choice["delta"]["role"] = "assistant"


area.answer(
    "role-everywhere",
    "every chunk of a chat says role assistant",
    "ollama/ollama#4357 shows it; a delta repeats what is so",
    lambda a: chunks(a, _role_again),
)


def _pairs(events: list[bytes]) -> list[bytes]:
    return [b"".join(events[at : at + 3]) for at in range(0, len(events), 3)]


area.answer(
    "events-together",
    "three events come in one packet",
    "TCP keeps no boundaries; reference/vllm-on-cpu.md: 266 in one read",
    lambda a: frames(a, _pairs),
)


def _slices(app: App) -> App:
    """Cuts every body into pieces of seven bytes, wherever they fall."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def cut(message: Message) -> None:
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or len(body) < 8:
                await send(message)
                return
            for at in range(0, len(body), 7):
                await send({"type": "http.response.body", "body": body[at : at + 7], "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

        await app(scope, receive, cut)

    return serve


area.app("tiny-pieces", "bodies come seven bytes at a time", "RFC 9112 7.1: chunk boundaries mean nothing", _slices)


async def _slower(call: Call) -> Answer:
    await asyncio.sleep(0.02)
    return await call.serve(call.ask)


area.around("slower", "every answer takes 20 ms more", "no contract has a time", _slower)
area.answer(
    "connection-close",
    "the connection is closed after each answer",
    "RFC 9112 9.6: the server may close",
    lambda a: a.with_header("connection", "close"),
)


def _zipped(answer: Answer) -> Answer:
    if answer.streams or "gzip" not in answer.ask.header("accept-encoding"):
        return answer
    return replace(answer, body=gzip.compress(answer.body)).with_header("content-encoding", "gzip")


area.answer("gzip", "JSON is compressed for clients that accept gzip", "RFC 9110 12.5.3: Accept-Encoding", _zipped)
area.answer(
    "model-name",
    "model is the name of the deployment",
    "page: the model_id used; its own example has an empty one",
    lambda a: a.edit(lambda d: d.update(model="Meta-Llama-3-8B-Instruct")),
)
area.answer(
    "model-empty", "model is empty", 'page: the example has "model": ""', lambda a: a.edit(lambda d: d.update(model=""))
)
area.answer(
    "id-opaque",
    "ids are plain numbers in a string",
    "page: a unique identifier; its example is no UUID",
    lambda a: a.edit(lambda d: d.update(id=str(int(d["id"].split("-")[1][:15], 16))) if "id" in d else None),
)
area.answer(
    "logprobs-absent",
    "without logprobs asked for the key is absent",
    "page: the chat example has no such key",
    lambda a: a.edit_choices(lambda c: c.pop("logprobs") if c.get("logprobs") is None else None),
)
area.answer(
    "text-offset",
    "the offsets are called text_offset",
    "facts A.5 18: OpenAI, vLLM and the service's own code",
    lambda a: a.edit_choices(
        lambda c: c["logprobs"].update(text_offset=c["logprobs"].pop("text_offsets")) if c.get("logprobs") else None
    ),
)
area.answer(
    "tool-calls-null",
    "messages have tool_calls null",
    "facts A.3: the later page's own example",
    lambda a: plain(
        a, lambda d: [c["message"].update(tool_calls=None) for c in d.get("choices", ()) if "message" in c]
    ),
)
slow.app("paced", "tokens come every 20 ms", "page: sent as they become available", lambda app: app)
limited.answer(
    "now-and-then-429",
    "one request in forty is refused 429 with Retry-After 1",
    "page: 1,000 requests a minute",
    lambda a: a,
)
limited.answer(
    "429-without-retry-after",
    "one request in forty is refused 429 without Retry-After",
    "RFC 6585 4: may include Retry-After",
    lambda a: a.with_header("retry-after", None),
)
described.answer(
    "offers-description",
    "the endpoint offers a true service description",
    "page: obtained from the endpoint itself",
    lambda a: a,
)
VARIATIONS = [*area.found, *slow.found, *limited.found, *described.found]

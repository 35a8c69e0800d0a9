"""Fields of the answer that are missing, or of the wrong kind or value."""

from __future__ import annotations

import json

from benchmarks.detection.editing import plain, plain_choices, put_text, raw, text_of
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer

area = Area("fields")
FAULTS = area.found

area.answer("id-missing", "answers have no id", "page: id", lambda a: a.edit(lambda d: d.pop("id", None)))
area.answer(
    "id-empty",
    "the id is an empty string",
    "huggingface/text-generation-inference#1782",
    lambda a: a.edit(lambda d: d.update(id="")),
)
area.answer(
    "id-constant",
    "every answer has the same id",
    "page: a unique identifier for the completion",
    lambda a: a.edit(lambda d: d.update(id="cmpl-0")),
)
area.answer("id-number", "the id is a number", "page: id is a string", lambda a: a.edit(lambda d: d.update(id=42)))
area.answer(
    "created-milliseconds",
    "created is in milliseconds",
    "Mintplex-Labs/anything-llm#2920",
    lambda a: a.edit(lambda d: d.update(created=d["created"] * 1000)),
)
area.answer(
    "created-iso",
    "created is an ISO date",
    "tensorchord/modelz-llm#83",
    lambda a: a.edit(lambda d: d.update(created="2023-06-20T19:58:12.437203")),
)
area.answer(
    "created-fraction",
    "created is a decimal",
    "Mintplex-Labs/anything-llm#2920, later comment",
    lambda a: a.edit(lambda d: d.update(created=d["created"] + 0.437)),
)
area.answer(
    "created-zero",
    "created is 0, the year 1970",
    "page: when the completion was created",
    lambda a: a.edit(lambda d: d.update(created=0)),
)
area.answer(
    "created-missing", "answers have no created", "page: created", lambda a: a.edit(lambda d: d.pop("created", None))
)
area.answer(
    "model-number", "model is a number", "page: model is a string", lambda a: a.edit(lambda d: d.update(model=7))
)
area.answer(
    "object-wrong",
    'object is "chat" on both routes',
    "tensorchord/modelz-llm#83",
    lambda a: plain(a, lambda d: d.update(object="chat")),
)
area.answer(
    "object-missing", "answers have no object", "page: object", lambda a: a.edit(lambda d: d.pop("object", None))
)
area.answer(
    "choices-object",
    "choices is an object and not a list",
    "page: choices is an array",
    lambda a: plain(a, lambda d: d.update(choices=d["choices"][0])),
)
area.answer(
    "choices-empty",
    "choices is empty",
    "page: the list of completion choices the model generated",
    lambda a: plain(a, lambda d: d.update(choices=[])),
)
area.answer(
    "index-missing", "choices have no index", "page: index", lambda a: plain_choices(a, lambda c: c.pop("index"))
)
area.answer(
    "index-string",
    'the index is "0"',
    "page: index is an integer",
    lambda a: plain_choices(a, lambda c: c.update(index=str(c["index"]))),
)
area.answer(
    "index-from-one",
    "the index counts from 1",
    "page: choice index, 0 to n-1",
    lambda a: a.edit_choices(lambda c: c.update(index=c["index"] + 1)),
)
area.answer(
    "text-null",
    "the text of an answer is null",
    "page: text is a string",
    lambda a: plain_choices(a, lambda c: c.update(text=None) if "text" in c else c["message"].update(content=None)),
)
area.answer(
    "text-list",
    "the text of an answer is a list of parts",
    "page: text is a string",
    lambda a: plain_choices(
        a,
        lambda c: (
            c.update(text=[c["text"]])
            if "text" in c
            else c["message"].update(content=[{"type": "text", "text": text_of(c)}])
        ),
    ),
)
area.answer(
    "message-role-missing",
    "the chat answer has no role",
    "facts A.3: message:{role,content}",
    lambda a: plain_choices(a, lambda c: c.get("message", {}).pop("role", None)),
)
area.answer(
    "message-role-user",
    "the chat answer is by the user",
    "page: example, role assistant",
    lambda a: plain_choices(a, lambda c: c["message"].update(role="user") if "message" in c else None),
)
area.answer(
    "message-as-text",
    "chat answers come as text, as completions do",
    "page: message or delta",
    lambda a: plain_choices(a, lambda c: c.update(text=c.pop("message")["content"]) if "message" in c else None),
)
area.answer(
    "finish-missing",
    "choices have no finish_reason",
    "page: finish_reason",
    lambda a: plain_choices(a, lambda c: c.pop("finish_reason")),
)
area.answer(
    "finish-eos",
    'finish_reason is "eos_token"',
    "huggingface/text-generation-inference#1544",
    lambda a: a.edit_choices(lambda c: c.update(finish_reason="eos_token") if c["finish_reason"] == "stop" else None),
)
area.answer(
    "finish-null",
    "finish_reason is null in a finished answer",
    "InternLM/lmdeploy#464",
    lambda a: plain_choices(a, lambda c: c.update(finish_reason=None)),
)
area.answer(
    "finish-upper",
    'finish_reason is "LENGTH"',
    "page: stop, length, content_filter",
    lambda a: a.edit_choices(lambda c: c.update(finish_reason=c["finish_reason"] and c["finish_reason"].upper())),
)
area.answer(
    "content-type-text",
    "JSON answers are text/plain",
    "page: JSON; RFC 9110 8.3",
    lambda a: a if a.streams or a.status != 200 else a.with_header("content-type", "text/plain; charset=utf-8"),
)
area.answer(
    "content-type-missing",
    "answers have no content type",
    "RFC 9110 8.3",
    lambda a: a if a.streams or a.status != 200 else a.with_header("content-type", None),
)
area.answer(
    "json-twice",
    "the answer is a string of JSON inside JSON",
    "page: the payload is a dictionary",
    lambda a: raw(a, json.dumps(a.body.decode())) if a.status == 200 and not a.streams else a,
)
area.answer(
    "json-cut",
    "the last byte of the answer is missing",
    "RFC 8259 2",
    lambda a: raw(a, a.body[:-1]) if a.status == 200 and not a.streams else a,
)
area.answer(
    "json-single-quotes",
    "the answer is a Python dictionary, printed",
    "RFC 8259 7",
    lambda a: raw(a, str(a.json)) if a.status == 200 and not a.streams else a,
)
area.answer(
    "json-bom",
    "the answer begins with a byte order mark",
    "RFC 8259 8.1: must not add a byte order mark",
    lambda a: raw(a, b"\xef\xbb\xbf" + a.body) if a.status == 200 and not a.streams else a,
)
area.answer(
    "json-invalid-utf8",
    "the answer is Latin-1",
    "ramalama#752: invalid UTF-8 byte; RFC 8259 8.1",
    lambda a: raw(a, a.body.replace(b'"model": "', b'"model": "\xe9')) if a.status == 200 and not a.streams else a,
)
area.answer(
    "json-trailing",
    "debug output follows the JSON",
    "RFC 8259 2",
    lambda a: raw(a, a.body + b"\nINFO: generated\n") if a.status == 200 and not a.streams else a,
)
area.answer(
    "status-201",
    "a completion is answered 201",
    "RFC 9110 15.3.2: a resource was created",
    lambda a: a.with_status(201) if a.status == 200 and a.ask.route and not a.streams else a,
)
area.answer(
    "gzip-header-only",
    "the answer claims gzip and is not",
    "RFC 9110 8.4",
    lambda a: a.with_header("content-encoding", "gzip") if a.status == 200 and not a.streams else a,
)


def _shout(answer: Answer) -> Answer:
    def each(choice: dict[str, object]) -> None:
        put_text(choice, text_of(choice).replace("'", "&#39;").replace(" ", "&nbsp;"))

    return answer.edit_choices(each)


area.answer("text-html-escaped", "the text is HTML-escaped", "page: text is the completion result", _shout)


async def _first_thirty(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    return plain_choices(answer, lambda c: put_text(c, text_of(c)[:12]))


area.around(
    "text-cut",
    "the text is cut after twelve characters, while all tokens are billed",
    "page: text is the completion result",
    _first_thirty,
)

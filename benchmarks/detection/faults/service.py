"""Rate limits, the content filter and what the endpoint says about itself, in wrong shapes."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.detection.editing import frames, raw
from benchmarks.detection.model import FILTERED_ANSWER, FILTERED_PROMPT, Area, Call
from conformance.wire.answer import Answer

limits = Area("limits", base="limited")
filters = Area("filter")
described = Area("description", base="described")


def _throttled(change: Any) -> Any:
    return lambda a: change(a) if a.status == 429 else a


limits.answer(
    "as-500",
    "over the limit the status is 500",
    "RFC 6585 4; page: rate limit",
    _throttled(lambda a: a.with_status(500)),
)
limits.answer(
    "as-200",
    "over the limit the status is 200 with an error body",
    "coder/aibridge#56",
    _throttled(lambda a: a.with_status(200)),
)
limits.answer(
    "html", "429 is an HTML page", "page: JSON", _throttled(lambda a: raw(a, "<html>slow down</html>", "text/html"))
)
limits.answer("empty", "429 has no body", "facts C.2: TooManyRequestsError", _throttled(lambda a: raw(a, b"")))
limits.answer(
    "retry-after-word",
    "Retry-After is a word",
    "RFC 9110 10.2.3: date or seconds",
    _throttled(lambda a: a.with_header("retry-after", "soon")),
)
limits.answer(
    "retry-after-negative",
    "Retry-After is negative",
    "RFC 9110 10.2.3: non-negative",
    _throttled(lambda a: a.with_header("retry-after", "-1")),
)
limits.answer(
    "retry-after-fraction",
    "Retry-After is 0.5",
    "RFC 9110 10.2.3: integer",
    _throttled(lambda a: a.with_header("retry-after", "0.5")),
)


async def _again(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    again = call.state.pop("again", 0)
    if answer.status == 429:
        call.state["again"], call.state["refusal"] = 2, answer
    elif again and call.ask.route and answer.status == 200:
        call.state["again"] = again - 1
        refused: Answer = call.state["refusal"]
        return refused
    return answer


limits.around(
    "retry-after-not-kept", "the request is refused again after Retry-After has passed", "RFC 9110 10.2.3", _again
)


def _prompt(change: Any) -> Any:
    return lambda a: change(a) if FILTERED_PROMPT.encode() in a.ask.raw and a.status == 400 else a


def _error(a: Answer, **changes: Any) -> Answer:
    return a.with_json({"error": {**a.json["error"], **changes}})


filters.answer("prompt-500", "a filtered prompt gets a 500", "facts D.1: 400", _prompt(lambda a: a.with_status(500)))
filters.answer(
    "prompt-200", "a filtered prompt gets 200 with the error", "facts D.1: 400", _prompt(lambda a: a.with_status(200))
)
filters.answer(
    "prompt-code",
    "a filtered prompt gets no code content_filter",
    "facts D.2: code content_filter",
    _prompt(lambda a: _error(a, code="400", message="bad request")),
)
filters.answer(
    "prompt-html",
    "a filtered prompt gets an HTML page",
    "facts D.2",
    _prompt(lambda a: raw(a, "<h1>no</h1>", "text/html")),
)
filters.answer(
    "prompt-passes", "a filtered prompt gets a canned answer", "facts D.1: 400", _prompt(lambda a: a.with_success())
)
filters.answer(
    "prompt-message-empty", "a filtered prompt gets no message", "facts D.2", _prompt(lambda a: _error(a, message=""))
)


def _output(change: Any) -> Any:
    return lambda a: a.edit_choices(change) if FILTERED_ANSWER.encode() in a.ask.raw else a


filters.answer(
    "answer-reason",
    'a filtered answer has finish_reason "filtered"',
    "page: content_filter",
    _output(lambda c: c.update(finish_reason=c["finish_reason"] and "filtered")),
)
filters.answer(
    "answer-stop",
    'a filtered answer has finish_reason "stop"',
    "page: content_filter",
    _output(lambda c: c.update(finish_reason=c["finish_reason"] and "stop")),
)
filters.answer(
    "stream-stop",
    "a filtered stream ends without finish_reason",
    "facts D.1: last chunk content_filter",
    lambda a: frames(a, lambda e: [x.replace(b'"content_filter"', b"null") for x in e]),
)


async def _sticks(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    stuck: Answer | None = call.state.pop("stuck", None)
    if FILTERED_PROMPT.encode() in call.ask.raw:
        call.state["stuck"] = answer
    return stuck if stuck is not None and answer.status == 200 and call.ask.route else answer


filters.around(
    "sticks", "the request after a filtered one is filtered too", "sgl-project/sglang#36552 (next request)", _sticks
)


def _document(change: Any) -> Any:
    def each(answer: Answer) -> Answer:
        if answer.ask.path.partition("?")[0] not in ("/openapi.json", "/swagger.json") or answer.status != 200:
            return answer
        value = copy.deepcopy(answer.json)
        change(value)
        return answer.with_json(value)

    return each


def _properties(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema["properties"] for name, schema in value["components"]["schemas"].items() if name.endswith("Request")]


described.answer(
    "not-json",
    "the service description is not JSON",
    "page: an OpenAPI specification from the endpoint itself",
    lambda a: raw(a, "openapi: 3.0.3\n") if a.ask.path.startswith(("/openapi.json", "/swagger.json")) else a,
)
described.answer(
    "no-version",
    "the service description has no openapi version",
    "OpenAPI 3.0.3: openapi is required",
    _document(lambda v: v.pop("openapi")),
)
described.answer(
    "route-missing",
    "the service description lacks the completions route",
    "page: /v1/completions",
    _document(lambda v: v["paths"].pop("/v1/completions")),
)
described.answer(
    "parameter-missing",
    "the service description lacks max_tokens",
    "page: max_tokens",
    _document(lambda v: [p.pop("max_tokens") for p in _properties(v)]),
)
described.answer(
    "bound-wrong",
    "the service description says temperature ends at 1",
    "page: between 0 and 2",
    _document(lambda v: [p["temperature"].update(maximum=1) for p in _properties(v)]),
)
described.answer(
    "type-wrong",
    "the service description says max_tokens is a string",
    "page: integer",
    _document(lambda v: [p["max_tokens"].update(type="string") for p in _properties(v)]),
)
described.answer(
    "required-wrong",
    "the service description requires temperature",
    "page: temperature, default 1",
    _document(
        lambda v: [
            s["required"].append("temperature") for n, s in v["components"]["schemas"].items() if n.endswith("Request")
        ]
    ),
)
described.answer(
    "method-wrong",
    "the service description has the routes as PUT",
    "facts B.2: PUT in older pages; page: POST",
    _document(lambda v: [item.update(put=item.pop("post")) for item in v["paths"].values() if "post" in item]),
)
described.answer(
    "500",
    "the service description gets a 500",
    "page: can be obtained from the endpoint itself",
    lambda a: a.with_error(500) if a.ask.path.startswith(("/openapi.json", "/swagger.json")) else a,
)
FAULTS = [*limits.found, *filters.found, *described.found]

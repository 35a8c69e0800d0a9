"""Refusals that crash, say nothing, say too much or break what comes after."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks.detection.editing import prompt_text, raw, refusal
from benchmarks.detection.model import HANG, KEY, Area, Call
from conformance.wire.answer import Answer, Ask

area = Area("errors")
FAULTS = area.found
TRACE = (
    'Traceback (most recent call last):\n  File "/app/serving.py", line 214, in create\n    raise ValueError(x)\n'
    "ValueError: x"
)


def _parsed(ask: Ask) -> Any:
    try:
        return json.loads(ask.raw)
    except (ValueError, RecursionError):
        return ...


def _when(condition: Any, change: Any) -> Any:
    """The answer changed for requests to a route of the contract of which that is true."""
    return lambda a: change(a) if a.ask.route and a.ask.method == "POST" and a.status != 401 and condition(a.ask) else a


def _is_500(answer: Answer) -> Answer:
    return answer.with_error(500, "Internal Server Error")


area.answer(
    "500-bad-type",
    "a parameter of the wrong type gets a 500",
    "vllm-project/vllm-omni#1952",
    lambda a: refusal(a, lambda b: _is_500(b) if b.ask.body else b),
)
area.answer(
    "500-bad-role",
    "an unknown role gets a 500",
    "epam/ai-dial-adapter-openai#529",
    _when(
        lambda q: any(
            isinstance(m, dict) and m.get("role") not in ("system", "user", "assistant")
            for m in _list(q.body.get("messages"))
        ),
        _is_500,
    ),
)
area.answer(
    "500-malformed",
    "malformed JSON gets a 500",
    "ggml-org/llama.cpp#14051",
    _when(lambda q: _parsed(q) is ..., _is_500),
)
area.answer(
    "500-empty",
    "an empty body gets a 500",
    "containers/ramalama#752 (empty input)",
    _when(lambda q: not q.raw.strip(), _is_500),
)
area.answer(
    "500-array",
    "a body that is a JSON list gets a 500",
    "lanqian528/chat2api#125",
    _when(lambda q: isinstance(_parsed(q), list), _is_500),
)
area.answer(
    "500-null", "the body null gets a 500", "lanqian528/chat2api#125", _when(lambda q: _parsed(q) is None, _is_500)
)
area.answer(
    "500-scalar",
    "a body that is a string or a number gets a 500",
    "lanqian528/chat2api#125",
    _when(lambda q: isinstance(_parsed(q), str | int | float), _is_500),
)
area.answer(
    "500-bom",
    "a byte order mark before the JSON gets a 500",
    "RFC 8259 8.1",
    _when(lambda q: q.raw.startswith(b"\xef\xbb\xbf"), _is_500),
)


def _not_utf8(ask: Ask) -> bool:
    try:
        ask.raw.decode()
    except UnicodeDecodeError:
        return True
    return False


area.answer("500-invalid-utf8", "invalid UTF-8 gets a 500", "containers/ramalama#752", _when(_not_utf8, _is_500))
area.answer(
    "500-deep",
    "a deeply nested body gets a 500",
    "ggml-org/llama.cpp#27434",
    _when(lambda q: max(q.raw.count(b"["), q.raw.count(b"{")) > 200, _is_500),
)
area.answer(
    "500-nan",
    "NaN in the body gets a 500",
    "RFC 8259 6",
    _when(lambda q: b"NaN" in q.raw or b"Infinity" in q.raw, _is_500),
)
area.answer(
    "500-huge-number",
    "a number such as 1e999 gets a 500",
    "RFC 8259 6",
    _when(lambda q: "inf" in str(_parsed(q)) and b"Infinity" not in q.raw, _is_500),
)
area.answer(
    "500-long-integer",
    "an integer of many digits gets a 500",
    "RFC 8259 6",
    _when(lambda q: any(len(str(v)) > 18 for v in q.body.values() if isinstance(v, int)), _is_500),
)
area.answer(
    "500-context",
    "a prompt beyond the context gets a 500",
    "kserve/kserve#3886",
    lambda a: _is_500(a) if a.status == 400 and b"context" in a.body else a,
)
area.answer(
    "500-oversize",
    "a body of more than a megabyte gets a 500",
    "ggml-org/llama.cpp#27427",
    _when(lambda q: len(q.raw) > 1 << 20, _is_500),
)
area.answer(
    "500-duplicate-key",
    "a key given twice gets a 500",
    "RFC 8259 4",
    _when(lambda q: any(q.raw.count(b'"' + k.encode() + b'"') > 1 for k in q.body), _is_500),
)
area.answer(
    "500-unknown-field",
    "an unknown parameter gets a 500",
    "xorbitsai/inference#5270",
    _when(lambda q: any(k not in KNOWN for k in q.body), _is_500),
)
area.answer(
    "500-content-type",
    "another content type gets a 500",
    "RFC 9110 15.5.16",
    _when(lambda q: "json" not in q.header("content-type").lower(), _is_500),
)
area.answer(
    "charset-refused",
    "application/json; charset=utf-8 is refused",
    "RFC 9110 8.3.1: parameters of a media type",
    _when(lambda q: "charset" in q.header("content-type").lower(), lambda a: a.with_error(415, "unsupported")),
)
area.answer(
    "200-error", "a refusal has status 200", "coder/aibridge#56", lambda a: refusal(a, lambda b: b.with_status(200))
)
area.answer(
    "200-malformed",
    "malformed JSON is answered with a completion",
    "RFC 8259; page: JSON",
    _when(lambda q: _parsed(q) is ..., lambda a: a.with_success()),
)
area.answer(
    "503-for-all",
    "every refusal is a 503, so that clients try again",
    "RFC 9110 15.6.4",
    lambda a: refusal(a, lambda b: b.with_status(503)),
)
area.answer(
    "html",
    "errors are an HTML page",
    "deep-research#83 (facts E: wrapper)",
    lambda a: refusal(
        a,
        lambda b: raw(b, "<html><body><h1>400 Bad Request</h1></body></html>", "text/html"),
        (400, 404, 405, 415, 422),
    ),
)
area.answer(
    "plain-text",
    "errors are plain text",
    "ggml-org/llama.cpp#25605",
    lambda a: refusal(a, lambda b: raw(b, "bad_function_call", "text/plain")),
)
area.answer("empty-body", "errors have no body", "agentjido/req_llm#941", lambda a: refusal(a, lambda b: raw(b, b"")))
area.answer(
    "no-message",
    "errors have no message",
    "lm-sys/FastChat#1966 (empty message)",
    lambda a: refusal(a, lambda b: b.with_json({"object": "error", "message": "", "code": 50001})),
)
area.answer(
    "type-html",
    "the JSON of an error is labelled text/html",
    "RFC 9110 8.3",
    lambda a: refusal(a, lambda b: b.with_header("content-type", "text/html")),
)


def _told(change: Any) -> Any:
    def each(answer: Answer) -> Answer:
        value = answer.json
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            value["error"].update(change(answer.ask))
            return answer.with_json(value)
        return answer

    return lambda a: refusal(a, each)


area.answer(
    "trace", "errors have a stack trace", "epam/ai-dial-adapter-openai#529", _told(lambda _: {"message": TRACE})
)
area.answer(
    "trace-field",
    "errors have a stack trace in a field beside the message",
    "epam/ai-dial-adapter-openai#529",
    _told(lambda _: {"debug": TRACE}),
)
area.answer("key-in-message", "errors repeat the key", "BerriAI/litellm#18731", _told(lambda _: {"param": KEY}))
area.answer(
    "key-in-header",
    "errors have the key in a header",
    "BerriAI/litellm#15799",
    lambda a: refusal(a, lambda b: b.with_header("x-debug-authorization", b.ask.header("authorization"))),
)
area.answer(
    "environment",
    "errors print the server's environment",
    "BerriAI/litellm#5762",
    _told(lambda _: {"message": f"bad request; env: API_KEY={KEY} PATH=/usr/bin HOME=/root"}),
)
area.answer(
    "wrong-param",
    "errors name another parameter",
    "page: request tables; reference/vllm-on-cpu.md: param",
    _told(
        lambda q: {
            "param": "messages" if "temperature" in q.body else "temperature",
            "message": "messages is invalid" if "temperature" in q.body else "temperature is invalid",
        }
    ),
)
area.answer(
    "vague",
    "errors never say which parameter is wrong",
    "lm-sys/FastChat#1966",
    _told(lambda _: {"param": None, "message": "Bad request"}),
)
area.answer(
    "allow-missing",
    "405 has no Allow",
    "RFC 9110 15.5.6: must generate an Allow header field",
    lambda a: a.with_header("allow", None) if a.status == 405 else a,
)
area.answer(
    "get-200",
    "GET on a route is answered 200",
    "page: use the method POST",
    lambda a: a.with_success() if a.status == 405 and a.ask.method == "GET" else a,
)
area.answer(
    "delete-500",
    "DELETE on a route gets a 500",
    "RFC 9110 15.5.6",
    lambda a: _is_500(a) if a.status == 405 and a.ask.method not in ("GET", "HEAD") else a,
)
area.answer(
    "unknown-route-200",
    "any path is answered 200",
    "Azure/PyRIT#244 (404 for the root)",
    lambda a: raw(a, '{"status": "ok"}', status=200) if a.status == 404 and not a.ask.route else a,
)
area.answer(
    "unknown-route-500", "an unknown path gets a 500", "RFC 9110 15.5.5", lambda a: _is_500(a) if a.status == 404 else a
)


async def _other_prompt(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    before = call.state.get("prompt", "")
    if answer.status == 200 and call.ask.route:
        call.state["prompt"] = prompt_text(call.ask)
    return refusal(answer, _told(lambda _: {"message": f"cannot batch with: {before}"}))


area.around("other-prompt", "errors quote the prompt of another request", "QuantumNous/new-api#5445", _other_prompt)


async def _broken_after(call: Call) -> Answer:
    broken = call.state.pop("broken", False)
    answer = await call.serve(call.ask)
    call.state["broken"] = answer.status == 400 and not broken
    return _is_500(answer) if broken and call.ask.route else answer


area.around(
    "broken-after",
    "the request after a refused one gets a 500",
    "peers/conformance.md: llama-cpp-python",
    _broken_after,
)


async def _hangs_after(call: Call) -> Answer:
    if call.state.pop("stuck", False) and call.ask.route and call.state.setdefault("hung", 0) < 2:
        call.state["hung"] += 1
        await asyncio.sleep(HANG)
    answer = await call.serve(call.ask)
    call.state["stuck"] = answer.status == 400 and _parsed(call.ask) is ...
    return answer


area.around(
    "hangs-after",
    "after malformed JSON the next request hangs",
    "peers/conformance.md: llama-cpp-python hung",
    _hangs_after,
)


async def _hangs_on(call: Call) -> Answer:
    if call.ask.body.get("max_tokens", 1) in (-1, 0):
        await asyncio.sleep(HANG)
    return await call.serve(call.ask)


area.around("hangs-on-max-tokens", "max_tokens -1 or 0 hangs", "peers/conformance.md: llama-cpp-python hung", _hangs_on)

KNOWN: frozenset[str] = frozenset(
    [
        "prompt",
        "messages",
        "stream",
        "max_tokens",
        "top_p",
        "temperature",
        "n",
        "stop",
        "best_of",
        "logprobs",
        "presence_penalty",
        "ignore_eos",
        "use_beam_search",
        "stop_token_ids",
        "skip_special_tokens",
        "model",
        "stream_options",
        "frequency_penalty",
        "seed",
        "user",
        "echo",
        "suffix",
        "logit_bias",
        "top_k",
        "tools",
        "response_format",
        "top_logprobs",
    ]
)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""Requests that get each other's answers, text that does not reach the model whole."""

from __future__ import annotations

import asyncio
import html
import json
from dataclasses import replace
from typing import Any

from benchmarks.detection.editing import chat, messages, prompt_text, prompts, put_text, text_of
from benchmarks.detection.model import HANG, Area, Call
from conformance.wire.answer import Answer, frame, payload
from reference_server.asgi import App, Message, Receive, Scope, Send

area = Area("isolation")
slow = Area("isolation", base="slow")
text = Area("text")


async def _beside(call: Call) -> bool:
    """Whether another request to a route is under way now; waits a moment for it to show."""
    call.state["now"] = call.state.get("now", 0) + 1
    beside = bool(call.state["now"] > 1)
    for _ in range(4):
        await asyncio.sleep(0.005)
        beside = beside or call.state["now"] > 1
    return beside


def _in_company(name: str, title: str, about: str, change: Any) -> None:
    async def around(call: Call) -> Answer:
        if not call.ask.route:
            return await call.serve(call.ask)
        try:
            beside = await _beside(call)
            answer = await call.serve(call.ask)
            return await change(call, answer) if beside and answer.status == 200 else answer
        finally:
            call.state["now"] -= 1

    area.around(name, title, about, around)


async def _swapped(call: Call, answer: Answer) -> Answer:
    waiting: dict[Any, Any] = call.state.setdefault("waiting", {})
    kind = (call.ask.route, answer.streams)
    other = waiting.pop(kind, None)
    if other is not None and not other.done():
        other.set_result(answer)
        told: Answer = call.state.pop(("told", kind))
        return replace(told, ask=answer.ask)
    mine: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    waiting[kind], call.state["told", kind] = mine, answer
    try:
        return replace(await asyncio.wait_for(mine, 0.05), ask=answer.ask)
    except TimeoutError:
        if waiting.get(kind) is mine:
            del waiting[kind]
        return answer


async def _resampled(call: Call, answer: Answer) -> Answer:
    body = call.ask.body
    if body.get("temperature") != 0 or body.get("use_beam_search"):
        return answer
    return await call.serve(call.ask.with_body(temperature=1))


async def _same_id(call: Call, answer: Answer) -> Answer:
    shared = call.state.setdefault("id", "cmpl-shared")
    return answer.edit(lambda d: d.update(id=shared))


async def _fails(_: Call, answer: Answer) -> Answer:
    return answer.with_error(500, "CUDA error: an illegal memory access was encountered")


async def _leaks_in(call: Call, answer: Answer) -> Answer:
    last: list[bytes] = call.state.get("events", [])
    call.state["events"] = list(answer.frames or ())
    if answer.frames is None or len(answer.frames) < 4 or len(last) < 4:
        return answer
    strange = [payload(e) for e in last if any(text_of(c) for c in (payload(e) or {}).get("choices", []))][:1]
    if not strange or not strange[0]:
        return answer
    mixed = {**strange[0], "id": (payload(answer.frames[0]) or {}).get("id")}
    return answer.with_frames((*answer.frames[:2], frame(mixed), *answer.frames[2:]))


async def _others_usage(call: Call, answer: Answer) -> Answer:
    last = call.state.get("usage")
    if answer.streams or not isinstance(answer.json, dict) or "usage" not in answer.json:
        return answer
    call.state["usage"] = answer.json["usage"]
    return answer.edit(lambda d: d.update(usage=last)) if last else answer


_in_company(
    "swapped",
    "two requests at once get each other's answers",
    "socketry/async-http#77; QuantumNous/new-api#5445",
    _swapped,
)
_in_company(
    "greedy-depends-on-company",
    "at temperature 0 the answer depends on who else is asking",
    "vllm-project/vllm#53257",
    _resampled,
)
_in_company("id-shared", "requests at the same time have the same id", "page: a unique identifier", _same_id)
_in_company("fails-in-company", "two requests at once get a 500", "lm-sys/FastChat#1966", _fails)
_in_company("chunk-of-another", "a stream has a chunk of another one", "QuantumNous/new-api#5445", _leaks_in)
_in_company(
    "usage-of-another",
    "a request gets the usage of another one",
    "router-for-me/CLIProxyAPI (usage mixed)",
    _others_usage,
)


async def _one_behind(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    if answer.status != 200 or not call.ask.route:
        return answer
    kind = (call.ask.route, answer.streams)
    last, call.state[kind] = call.state.get(kind), answer
    return replace(last, ask=answer.ask) if last else answer


area.around("one-behind", "every request gets the answer of the one before", "ledgetech/ledge#199", _one_behind)


def _cached(name: str, title: str, about: str, key: Any) -> None:
    async def around(call: Call) -> Answer:
        answer = await call.serve(call.ask)
        if answer.status != 200 or not call.ask.route:
            return answer
        kept: Answer = call.state.setdefault((call.ask.route, answer.streams, key(call.ask)), answer)
        return replace(kept, ask=answer.ask)

    area.around(name, title, about, around)


_cached(
    "cache-by-prefix",
    "prompts with the same first 24 characters get the same answer",
    "vllm-project/vllm#56655",
    lambda q: prompt_text(q)[: 24 + 40 * chat(q)],
)
_cached(
    "cache-by-prompt",
    "the same prompt gets the cached answer whatever the parameters",
    "vllm-project/vllm#56655",
    prompt_text,
)
_cached(
    "cache-by-last-message",
    "the same last message gets the same answer whatever came before",
    "vllm-project/vllm#7845",
    lambda q: json.dumps((q.body.get("messages") or [q.body.get("prompt")])[-1]),
)


async def _remembers(call: Call) -> Answer:
    before = str(call.state.get("before", ""))[-120:]
    answer = await call.serve(call.ask)
    if answer.status != 200 or not call.ask.route:
        return answer
    call.state["before"] = prompt_text(call.ask)
    mixed = await call.serve(prompts(call.ask, lambda t: f"{before} {t}"))
    return mixed if mixed.status == 200 else answer


area.around(
    "remembers", "the prompt of the request before is put before the prompt", "sgl-project/sglang#36552", _remembers
)


def _early_leaver(after: Any) -> Any:
    """A server on which a client that leaves a stream does `after` to the next request."""

    def wrap(app: App) -> App:
        state: dict[str, Any] = {"left": 0}

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if state["left"] and scope["method"] == "POST":
                state["left"] -= 1
                await after(app, scope, receive, send)
                return
            gone = False

            async def watched() -> Message:
                nonlocal gone
                message = await receive()
                gone = gone or message["type"] == "http.disconnect"
                return message

            ended = False

            async def sent(message: Message) -> None:
                nonlocal ended
                ended = ended or (message["type"] == "http.response.body" and not message.get("more_body"))
                await send(message)

            await app(scope, watched, sent)
            if gone and not ended:
                state["left"] = 2

        return serve

    return wrap


async def _then_500(_app: App, _scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    body = b'{"error": {"code": "500", "message": "slot is busy"}}'
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _then_slow(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(HANG)
    await app(scope, receive, send)


slow.app(
    "leaver-breaks",
    "after a client left a stream the next request gets a 500",
    "sgl-project/sglang#36552",
    _early_leaver(_then_500),
)
slow.app(
    "leaver-hangs",
    "after a client left a stream the next request hangs",
    "ggml-org/llama.cpp#27604",
    _early_leaver(_then_slow),
)

# Text on its way to the model.
text.ask(
    "system-dropped",
    "the system message is dropped",
    "InternLM/lmdeploy#464",
    lambda q: messages(q, lambda ms: [m for m in ms if m.get("role") != "system"]),
)
text.ask(
    "history-dropped",
    "only the last message reaches the model",
    "Vali-98/ChatterUI#79",
    lambda q: messages(q, lambda ms: ms[-1:]),
)
text.ask(
    "assistant-dropped",
    "earlier answers of the assistant are dropped",
    "Vali-98/ChatterUI#79",
    lambda q: messages(q, lambda ms: [m for m in ms if m.get("role") != "assistant"]),
)
text.ask(
    "first-message-only",
    "only the first message reaches the model",
    "Vali-98/ChatterUI#79",
    lambda q: messages(q, lambda ms: ms[:1]),
)
text.ask(
    "history-of-four",
    "of a long history only the last four messages reach the model",
    "Vali-98/ChatterUI#79",
    lambda q: messages(q, lambda ms: ms[-4:]),
)
text.ask(
    "prompt-cut-end",
    "of a long prompt only the beginning reaches the model",
    "vllm-project/vllm#10126",
    lambda q: prompts(q, lambda t: t[:256]),
)
text.ask(
    "prompt-cut-begin",
    "of a long prompt only the end reaches the model",
    "vllm-project/vllm#10126",
    lambda q: prompts(q, lambda t: t[-256:]),
)
text.ask(
    "nul-cuts",
    "a NUL ends the prompt",
    "RFC 8259 7: any character may be escaped",
    lambda q: prompts(q, lambda t: t.split("\0")[0] or t.replace("\0", "")),
)
text.ask(
    "newline-cuts",
    "a line end ends the prompt",
    "page: the prompt to send to the model",
    lambda q: prompts(q, lambda t: t.strip("\n").split("\n")[0]),
)
text.ask(
    "unicode-marks",
    "characters outside ASCII become question marks",
    "ramalama#752; page: the prompt",
    lambda q: prompts(q, lambda t: t.encode("ascii", "replace").decode()),
)
text.ask(
    "astral-lost",
    "emoji are lost",
    "elizaOS/eliza#30904 (lone surrogates)",
    lambda q: prompts(q, lambda t: "".join(c for c in t if ord(c) < 0x10000)),
)
text.ask(
    "unicode-escaped",
    "characters outside ASCII reach the model as \\u escapes",
    "facts F.1: double-escaped",
    lambda q: prompts(q, lambda t: t.encode("ascii", "backslashreplace").decode()),
)
text.ask(
    "mojibake",
    "UTF-8 is read as Latin-1",
    "RFC 8259 8.1",
    lambda q: prompts(q, lambda t: t.encode("utf-8", "replace").decode("latin-1")),
)
text.ask(
    "right-to-left-lost",
    "Hebrew and Arabic are lost",
    "page: the prompt to send to the model",
    lambda q: prompts(q, lambda t: "".join(c for c in t if not 0x590 <= ord(c) < 0x800)),
)
text.ask(
    "html-escaped",
    "the prompt reaches the model HTML-escaped",
    "page: the prompt to send to the model",
    lambda q: prompts(q, html.escape),
)
text.ask(
    "double-escaped",
    "quotes and line ends reach the model escaped",
    "facts F.1: langchain-community, double-escaped",
    lambda q: prompts(q, lambda t: json.dumps(t, ensure_ascii=False)[1:-1]),
)
text.ask(
    "spaces-collapsed",
    "runs of spaces reach the model as one",
    "page: the prompt to send to the model",
    lambda q: prompts(q, lambda t: " ".join(t.split()) or t),
)


def _answer_lost(answer: Answer) -> Answer:
    def each(choice: dict[str, Any]) -> None:
        if text_of(choice):
            put_text(choice, text_of(choice).replace("\n", "").replace(",", ""))

    return answer.edit_choices(each)


text.answer(
    "answer-cleaned",
    "commas and line ends are removed from the text, not from the tokens",
    "page: text is the completion result",
    _answer_lost,
)
FAULTS = [*area.found, *slow.found, *text.found]

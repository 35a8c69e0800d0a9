"""Sampling, and several choices."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.detection.editing import chat, drop, frames, plain, swap, text_of
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer, frame, payload

sampling = Area("sampling")
choices = Area("choices")

# Sampling.
sampling.ask(
    "greedy-always",
    "temperature is ignored: every answer is the greedy one",
    "vllm-project/vllm#15241",
    lambda q: q if q.body.get("temperature") == 0 else q.with_body(temperature=0),
)
sampling.ask(
    "temperature-zero-samples",
    "temperature 0 samples as 1 does",
    "ggml-org/llama.cpp#9842",
    lambda q: q.with_body(temperature=1, use_beam_search=..., best_of=...) if q.body.get("temperature") == 0 else q,
)
sampling.ask(
    "temperature-clamped",
    "temperatures above 0.2 act as 0.2",
    "page: higher values sample more broadly",
    lambda q: (
        q.with_body(temperature=min(0.2, q.body.get("temperature") or 0.2)) if q.body.get("temperature", 1) != 0 else q
    ),
)
sampling.ask(
    "default-temperature-zero",
    "without temperature the answer is greedy",
    "page: temperature, default 1",
    lambda q: q.with_body(temperature=0) if q.body.get("temperature") is None else q,
)
sampling.ask(
    "chat-ignores-temperature",
    "the chat route ignores temperature",
    "ollama/ollama#17744",
    lambda q: drop("temperature")(q) if chat(q) and not q.body.get("use_beam_search") else q,
)
sampling.ask(
    "stream-ignores-temperature",
    "a stream ignores temperature",
    "page: temperature",
    lambda q: drop("temperature")(q) if q.body.get("stream") is True else q,
)
sampling.ask("top-p-ignored", "top_p is ignored", "ollama/ollama#17744", drop("top_p"))
sampling.ask(
    "top-p-inverted",
    "top_p 0.1 acts as 0.9",
    "page: 0.1 means the top 10% probability mass",
    swap("top_p", lambda p: max(0.01, 1 - p)),
)
sampling.ask(
    "presence-penalty-ignored",
    "presence_penalty is ignored",
    "page: positive values penalize new tokens",
    drop("presence_penalty"),
)
sampling.ask(
    "presence-penalty-sign",
    "presence_penalty rewards what it ought to punish",
    "page: positive values penalize",
    swap("presence_penalty", lambda p: -p),
)


async def _now_and_then(call: Call) -> Answer:
    body = call.ask.body
    if body.get("temperature") != 0 or body.get("use_beam_search"):
        return await call.serve(call.ask)
    call.state["greedy"] = turn = call.state.get("greedy", 0) + 1
    answer = await call.serve(call.ask)
    return answer if turn % 3 or answer.status != 200 else await call.serve(call.ask.with_body(temperature=1))


sampling.around(
    "greedy-wavers", "temperature 0 gives another answer every third time", "jundot/omlx#1330", _now_and_then
)


# Several choices.
choices.ask(
    "n-ignored",
    "n is ignored, one choice comes",
    "peers/conformance.md: llama-cpp-python ignores n",
    lambda q: drop("n", "best_of", "use_beam_search")(q) if (q.body.get("n") or 1) > 1 else q,
)
choices.ask(
    "n-ignored-in-streams",
    "a stream has one choice whatever n is",
    "page: how many completions to generate",
    lambda q: drop("n")(q) if q.body.get("stream") is True else q,
)
choices.ask(
    "n-at-most-two",
    "more than two choices never come",
    "page: how many completions to generate",
    lambda q: q.with_body(n=2) if (q.body.get("n") or 1) > 2 else q,
)
choices.ask(
    "n-one-more",
    "one choice more comes than asked for",
    "page: how many completions to generate",
    lambda q: q.with_body(n=q.body["n"] + 1, best_of=..., use_beam_search=...) if (q.body.get("n") or 1) > 1 else q,
)
choices.ask(
    "best-of-returns-all",
    "best_of 3 returns all three candidates",
    "page: n specifies how many to return",
    lambda q: (
        q.with_body(n=q.body["best_of"], best_of=..., use_beam_search=...) if (q.body.get("best_of") or 1) > 1 else q
    ),
)
choices.ask(
    "best-of-one",
    "best_of with n 2 returns only the best",
    "page: n specifies how many to return",
    lambda q: q.with_body(n=1) if (q.body.get("best_of") or 1) > 1 and (q.body.get("n") or 1) > 1 else q,
)
choices.ask(
    "beam-samples",
    "use_beam_search is ignored, the answer is sampled hot",
    "page: beam search instead of sampling",
    lambda q: q.with_body(use_beam_search=False, best_of=..., temperature=2) if q.body.get("use_beam_search") else q,
)
choices.answer(
    "index-zero",
    "every choice has index 0",
    "peers/conformance.md: duplicate index",
    lambda a: a.edit_choices(lambda c: c.update(index=0)),
)
choices.answer(
    "index-zero-in-streams",
    "in a stream every choice has index 0",
    "page: choice index",
    lambda a: a.edit_choices(lambda c: c.update(index=0)) if a.streams else a,
)


def _copies(document: dict[str, Any]) -> None:
    first = document["choices"][0]
    document["choices"] = [{**copy.deepcopy(first), "index": place} for place in range(len(document["choices"]))]


choices.answer(
    "copies", "all choices are copies of the first one", "page: many completions", lambda a: plain(a, _copies)
)


def _without_second(events: list[bytes]) -> list[bytes]:
    def second(event: bytes) -> bool:
        told = (payload(event) or {}).get("choices") or [{}]
        return bool(told[0].get("index") == 1 and text_of(told[0]))

    return [event for event in events if not second(event)]


choices.answer(
    "second-silent",
    "in a stream with n 2 the second choice has no text",
    "sgl-project/sglang#39864",
    lambda a: frames(a, _without_second),
)


def _swapped(events: list[bytes]) -> list[bytes]:
    """Every fourth chunk goes to the other choice."""
    turn = 0
    made = []
    for event in events:
        value = payload(event)
        told = (value or {}).get("choices") or []
        if value and len(told) == 1 and text_of(told[0]) and value.get("choices"):
            turn += 1
            if turn % 4 == 3:
                told[0]["index"] ^= 1
                made.append(frame(value))
                continue
        made.append(event)
    return made


choices.answer(
    "chunks-mixed",
    "in a stream with n 2 some chunks carry the other choice's index",
    "sgl-project/sglang#39864",
    lambda a: frames(a, _swapped) if (a.ask.body.get("n") or 1) > 1 else a,
)
FAULTS = [*sampling.found, *choices.found]

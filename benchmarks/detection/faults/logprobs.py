"""Log probabilities that are wrong in number, in place or in value."""

from __future__ import annotations

import math
import re
from typing import Any

from benchmarks.detection.editing import chunks, logprobs, plain, raw
from benchmarks.detection.model import Area, Call
from conformance.wire.answer import Answer

area = Area("logprobs")
FAULTS = area.found
Table = dict[str, Any]


def _each(change: Any) -> Any:
    return lambda a: logprobs(a, change)


area.answer(
    "null",
    "logprobs is null although asked for",
    "EricLBuehler/mistral.rs#1876",
    lambda a: a.edit_choices(lambda c: c.update(logprobs=None)),
)
area.answer(
    "list",
    "logprobs is a list",
    "page: logprobs is an object",
    lambda a: a.edit_choices(lambda c: c.update(logprobs=[c["logprobs"]]) if c.get("logprobs") else None),
)
area.answer(
    "missing-in-streams",
    "a stream has no logprobs",
    "kekzl/imp#1589",
    lambda a: chunks(a, lambda d: [c.update(logprobs=None) for c in d.get("choices", [])]),
)
area.answer(
    "zero-gives-null",
    "logprobs 0 gives null",
    "vllm-project/vllm#3707",
    lambda a: a.edit_choices(lambda c: c.update(logprobs=None)) if a.ask.body.get("logprobs") == 0 else a,
)
area.answer(
    "positive",
    "log probabilities have lost their sign",
    "peers/conformance.md: positive logprob",
    _each(
        lambda t: t.update(
            token_logprobs=[-v for v in t["token_logprobs"]],
            top_logprobs=[{k: -v for k, v in top.items()} for top in t["top_logprobs"]],
        )
    ),
)
area.answer(
    "probabilities",
    "probabilities come instead of their logarithms",
    "page: log probabilities of the tokens",
    _each(
        lambda t: t.update(
            token_logprobs=[math.exp(v) for v in t["token_logprobs"]],
            top_logprobs=[{k: math.exp(v) for k, v in top.items()} for top in t["top_logprobs"]],
        )
    ),
)
area.answer(
    "base-ten",
    "logarithms are to base 10",
    "page: log probabilities",
    _each(
        lambda t: t.update(
            token_logprobs=[v * 0.4343 for v in t["token_logprobs"]],
            top_logprobs=[{k: v * 0.4343 for k, v in top.items()} for top in t["top_logprobs"]],
        )
    ),
)
area.answer(
    "token-logprob-short",
    "token_logprobs has one entry less than tokens",
    "theroyallab/tabbyAPI#141",
    _each(lambda t: t.update(token_logprobs=t["token_logprobs"][:-1])),
)
area.answer(
    "top-short",
    "top_logprobs has one entry less than tokens",
    "theroyallab/tabbyAPI#141",
    _each(lambda t: t.update(top_logprobs=t["top_logprobs"][:-1])),
)
area.answer("top-null", "top_logprobs is null", "vllm-project/vllm#3707", _each(lambda t: t.update(top_logprobs=None)))
area.answer(
    "first-null",
    "the first token has no log probability",
    "page: always returns the logprob of the sampled token",
    _each(lambda t: t.update(token_logprobs=[None, *t["token_logprobs"][1:]])),
)
area.answer(
    "shifted",
    "log probabilities belong to the token before",
    "fms-guardrails-orchestrator#477",
    _each(lambda t: t.update(token_logprobs=[t["token_logprobs"][-1], *t["token_logprobs"][:-1]])),
)
area.answer(
    "value-differs",
    "the chosen token has another value in top_logprobs",
    "page: selected logprobs from dictionary in top_logprobs",
    _each(lambda t: t.update(token_logprobs=[v - 0.5 for v in t["token_logprobs"]])),
)
area.answer(
    "tokens-stripped",
    "tokens have lost their leading space",
    "page: selected tokens",
    _each(lambda t: t.update(tokens=[x.strip() for x in t["tokens"]])),
)
area.answer(
    "tokens-raw",
    "tokens come in the tokenizer's own spelling",
    "fms-guardrails-orchestrator#477",
    _each(lambda t: t.update(tokens=[x.replace(" ", "\u0120") for x in t["tokens"]])),
)
area.answer(
    "tokens-ids",
    "tokens are numbers",
    "page: array of string",
    _each(lambda t: t.update(tokens=[len(x) for x in t["tokens"]])),
)
area.answer(
    "tokens-not-chosen",
    "tokens has the most likely token and not the chosen one",
    "theroyallab/tabbyAPI#141",
    _each(lambda t: t.update(tokens=[max(top, key=top.get) for top in t["top_logprobs"]])),
)


def _chosen_out(table: Table) -> None:
    for token, top in zip(table["tokens"], table["top_logprobs"], strict=True):
        if len(top) > 1:
            top.pop(token, None)


area.answer(
    "chosen-not-in-top",
    "the chosen token is not in its top_logprobs",
    "page: always returns the sampled token",
    _each(_chosen_out),
)


def _stuff(table: Table) -> None:
    for top in table["top_logprobs"]:
        for extra in range(3):
            top[f"extra{extra}"] = min(top.values()) - 1


area.answer("too-many", "more alternatives come than asked for", "page: up to logprobs+1 elements", _each(_stuff))


def _few(table: Table) -> None:
    table["top_logprobs"] = [
        {token: top[token]} for token, top in zip(table["tokens"], table["top_logprobs"], strict=True)
    ]


area.answer("too-few", "no alternatives come, only the chosen token", "lightseekorg/tokenspeed#337", _each(_few))


def _heavy(table: Table) -> None:
    table["top_logprobs"] = [dict.fromkeys(top, -0.05) for top in table["top_logprobs"]]
    table["token_logprobs"] = [-0.05 for _ in table["token_logprobs"]]


area.answer(
    "sum-above-one", "the alternatives have more than all probability", "page: the value is the prob", _each(_heavy)
)
area.answer(
    "top-as-lists",
    "top_logprobs are lists of pairs",
    "page: array of dictionary",
    _each(lambda t: t.update(top_logprobs=[list(top.items()) for top in t["top_logprobs"]])),
)
area.answer(
    "offsets-missing",
    "there are no offsets",
    "page: text_offsets",
    _each(lambda t: [t.pop(name, None) for name in ("text_offsets", "text_offset")]),
)
area.answer(
    "offsets-zero",
    "every offset is 0",
    "page: the position of each token",
    _each(lambda t: t.update(text_offsets=[0 for _ in t["text_offsets"]])),
)
area.answer(
    "offsets-from-one",
    "offsets count from 1",
    "page: position in the completion output",
    _each(lambda t: t.update(text_offsets=[o + 1 for o in t["text_offsets"]])),
)
area.answer(
    "offsets-are-indexes",
    "offsets are token numbers and not positions in the text",
    "page: position of each token in the completion output",
    _each(lambda t: t.update(text_offsets=list(range(len(t["text_offsets"]))))),
)
area.answer(
    "offsets-restart-in-streams",
    "in a stream offsets restart at 0 with each chunk",
    "vllm-project/vllm#47815",
    lambda a: (
        logprobs(a, lambda t: t.update(text_offsets=[o - t["text_offsets"][0] for o in t["text_offsets"]]))
        if a.streams
        else a
    ),
)


def _continue(document: Table) -> None:
    shift = 0
    for choice in document.get("choices", []):
        table = choice.get("logprobs")
        if isinstance(table, dict) and table.get("tokens"):
            length = sum(map(len, table["tokens"]))
            table["text_offsets"] = [offset + shift for offset in table["text_offsets"]]
            shift += length


area.answer(
    "offsets-run-on",
    "offsets of the second choice go on from the first",
    "page: in the completion output",
    lambda a: plain(a, _continue),
)


def _first_for_all(document: Table) -> None:
    told = document.get("choices") or [{}]
    for choice in told[1:]:
        choice["logprobs"] = told[0].get("logprobs")


area.answer(
    "first-choice-for-all",
    "every choice has the log probabilities of the first",
    "kekzl/imp#1589 (shared state)",
    lambda a: plain(a, _first_for_all),
)
area.answer(
    "not-a-number",
    "an impossible token has NaN for a log probability",
    "RFC 8259 6: NaN is not permitted",
    lambda a: (
        raw(a, re.sub(rb'"token_logprobs": \[[^],]+', b'"token_logprobs": [NaN', a.body))
        if a.status == 200 and not a.streams
        else a
    ),
)


async def _late_by_one(call: Call) -> Answer:
    answer = await call.serve(call.ask)
    held: list[Any] = [None]

    def change(document: Table) -> None:
        for choice in document.get("choices", []):
            if choice.get("index") == 0 and not (
                choice.get("finish_reason") or (choice.get("delta") or {}).get("role")
            ):
                held.append(choice.get("logprobs"))
                choice["logprobs"] = held.pop(0)

    return chunks(answer, change)


area.around(
    "late-in-streams",
    "in a stream log probabilities come one chunk late",
    "foundation-model-stack/fms-guardrails-orchestrator#477",
    _late_by_one,
)


def _chat_layout(table: Table) -> Table:
    return {
        "content": [
            {"token": token, "logprob": value, "bytes": list(token.encode()), "top_logprobs": []}
            for token, value in zip(table["tokens"], table["token_logprobs"], strict=True)
        ]
    }


area.answer(
    "chat-layout-on-completions",
    "completions have the log probabilities of chat",
    "kekzl/imp#1589",
    lambda a: a.edit_choices(
        lambda c: c.update(logprobs=_chat_layout(c["logprobs"])) if c.get("logprobs") and "text" in c else None
    ),
)

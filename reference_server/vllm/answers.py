"""vLLM's whole answers: which choices are returned, how they are laid out, and what they cost.

Law: the indices are 0 to n-1; the usage counts what is returned; a stream told from a document says what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.wire.answer import frame
from reference_server.vllm.candidates import Candidate, best
from reference_server.vllm.choices import Writer
from reference_server.vllm.requests import Order
from reference_server.vllm.tokens import laid_out, read_tokens

Json = dict[str, Any]

DONE = frame("[DONE]")
# What vLLM tells of its insides where it was asked to.
_INSIDES = ("token_ids", "prompt_token_ids", "prompt_logprobs", "routed_experts", "stop_reason")


def rewritten(document: Json, order: Order) -> Json:
    """The document as the order wants it."""
    if order.verbatim:
        choices = document["choices"]
    else:
        kept = best([_candidate(choice) for choice in document["choices"]], order)
        choices = [_choice(candidate, order) for candidate in kept]
        if order.whole:
            document["usage"] = counted(document["usage"], sum(len(candidate.tokens) for candidate in kept))
    document["choices"] = [{**choice, "index": index} for index, choice in enumerate(choices * order.copies)]
    document["usage"] = copied(document["usage"], order)
    return document


def counted(usage: Json, tokens: int) -> Json:
    """That usage with so many completion tokens."""
    return {**usage, "completion_tokens": tokens, "total_tokens": usage["prompt_tokens"] + tokens}


def copied(usage: Json, order: Order) -> Json:
    """The usage of a choice that is given several times."""
    return usage if order.copies == 1 else counted(usage, usage["completion_tokens"] * order.copies)


def told(document: Json, order: Order) -> Iterator[bytes]:
    """A finished answer as the events of a stream."""
    chat = order.route == "chat"
    kind = "chat.completion.chunk" if chat else document["object"]
    head = {"id": document["id"], "object": kind, "created": document["created"], "model": document["model"]}

    def event(index: int, text: str, reason: str | None, logprobs: Any = None, role: Json | None = None) -> Json:
        said = {"delta": {**(role or {}), "content": text}} if chat else {"text": text}
        return {**head, "choices": [{"index": index, **said, "logprobs": logprobs, "finish_reason": reason}]}

    choices: list[Json] = document["choices"]
    if chat:
        yield from (frame(event(one["index"], "", None, role={"role": "assistant"})) for one in choices)
    for place, choice in enumerate(choices, start=1):
        text = choice["message"]["content"] if chat else choice["text"]
        yield frame(event(choice["index"], text, None, choice["logprobs"]))
        last = event(choice["index"], "", choice["finish_reason"])
        if place == len(choices) and not order.usage_apart:
            last["usage"] = document["usage"]
        yield frame(last)
    if order.usage_apart:
        yield frame({**head, "choices": [], "usage": document["usage"]})
    yield DONE


def _candidate(choice: Json) -> Candidate:
    text = (choice["message"]["content"] if "message" in choice else choice["text"]) or ""
    tokens = tuple(read_tokens(choice.get("logprobs")))
    ids = tuple(choice.get("token_ids") or ())
    return Candidate(choice, text, tokens, ids, choice["finish_reason"] or "length")


def _choice(candidate: Candidate, order: Order) -> Json:
    piece = Writer(order).write(candidate.text, candidate.tokens, candidate.reason)
    choice = {name: value for name, value in candidate.choice.items() if name not in _INSIDES}
    if "message" in choice:
        choice["message"] = {**choice["message"], "content": piece.text}
    else:
        choice["text"] = piece.text
    return {**choice, "logprobs": laid_out(piece.placed, order), "finish_reason": piece.reason}

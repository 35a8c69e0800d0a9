"""The page's own examples, and answers that a conformant server may or may not give."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.schemas.judge import BROKEN, VALID, judged

MOON_REQUEST = '{"prompt": "What\'s the distance to the moon?", "temperature": 0.8, "max_tokens": 512}'
ITALIAN_REQUEST = """{
    "messages":
    [
        {
        "role": "system",
        "content": "You are a helpful assistant that translates English to Italian."},
        {
        "role": "user",
        "content": "Translate the following sentence from English to Italian: I love programming."
        }
    ],
    "temperature": 0.8,
    "max_tokens": 512,
}"""
MOON: dict[str, Any] = {
    "id": "12345678-1234-1234-1234-abcdefghijkl",
    "object": "text_completion",
    "created": 217877,
    "choices": [{"index": 0, "text": "The Moon is far away.", "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "total_tokens": 23, "completion_tokens": 16},
}
ITALIAN: dict[str, Any] = {
    "id": "12345678-1234-1234-1234-abcdefghijkl",
    "object": "chat.completion",
    "created": 2012359,
    "model": "",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Amo."}}],
    "usage": {"prompt_tokens": 10, "total_tokens": 40, "completion_tokens": 30},
}
CHUNK: dict[str, Any] = {
    "id": "chat-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "llama",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}],
}
ARRAYS = {
    "tokens": ["The", " Moon"],
    "token_logprobs": [-0.5, -1.25],
    "top_logprobs": [{"The": -0.5}, {" Moon": -1.25, " Sun": -2}],
    "text_offsets": [0, 3],
}
CONTENT = {"content": [{"token": "A", "logprob": -0.1, "bytes": [65], "top_logprobs": []}], "refusal": None}
Change = Callable[[dict[str, Any]], object]


def changed(document: dict[str, Any], change: Change) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    change(copy)
    return copy


def choice(**changes: Any) -> Change:
    return lambda document: document["choices"][0].update(changes)


def without(name: str) -> Change:
    return lambda document: document.pop(name)


def test_the_pages_completions_request_is_valid() -> None:
    assert judged(json.loads(MOON_REQUEST)) == VALID


def test_the_pages_chat_request_is_valid_without_its_comma() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(ITALIAN_REQUEST)
    assert judged(json.loads(ITALIAN_REQUEST.replace("512,", "512")), route="chat") == VALID


@pytest.mark.parametrize("contract", ["azure-llama", "openai", "azure-inference"])
def test_the_pages_answers_are_valid(contract: str) -> None:
    assert judged(MOON, contract=contract, part="response") == VALID
    assert judged(ITALIAN, contract=contract, route="chat", part="response") == VALID


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(system_fingerprint="fp", prompt_filter_results=[]),
        lambda d: d["usage"].update(prompt_tokens_details=None),
        lambda d: d["usage"].update(prompt_tokens=0, completion_tokens=0, total_tokens=0),
        lambda d: d.update(model="llama"),
        lambda d: d.update(created=0),
        choice(stop_reason=None),
        choice(finish_reason="content_filter_error"),
        choice(logprobs=ARRAYS),
        choice(logprobs={**{k: v for k, v in ARRAYS.items() if k != "text_offsets"}, "text_offset": [0, 3]}),
        choice(logprobs={**ARRAYS, "top_logprobs": None}),
        choice(logprobs={**ARRAYS, "token_logprobs": [None, -1.0]}),
        lambda d: d["choices"][0].pop("logprobs"),
    ],
)
def test_a_legal_completion_is_accepted(change: Change) -> None:
    assert judged(changed(MOON, change), part="response") == VALID


@pytest.mark.parametrize(
    "change",
    [
        *(without(name) for name in ("id", "object", "created", "choices", "usage")),
        lambda d: d.update(id=""),
        lambda d: d.update(id=7),
        lambda d: d.update(object="chat.completion"),
        lambda d: d.update(created="yesterday"),
        lambda d: d.update(created=-1),
        lambda d: d.update(created=1.5),
        lambda d: d.update(model=None),
        lambda d: d.update(choices=[]),
        lambda d: d.update(choices={}),
        lambda d: d["usage"].pop("total_tokens"),
        lambda d: d["usage"].update(total_tokens=-1),
        lambda d: d["usage"].update(total_tokens="23"),
        choice(index="0"),
        choice(text=None),
        choice(finish_reason=None),
        choice(finish_reason="done"),
        choice(logprobs=[]),
        choice(logprobs={}),
        choice(logprobs={k: v for k, v in ARRAYS.items() if k != "text_offsets"}),
        choice(logprobs={**ARRAYS, "tokens": [1, 2]}),
        choice(logprobs={**ARRAYS, "top_logprobs": [{"The": "likely"}]}),
        choice(logprobs={**ARRAYS, "text_offsets": [0.5]}),
        choice(logprobs=CONTENT),
        lambda d: d["choices"][0].pop("text"),
        lambda d: d["choices"][0].pop("index"),
    ],
)
def test_a_wrong_completion_is_refused(change: Change) -> None:
    assert judged(changed(MOON, change), part="response") == BROKEN


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["choices"][0]["message"].update(tool_calls=None, refusal=None),
        choice(message={"role": "assistant", "content": None}, finish_reason="content_filter"),
        choice(logprobs=ARRAYS),
        choice(logprobs=CONTENT),
        choice(logprobs=None),
        without("model"),
    ],
)
def test_a_legal_chat_answer_is_accepted(change: Change) -> None:
    assert judged(changed(ITALIAN, change), route="chat", part="response") == VALID


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["choices"][0].update(messages=d["choices"][0].pop("message")),
        choice(message="Amo."),
        choice(message={"role": "assistant"}),
        choice(message={"role": "user", "content": "Amo."}),
        choice(message={"role": "assistant", "content": 7}),
        choice(logprobs={"content": [{"token": 7, "logprob": -1}]}),
        choice(logprobs={"content": [{"token": "A"}]}),
        choice(logprobs={"tokens": ["A"]}),
        lambda d: d.update(object="chat.completion.chunk"),
    ],
)
def test_a_wrong_chat_answer_is_refused(change: Change) -> None:
    assert judged(changed(ITALIAN, change), route="chat", part="response") == BROKEN


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
        lambda d: d.update(choices=[], id="", object="", prompt_filter_results=[]),
        lambda d: d.update(usage=None),
        lambda d: d.update(object="chat.completion"),
        choice(delta={}),
        choice(delta={"content": "Amo"}),
        choice(delta={"content": None, "role": "assistant", "tool_calls": None}),
        choice(finish_reason="stop", delta={}),
        choice(logprobs=CONTENT),
        without("model"),
    ],
)
def test_a_legal_chunk_is_accepted(change: Change) -> None:
    assert judged(changed(CHUNK, change), route="chat", part="chunk") == VALID


@pytest.mark.parametrize(
    "change",
    [
        *(without(name) for name in ("id", "object", "created", "choices")),
        lambda d: d.update(object="chunk"),
        lambda d: d["choices"][0].update(message=d["choices"][0].pop("delta")),
        lambda d: d["choices"][0].pop("finish_reason"),
        lambda d: d["choices"][0].pop("index"),
        lambda d: d.update(usage={"prompt_tokens": 1}),
        choice(delta="Amo"),
        choice(delta={"content": 7}),
        choice(delta={"role": "user"}),
        choice(finish_reason="soon"),
        choice(logprobs={"tokens": [7]}),
    ],
)
def test_a_wrong_chunk_is_refused(change: Change) -> None:
    assert judged(changed(CHUNK, change), route="chat", part="chunk") == BROKEN


def test_only_the_inference_contract_knows_tool_calls() -> None:
    called = changed(ITALIAN, choice(finish_reason="tool_calls"))
    assert judged(called, contract="azure-inference", route="chat", part="response") == VALID
    assert judged(called, contract="openai", route="chat", part="response") == VALID
    assert judged(called, route="chat", part="response") == BROKEN


def test_openais_chat_has_one_layout_of_logprobs() -> None:
    arrays = changed(ITALIAN, choice(logprobs=ARRAYS))
    content = changed(ITALIAN, choice(logprobs=CONTENT))
    assert judged(arrays, contract="openai", route="chat", part="response") == BROKEN
    assert judged(content, contract="openai", route="chat", part="response") == VALID

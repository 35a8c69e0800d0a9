"""Which values are certainly accepted, which are certainly refused, and which are left to the endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.model import ROUTES
from tests.schemas.judge import BROKEN, UNJUDGED, VALID, example, judged

BOTH: tuple[tuple[str, Any, str], ...] = (
    ("stream", True, VALID),
    ("stream", "true", UNJUDGED),
    ("stream", "True", UNJUDGED),
    ("stream", None, UNJUDGED),
    ("stream", 1, UNJUDGED),
    ("stream", "perhaps", BROKEN),
    ("stream", [], BROKEN),
    ("max_tokens", 1, VALID),
    ("max_tokens", 0, UNJUDGED),
    ("max_tokens", -1, BROKEN),
    ("max_tokens", 1.5, BROKEN),
    ("max_tokens", "16", UNJUDGED),
    ("max_tokens", True, UNJUDGED),
    ("max_tokens", None, UNJUDGED),
    ("max_tokens", "many", BROKEN),
    ("top_p", 1, VALID),
    ("top_p", 1e-6, VALID),
    ("top_p", 0, UNJUDGED),
    ("top_p", 0.0, UNJUDGED),
    ("top_p", -0.1, BROKEN),
    ("top_p", 1.1, BROKEN),
    ("temperature", 0, VALID),
    ("temperature", 2, VALID),
    ("temperature", 2.01, BROKEN),
    ("temperature", -0.01, BROKEN),
    ("temperature", "0.5", UNJUDGED),
    ("temperature", "hot", BROKEN),
    ("n", 3, VALID),
    ("n", 0, BROKEN),
    ("n", "2", UNJUDGED),
    ("stop", "END", VALID),
    ("stop", None, VALID),
    ("stop", ["a", "b", "c", "d"], VALID),
    ("stop", ["a", "b", "c", "d", "e"], UNJUDGED),
    ("stop", "", UNJUDGED),
    ("stop", [], UNJUDGED),
    ("stop", [""], UNJUDGED),
    ("stop", 7, BROKEN),
    ("stop", [7], BROKEN),
    ("best_of", 1, VALID),
    ("best_of", 3, VALID),
    ("best_of", 0, BROKEN),
    ("logprobs", 0, VALID),
    ("logprobs", 10, VALID),
    ("logprobs", None, VALID),
    ("logprobs", 11, UNJUDGED),
    ("logprobs", -1, BROKEN),
    ("logprobs", True, UNJUDGED),
    ("presence_penalty", -2, VALID),
    ("presence_penalty", None, VALID),
    ("presence_penalty", 2.1, BROKEN),
    ("ignore_eos", False, VALID),
    ("ignore_eos", {}, BROKEN),
    ("use_beam_search", False, VALID),
    ("stop_token_ids", [5], VALID),
    ("stop_token_ids", None, VALID),
    ("stop_token_ids", [200_000], UNJUDGED),
    ("stop_token_ids", [-1], UNJUDGED),
    ("stop_token_ids", ["7"], UNJUDGED),
    ("stop_token_ids", ["seven"], BROKEN),
    ("stop_token_ids", "7", BROKEN),
    ("skip_special_tokens", None, VALID),
    ("skip_special_tokens", "yes", UNJUDGED),
    ("skip_special_tokens", 7, BROKEN),
    ("seed", 7, VALID),
)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("name", "value", "verdict"), BOTH)
def test_a_value_is_judged(route: str, name: str, value: Any, verdict: str) -> None:
    assert judged(example(route, **{name: value}), route=route) == verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("The sea", VALID), ("", UNJUDGED), (["The sea"], UNJUDGED), (None, BROKEN), (7, BROKEN), (..., BROKEN)],
)
def test_a_prompt_is_judged(value: Any, verdict: str) -> None:
    assert judged(example("completions", prompt=value)) == verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}], VALID),
        ([{"role": "user", "content": "Hello", "name": "Ada"}], VALID),
        ([{"role": "user", "content": ""}], UNJUDGED),
        ([{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], UNJUDGED),
        ([{"role": "tool", "content": "Hello"}], UNJUDGED),
        ("Hello", UNJUDGED),
        ({"role": "user", "content": "Hello"}, UNJUDGED),
        ([], BROKEN),
        ([{"role": "robot", "content": "Hello"}], BROKEN),
        ([{"role": "user"}], BROKEN),
        ([{"content": "Hello"}], BROKEN),
        ([{"role": "user", "content": None}], BROKEN),
        (["Hello"], BROKEN),
        (None, BROKEN),
        (..., BROKEN),
    ],
)
def test_messages_are_judged(value: Any, verdict: str) -> None:
    assert judged(example("chat", messages=value), route="chat") == verdict


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"n": 2}, VALID),
        ({"n": 2, "best_of": 3}, VALID),
        ({"n": 2, "best_of": 2}, UNJUDGED),
        ({"n": 1, "best_of": 1}, UNJUDGED),
        ({"n": 3, "best_of": 2}, BROKEN),
        ({"n": 8, "best_of": 9}, VALID),
        ({"n": 9, "best_of": 10}, UNJUDGED),
        ({"stream": True, "best_of": 1}, VALID),
        ({"stream": True, "best_of": 2}, UNJUDGED),
        ({"stream": False, "best_of": 2}, VALID),
        ({"use_beam_search": True, "best_of": 2, "temperature": 0}, VALID),
        ({"use_beam_search": True, "best_of": 3, "n": 2, "temperature": 0}, VALID),
        ({"use_beam_search": True}, UNJUDGED),
        ({"use_beam_search": True, "best_of": 1, "temperature": 0}, UNJUDGED),
        ({"use_beam_search": True, "best_of": 2, "temperature": 1}, UNJUDGED),
        ({"use_beam_search": True, "best_of": 2, "temperature": 0, "top_p": 0.5}, UNJUDGED),
        ({"temperature": 0, "n": 1}, VALID),
        ({"temperature": 0, "n": 2}, UNJUDGED),
        ({"temperature": 0, "best_of": 2}, UNJUDGED),
        ({"temperature": 0.5, "n": 2}, VALID),
    ],
)
def test_combinations_are_judged(route: str, changes: dict[str, Any], verdict: str) -> None:
    assert judged(example(route, **changes), route=route) == verdict


@pytest.mark.parametrize("body", [[], "text", 7, None, [{"prompt": "The sea"}]])
def test_a_body_is_an_object(body: Any) -> None:
    assert judged(body) == BROKEN


@pytest.mark.parametrize(
    ("contract", "route", "changes", "verdict"),
    [
        ("openai", "chat", {"logprobs": True}, VALID),
        ("openai", "chat", {"logprobs": 3}, BROKEN),
        ("openai", "chat", {"logprobs": True, "top_logprobs": 2}, VALID),
        ("openai", "chat", {"top_logprobs": 2}, UNJUDGED),
        ("openai", "chat", {"logprobs": True, "top_logprobs": 20}, UNJUDGED),
        ("openai", "chat", {"logprobs": True, "top_logprobs": 21}, BROKEN),
        ("openai", "chat", {"messages": [{"role": "user"}]}, UNJUDGED),
        ("openai", "chat", {"messages": [{"role": "robot", "content": "Hello"}]}, UNJUDGED),
        ("openai", "chat", {"messages": [{"role": "user", "content": 7}]}, BROKEN),
        ("openai", "chat", {"max_tokens": -1}, UNJUDGED),
        ("openai", "chat", {"max_tokens": -2}, BROKEN),
        ("openai", "completions", {"logprobs": 5}, VALID),
        ("openai", "completions", {"logprobs": 6}, UNJUDGED),
        ("openai", "completions", {"best_of": "x"}, VALID),
        ("openai", "completions", {"n": 2, "temperature": 0}, UNJUDGED),
        ("openai", "completions", {"frequency_penalty": -2.5}, BROKEN),
        ("azure-inference", "chat", {"temperature": 1}, VALID),
        ("azure-inference", "chat", {"temperature": 1.5}, UNJUDGED),
        ("azure-inference", "chat", {"temperature": -1}, BROKEN),
        ("azure-inference", "completions", {"temperature": 2.5}, BROKEN),
        ("azure-inference", "chat", {"ignore_eos": True}, BROKEN),
        ("azure-inference", "completions", {"n": 2}, BROKEN),
        ("azure-inference", "chat", {"model": "any"}, VALID),
        ("azure-inference", "completions", {"presence_penalty": None}, UNJUDGED),
    ],
)
def test_other_contracts_differ(contract: str, route: str, changes: dict[str, Any], verdict: str) -> None:
    assert judged(example(route, contract, **changes), contract=contract, route=route) == verdict

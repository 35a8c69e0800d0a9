"""What vLLM is asked for a judged request: only what it knows, and as it wants it."""

from __future__ import annotations

from typing import Any

import pytest

from reference_server.vllm.requests import Dialect, Order, OrderError, read_order
from schemas.contracts import get
from schemas.model import Route

BODIES: dict[Route, dict[str, Any]] = {
    "completions": {"prompt": "Ahoy", "max_tokens": 4},
    "chat": {"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 4},
}


def read(route: Route = "completions", contract: str = "azure-llama", **params: Any) -> Order:
    body = {**BODIES[route], **params}
    dialect = Dialect.of(get(contract), "served")
    return read_order(route, {name: value for name, value in body.items() if value is not ...}, dialect)


def test_a_null_is_not_passed_on() -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ("ignore_eos", "skip_special_tokens", "stop", "stop_token_ids", "logprobs", "best_of")
    )
    assert read(**nulls).inner == read().inner
    assert None not in read(**nulls).inner.values()


def test_the_models_own_defaults_do_not_count() -> None:
    inner = read(top_p=0.5, temperature=None).inner
    assert [inner[name] for name in ("temperature", "top_p", "top_k", "repetition_penalty")] == [1, 0.5, 0, 1]


@pytest.mark.parametrize("name", ["whatever", "", 7, ...])
def test_the_model_is_the_served_one(name: object) -> None:
    assert read(model=name).inner["model"] == "served"


@pytest.mark.parametrize(
    ("contract", "route", "tokens"),
    [
        ("azure-llama", "completions", 16),
        ("azure-llama", "chat", 16),
        ("azure-inference", "completions", 256),
        ("azure-inference", "chat", None),
        ("openai", "completions", 16),
        ("openai", "chat", None),
    ],
)
def test_the_default_of_max_tokens_is_the_printed_one(contract: str, route: Route, tokens: int | None) -> None:
    assert read(route, contract, max_tokens=...).inner.get("max_tokens") == tokens


def test_the_newer_name_of_max_tokens_counts_on_chat() -> None:
    inner = read("chat", max_tokens=..., max_completion_tokens=40).inner
    assert inner["max_completion_tokens"] == 40
    assert "max_tokens" not in inner


@pytest.mark.parametrize("name", ["seatrial_unknown", "request_id", "priority", "chat_template", "echo", "user"])
def test_what_nobody_promised_stays_outside(name: str) -> None:
    extra: dict[str, Any] = {name: 1}
    assert name not in read(**extra).inner


@pytest.mark.parametrize("name", ["seed", "top_k", "min_p", "repetition_penalty", "frequency_penalty"])
def test_what_clients_of_vllm_send_reaches_it(name: str) -> None:
    extra: dict[str, Any] = {name: 1}
    assert read(**extra).inner[name] == 1


def test_a_whole_number_may_have_a_point() -> None:
    inner = read(max_tokens=16.0, n=2.0, logprobs=1.0, seed=3.0).inner
    assert [inner[name] for name in ("max_tokens", "n", "logprobs", "seed")] == [16, 2, 1, 3]
    assert all(type(inner[name]) is int for name in ("max_tokens", "n", "logprobs", "seed"))


def test_an_integer_on_chat_becomes_the_pair_with_one_more() -> None:
    order = read("chat", logprobs=3)
    assert (order.inner["logprobs"], order.inner["top_logprobs"]) == (True, 4)
    assert (order.layout, order.logprobs) == ("lists", 3)


def test_the_pair_of_openai_keeps_its_layout() -> None:
    order = read("chat", "openai", logprobs=True, top_logprobs=2)
    assert (order.inner["top_logprobs"], order.layout, order.logprobs) == (3, "content", 2)
    assert "logprobs" not in read("chat", "openai", logprobs=False, top_logprobs=2).inner


def test_a_number_without_its_switch_stays_outside() -> None:
    assert "top_logprobs" not in read("chat", "openai", top_logprobs=2).inner


@pytest.mark.parametrize(("contract", "key"), [("azure-llama", "text_offsets"), ("openai", "text_offset")])
def test_the_offsets_are_spelt_as_the_contract_has_them(contract: str, key: str) -> None:
    assert read(contract=contract, logprobs=1).offsets == key


def test_candidates_are_asked_for_with_their_log_probabilities() -> None:
    order = read(n=2, best_of=5)
    assert (order.inner["n"], order.inner["logprobs"], order.keep, order.logprobs) == (5, 0, 2, None)
    chat = read("chat", n=1, best_of=3).inner
    assert (chat["n"], chat["logprobs"], chat["top_logprobs"]) == (3, True, 0)


def test_as_many_candidates_as_answers_need_no_choosing() -> None:
    assert read(n=2, best_of=2).verbatim


@pytest.mark.parametrize("temperature", [0, 0.0, 1e-6])
def test_greedy_choices_are_made_once(temperature: float) -> None:
    order = read(n=3, best_of=5, temperature=temperature)
    assert "n" not in order.inner
    assert (order.copies, order.keep) == (3, None)


def test_a_beam_search_is_as_wide_as_best_of() -> None:
    order = read(n=2, best_of=4, temperature=0, use_beam_search=True, stop=["x"], presence_penalty=1, stream=True)
    inner = order.inner
    assert (inner["use_beam_search"], inner["n"], inner["temperature"], inner["logprobs"]) == (True, 4, 0, 1)
    assert not {"stop", "stream", "presence_penalty"} & set(inner)
    # The end token counts for the mean and for the usage as it does in any other answer.
    assert inner["return_token_ids"] is inner["include_stop_str_in_output"] is True
    assert (order.scan, order.keep, order.whole) == (("x",), 2, True)


def test_a_stop_token_is_kept_in_the_text_and_stop_strings_are_looked_for_here() -> None:
    order = read(stop_token_ids=[65], stop=["x"])
    assert order.inner["include_stop_str_in_output"] is True
    assert (order.inner["stop"], order.scan) == (["x"], ("x",))
    assert "include_stop_str_in_output" not in read(stop=["x"]).inner


def test_more_stop_strings_than_vllm_takes_are_looked_for_here() -> None:
    order = read(stop=list("abcdef"))
    assert order.inner["stop"] == list("abcd")
    assert order.scan == tuple("abcdef")


def test_an_empty_stop_string_stops_nothing() -> None:
    assert "stop" not in read(stop=["", ""]).inner


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}, "x"])
def test_a_stream_always_brings_its_usage(options: object) -> None:
    order = read(stream=True, stream_options=options)
    assert order.inner["stream_options"] == {"include_usage": True}
    assert order.usage_apart == (options == {"include_usage": True})


def test_the_options_of_a_stream_do_not_come_without_one() -> None:
    assert "stream_options" not in read(stream_options={"include_usage": True}).inner


@pytest.mark.parametrize("name", ["n", "best_of"])
def test_too_many_candidates_are_refused(name: str) -> None:
    many: dict[str, Any] = {name: 129}
    with pytest.raises(OrderError) as refused:
        read(**many)
    assert refused.value.param == name


@pytest.mark.parametrize(
    "odd", [{"stop_token_ids": 5}, {"stop": 5}, {"n": "x"}, {"best_of": {}}, {"logprobs": "2"}, {"temperature": [0]}]
)
def test_an_impossible_value_is_no_reason_to_fail(odd: dict[str, Any]) -> None:
    read(**odd)

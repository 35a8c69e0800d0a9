"""The judge refuses what the contract calls broken and says which requirement it breaks; a forgetful one repairs it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reference_server.validation import Fault, Judge
from schemas import emit
from schemas.model import Contract

PROMPT = {"prompt": "The sea"}
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def completions(contract: Contract) -> Judge:
    return judge_of(contract, "completions")


@pytest.fixture(scope="module")
def chat(contract: Contract) -> Judge:
    return judge_of(contract, "chat")


def judge_of(contract: Contract, route: Any) -> Judge:
    voluntary = frozenset(row.id for row in contract.rows() if row.level == "MAY")
    return Judge(emit.schema(contract, route, "request"), voluntary=voluntary)


def refused(judge: Judge, body: Any, **given: Any) -> Fault:
    _, fault = judge.judge(body, **given)
    assert fault is not None, body
    return fault


def accepted(judge: Judge, body: Any, **given: Any) -> dict[str, Any]:
    passed, fault = judge.judge(body, **given)
    assert fault is None, fault
    return passed


@pytest.mark.parametrize(
    ("changes", "param", "requirement"),
    [
        ({"temperature": 2.1}, "temperature", "request.temperature"),
        ({"temperature": -0.1}, "temperature", "request.temperature"),
        ({"temperature": "hot"}, "temperature", "request.temperature"),
        ({"temperature": "0.5"}, "temperature", "request.temperature"),
        ({"top_p": 1.5}, "top_p", "request.top_p"),
        ({"max_tokens": -1}, "max_tokens", "request.max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens", "request.max_tokens"),
        ({"n": 0}, "n", "request.n"),
        ({"stream": "yes please"}, "stream", "request.stream"),
        ({"logprobs": -1}, "logprobs", "request.logprobs"),
        ({"presence_penalty": 2.5}, "presence_penalty", "request.presence_penalty"),
        ({"stop": ["a", 1]}, "stop.1", "request.stop"),
        ({"stop": {"a": 1}}, "stop", "request.stop"),
        ({"stop_token_ids": [-1]}, "stop_token_ids.0", "request.stop_token_ids"),
        ({"ignore_eos": "perhaps"}, "ignore_eos", "request.ignore_eos"),
        ({"n": 3, "best_of": 2}, "best_of", "rule.best_of_exceeds_n"),
        ({"n": 9, "best_of": 2}, "best_of", "rule.best_of_exceeds_n"),
        ({"stream": True, "best_of": 2}, "best_of", "rule.best_of_not_streamed"),
        ({"use_beam_search": True, "temperature": 0}, "best_of", "rule.beam_best_of"),
        ({"use_beam_search": True, "best_of": 2, "temperature": 1}, "temperature", "rule.beam_temperature"),
    ],
)
def test_a_broken_value_is_refused_with_its_requirement(
    completions: Judge, chat: Judge, changes: dict[str, Any], param: str, requirement: str
) -> None:
    for judge, base, route in ((completions, PROMPT, "completions"), (chat, CHAT, "chat")):
        fault = refused(judge, {**base, **changes})
        assert fault.param == param
        assert fault.requirement == f"{route}.{requirement}"
        assert fault.requirement in fault.message


@pytest.mark.parametrize(
    ("body", "param", "requirement"),
    [
        ({}, "messages", "chat.request.messages"),
        ({"messages": []}, "messages", "chat.request.messages"),
        ({"messages": "Hello"}, "messages", "chat.request.messages"),
        ({"messages": [7]}, "messages.0", "chat.request.messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "chat.request.messages.content"),
        ({"messages": [{"content": "a"}]}, "messages.0.role", "chat.request.messages.role"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages.0.role", "chat.request.messages.role"),
        ([], "", "chat.head.payload"),
    ],
)
def test_broken_messages_are_refused(chat: Judge, body: Any, param: str, requirement: str) -> None:
    fault = refused(chat, body)
    assert (fault.param, fault.requirement) == (param, requirement)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 2, "best_of": 2},
        {"n": 2, "best_of": 3},
        {"stop": None, "stream": None, "n": None, "temperature": None},
        {"temperature": 0, "n": 2},
        {"use_beam_search": True, "best_of": 2, "temperature": 0, "top_p": 0.5},
        {"stop_token_ids": [100_000]},
        {"model": "anything", "user": None, "seed": 5},
        {"max_tokens": 8.0},
        {"stop": "one"},
    ],
)
def test_what_clients_send_every_day_is_accepted(completions: Judge, changes: dict[str, Any]) -> None:
    accepted(completions, {**PROMPT, **changes})


def said(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Ahoy"}, {"role": "user", "content": content}]}


def test_a_content_in_text_parts_is_read_as_its_text(chat: Judge) -> None:
    parts = [{"type": "text", "text": "Is the sea "}, {"type": "text", "text": "calm?"}]
    assert accepted(chat, said(parts)) == said("Is the sea calm?")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"type": "text", "text": ""}],
        [{"type": "text", "text": 5}],
        [{"type": "text"}],
        [{"type": "image_url", "image_url": {"url": "x"}}],
        [{"type": "text", "text": "Ahoy"}, {"type": "image_url", "image_url": {"url": "x"}}],
        ["Ahoy"],
    ],
)
def test_a_content_in_other_parts_is_refused(chat: Judge, parts: list[Any]) -> None:
    assert refused(chat, said(parts)).param == "messages.1.content"


def test_a_null_for_a_duty_is_refused(completions: Judge, chat: Judge) -> None:
    assert refused(completions, {"prompt": None}).param == "prompt"
    assert refused(chat, {"messages": None}).param == "messages"


def test_nulls_are_dropped_so_that_defaults_hold(completions: Judge) -> None:
    assert "n" not in accepted(completions, {**PROMPT, "n": None})


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("temperature", "0.5", 0.5),
        ("max_tokens", "8", 8),
        ("stream", "True", True),
        ("stream", "false", False),
        ("ignore_eos", 1, True),
        ("top_p", 0, 0),
        ("n", True, 1),
        ("logprobs", 20, 20),
    ],
)
def test_a_lenient_judge_understands_what_the_contract_leaves_open(
    completions: Judge, name: str, value: Any, read: Any
) -> None:
    refused(completions, {**PROMPT, name: value})
    assert accepted(completions, {**PROMPT, name: value}, lenient=True)[name] == read


def test_a_lenient_judge_still_refuses_what_is_broken(completions: Judge) -> None:
    for broken in ({"temperature": 3}, {"n": 0}, {"prompt": 5}, {"n": 3, "best_of": 2}, {"stop": [5]}):
        refused(completions, {**PROMPT, **broken}, lenient=True)


BROKEN: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("completions", {}, ("completions.request.prompt", "required")),
    ("completions", {"prompt": 4}, ("completions.request.prompt", "type")),
    ("completions", {**PROMPT, "temperature": 9}, ("completions.request.temperature", "maximum")),
    ("completions", {**PROMPT, "temperature": "hot"}, ("completions.request.temperature", "type")),
    ("completions", {**PROMPT, "n": 0}, ("completions.request.n", "minimum")),
    ("completions", {**PROMPT, "stop": ["a", 5]}, ("completions.request.stop", "type")),
    ("completions", {**PROMPT, "stop_token_ids": [-5]}, ("completions.request.stop_token_ids", "minimum")),
    ("completions", {**PROMPT, "n": 3, "best_of": 2}, ("completions.rule.best_of_exceeds_n", "then")),
    ("completions", {**PROMPT, "stream": True, "best_of": 2}, ("completions.rule.best_of_not_streamed", "then")),
    ("completions", {**PROMPT, "use_beam_search": True, "temperature": 0}, ("completions.rule.beam_best_of", "then")),
    ("chat", {}, ("chat.request.messages", "required")),
    ("chat", {"messages": []}, ("chat.request.messages", "minItems")),
    ("chat", {"messages": "x"}, ("chat.request.messages", "type")),
    ("chat", {"messages": [1]}, ("chat.request.messages", "type")),
    ("chat", {"messages": [{"role": "robot", "content": "a"}]}, ("chat.request.messages.role", "enum")),
    ("chat", {"messages": [{"role": 5, "content": "a"}]}, ("chat.request.messages.role", "type")),
    ("chat", {"messages": [{"role": "user"}]}, ("chat.request.messages.content", "required")),
    ("chat", {"messages": [{"role": "user", "content": 5}]}, ("chat.request.messages.content", "type")),
]


@pytest.mark.parametrize(("route", "body", "pair"), BROKEN)
def test_a_forgotten_keyword_is_repaired(contract: Contract, route: Any, body: Any, pair: tuple[str, str]) -> None:
    judge = judge_of(contract, route)
    assert refused(judge, body).requirement == pair[0]
    forgets = {pair}
    if body == {"messages": [{"role": 5, "content": "a"}]}:
        forgets.add(("chat.request.messages.role", "enum"))
    passed = accepted(judge, body, forgets=frozenset(forgets))
    schema = emit.schema(contract, route, "request")
    left = {
        error.validator
        for error in Draft202012Validator(schema).iter_errors(passed)
        if "allOf" not in error.schema_path
    }
    assert left == set()


def test_forgetting_one_keyword_forgets_no_other(completions: Judge) -> None:
    forgets = frozenset({("completions.request.temperature", "maximum")})
    assert refused(completions, {**PROMPT, "temperature": -1}, forgets=forgets).param == "temperature"
    assert refused(completions, {**PROMPT, "temperature": 9, "n": 0}, forgets=forgets).param == "n"


def test_a_union_is_forgotten_branch_by_branch() -> None:
    owner = {"type": "x.p", "maximum": "x.p"}
    union = {
        "anyOf": [
            {"type": "string", "x-requirements": {"type": "x.p"}},
            {"type": "integer", "maximum": 5, "x-requirements": owner},
        ],
        "x-requirements": {"anyOf": "x.p"},
    }
    judge = Judge({"type": "object", "properties": {"p": union}})
    assert refused(judge, {"p": 9}).requirement == "x.p"
    assert accepted(judge, {"p": 9}, forgets=frozenset({("x.p", "maximum")})) == {}
    refused(judge, {"p": None}, forgets=frozenset({("x.p", "maximum")}))


def test_references_and_forbidden_extras_are_understood() -> None:
    schema = {
        "type": "object",
        "properties": {"type": {"$ref": "#/$defs/small"}},
        "additionalProperties": False,
        "x-requirements": {"additionalProperties": "x.extras"},
        "$defs": {"small": {"maximum": 5, "x-requirements": {"maximum": "x.small"}}},
    }
    judge = Judge(schema)
    assert refused(judge, {"type": 9}).requirement == "x.small"
    assert refused(judge, {"other": 9}).requirement == "x.extras"
    assert accepted(judge, {"type": 9}, forgets=frozenset({("x.small", "maximum")})) == {}


def test_a_message_quotes_no_more_than_a_little_of_the_limit(completions: Judge) -> None:
    assert len(refused(completions, {**PROMPT, "stop": ["a"] * 5}).message) < 300

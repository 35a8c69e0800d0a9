"""The laws of the strategies, judged by an independent validator over the emitted schemas and over every keyword."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.strategies.boundary import boundary
from conformance.strategies.broken import LISTS, Broken, broken, broken_strategy
from conformance.strategies.dialect import KEYWORDS
from conformance.strategies.texts import samples
from conformance.strategies.valid import valid
from schemas.contracts import get, names
from schemas.emit import schema
from tests.conformance.battery import CHAT, SCHEMAS

EMITTED = {
    f"{contract}.{operation.route}": schema(get(contract), operation.route, "request")
    for contract in names()
    for operation in get(contract).operations
}
EVERY = {**SCHEMAS, "chat-of-a-user": CHAT, **EMITTED}

over_every_schema = pytest.mark.parametrize("name", EVERY)


def is_json(value: Any) -> bool:
    """Whether the value survives strict JSON in UTF-8: no NaN, no lone surrogates, no keys but strings."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return bool(json.loads(text.encode("utf-8")) == value)


def floating_integers(schema: Any, value: Any) -> bool:
    """Whether an integer was written as a float, at the top level or in a property."""
    if isinstance(value, dict):
        stated = schema.get("properties", {}) if isinstance(schema, dict) else {}
        return any(floating_integers(stated.get(name, {}), each) for name, each in value.items())
    types = schema.get("type", ()) if isinstance(schema, dict) else ()
    return "integer" in types and "number" not in types and isinstance(value, float)


@over_every_schema
def test_valid_values_are_accepted(name: str) -> None:
    judge = Draft202012Validator(EVERY[name])
    found = samples(valid(EVERY[name]), 40, among=60)
    assert found
    for value in found:
        assert judge.is_valid(value), value
        assert is_json(value)
        assert not floating_integers(EVERY[name], value), value


@over_every_schema
def test_boundary_values_are_accepted(name: str) -> None:
    judge = Draft202012Validator(EVERY[name])
    found = boundary(EVERY[name])
    assert found
    for value in found:
        assert judge.is_valid(value), value
        assert is_json(value)


def refused_by_its_keyword(schema: Any, one: Broken) -> None:
    errors = list(Draft202012Validator(schema).iter_errors(one.value))
    assert errors, f"nothing is wrong with {one.value}"
    for error in errors:
        # An owned condition answers for what is inside it; the schema `false` has no keyword of its own.
        keywords = {error.validator, *error.absolute_schema_path}
        # What is of a wrong type is not in the enumeration beside that type either.
        keywords |= {"type"} if error.validator in LISTS else set()
        assert one.keyword in keywords, (one, error.message)
    assert is_json(one.value)


@over_every_schema
def test_broken_values_are_refused_by_the_keyword_they_name(name: str) -> None:
    found = broken(EVERY[name])
    assert found
    for one in found:
        refused_by_its_keyword(EVERY[name], one)


@over_every_schema
def test_random_broken_values_are_refused_by_the_keyword_they_name(name: str) -> None:
    found = samples(broken_strategy(EVERY[name]), 15, among=40)
    assert found
    for one in found:
        refused_by_its_keyword(EVERY[name], one)


@pytest.mark.parametrize("name", SCHEMAS)
def test_without_owners_the_keyword_is_the_only_one_that_fails(name: str) -> None:
    judge = Draft202012Validator(SCHEMAS[name])
    for one in broken(SCHEMAS[name]):
        broken_ones = {error.validator or "properties" for error in judge.iter_errors(one.value)}
        assert broken_ones - (set(LISTS) if one.keyword == "type" else set()) == {one.keyword}, one
        assert one.requirement == ""


@pytest.mark.parametrize("name", EMITTED)
def test_every_owner_of_an_emitted_request_is_known(name: str) -> None:
    contract, _ = name.rsplit(".", 1)
    known = {row.id for row in get(contract).rows()}
    assert {one.requirement for one in broken(EMITTED[name])} <= known


@pytest.mark.parametrize("name", EMITTED)
def test_no_broken_value_is_left_open(name: str) -> None:
    for one in broken(EMITTED[name]):
        if not one.path:
            continue
        if one.kind not in ("rule", "extra") and one.path[0] in one.value:
            left_open = EMITTED[name]["properties"][one.path[0]].get("x-unjudged", ())
            sent = one.value[one.path[0]]
            assert not any(Draft202012Validator(each).is_valid(sent) for each in left_open), one


@over_every_schema
def test_the_lists_are_the_same_every_time(name: str) -> None:
    assert json.dumps(boundary(EVERY[name])) == json.dumps(boundary(EVERY[name]))
    assert broken(EVERY[name]) == broken(EVERY[name])


def test_the_battery_uses_every_keyword() -> None:
    text = json.dumps(SCHEMAS)
    assert [keyword for keyword in KEYWORDS if f'"{keyword}"' not in text] == []


def test_each_row_of_the_page_is_broken_where_it_can_be() -> None:
    kinds = {(".".join(one.path), one.kind) for one in broken(EMITTED["azure-llama.chat"])}
    assert {
        ("messages", "missing"), ("messages", "type"), ("messages", "too-few"), ("messages", "items"),
        ("messages.role", "enum"), ("messages.role", "type"), ("messages.role", "missing"),
        ("messages.content", "missing"), ("messages.content", "type"),
        ("temperature", "below"), ("temperature", "above"), ("temperature", "type"),
        ("top_p", "below"), ("top_p", "above"), ("n", "below"), ("max_tokens", "below"), ("best_of", "below"),
        ("logprobs", "below"), ("presence_penalty", "above"), ("stop", "items"), ("use_beam_search", "type"),
    } <= kinds  # fmt: skip

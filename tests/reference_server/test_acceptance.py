"""The quick answer to whether a body is valid, against the validator's."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reference_server.acceptance import Accepts, accepting
from schemas import emit
from schemas.contracts import get, names
from schemas.model import Operation

OPERATIONS = [(name, operation) for name in names() for operation in get(name).operations]

NUMBERS = (*range(-3, 12), 0.0, 1.0, -0.5, 0.005, 2.5, 1e300, float("inf"), 2**31, 10**400)
PLAIN = (None, True, False, "", "a", "é 😀", "user", "x" * 65, *NUMBERS)
MESSAGE = {"role": "user", "content": "Is the sea calm today?"}


def drawn(draw: random.Random) -> Any:
    """A value that some parameter may have, and most may not."""
    kind = draw.randrange(4)
    if kind == 0:
        return [draw.choice(PLAIN) for _ in range(draw.randrange(6))]
    if kind == 1:
        return [{**MESSAGE, draw.choice(("role", "content", "name")): draw.choice(PLAIN)} for _ in range(2)]
    return draw.choice(PLAIN) if kind == 2 else draw.choice(NUMBERS)


@cache
def schema_of(contract: str, route: str) -> tuple[dict[str, Any], Accepts, Draft202012Validator]:
    operation = next(one for one in get(contract).operations if one.route == route)
    schema = emit.schema(get(contract), operation.route, "request")
    return dict(schema), accepting(schema), Draft202012Validator(schema)


@pytest.mark.parametrize(("contract", "operation"), OPERATIONS, ids=lambda one: getattr(one, "route", one))
def test_it_says_what_the_validator_says(contract: str, operation: Operation) -> None:
    schema, accepts, validator = schema_of(contract, operation.route)
    draw = random.Random(f"{contract} {operation.route}")
    known = [*sorted(schema["properties"]), "unknown"]
    said = set()
    for _ in range(600):
        body = {**operation.example, **{draw.choice(known): drawn(draw) for _ in range(draw.randrange(4))}}
        if draw.random() < 0.1:
            body.pop(draw.choice(sorted(operation.example)))
        said.add(accepts(body))
        assert accepts(body) == validator.is_valid(body), body
    assert said == {True, False}


@pytest.mark.parametrize(("contract", "operation"), OPERATIONS, ids=lambda one: getattr(one, "route", one))
def test_it_accepts_what_clients_send(contract: str, operation: Operation) -> None:
    _, accepts, _ = schema_of(contract, operation.route)
    assert accepts({**operation.example, "stream": True, "max_tokens": 8, "temperature": 0.5, "top_p": 0.9})


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "a"},
        {"not": {"pattern": "a"}},
        {"not": {"properties": {"a": {"oneOf": []}}}},
        {"if": {"dependentRequired": {}}, "then": True},
        {"properties": {"a": True}, "patternProperties": {}, "additionalProperties": False},
        {"prefixItems": [{}], "items": False},
        {"const": {"a": 1}},
        {"not": {"const": [1]}},
        {"not": {"items": {"enum": [[1]]}}},
        False,
    ],
)
def test_what_it_does_not_know_it_does_not_accept(schema: Any) -> None:
    assert not accepting(schema)({"a": 1})


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"const": 1}, True, False),
        ({"const": True}, 1, False),
        ({"const": 1}, 1.0, True),
        ({"enum": ["a", None]}, None, True),
        ({"not": {"const": 1}}, True, True),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": False}, {"a": 1}, False),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": False}, {"a": 1, "b": 1}, True),
        ({"if": {"required": ["a"]}, "else": False}, {}, False),
        ({"type": ["integer", "null"]}, 5.0, True),
        ({"type": "integer"}, True, False),
        ({"additionalProperties": {"type": "string"}, "properties": {"a": True}}, {"a": 1, "b": "x"}, True),
        ({"exclusiveMaximum": 2}, 2, False),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3, False),
        (True, 3, True),
    ],
)
def test_keywords_mean_what_they_mean(schema: Any, value: Any, valid: bool) -> None:
    assert accepting(schema)(value) is valid
    assert Draft202012Validator(schema).is_valid(value) is valid

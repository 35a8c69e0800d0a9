"""OpenAPI documents from endpoints: what they state, and that none of them can hold us up."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.checks.service import contradiction
from conformance.description import Description, Stated

PATH = "/v1/completions"


def document(schema: Any, **more: Any) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": schema}}}
    return {"openapi": "3.0.1", "paths": {PATH: {"post": {"requestBody": body}}}, **more}


def stated(schema: Any, **more: Any) -> Stated:
    description = Description.read(document({"properties": {"x": schema}}, **more))
    assert description is not None
    body = description.body(PATH)
    assert body is not None
    return body.properties["x"]


def test_what_is_no_description() -> None:
    values: tuple[Any, ...] = (None, 7, [], {}, {"paths": {}}, {"openapi": "3.1.0"}, {"openapi": 3, "paths": {}})
    for value in values:
        assert Description.read(value) is None


def test_types_and_bounds_are_read_through_references_and_unions() -> None:
    schemas = {"N": {"type": "number", "minimum": 0, "maximum": 2}}
    union = {"anyOf": [{"$ref": "#/components/schemas/N"}, {"type": "null"}]}
    assert stated(union, components={"schemas": schemas}) == Stated(frozenset({"number", "null"}), 0, 2)
    assert stated({"type": "string", "nullable": True}).types == {"string", "null"}
    assert stated({"allOf": [{"enum": ["a", "b"]}]}).values == ("a", "b")
    assert stated({"oneOf": [{"type": "string"}, {}]}).types == frozenset()
    assert stated({}) == Stated()


def test_a_body_of_swagger_2_is_read() -> None:
    body = {"name": "b", "in": "body", "schema": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}
    old = {"swagger": "2.0", "basePath": "/v1", "paths": {"/completions": {"post": {"parameters": [body]}}}}
    description = Description.read(old)
    assert description is not None
    found = description.body(PATH)
    assert found is not None
    assert found.required == {"x"}


def test_a_base_is_allowed_for_and_never_trusted() -> None:
    one = {**document({}), "servers": [{"url": "/v1"}]}
    description = Description.read(one)
    assert description is not None
    assert description.operation(PATH, "post")
    assert description.simple_gets() == []


@pytest.mark.parametrize(
    ("schema", "row", "fault"),
    [
        ({"type": "boolean"}, {"type": ["integer", "null"]}, "is boolean there, integer in the contract"),
        ({"type": "number", "maximum": 1}, {"type": "number", "maximum": 2}, "is at most 1 there, and may be 2"),
        ({"type": "number", "minimum": 1}, {"type": "number", "minimum": 0}, "is at least 1 there, and may be 0"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "cannot be 'b' there"),
        ({"type": "number"}, {"type": "integer", "minimum": 1}, ""),
        ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 2}, ""),
        ({"type": ["string", "array"]}, {"type": "string"}, ""),
        ({}, {"type": "string"}, ""),
    ],
)
def test_a_document_may_be_wider_and_not_narrower(schema: Any, row: dict[str, Any], fault: str) -> None:
    assert contradiction(stated(schema), row) == fault


def hostile() -> list[dict[str, Any]]:
    loop = {"$ref": "#/components/schemas/A"}
    deep: dict[str, Any] = {"properties": {"x": {}}}
    for _ in range(500):
        deep = {"allOf": [deep]}
    return [
        document(loop, components={"schemas": {"A": loop}}),
        document({"allOf": [loop] * 50}, components={"schemas": {"A": {"allOf": [loop] * 50}}}),
        document({"properties": {"x": loop}}, components={"schemas": {"A": {"anyOf": [loop] * 60}}}),
        document(deep),
        document({"$ref": "https://elsewhere.example/schema"}),
        document({"$ref": 7, "properties": 7, "required": "x", "allOf": {}, "enum": 5}),
        document({"properties": {f"p{number}": {"type": ["integer", 7]} for number in range(5_000)}}),
        {"openapi": "3", "paths": {f"/p{number}": {"get": {}} for number in range(10_000)}},
        {"openapi": "3", "paths": {PATH: {"post": []}, "/a": 7}, "servers": [{"url": 7}], "basePath": []},
    ]


@pytest.mark.parametrize("value", hostile())
def test_no_document_holds_us_up(value: dict[str, Any]) -> None:
    began = time.process_time()
    description = Description.read(value)
    assert description is not None
    description.body(PATH)
    assert len(description.simple_gets()) <= 2_000
    assert time.process_time() - began < 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "type", "properties", "allOf", "anyOf", "x", "required", "enum", "maximum"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_without_a_fault(value: Any) -> None:
    description = Description.read(document(value, servers=[value], components=value))
    assert description is not None
    description.body(PATH)
    description.simple_gets()

"""What the strategies refuse to do, and what they promise besides validity: caps, companions, rules, recursion."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from conformance.strategies.boundary import boundary
from conformance.strategies.broken import broken, broken_strategy, example
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import (
    MOST_ITEMS,
    Document,
    SchemaFault,
    UnknownKeyword,
    Unsatisfiable,
    canonical,
)
from conformance.strategies.numbers import MOST_CHOICES, choices
from conformance.strategies.plain import alternatives
from conformance.strategies.texts import ENDINGS, OPENINGS, samples
from conformance.strategies.valid import valid
from schemas.contracts import get
from schemas.emit import schema
from tests.conformance.battery import CHAT, SCHEMAS

ROOT = Path(__file__).parents[2]
REQUEST = schema(get("azure-llama"), "chat", "request")


@pytest.mark.parametrize(
    "unknown",
    [
        {"type": "string", "format": "email"},
        {"type": "array", "contains": {"type": "integer"}},
        {"properties": {"a": {"items": {"minimun": 3}}}},
        {"allOf": [{"unevaluatedProperties": False}]},
        {"$defs": {"a": {"propertyNames": {"pattern": "a"}}}},
        {"x-unjudged": [{"format": "date"}]},
    ],
)
def test_a_keyword_that_would_be_ignored_is_an_error(unknown: dict[str, Any]) -> None:
    for use in (valid, boundary, broken, broken_strategy, Document):
        with pytest.raises(UnknownKeyword, match="is not known"):
            use(unknown)


def test_annotations_and_extensions_are_known() -> None:
    assert boundary({"const": 1, "title": "a", "description": "b", "default": 2, "x-anything": {"format": "c"}}) == [1]


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        ({"type": "strin"}, "strin"),
        ({"minimum": "3"}, "minimum"),
        ({"pattern": "("}, "regex"),
        ({"patternProperties": {"[": {}}}, "regex"),
        ({"$ref": "#/$defs/absent"}, "points to nothing"),
        ({"$ref": "https://example.org/schema"}, "only references within the file"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "leads to itself"),
        ({"properties": {"a": {"$id": "urn:b"}}}, "below the root"),
    ],
)
def test_a_faulty_schema_is_the_fault_of_its_author(faulty: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaFault, match=message):
        valid(faulty)


@pytest.mark.parametrize(
    "impossible",
    [
        False,
        {"not": {}},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "pattern": "^a$", "minLength": 2},
        {"type": "string", "const": 3},
        {"enum": [1, 2], "not": {"type": "integer"}},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        {"anyOf": [False, {"type": "integer", "minimum": 1, "maximum": 0}]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "additionalProperties": False, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False, "minProperties": 2},
        {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "array", "minItems": 2, "maxItems": 1},
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}},
        },
    ],
)
def test_a_schema_without_values_is_an_error(impossible: Any) -> None:
    for use in (valid, boundary, broken):
        with pytest.raises(Unsatisfiable):
            use(impossible)


def test_an_unsatisfiable_property_is_named() -> None:
    level = {"type": "integer", "minimum": 2, "maximum": 1}
    with pytest.raises(Unsatisfiable, match="level"):
        valid({"type": "object", "properties": {"level": level}, "required": ["level"]})


def test_optional_properties_without_values_are_left_out() -> None:
    found = samples(valid({"type": "object", "properties": {"a": False, "b": {"const": 1}}}), 5)
    assert {canonical(value) for value in found} == {"{}", '{"b": 1}'}


def test_costs_are_capped_by_name() -> None:
    for body in samples(valid(REQUEST), 80, among=120):
        assert body.get("max_tokens", 1) <= 8
        assert body.get("n", 1) <= 3
        assert body.get("best_of", 1) <= 4
        assert (body.get("logprobs") or 0) <= 5
        assert len(body["messages"]) <= 3
        assert all(len(message["content"]) <= 64 for message in body["messages"])


def test_caps_give_way_to_what_the_schema_demands() -> None:
    high = {"type": "integer", "minimum": 100, "maximum": 200}
    assert min(samples(valid(high, name="max_tokens"), 50)) == 100
    assert boundary(high, name="max_tokens") == [100, 101, 199, 200]
    assert min(len(text) for text in samples(valid({"type": "string", "minLength": 500}), 5)) == 500
    assert min(len(items) for items in samples(valid({"type": "array", "minItems": 7}), 5)) == 7


def test_a_stated_maximum_is_an_edge_even_where_random_values_stay_below() -> None:
    logprobs = REQUEST["properties"]["logprobs"]
    assert 10 in boundary(logprobs, name="logprobs")
    assert max(value or 0 for value in samples(valid(logprobs, name="logprobs"), 20)) == 5


def test_caps_of_ones_own() -> None:
    caps = Caps(maxima={"level": 2}, string_length=3, array_length=1)
    schema = {
        "properties": {"level": {"type": "integer", "minimum": 0}, "name": {"type": "string"}, "of": {"type": "array"}}
    }
    for body in samples(valid(schema, caps), 40):
        assert body.get("level", 0) <= 2
        assert len(body.get("name", "")) <= 3
        assert len(body.get("of", [])) <= 1
    assert boundary({"type": "integer", "minimum": 0}, caps, name="level") == [0, 1, 2]


def test_edges_of_numbers() -> None:
    assert boundary({"type": "number", "minimum": 0, "maximum": 2}) == [0, 0.02, 1.98, 2]
    assert boundary({"type": "number", "exclusiveMinimum": 0, "maximum": 1}) == [0.02, 0.98, 1]
    assert boundary({"type": ["number", "null"], "minimum": -2, "maximum": 2}) == [None, -2, -1.98, 0, 1.98, 2]
    assert boundary({"type": "integer", "minimum": 1}) == [1, 2]
    assert boundary({"type": "integer", "minimum": 1, "multipleOf": 5, "maximum": 21}) == [5, 10, 15, 20]


def test_edges_of_strings_reach_the_awkward_ones() -> None:
    found = boundary({"type": "string"})
    assert "" in found
    assert max(len(text) for text in found) == 64
    assert any("\n" in text for text in found)
    assert any(ord(character) > 0xFFFF for text in found for character in text)
    assert not any("\0" in text for text in [*found, *OPENINGS, *ENDINGS])


def test_edges_of_an_object_are_its_least_and_its_most() -> None:
    found = boundary(REQUEST)
    assert sorted(found[0]) == ["messages"]
    most = max(found, key=len)
    # Not everything goes together: beam search and a stream exclude each other's companions.
    assert len(most) >= len(REQUEST["properties"]) - 2


def test_rules_are_met_on_both_sides() -> None:
    found = samples(valid(SCHEMAS["rules"]), 80, among=200)
    assert any(body.get("beam") for body in found)
    assert any(body.get("beam") is False for body in found)
    assert any("n" in body and "best_of" in body for body in found)


def test_companions_come_along() -> None:
    for body in samples(valid(SCHEMAS["companions-without-rules"]), 40):
        if "a" in body:
            assert body["b"] == "needed"


def test_recursion_is_bounded() -> None:
    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + max((depth(each) for each in inner), default=0)

    for value in samples(valid(SCHEMAS["recursive"], Caps(nesting=2)), 30):
        assert depth(value) <= 8


def test_numbers_are_few_and_the_simplest_comes_first() -> None:
    for wide in ({"type": "integer"}, {"type": "number"}, {"type": "integer", "minimum": 0, "maximum": 2**50}):
        way = alternatives(Document(wide), wide)[0]
        found = choices(way, whole=wide["type"] == "integer")
        assert 20 < len(found) <= MOST_CHOICES
        assert found[0] == 0


ELSEWHERE = """
import json, sys
sys.path.insert(0, {root!r})
{imports}
from conformance.rows.hunt import hunt
from conformance.strategies.valid import valid
from schemas.contracts import get
from schemas.emit import schema
found = []
hunt(valid(schema(get("azure-llama"), "chat", "request")), found.append, examples=150, seed=11)
print(json.dumps(found))
"""


def test_a_seed_names_the_same_values_whatever_is_loaded_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Modules outside `site-packages` lend Hypothesis their constants, unless it is told not to take them.
    (tmp_path / "lender.py").write_text("NUMBERS = [3, 5, 17, 23, 31, 77, 91]\nTEXT = 'lent'\n")
    answers = []
    for imports in ("", "sys.path.insert(0, '.'); import lender"):
        script = ELSEWHERE.format(root=str(ROOT), imports=imports)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        answers.append(done.stdout)
    assert answers[0] == answers[1]
    assert len(json.loads(answers[0])) > 100
    assert [path.name for path in tmp_path.iterdir() if path.name == ".hypothesis"] == []


def test_the_example_is_where_breaking_starts() -> None:
    assert example(Document(REQUEST)) == REQUEST["x-example"]
    assert example(Document({"type": "integer", "minimum": 3, "examples": ["no", 7]})) == 7
    assert example(Document({"type": "integer", "minimum": 3})) == 3


def test_a_broken_value_keeps_everything_else() -> None:
    for one in broken(REQUEST):
        if len(one.path) == 1 and one.culprit is not ... and isinstance(one.value, dict):
            rest = {name: value for name, value in one.value.items() if name in REQUEST["x-example"]}
            assert all(value == REQUEST["x-example"][name] for name, value in rest.items() if name != one.path[0])


def test_broken_values_of_a_wrong_type_cannot_be_coerced() -> None:
    for one in broken(CHAT):
        if one.kind == "type":
            assert not (isinstance(one.culprit, str) and one.culprit.strip("-+.").isnumeric())
            assert not isinstance(one.culprit, bool)
            assert one.culprit is not None
            assert not (isinstance(one.culprit, float) and one.culprit.is_integer())


def test_what_an_unjudged_schema_accepts_is_not_broken() -> None:
    open_at_zero = {"type": "number", "exclusiveMinimum": 0, "x-unjudged": [{"const": 0}, {"type": "string"}]}
    culprits = [one.culprit for one in broken(open_at_zero)]
    assert min(value for value in culprits if isinstance(value, float)) < 0
    assert 0 not in culprits
    assert not any(isinstance(value, str) for value in culprits)


def test_faults_name_the_deepest_owner_and_the_missing_property() -> None:
    document = Document(REQUEST)
    body = {**REQUEST["x-example"], "messages": [{"role": "captain"}]}
    found = {(fault.requirement, fault.keyword, fault.pointer) for fault in document.faults(body)}
    assert found == {
        ("chat.request.messages.content", "required", "/messages/0"),
        ("chat.request.messages.role", "enum", "/messages/0/role"),
    }


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(broken_strategy(REQUEST))
def test_first_faults_are_the_first_of_all(one: Any) -> None:
    document = Document(REQUEST)
    first: dict[str, Any] = {}
    for fault in document.faults(one.value):
        if not fault.unjudged:
            first.setdefault(fault.requirement, fault)
    found = document.first_faults(one.value)
    assert found == first
    assert list(found) == list(first)


def test_of_more_items_than_anybody_asks_for_the_first_are_looked_at() -> None:
    items = {"properties": {"n": {"type": "integer", "x-requirements": {"type": "n"}}}}
    inner = {"prefixItems": [{"const": 0, "x-requirements": {"const": "first"}}], "items": items}
    lists = {"items": inner, "maxItems": 2 * MOST_ITEMS, "x-requirements": {"maxItems": "most"}}
    document = Document(lists)
    last = [[0, *({"n": 1} for _ in range(MOST_ITEMS - 3)), {"n": "two"}]]
    assert list(document.first_faults(last)) == ["n"]
    assert list(document.first_faults([[0], *last])) == []
    # What a list as a whole has to be is seen whatever its length, and the next value is judged like the first.
    assert list(document.first_faults([[0]] * (2 * MOST_ITEMS + 1))) == ["most"]
    assert list(document.first_faults([[1, {"n": "two"}]])) == ["first", "n"]


def test_owners_are_found_through_references() -> None:
    referred = {
        "properties": {"a": {"$ref": "#/$defs/level", "x-requirements": {"minimum": "the.level"}}},
        "$defs": {"level": {"type": "integer", "minimum": 1, "x-requirements": {"type": "the.type"}}},
    }
    document = Document(referred)
    assert [fault.requirement for fault in document.faults({"a": 0})] == ["the.level"]
    assert [fault.requirement for fault in document.faults({"a": "b"})] == ["the.type"]


def test_pointers_escape_what_json_pointers_escape() -> None:
    odd = Document({"properties": {"a/b~c": {"type": "integer"}}})
    assert [fault.pointer for fault in odd.faults({"a/b~c": "d"})] == ["/a~1b~0c"]


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(valid(REQUEST))
def test_whole_requests_survive_json(body: Any) -> None:
    assert json.loads(json.dumps(body, allow_nan=False)) == body


def test_building_is_quick_enough_to_do_at_every_start() -> None:
    started = time.process_time()
    valid(REQUEST)
    boundary(REQUEST)
    # Nothing depends on the figure; a product of conditions that got out of hand takes minutes.
    assert time.process_time() - started < 20

"""A schema without conditions: what is left of one when every choice in it has been made.

`alternatives` makes the choices of `anyOf`, `oneOf`, `if` and the like in every way that may have values; what
cannot be said without a condition is dropped, and `exact` tells that a value still has to be validated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from conformance.strategies.dialect import ANNOTATIONS, Document, Json, Schema, SchemaFault, canonical

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
# More ways than this to choose, and the rest is left to validation: a product of conditions grows fast.
MOST_ALTERNATIVES = 128
# Which types a keyword speaks of; a schema without `type` means those it speaks of.
ABOUT: Mapping[str, tuple[str, ...]] = {
    "minimum": ("number",), "maximum": ("number",), "exclusiveMinimum": ("number",), "exclusiveMaximum": ("number",),
    "multipleOf": ("number",), "minLength": ("string",), "maxLength": ("string",), "pattern": ("string",),
    "items": ("array",), "prefixItems": ("array",), "minItems": ("array",), "maxItems": ("array",),
    "uniqueItems": ("array",), "properties": ("object",), "required": ("object",), "additionalProperties": ("object",),
    "patternProperties": ("object",), "minProperties": ("object",), "maxProperties": ("object",),
    "dependentRequired": ("object",), "dependentSchemas": ("object",),
}  # fmt: skip


class Contradiction(Exception):
    """Two schemas have no value in common; caught where alternatives are made."""


@dataclass(frozen=True)
class Plain:
    """Keywords that hold together. `low` and `high` are (bound, whether it is excluded)."""

    types: frozenset[str] | None = None
    enum: tuple[Json, ...] | None = None
    low: tuple[float, bool] | None = None
    high: tuple[float, bool] | None = None
    multiples: tuple[float, ...] = ()
    min_length: int = 0
    max_length: int | None = None
    patterns: tuple[str, ...] = ()
    min_items: int = 0
    max_items: int | None = None
    unique: bool = False
    prefix: tuple[Schema, ...] = ()
    items: Schema = True
    properties: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    by_pattern: Mapping[str, Schema] = field(default_factory=dict)
    others: Schema | None = None
    min_properties: int = 0
    max_properties: int | None = None
    about: frozenset[str] = frozenset()
    exact: bool = True
    recursive: bool = False

    def kinds(self) -> tuple[str, ...]:
        """The types of value to make, simplest first: those stated, else those that the keywords speak of, else all."""
        wanted = self.types if self.types is not None else (self.about or frozenset(TYPES))
        return tuple(kind for kind in TYPES if kind in wanted and not (kind == "integer" and "number" in wanted))

    def property(self, name: str) -> Schema:
        """The schema of that property, stated by name, by pattern or for all others; False where it may not be."""
        stated = [self.properties[name]] if name in self.properties else []
        stated += [schema for pattern, schema in self.by_pattern.items() if re.search(pattern, name)]
        if not stated:
            return True if self.others is None else self.others
        return reduce(both, stated)


def alternatives(document: Document, schema: Schema, within: tuple[str, ...] = ()) -> list[Plain]:
    """Every way to make the schema's choices that is not plainly contradictory, simplest first; empty when none is.

    `within` are the references being followed. Raises `SchemaFault` for a reference that leads to itself.
    """
    if isinstance(schema, bool):
        return [Plain()] if schema else []
    try:
        ways = [_own(schema)]
    except Contradiction:
        return []
    for group in _groups(document, schema, within):
        merged = list(_products(ways, group))
        ways = merged if len(merged) <= MOST_ALTERNATIVES else [replace(way, exact=False) for way in ways]
    return ways


def _products(ways: list[Plain], group: list[Plain]) -> Iterator[Plain]:
    for option in group:
        for way in ways:
            try:
                yield merge(way, option)
            except Contradiction:
                continue


def _groups(document: Document, schema: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[list[Plain]]:
    """The choices that a schema leaves, one list of ways for each."""

    def ways(*members: Schema, exact: bool = True) -> list[Plain]:
        found = [way for member in members for way in alternatives(document, member, within)]
        return found if exact else [replace(way, exact=False) for way in found]

    if "$ref" in schema:
        yield _referred(document, schema["$ref"], within)
    for member in schema.get("allOf", ()):
        if not _is_rule(member):
            yield ways(member)
    for conditional in _conditions(schema):
        yield ways(*conditional, exact=False)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            yield ways(*schema[keyword], exact=keyword == "anyOf")
    if "not" in schema:
        yield [way for no in negations(schema["not"]) for way in ways(no, exact=False)] or ways(True, exact=False)
    for name, member in _dependent(schema):
        yield ways({"properties": {name: False}}, {"allOf": [{"required": [name]}, member]}, exact=False)


def _referred(document: Document, reference: str, within: tuple[str, ...]) -> list[Plain]:
    if reference in within:
        raise SchemaFault(f"$ref {reference!r} leads to itself without a property or an item between")
    target = alternatives(document, document.resolve(reference), (*within, reference))
    return [replace(way, recursive=True) for way in target] if reference in document.recursive else target


def _dependent(schema: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """Properties that bring conditions along when they are there, with the conditions."""
    yield from ((name, {"required": needed}) for name, needed in schema.get("dependentRequired", {}).items())
    yield from schema.get("dependentSchemas", {}).items()


def _conditions(schema: Mapping[str, Any]) -> Iterator[list[Schema]]:
    """For each different `if` of a schema and its rules: the ways in which it fails, and the one in which it holds.

    Rules with one condition are one choice, not one for each: their product would be full of contradictions.
    """
    rules = [rule for rule in (*schema.get("allOf", ()), schema) if isinstance(rule, Mapping) and "if" in rule]
    rules = [rule for rule in rules if rule is schema or _is_rule(rule)]
    for key, condition in {canonical(rule["if"]): rule["if"] for rule in rules}.items():
        same = [rule for rule in rules if canonical(rule["if"]) == key]
        fails = [{"allOf": [no, *(rule.get("else", True) for rule in same)]} for no in negations(condition)]
        yield [*fails, {"allOf": [condition, *(rule.get("then", True) for rule in same)]}]


def _is_rule(member: Schema) -> bool:
    """Whether a schema says nothing but `if … then … else …`."""
    if isinstance(member, bool) or "if" not in member:
        return False
    return all(key in ("if", "then", "else") or key in ANNOTATIONS or key.startswith("x-") for key in member)


def negations(schema: Schema) -> list[Schema]:
    """Schemas whose values mostly break that schema: a value of one still has to be validated."""
    if isinstance(schema, bool):
        return [not schema]
    found: list[Schema] = []
    for name in dict.fromkeys((*schema.get("required", ()), *schema.get("properties", {}))):
        member = schema.get("properties", {}).get(name, True)
        if name in schema.get("required", ()):
            found.append({"properties": {name: _unlike(member)}})
        else:
            found.append({"properties": {name: _unlike(member)}, "required": [name]})
    if "type" in schema:
        stated = _types(schema["type"])
        found.append({"type": [kind for kind in TYPES if kind not in stated and kind != "integer"]})
    if isinstance(schema.get("not"), Mapping | bool):
        found.append(schema["not"])
    if isinstance(schema.get("minimum"), int | float):
        found.append({"exclusiveMaximum": schema["minimum"]})
    if isinstance(schema.get("maximum"), int | float):
        found.append({"exclusiveMinimum": schema["maximum"]})
    return found or [True]


def _unlike(member: Schema) -> Schema:
    return False if member is True else {"not": member}


def _own(schema: Mapping[str, Any]) -> Plain:
    """The schema's own keywords, without those that choose."""
    about = frozenset(kind for keyword in schema for kind in ABOUT.get(keyword, ()))
    types = frozenset(_types(schema["type"])) if "type" in schema else None
    enum = tuple(schema["enum"]) if "enum" in schema else None
    if "const" in schema:
        enum = tuple(_common(enum, (schema["const"],)))
    low = _tighter(
        _bound(schema, "minimum", excluded=False), _bound(schema, "exclusiveMinimum", excluded=True), up=True
    )
    high = _tighter(
        _bound(schema, "maximum", excluded=False), _bound(schema, "exclusiveMaximum", excluded=True), up=False
    )
    own = Plain(
        types=types, enum=enum, low=low, high=high,
        multiples=(schema["multipleOf"],) if "multipleOf" in schema else (),
        min_length=int(schema.get("minLength", 0)), max_length=schema.get("maxLength"),
        patterns=(schema["pattern"],) if "pattern" in schema else (),
        min_items=int(schema.get("minItems", 0)), max_items=schema.get("maxItems"),
        unique=bool(schema.get("uniqueItems", False)),
        prefix=tuple(schema.get("prefixItems", ())), items=schema.get("items", True),
        properties=dict(schema.get("properties", {})), required=tuple(schema.get("required", ())),
        by_pattern=dict(schema.get("patternProperties", {})), others=schema.get("additionalProperties"),
        min_properties=int(schema.get("minProperties", 0)), max_properties=schema.get("maxProperties"),
        about=about, exact="not" not in schema,
    )  # fmt: skip
    return _sane(own)


def merge(one: Plain, two: Plain) -> Plain:
    """The keywords of both; `Contradiction` when no value can satisfy them together."""
    prefix = tuple(
        both(one.prefix[i] if i < len(one.prefix) else one.items, two.prefix[i] if i < len(two.prefix) else two.items)
        for i in range(max(len(one.prefix), len(two.prefix)))
    )
    names = dict.fromkeys((*one.properties, *two.properties))
    merged = Plain(
        types=_common_types(one.types, two.types),
        enum=one.enum if two.enum is None else tuple(_common(one.enum, two.enum)),
        low=_tighter(one.low, two.low, up=True),
        high=_tighter(one.high, two.high, up=False),
        multiples=one.multiples + two.multiples,
        min_length=max(one.min_length, two.min_length),
        max_length=_least(one.max_length, two.max_length),
        patterns=one.patterns + two.patterns,
        min_items=max(one.min_items, two.min_items),
        max_items=_least(one.max_items, two.max_items),
        unique=one.unique or two.unique,
        prefix=prefix,
        items=both(one.items, two.items),
        properties={name: both(one.property(name), two.property(name)) for name in names},
        required=tuple(dict.fromkeys((*one.required, *two.required))),
        by_pattern={**one.by_pattern, **two.by_pattern},
        others=two.others if one.others is None else one.others if two.others is None else both(one.others, two.others),
        min_properties=max(one.min_properties, two.min_properties),
        max_properties=_least(one.max_properties, two.max_properties),
        about=one.about | two.about,
        exact=one.exact
        and two.exact
        and not (one.by_pattern or two.by_pattern)
        and not (one.patterns and two.patterns),
        recursive=one.recursive or two.recursive,
    )
    return _sane(merged)


def both(one: Schema, two: Schema) -> Schema:
    """A schema that holds where both do."""
    if one is True or one == two:
        return two
    if two is True:
        return one
    if one is False or two is False:
        return False
    return {"allOf": [one, two]}


def _sane(plain: Plain) -> Plain:
    """The same, unless its keywords contradict each other in plain sight for every type."""
    if plain.types is not None and not plain.types:
        raise Contradiction
    if plain.enum is not None and not plain.enum:
        raise Contradiction
    if any(plain.property(name) is False for name in plain.required) and plain.kinds() == ("object",):
        raise Contradiction
    numeric = bool(set(plain.kinds()) & {"integer", "number"}) and len(plain.kinds()) == 1
    if numeric and plain.low and plain.high and plain.enum is None and not _room(plain.low, plain.high):
        raise Contradiction
    return plain


def _room(low: tuple[float, bool], high: tuple[float, bool]) -> bool:
    return low[0] < high[0] or (low[0] == high[0] and not (low[1] or high[1]))


def _types(stated: str | list[str]) -> tuple[str, ...]:
    return (stated,) if isinstance(stated, str) else tuple(stated)


def _common_types(one: frozenset[str] | None, two: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or two is None:
        return one if two is None else two
    shared = one & two
    # Every integer is a number.
    if ("integer" in one and "number" in two) or ("number" in one and "integer" in two):
        shared |= {"integer"}
    return shared


def _common(one: tuple[Json, ...] | None, two: tuple[Json, ...]) -> list[Json]:
    if one is None:
        return list(two)
    wanted = {canonical(value) for value in two}
    return [value for value in one if canonical(value) in wanted]


def _bound(schema: Mapping[str, Any], keyword: str, *, excluded: bool) -> tuple[float, bool] | None:
    return (schema[keyword], excluded) if keyword in schema else None


def _tighter(one: tuple[float, bool] | None, two: tuple[float, bool] | None, *, up: bool) -> tuple[float, bool] | None:
    if one is None or two is None:
        return one if two is None else two
    if one[0] == two[0]:
        return (one[0], one[1] or two[1])
    return one if (one[0] > two[0]) == up else two


def _least(one: int | None, two: int | None) -> int | None:
    if one is None or two is None:
        return one if two is None else two
    return min(one, two)


def step(plain: Plain) -> float | None:
    """The distance between allowed numbers where `multipleOf` sets one; None without it."""
    if not plain.multiples:
        return None
    if all(float(each).is_integer() for each in plain.multiples):
        return math.lcm(*(int(each) for each in plain.multiples))
    return max(plain.multiples)

"""Values that break a schema in exactly one place, each naming the keyword that it breaks.

Law: a broken value is refused under every reading: all its faults are one keyword's, and no `x-unjudged` covers them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from hypothesis import strategies as st

from conformance.strategies import numbers
from conformance.strategies.bodies import companions, in_place, items_of, properties_of
from conformance.strategies.boundary import Edges
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import Document, Json, Schema, Unsatisfiable, canonical
from conformance.strategies.plain import Plain, alternatives
from conformance.strategies.valid import valid

# What is broken, in a word, by the keyword that refuses it. Conditions take the word of what was done to the value.
KINDS: Mapping[str, str] = {
    "minimum": "below", "exclusiveMinimum": "below", "maximum": "above", "exclusiveMaximum": "above",
    "multipleOf": "multiple", "type": "type", "required": "missing", "enum": "enum", "const": "const",
    "minLength": "too-short", "maxLength": "too-long", "pattern": "pattern", "minItems": "too-few",
    "maxItems": "too-many", "uniqueItems": "repeated", "items": "items", "prefixItems": "items",
    "additionalProperties": "extra", "patternProperties": "extra", "minProperties": "too-few", "maxProperties": "too-many",
    "dependentRequired": "missing",
}  # fmt: skip
# Values of a type that no server can take for another one: no numeric strings, no 0 for false, no number for a string.
WRONG: Mapping[str, tuple[Json, ...]] = {
    "string": ([{}], {"a": {}}),
    "number": ("not a number", [{}], {"a": {}}),
    "integer": ("not a number", [{}], {"a": {}}),
    "boolean": ("not a boolean", [{}], {"a": {}}),
    "array": ({"a": {}}, 17, "not an array"),  # but see `_single`
    "object": ("not an object", 17, ["not an object"]),
    "null": ("not null", [{}], {"a": {}}),
}
ODD_STRINGS = ("no such value", "", "NO SUCH VALUE", "0", " ", "a", "zz", "é")
# Too long is too long: a string that breaks a larger maximum costs more than it shows.
LONGEST = 20_000
MOST_COMBINATIONS = 400
PER_RULE = 3


@dataclass(frozen=True)
class Broken:
    """A whole value, what refuses it, and the culprit: the part that was put in (`...` for a part left out).

    `keyword`, `pointer` and `requirement` are those of the only fault; `kind` says in a word what is wrong; `path` are
    the properties from the root to the culprit.
    """

    value: Json
    keyword: str
    pointer: str
    requirement: str
    kind: str
    path: tuple[str, ...] = ()
    culprit: Json = ...


@dataclass(frozen=True)
class Candidate:
    """A value that is meant to be broken, before anybody has looked."""

    kind: str
    value: Json
    path: tuple[str, ...]
    culprit: Json


def broken(
    schema: Schema, *, base: Json = ..., caps: Caps | None = None, document: Document | None = None
) -> list[Broken]:
    """Every way to break the schema that was found, always the same: each value breaks the one keyword it names.

    `base` is a valid value to break, the schema's example or simplest value by default. Raises `Unsatisfiable` when
    there is no valid value.
    """
    document = document or Document(schema)
    edges = Edges(document, caps or Caps())
    start = _base(document, edges) if base is ... else base
    found: dict[tuple[tuple[str, ...], str, str, str], Broken] = {}
    for candidate in (*_breaks(edges, document.root, start, (), 0), *_rule_breaks(edges, start)):
        judged = verified(document, candidate)
        if judged is not None:
            # The same culprit elsewhere in an array shows nothing new.
            what = "" if candidate.culprit is ... else canonical(candidate.culprit)
            found.setdefault((candidate.path, judged.kind, judged.keyword, what), judged)
    return list(found.values())


def broken_strategy(schema: Schema, caps: Caps | None = None, *, document: Document | None = None) -> st.SearchStrategy[Broken]:
    """Broken values in random company: the ways of `broken`, each within a random valid body.

    Raises `Unsatisfiable` when the schema has no valid value, or none that breaks it.
    """
    document = document or Document(schema)
    ways = broken(schema, caps=caps, document=document)
    if not ways:
        raise Unsatisfiable("nothing breaks the schema, so there is nothing broken to send")
    if not all(isinstance(way.value, dict) and way.path for way in ways):
        return st.sampled_from(ways)
    known = document

    def transplanted(drawn: tuple[Broken, dict[str, Json]]) -> Broken | None:
        way, body = drawn
        top = way.path[0]
        # The culprit's own body says what belongs with it; everything else may vary.
        kept = {name: value for name, value in body.items() if name not in way.value}
        merged = {**kept, **way.value} if top in way.value else {k: v for k, v in {**body, **way.value}.items() if k != top}
        judged = verified(known, Candidate(way.kind, merged, way.path, way.culprit))
        return judged if judged is not None and judged.keyword == way.keyword else None

    drawn = st.tuples(st.sampled_from(ways), valid(document.root, caps, document=document))
    return drawn.map(transplanted).filter(lambda found: found is not None)


def verified(document: Document, candidate: Candidate) -> Broken | None:
    """The candidate as a broken value; None unless one keyword, and certainly that one, refuses it."""
    faults = document.faults(candidate.value)
    if not faults or any(fault.unjudged for fault in faults):
        return None
    if len({(fault.keyword, fault.requirement, fault.pointer) for fault in faults}) != 1:
        return None
    fault = faults[0]
    kind = candidate.kind if candidate.kind == "items" else KINDS.get(fault.keyword, candidate.kind)
    return Broken(
        candidate.value, fault.keyword, fault.pointer, fault.requirement, kind, candidate.path, candidate.culprit
    )


def example(document: Document, caps: Caps | None = None) -> Json:
    """A valid value to start from: the schema's own example, else its simplest value. `Unsatisfiable` without one."""
    return _base(document, Edges(document, caps or Caps()))


def _base(document: Document, edges: Edges) -> Json:
    root = document.root
    stated = [] if isinstance(root, bool) else [root[key] for key in ("x-example",) if key in root]
    stated += [] if isinstance(root, bool) else list(root.get("examples", ()))
    for value in stated:
        if document.accepts(root, value):
            return value
    found = edges.of(root)
    if not found:
        raise Unsatisfiable("the schema has no value")
    return found[0]


def _breaks(edges: Edges, schema: Schema, base: Json, path: tuple[str, ...], depth: int) -> Iterator[Candidate]:
    """Candidates for a schema and everything below it; `base` is a valid value of it."""
    if depth > edges.caps.nesting + 3:
        return
    for way in alternatives(edges.document, schema)[:8]:
        for kind, value in _own(way, base):
            yield Candidate(kind, value, path, value)
    if isinstance(schema, Mapping) and "not" in schema:
        for value in edges.of(schema["not"]):
            yield Candidate("excluded", value, path, value)
    yield from _property_breaks(edges, schema, base, path, depth)
    yield from _item_breaks(edges, schema, base, path, depth)


def _property_breaks(
    edges: Edges, schema: Schema, base: Json, path: tuple[str, ...], depth: int
) -> Iterator[Candidate]:
    stated = properties_of(edges.document, schema)
    if not stated:
        return
    objects = [base] if isinstance(base, dict) else [value for value in edges.within(schema, "", 0) if isinstance(value, dict)]
    for whole in objects[:1]:
        for name in stated:
            if name in whole:
                yield Candidate("missing", {key: value for key, value in whole.items() if key != name}, (*path, name), ...)
        for name, member in stated.items():
            if member is False:
                yield Candidate("extra", {**whole, name: "a"}, (*path, name), "a")
                continue
            inner = whole[name] if name in whole else next(iter(edges.within(member, name, 0)), None)
            beside = {**whole, **companions(edges.document, member)}
            for candidate in _breaks(edges, member, inner, (*path, name), depth + 1):
                yield Candidate(candidate.kind, {**beside, name: candidate.value}, candidate.path, candidate.culprit)


def _item_breaks(edges: Edges, schema: Schema, base: Json, path: tuple[str, ...], depth: int) -> Iterator[Candidate]:
    member = items_of(edges.document, schema)
    if isinstance(member, bool):
        return
    arrays = [base] if isinstance(base, list) and base else []
    arrays += [value for value in edges.within(schema, path[-1] if path else "", 0) if isinstance(value, list) and value]
    for whole in arrays[:1]:
        for candidate in _breaks(edges, member, whole[-1], path, depth + 1):
            # In front, so that what the request is about stays last; alone where one more would be too many.
            deeper = len(candidate.path) > len(path)
            kind = candidate.kind if deeper else "items"
            value = [candidate.value, *whole] if isinstance(whole[-1], dict) else [candidate.value]
            yield Candidate(kind, value, candidate.path, candidate.culprit)
            yield Candidate(kind, [candidate.value, *whole[1:]], candidate.path, candidate.culprit)


def _own(plain: Plain, base: Json) -> Iterator[tuple[str, Json]]:
    """Values meant to break one of the schema's own keywords, with the word for what is wrong."""
    kinds = plain.kinds()
    if plain.types is not None or plain.enum is not None:
        stated = plain.types or frozenset()
        for kind in [kind for kind in kinds if kind != "null"] or ["null"]:
            yield from (("type", value) for value in WRONG[kind] if not _could_be(value, stated | _single(plain)))
    if "integer" in kinds and "number" not in kinds:
        yield "type", 1.5 + int(plain.low[0] if plain.low else 0)
    if plain.enum is not None:
        word = "const" if len(plain.enum) == 1 else "enum"
        yield from ((word, value) for value in _unlike(plain.enum))
    if "integer" in kinds or "number" in kinds:
        yield from numbers.beyond(plain, whole="number" not in kinds)
    if "string" in kinds:
        yield from _bad_strings(plain)
    if "array" in kinds:
        yield from _bad_arrays(plain, base)
    if "object" in kinds:
        yield from _bad_objects(plain, base)


def _unlike(enum: tuple[Json, ...]) -> Iterator[Json]:
    """Values of an enum's types that are not its members, in letters or in sign."""
    if any(isinstance(value, str) for value in enum):
        yield from ODD_STRINGS[:1]
        yield from (f"{value}-like" for value in enum if isinstance(value, str))
    if any(isinstance(value, int | float) and not isinstance(value, bool) for value in enum):
        top = max(value for value in enum if isinstance(value, int | float))
        yield from (top + 1, -top - 1)
    if any(isinstance(value, bool) for value in enum):
        yield from (True, False)
    yield {"no such value": {}}


def _bad_strings(plain: Plain) -> Iterator[tuple[str, Json]]:
    if plain.min_length > 0:
        yield "too-short", "a" * (plain.min_length - 1)
        yield "too-short", ""
    if plain.max_length is not None and plain.max_length < LONGEST:
        yield "too-long", "a" * (plain.max_length + 1)
        yield "too-long", "a sea " * (plain.max_length // 3 + 1)
    if plain.patterns:
        yield from (("pattern", text) for text in ODD_STRINGS)
        yield from (("pattern", (text * 40)[: max(plain.min_length, 1)]) for text in ("~", "z", "0"))


def _bad_arrays(plain: Plain, base: Json) -> Iterator[tuple[str, Json]]:
    items = base if isinstance(base, list) and base else None
    if plain.min_items > 0:
        yield "too-few", []
        yield "too-few", (items or [])[: plain.min_items - 1]
    filler = items or [_simplest(plain.items)]
    if plain.max_items is not None and plain.max_items <= 100:
        long = [*filler, *_numbered(filler[-1], plain.max_items)][: plain.max_items + 1]
        yield "too-many", long
    if plain.unique:
        yield "repeated", [filler[0], filler[0], *filler[1:]]
        yield "repeated", [filler[0]] * max(2, plain.min_items)
    for place in range(len(plain.prefix)):
        if items is not None and len(items) > place:
            yield from (("items", [*items[:place], wrong, *items[place + 1 :]]) for wrong in ({"a": {}}, "zz", 17, []))
    if plain.items is False:
        yield "too-many", [*(items or []), "one more"]


def _bad_objects(plain: Plain, base: Json) -> Iterator[tuple[str, Json]]:
    whole: dict[str, Json] = base if isinstance(base, dict) else {}
    yield "extra", {**whole, "no_such_property": "a"}
    yield "extra", {**whole, "no_such_property": {"a": {}}}
    for pattern_name in (name for name in whole if plain.by_pattern and name not in plain.properties):
        yield from (("extra", {**whole, pattern_name: wrong}) for wrong in ({"a": {}}, "zz", 17, -17))
    if plain.min_properties > 0:
        yield "too-few", dict(islice(whole.items(), plain.min_properties - 1))
        yield "too-few", {}
    if plain.max_properties is not None:
        more = {f"extra_{number}": "a" for number in range(plain.max_properties + 1)}
        yield "too-many", dict(islice({**whole, **more}.items(), max(plain.max_properties + 1, len(whole))))


def _rule_breaks(edges: Edges, base: Json) -> Iterator[Candidate]:
    """Bodies that keep every row and break one of the rules between them."""
    document = edges.document
    if not isinstance(base, dict):
        return
    rules = [rule for schema in in_place(document, document.root) for rule in _rules(schema)]
    stated = properties_of(document, document.root)
    for rule in rules:
        names = [name for name in dict.fromkeys(_mentioned(rule)) if name in stated]
        choices = [_around(edges, name, stated[name]) for name in names]
        found: dict[tuple[str, str], int] = {}
        for values in islice(product(*choices), MOST_COMBINATIONS):
            put = dict(zip(names, values, strict=True))
            beside = [companions(document, stated[name]) for name in names if put[name] is not ...]
            whole = {**base, **{key: value for needed in beside for key, value in needed.items()}, **put}
            body = {key: value for key, value in whole.items() if value is not ...}
            culprit = {name: value for name, value in put.items() if value is not ...}
            candidate = Candidate("rule", body, tuple(culprit), culprit)
            judged = verified(document, candidate)
            if judged is not None and found.setdefault((judged.keyword, judged.requirement), 0) < PER_RULE:
                found[judged.keyword, judged.requirement] += 1
                yield candidate


def _rules(schema: Mapping[str, Any]) -> Iterator[Schema]:
    """The conditions that an object's schema puts on several properties at once."""
    members = [member for member in schema.get("allOf", ()) if isinstance(member, Mapping)]
    yield from (member for member in members if {"if", "anyOf", "oneOf", "not"} & set(member))
    yield from ({key: schema[key]} for key in ("anyOf", "oneOf", "not", "dependentSchemas") if key in schema)
    if "if" in schema:
        yield {key: schema[key] for key in ("if", "then", "else") if key in schema}
    for name, needed in schema.get("dependentRequired", {}).items():
        yield {"required": [name, *needed]}


def _mentioned(rule: Schema) -> Iterator[str]:
    if isinstance(rule, bool):
        return
    yield from rule.get("required", ())
    for name, member in rule.get("properties", {}).items():
        yield name
        yield from _mentioned(member) if isinstance(member, Mapping) and "properties" in member else ()
    for keyword in ("if", "then", "else", "not"):
        yield from _mentioned(rule.get(keyword, True))
    for keyword in ("allOf", "anyOf", "oneOf"):
        for member in rule.get(keyword, ()):
            yield from _mentioned(member)
    for name, member in rule.get("dependentSchemas", {}).items():
        yield name
        yield from _mentioned(member)


def _around(edges: Edges, name: str, schema: Schema) -> list[Json]:
    """Values of a property that a rule may tell apart: absence and its edges."""
    values = edges.within(schema, name, 0)
    # Few of many: the first and the last, where a bound would be.
    return [..., *(values if len(values) <= 5 else [*values[:3], *values[-2:]])]


def _could_be(value: Json, types: frozenset[str]) -> bool:
    names = {str: {"string"}, list: {"array"}, dict: {"object"}, int: {"integer", "number"}, float: {"number"}}
    return bool(names[type(value)] & types)


def _single(plain: Plain) -> frozenset[str]:
    """The types of an array's items: some servers take a single item for an array of one."""
    items = plain.items.get("type", "string") if isinstance(plain.items, Mapping) else "string"
    return frozenset([items] if isinstance(items, str) else items) if "array" in plain.kinds() else frozenset()


def _numbered(item: Json, count: int) -> list[Json]:
    """`count` items like that one, different where they can be."""
    if isinstance(item, str):
        return [f"{item}{number}" for number in range(count)]
    if isinstance(item, int) and not isinstance(item, bool):
        return [item + number + 1 for number in range(count)]
    return [item] * count


def _simplest(schema: Schema) -> Json:
    stated = schema.get("type") if isinstance(schema, Mapping) else None
    kind = stated[0] if isinstance(stated, list) and stated else stated
    return {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}.get(str(kind), "a")


def wrong(document: Document, schema: Schema) -> Json:
    """A value that certainly breaks a property's schema: outside its enum, else of a wrong type; `...` without one."""
    found: list[tuple[str, Json]] = [
        candidate for way in alternatives(document, schema)[:8] for candidate in _own(way, None)
    ]
    found.sort(key=lambda candidate: candidate[0] not in ("enum", "const"))
    left_open = [member for stated in in_place(document, schema) for member in stated.get("x-unjudged", ())]
    for kind, value in found:
        if kind in ("enum", "const", "type") and not any(document.accepts(each, value) for each in (schema, *left_open)):
            return value
    return ...

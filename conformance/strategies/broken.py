"""Values that break a schema in exactly one place, each naming the keyword that it breaks.

Law: a broken value is refused under every reading: all its faults are one keyword's, and no `x-unjudged` covers them.
A value of a wrong type is not in the enumeration beside that type either, which is no fault more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Any

from hypothesis import strategies as st

from conformance.strategies.bodies import companions, in_place, items_of, properties_of
from conformance.strategies.boundary import Edges
from conformance.strategies.caps import Caps
from conformance.strategies.culprits import culprits
from conformance.strategies.dialect import Document, Fault, Json, Schema, Unsatisfiable, canonical
from conformance.strategies.plain import alternatives
from conformance.strategies.valid import valid

# What is broken, in a word, by the keyword that refuses it. Conditions take the word of what was done to the value.
KINDS: Mapping[str, str] = {
    "minimum": "below", "exclusiveMinimum": "below", "maximum": "above", "exclusiveMaximum": "above",
    "multipleOf": "multiple", "type": "type", "required": "missing", "enum": "enum", "const": "const",
    "minLength": "too-short", "maxLength": "too-long", "pattern": "pattern", "minItems": "too-few",
    "maxItems": "too-many", "uniqueItems": "repeated",
    "additionalProperties": "extra", "patternProperties": "extra", "minProperties": "too-few",
    "maxProperties": "too-many", "dependentRequired": "missing",
}  # fmt: skip
# What a value of a wrong type breaks as well.
LISTS = ("enum", "const")
MOST_COMBINATIONS = 150
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


def broken(schema: Schema, *, base: Json = ..., caps: Caps | None = None, edges: Edges | None = None) -> list[Broken]:
    """Every way to break the schema that was found, always the same: each value breaks the one keyword it names.

    `base` is a valid value to break, the schema's example or simplest value by default; `edges` are those of the
    schema, if somebody has found them before. Raises `Unsatisfiable` when there is no valid value.
    """
    edges = edges or Edges(Document(schema), caps or Caps())
    document = edges.document
    start = _base(document, edges) if base is ... else base
    found: dict[tuple[tuple[str, ...], str, str, str], Broken] = {}
    settled: set[tuple[tuple[str, ...], str, str]] = set()
    for candidate in chain(_breaks(edges, document.root, start, (), 0), _rule_breaks(edges, start)):
        # The same culprit in other company, or elsewhere in an array, shows nothing new, and judging costs most here.
        what = "" if candidate.culprit is ... else canonical(candidate.culprit)
        way = (candidate.path, candidate.kind, what)
        if way in settled:
            continue
        faults = document.faults(candidate.value)
        judged = _named(candidate, faults)
        if judged is not None:
            found.setdefault((candidate.path, judged.kind, judged.keyword, what), judged)
        # No company makes a culprit break anything that is valid by itself, or that nobody judges.
        if judged is not None or not faults or all(fault.unjudged for fault in faults):
            settled.add(way)
    return list(found.values())


def broken_strategy(
    schema: Schema, caps: Caps | None = None, *, document: Document | None = None, ways: list[Broken] | None = None
) -> st.SearchStrategy[Broken]:
    """Broken values in random company: the ways of `broken`, or those given, each within a random valid body.

    Raises `Unsatisfiable` when the schema has no valid value, or none that breaks it.
    """
    document = document or Document(schema)
    ways = broken(schema, edges=Edges(document, caps or Caps())) if ways is None else ways
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
        merged = (
            {**kept, **way.value} if top in way.value else {k: v for k, v in {**body, **way.value}.items() if k != top}
        )
        judged = verified(known, Candidate(way.kind, merged, way.path, way.culprit))
        return judged if judged is not None and judged.keyword == way.keyword else None

    drawn = st.tuples(st.sampled_from(ways), valid(document.root, caps, document=document))
    found: st.SearchStrategy[Any] = drawn.map(transplanted)
    return found.filter(lambda one: one is not None)


def verified(document: Document, candidate: Candidate) -> Broken | None:
    """The candidate as a broken value; None unless one keyword, and certainly that one, refuses it."""
    return _named(candidate, document.faults(candidate.value))


def _named(candidate: Candidate, faults: list[Fault]) -> Broken | None:
    if not faults or any(fault.unjudged for fault in faults):
        return None
    told = [fault for fault in faults if fault.keyword not in LISTS] or faults
    if len({(fault.keyword, fault.requirement, fault.pointer) for fault in told}) != 1:
        return None
    fault = told[0]
    same = all((one.requirement, one.pointer) == (fault.requirement, fault.pointer) for one in faults)
    if len(told) != len(faults) and not (fault.keyword == "type" and same):
        return None
    kind = candidate.kind if candidate.kind in ("items", "rule") else KINDS.get(fault.keyword, candidate.kind)
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
        for kind, value in culprits(way, _longest(edges, schema, path, base) if way.prefix else base):
            yield Candidate(kind, value, path, value)
    if isinstance(schema, Mapping) and "not" in schema:
        for value in edges.of(schema["not"]):
            yield Candidate("excluded", value, path, value)
    yield from _property_breaks(edges, schema, base, path, depth)
    yield from _item_breaks(edges, schema, base, path, depth)


def _objects(edges: Edges, schema: Schema) -> list[dict[str, Json]]:
    return [value for value in edges.within(schema, "", 0) if isinstance(value, dict)]


def _longest(edges: Edges, schema: Schema, path: tuple[str, ...], base: Json) -> Json:
    """The longest array among the edges, so that each of its places can be broken."""
    arrays = [value for value in edges.within(schema, path[-1] if path else "", 0) if isinstance(value, list)]
    return max(arrays, key=len, default=base)


def _property_breaks(
    edges: Edges, schema: Schema, base: Json, path: tuple[str, ...], depth: int
) -> Iterator[Candidate]:
    stated = properties_of(edges.document, schema)
    for whole in [base] if isinstance(base, dict) else _objects(edges, schema)[:1]:
        if any("maxProperties" in member for member in in_place(edges.document, schema)):
            full = {name: value for name, member in stated.items() for value in edges.within(member, name, 0)[:1]}
            yield Candidate("too-many", {**full, **whole}, path, full)
        for name in whole:
            rest = {key: value for key, value in whole.items() if key != name}
            yield Candidate("missing", rest, (*path, name), ...)
        for name, member in stated.items():
            if member is False:
                yield Candidate("extra", {**whole, name: "a"}, (*path, name), "a")
                continue
            inner = whole[name] if name in whole else next(iter(edges.within(member, name, 0)), None)
            beside = {**whole, **companions(edges.document, member)}
            # Where a rule wants more beside the property than its companions, an edge of the whole has it.
            needy = name not in whole and not edges.document.accepts(schema, {**beside, name: inner})
            other = edges.holding(schema, name) if needy else None
            others = [] if other is None else [other]
            for candidate in _breaks(edges, member, inner, (*path, name), depth + 1):
                for company in (beside, whole, *others):
                    body = {**company, name: candidate.value}
                    yield Candidate(candidate.kind, body, candidate.path, candidate.culprit)


def _item_breaks(edges: Edges, schema: Schema, base: Json, path: tuple[str, ...], depth: int) -> Iterator[Candidate]:
    member = items_of(edges.document, schema)
    if isinstance(member, bool):
        return
    arrays = [base] if isinstance(base, list) and base else []
    arrays += [
        value for value in edges.within(schema, path[-1] if path else "", 0) if isinstance(value, list) and value
    ]
    for whole in arrays[:1]:
        for candidate in _breaks(edges, member, whole[-1], path, depth + 1):
            # In front, so that what the request is about stays last; alone where one more would be too many.
            deeper = len(candidate.path) > len(path)
            kind = candidate.kind if deeper else "items"
            value = [candidate.value, *whole] if isinstance(whole[-1], dict) else [candidate.value]
            yield Candidate(kind, value, candidate.path, candidate.culprit)
            yield Candidate(kind, [candidate.value, *whole[1:]], candidate.path, candidate.culprit)


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

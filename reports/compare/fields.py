"""The fields of the answers of two runs: which there are, of which types, how often; graded by the contract's schemas.

Law: a field is called absent only where it would have shown; keys that are data (a token's probability) are one field.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.wire.exchange import Exchange
from reports.compare.evident import counts_differ
from reports.compare.traffic import documents, place, route_of
from reports.visible import one_line

# A dictionary by these names has data for keys, whatever its contract calls it.
_DATA = frozenset({"top_logprobs", "logit_bias"})
_MOST_KEYS, _MOST_ITEMS, _DEEPEST = 32, 64, 10
_TYPES: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip
ANY = "*"
Path = tuple[str, ...]


@dataclass(eq=False)
class Shape:
    """What was seen at one place of many documents: how often, which types, and the same of what lies below."""

    seen: int = 0
    types: Counter[str] = field(default_factory=Counter)
    keys: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    folded: bool = False

    def take(self, value: Any, name: str = "", depth: int = 0) -> None:
        """Count one value; arrays by their first items, objects by key until the keys are too many to be names."""
        self.seen += 1
        self.types[_TYPES.get(type(value), "other")] += 1
        if depth >= _DEEPEST:
            return
        if isinstance(value, list):
            self.items = self.items or Shape()
            for item in value[:_MOST_ITEMS]:
                self.items.take(item, name, depth + 1)
        elif isinstance(value, dict):
            if name in _DATA or len(self.keys) > _MOST_KEYS or len(value) > _MOST_KEYS:
                self.fold()
            for key, item in value.items():
                self.keys.setdefault(ANY if self.folded else key, Shape()).take(item, key, depth + 1)

    def fold(self) -> None:
        """Take all keys for one: they are data."""
        if not self.folded:
            self.folded = True
            whole = Shape()
            for one in self.keys.values():
                whole.join(one)
            self.keys = {ANY: whole} if self.keys else {}

    def join(self, other: Shape) -> None:
        """Take in what another shape has seen."""
        self.seen += other.seen
        self.types.update(other.types)
        if other.folded:
            self.fold()
        for key, one in other.keys.items():
            self.keys.setdefault(ANY if self.folded else key, Shape()).join(one)
        if other.items is not None:
            self.items = self.items or Shape()
            self.items.join(other.items)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a contract's schema says of one place: by which requirement it has to be there, and with which types.

    `documented` says whether the schema names it at all; ids are empty where nothing is required.
    """

    documented: bool = False
    required: str = ""
    types: frozenset[str] = frozenset()
    type_row: str = ""


@dataclass(frozen=True, kw_only=True)
class FieldDifference:
    """One field that the answers of two runs do not have alike. `kind` is `presence` or `type`.

    `hits` and `totals` count the values on either side; for a type, of that type. `less` says which side breaks the
    row: the one that lacks what is required, or has a type that is not allowed; empty for neither.
    """

    path: str
    kind: str
    places: tuple[str, ...]
    row: Row
    hits: tuple[int, int]
    totals: tuple[int, int]
    what: str = ""
    less: str = ""


def shapes(exchanges: Iterable[Exchange]) -> dict[str, Shape]:
    """What the answers of the routes look like, by route and kind."""
    found: dict[str, Shape] = {}
    for exchange in exchanges:
        if not route_of(exchange):
            continue
        for document in documents(exchange):
            found.setdefault(place(exchange), Shape()).take(document)
    return found


def field_differences(
    baseline: Mapping[str, Shape], candidate: Mapping[str, Shape], schemas: Mapping[str, Mapping[str, Any]]
) -> list[FieldDifference]:
    """The fields that differ, those of several places with the same difference as one."""
    found: dict[tuple[object, ...], FieldDifference] = {}
    for name in sorted(baseline.keys() & candidate.keys()):
        for one in _below((), baseline[name], candidate[name], schemas.get(name, {})):
            key = (one.path, one.kind, one.what, one.less, bool(one.row.required), one.row.documented)
            told = replace(one, places=(name,))
            found[key] = _together(found[key], told) if key in found else told
    return list(found.values())


def _together(one: FieldDifference, other: FieldDifference) -> FieldDifference:
    return replace(
        one,
        places=(*one.places, *other.places),
        hits=(one.hits[0] + other.hits[0], one.hits[1] + other.hits[1]),
        totals=(one.totals[0] + other.totals[0], one.totals[1] + other.totals[1]),
    )


def _below(path: Path, left: Shape, right: Shape, schema: Mapping[str, Any]) -> Iterator[FieldDifference]:
    """The differences of one place and of what lies below it in both."""
    if path:
        yield from _types(path, left, right, schema)
    if left.items is not None and right.items is not None:
        items = schema.get("items")
        yield from _below((*path, "[]"), left.items, right.items, items if isinstance(items, dict) else {})
    if left.folded or right.folded or len(left.keys.keys() | right.keys.keys()) > _MOST_KEYS:
        left.fold()
        right.fold()
    for key in sorted(left.keys.keys() | right.keys.keys()):
        mine, theirs = left.keys.get(key, Shape()), right.keys.get(key, Shape())
        below = _properties(schema).get(key, {})
        totals = (left.types["object"], right.types["object"])
        if key != ANY:
            yield from _presence((*path, key), (mine.seen, theirs.seen), totals, _row(schema, key))
        if mine.seen and theirs.seen:
            yield from _below((*path, key), mine, theirs, below)


def _presence(path: Path, hits: tuple[int, int], totals: tuple[int, int], row: Row) -> Iterator[FieldDifference]:
    if not counts_differ((hits[0], totals[0]), (hits[1], totals[1])):
        return
    lacks = "candidate" if hits[1] * totals[0] < hits[0] * totals[1] else "baseline"
    yield FieldDifference(
        path=shown_path(path), kind="presence", places=(), row=row, hits=hits, totals=totals,
        less=lacks if row.required else "",
    )  # fmt: skip


def _types(path: Path, left: Shape, right: Shape, schema: Mapping[str, Any]) -> Iterator[FieldDifference]:
    sides = [Counter(left.types), Counter(right.types)]
    if any(side["number"] for side in sides):
        # A whole number among others is a number; which of them happen to be whole says nothing.
        for side in sides:
            side["number"] += side.pop("integer", 0)
    row = _row_of_types(schema)
    for name in sorted(sides[0].keys() | sides[1].keys()):
        hits, totals = (sides[0][name], sides[1][name]), (left.seen, right.seen)
        if all(hits) or not counts_differ((hits[0], totals[0]), (hits[1], totals[1])):
            continue
        wrong = bool(row.types) and name not in row.types
        less = ("baseline" if hits[0] else "candidate") if wrong else ""
        yield FieldDifference(
            path=shown_path(path), kind="type", places=(), row=row, hits=hits, totals=totals, what=name, less=less
        )


def _row(schema: Mapping[str, Any], key: str) -> Row:
    required = schema.get("x-requirements", {}).get("required", {})
    known = key in _properties(schema)
    return Row(documented=known, required=required.get(key, "") if key in schema.get("required", ()) else "")


def _row_of_types(schema: Mapping[str, Any]) -> Row:
    named = schema.get("type", [])
    types = {named} if isinstance(named, str) else set(named)
    types |= {"integer"} if "number" in types else set()
    return Row(
        documented=bool(schema), types=frozenset(types), type_row=schema.get("x-requirements", {}).get("type", "")
    )


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for word in ("then", "else"):
        if isinstance(schema.get(word), dict):
            found |= schema[word].get("properties", {})
    return found


def shown_path(path: Path) -> str:
    """The path as reports write it: `choices[].message.content`; keys that are no names are quoted and cut short."""
    text = ""
    for part in path:
        if part == "[]":
            text += part
        else:
            plain = part == ANY or re.fullmatch(r"[\w-]{1,60}", part, re.ASCII)
            text += ("." if text else "") + (part if plain else f"“{one_line(part, 60)}”")
    return text

"""The values at the edges of a schema: where servers are off by one.

Law: the list is the same every time, and each of its values is valid.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from conformance.strategies import numbers
from conformance.strategies.bodies import companions
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import Document, Json, Schema, canonical
from conformance.strategies.plain import Plain, alternatives
from conformance.strategies.texts import matching, notable, samples
from conformance.strategies.valid import listable, unnamed, valid

# More conditions than this make no new edges, only more combinations of them.
MOST_WAYS = 12

# An array's stated maximum is tried when it is no longer than this; a longer one costs more than it shows.
STATED_ITEMS = 8


def boundary(
    schema: Schema, caps: Caps | None = None, *, document: Document | None = None, name: str = ""
) -> list[Json]:
    """The edges of a schema, simplest first; raises `Unsatisfiable` when the schema has no value.

    They are the bounds and their neighbours, the members of an enum, one value of each type, the shortest and the
    longest, an object with its required properties only and one with all. `document` resolves references when the
    schema is a part of one; `name` is the property that the values are for.
    """
    document = document or Document(schema)
    return Edges(document, caps or Caps()).of(schema, name)


class Edges:
    """Finds the edges of one document's schemas, each once. Safe to share between threads."""

    def __init__(self, document: Document, caps: Caps) -> None:
        self.document = document
        self.caps = caps
        self._found: dict[tuple[str, str, int], list[Json]] = {}
        self._lock = threading.RLock()

    def of(self, schema: Schema, name: str = "") -> list[Json]:
        """The edges of a schema; `Unsatisfiable` when it has no value at all."""
        return self.within(schema, name, 0) or samples(valid(schema, self.caps, document=self.document, name=name), 3)

    def within(self, schema: Schema, name: str, depth: int) -> list[Json]:
        """The edges of a schema inside `depth` recursions; empty where none can be constructed."""
        key = (json.dumps(schema, sort_keys=True), name, depth)
        with self._lock:
            if key not in self._found:
                # A schema that holds itself sees no edges of its own while they are being found.
                self._found[key] = []
                self._found[key] = self._find(schema, name, depth)
            return self._found[key]

    def holding(self, schema: Schema, name: str) -> dict[str, Json] | None:
        """The first object among the edges that has a property of that name; judges no more of them than it has to."""
        with self._lock:
            objects = (value for value in self._candidates(schema, "", 0) if isinstance(value, dict) and name in value)
            return next((value for value in objects if self.document.accepts(schema, value)), None)

    def fullest(self, schema: Schema) -> dict[str, Json] | None:
        """The object among the edges with the most properties; None where there is no object."""
        with self._lock:
            objects = [value for value in self._candidates(schema, "", 0) if isinstance(value, dict)]
            return next((v for v in sorted(objects, key=len, reverse=True) if self.document.accepts(schema, v)), None)

    def _find(self, schema: Schema, name: str, depth: int) -> list[Json]:
        candidates = {canonical(value): value for value in self._candidates(schema, name, depth)}
        return [value for value in candidates.values() if self.document.accepts(schema, value)]

    def _candidates(self, schema: Schema, name: str, depth: int) -> Iterator[Json]:
        if depth <= self.caps.nesting:
            for way in alternatives(self.document, schema)[:MOST_WAYS]:
                yield from self._way(way, schema, name, depth)

    def _way(self, plain: Plain, schema: Schema, name: str, depth: int) -> Iterator[Json]:
        kinds = plain.kinds()
        if plain.enum is not None:
            yield from listable(plain)
            return
        if "null" in kinds:
            yield None
        if "boolean" in kinds:
            yield from (False, True)
        for kind in ("integer", "number"):
            if kind in kinds:
                yield from self._numbers(plain, name, whole=kind == "integer")
        if "string" in kinds:
            yield from self._strings(plain)
        if "array" in kinds:
            yield from self._arrays(plain, name, depth + plain.recursive)
        if "object" in kinds:
            yield from self._objects(plain, schema, depth + plain.recursive)

    def _numbers(self, plain: Plain, name: str, *, whole: bool) -> list[Json]:
        found = numbers.edges(plain, whole=whole, cap=self.caps.maxima.get(name))
        # A cap below everything that is allowed cannot be kept.
        return found or numbers.edges(plain, whole=whole)

    def _strings(self, plain: Plain) -> list[Json]:
        longest = (
            self.caps.string_length if plain.max_length is None else min(self.caps.string_length, plain.max_length)
        )
        longest = max(longest, plain.min_length)
        found: list[Json] = list(notable(plain.min_length, longest))
        if plain.patterns:
            found += samples(matching(plain.patterns, plain.min_length, longest, plain.max_length), 4)
        return found

    def _arrays(self, plain: Plain, name: str, depth: int) -> Iterator[Json]:
        heads: list[Json] = []
        for member in plain.prefix:
            first = self.within(member, name, depth)[:1]
            if not first:
                break
            heads += first
        items = ["a", "b", "c"] if plain.items is True else self.within(plain.items, name, depth)
        fewest = plain.min_items
        most = max(self.caps.array_length, len(plain.prefix), fewest)
        if plain.max_items is not None:
            most = plain.max_items if plain.max_items <= STATED_ITEMS else min(most, plain.max_items)
        yield heads[:fewest] + _filled(items, fewest - len(heads), plain)
        if len(heads) == len(plain.prefix):
            # Every string is tried alone elsewhere; in an array a few are enough.
            few = [*items[:3], *items[-2:]] if all(isinstance(item, str) for item in items) else items
            yield from ([*heads, *_filled([item, *items], max(1, fewest - len(heads)), plain)] for item in few)
            yield heads + _filled(items, most - len(heads), plain)

    def _objects(self, plain: Plain, schema: Schema, depth: int) -> Iterator[Json]:
        values = {key: self.within(plain.property(key), key, depth) for key in (*plain.required, *plain.properties)}
        values |= {key: self.within(plain.property(key), key, depth) for key in unnamed(plain)}
        if any(not values[key] for key in plain.required):
            return
        least = {key: values[key][0] for key in plain.required}
        for key in list(values):
            if len(least) < plain.min_properties and values[key]:
                least.setdefault(key, values[key][0])
        yield dict(least)
        for key, edges in values.items():
            for value in edges:
                yield {**least, **companions(self.document, plain.properties.get(key, True)), key: value}
        yield {key: edges[0] for key, edges in values.items() if edges}
        # Everything at once may break a rule; then as much as the rules allow.
        body = dict(least)
        for key, edges in values.items():
            for value in edges[-1:]:
                more = {**body, **companions(self.document, plain.properties.get(key, True)), key: value}
                body = more if self.document.accepts(schema, more) else body
        yield body


def _filled(items: list[Json], count: int, plain: Plain) -> list[Json]:
    """`count` of the items, over and over unless they have to differ."""
    if count <= 0 or not items:
        return []
    if plain.unique:
        return list({canonical(item): item for item in items}.values())[:count]
    return [items[number % len(items)] for number in range(count)]

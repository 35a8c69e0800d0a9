"""Where a request can vary: its properties and the properties of its nested objects, each with its valid values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from conformance.strategies.bodies import items_of, properties_of, with_property
from conformance.strategies.boundary import Edges
from conformance.strategies.dialect import Document, Json, Schema

# Objects within objects within objects, and no further.
DEEPEST = 3


@dataclass(frozen=True)
class Place:
    """One property. `put` makes the base request with that value; `values` are the edges that give a valid request."""

    path: tuple[str, ...]
    schema: Schema
    put: Callable[[Json], dict[str, Json]]
    values: tuple[Json, ...]

    @property
    def name(self) -> str:
        """The property as a message names it: `messages.role`."""
        return ".".join(self.path)


def places(document: Document, edges: Edges, base: Mapping[str, Json]) -> Iterator[Place]:
    """Every place of a request in the schema's order, a nested one after the property that it is in."""
    for name, schema in properties_of(document, document.root).items():
        if schema is False:
            continue

        def put(value: Json, name: str = name) -> dict[str, Json]:
            return with_property(document, base, name, value)

        yield from _within(document, edges, (name,), schema, base.get(name), put)


def _within(
    document: Document,
    edges: Edges,
    path: tuple[str, ...],
    schema: Schema,
    usual: Json,
    put: Callable[[Json], dict[str, Json]],
) -> Iterator[Place]:
    values = edges.within(schema, path[-1], 0)
    items = items_of(document, schema)
    fields = properties_of(document, items) or properties_of(document, schema)
    valid = [value for value in values if document.accepts(document.root, put(value))]
    # What varies inside has places of its own; here only the fewest and the most are left to try.
    yield Place(path, schema, put, tuple([valid[0], valid[-1]] if fields and len(valid) > 2 else valid))
    if len(path) >= DEEPEST:
        return
    sample = usual if usual is not None else next((value for value in valid if value), None)
    others: list[Json] = sample if isinstance(sample, list) else []
    array = bool(properties_of(document, items))
    item = others[-1] if array and others else sample
    if not isinstance(item, dict):
        return
    for name, field in fields.items():
        if field is False:
            continue

        def deeper(value: Json, name: str = name) -> dict[str, Json]:
            changed = {**item, name: value}
            # In front, so that what the request is about stays last.
            return put([changed, *others] if array else changed)

        yield from _within(document, edges, (*path, name), field, item.get(name), deeper)

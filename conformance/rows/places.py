"""Where a request can vary: its properties and the properties of its nested objects, each with its valid values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from conformance.rows.owners import owner_of
from conformance.strategies.bodies import items_of, properties_of, with_property
from conformance.strategies.boundary import Edges
from conformance.strategies.dialect import Document, Json, Schema

# Objects within objects within objects, and no further.
DEEPEST = 3


@dataclass(frozen=True)
class Place:
    """One property. `put` makes a request with that value; `values` are the edges that make a valid one.

    `owner` is the id of the row that the property came from, or the nearest one around it.
    """

    path: tuple[str, ...]
    schema: Schema
    put: Callable[[Json], dict[str, Json]]
    values: tuple[Json, ...]
    owner: str = ""

    @property
    def name(self) -> str:
        """The property as a message names it: `messages.role`."""
        return ".".join(self.path)


def places(document: Document, edges: Edges, base: Mapping[str, Json]) -> Iterator[Place]:
    """Every place of a request in the schema's order, a nested one after the property that it is in."""
    for name, schema in properties_of(document, document.root).items():
        if schema is False:
            continue

        start = _start(document, edges, base, name, schema)

        def put(value: Json, name: str = name, start: Mapping[str, Json] = start) -> dict[str, Json]:
            return with_property(document, start, name, value)

        yield from _within(document, edges, Place((name,), schema, put, (), owner_of(schema)), base.get(name))


def _start(document: Document, edges: Edges, base: Mapping[str, Json], name: str, schema: Schema) -> Mapping[str, Json]:
    """The base, or where rules want more beside the property than it and its companions have, a body that has it."""
    values = edges.within(schema, name, 0)
    if any(document.accepts(document.root, with_property(document, base, name, value)) for value in values):
        return base
    bodies = [body for body in edges.of(document.root) if isinstance(body, dict) and name in body]
    return next(
        (
            body
            for body, value in product(bodies, values)
            if document.accepts(document.root, with_property(document, body, name, value))
        ),
        base,
    )


def _within(document: Document, edges: Edges, place: Place, usual: Json) -> Iterator[Place]:
    path, schema, put = place.path, place.schema, place.put
    values = edges.within(schema, path[-1], 0)
    items = items_of(document, schema)
    fields = properties_of(document, items) or properties_of(document, schema)
    valid = [value for value in values if document.accepts(document.root, put(value))]
    # What varies inside has places of its own; here only the fewest and the most are left to try.
    yield replace(place, values=tuple([valid[0], valid[-1]] if fields and len(valid) > 2 else valid))
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

        inner = Place((*path, name), field, deeper, (), owner_of(field) or place.owner)
        yield from _within(document, edges, inner, item.get(name))

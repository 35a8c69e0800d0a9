"""What to put where a schema wants something else: for each keyword, values that break it and little besides.

Law: nothing here is judged; what a value breaks is for the validator to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice

from conformance.strategies import numbers
from conformance.strategies.bodies import in_place
from conformance.strategies.dialect import Document, Json, Schema
from conformance.strategies.plain import Plain, alternatives

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
ODD_ITEMS: tuple[Json, ...] = ({"a": {}}, "zz", 17, -17, [])
ODD_STRINGS = ("no such value", "", "NO SUCH VALUE", "0", " ", "a", "zz", "é")
# Too long is too long: a string that breaks a larger maximum costs more than it shows.
LONGEST = 20_000


def culprits(plain: Plain, base: Json) -> Iterator[tuple[str, Json]]:
    """Values meant to break one of the schema's own keywords, with the word for what is wrong."""
    kinds = plain.kinds()
    if plain.enum is not None:
        word = "const" if len(plain.enum) == 1 else "enum"
        yield from ((word, value) for value in _unlike(plain.enum))
    if plain.types is not None:
        for kind in [kind for kind in kinds if kind != "null"] or ["null"]:
            yield from (("type", value) for value in WRONG[kind] if not _could_be(value, plain.types | _single(plain)))
    if plain.enum is not None:
        return
    if "integer" in kinds and "number" not in kinds:
        low, high = numbers.span(plain, None)
        yield "type", math.floor(low) + 0.5 if math.floor(low) + 0.5 >= low else math.ceil(high) - 0.5
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
            yield from (("items", [*items[:place], odd, *items[place + 1 :]]) for odd in ODD_ITEMS)
    if plain.items is False:
        yield "too-many", [*(items or []), "one more"]


def _bad_objects(plain: Plain, base: Json) -> Iterator[tuple[str, Json]]:
    whole: dict[str, Json] = base if isinstance(base, dict) else {}
    yield "extra", {**whole, "no_such_property": "a"}
    yield "extra", {**whole, "no_such_property": {"a": {}}}
    for pattern_name in (name for name in whole if plain.by_pattern and name not in plain.properties):
        yield from (("extra", {**whole, pattern_name: odd}) for odd in ODD_ITEMS)
    if plain.min_properties > 0:
        yield "too-few", dict(islice(whole.items(), plain.min_properties - 1))
        yield "too-few", {}
    if plain.max_properties is not None:
        filler = _simplest(plain.others if plain.others is not None else True)
        more = {f"extra_{number}": filler for number in range(plain.max_properties + 1)}
        yield "too-many", dict(islice({**whole, **more}.items(), max(plain.max_properties + 1, len(whole))))


def wrong(document: Document, schema: Schema) -> Json:
    """A value that certainly breaks a property's schema: outside its enum, else of a wrong type; `...` without one."""
    found: list[tuple[str, Json]] = [
        candidate for way in alternatives(document, schema)[:8] for candidate in culprits(way, None)
    ]
    found.sort(key=lambda candidate: candidate[0] not in ("enum", "const"))
    left_open = [member for stated in in_place(document, schema) for member in stated.get("x-unjudged", ())]
    for kind, value in found:
        if kind in ("enum", "const", "type") and not any(
            document.accepts(each, value) for each in (schema, *left_open)
        ):
            return value
    return ...


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

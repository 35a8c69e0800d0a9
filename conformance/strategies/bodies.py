"""Whole bodies: an example of a request, and the same with one property changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from conformance.strategies.dialect import Document, Json, Schema, document_of


def with_property(document: Document, base: Mapping[str, Json], name: str, value: Json) -> dict[str, Json]:
    """The base body with the property's companions and the property; a value of `...` leaves the property out."""
    body = {**base, **companions(document, property_of(document, document.root, name)), name: value}
    return {key: each for key, each in body.items() if each is not ...}


def companions(document: Document, schema: Schema) -> dict[str, Json]:
    """The other properties, with values, that a property of that schema needs beside it."""
    found: dict[str, Json] = {}
    for member in in_place(document, schema):
        found.update(member.get("x-companions", {}))
    return found


def without(schema: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """The object's schema with no valid value for those properties, so that what rules say of them stays sound.

    They are not merely left out: a rule that requires one of them would then draw it as a property of any kind.
    """
    if not names:
        return schema
    changed = {**schema, "properties": {**schema.get("properties", {}), **dict.fromkeys(names, False)}}
    if "x-example" in schema:
        changed["x-example"] = {name: value for name, value in schema["x-example"].items() if name not in names}
    return changed


def fitting(schema: Mapping[str, Any], body: Mapping[str, Json], names: Collection[str]) -> list[str]:
    """Those of the names whose values in the body their own schemas accept; refusing any other value is right."""
    document = document_of(schema)
    present = [name for name in names if name in body]
    return [name for name in present if document.accepts(property_of(document, document.root, name), body[name])]


def property_of(document: Document, schema: Schema, name: str) -> Schema:
    """The schema that an object's schema states for a property; True when it states none."""
    for member in in_place(document, schema):
        if name in member.get("properties", {}):
            stated: Schema = member["properties"][name]
            return stated
    return True


def properties_of(document: Document, schema: Schema) -> dict[str, Schema]:
    """Every property that an object's schema states outside its conditions, in the schema's order."""
    found: dict[str, Schema] = {}
    for member in in_place(document, schema):
        for name, stated in member.get("properties", {}).items():
            found.setdefault(name, stated)
    return found


def items_of(document: Document, schema: Schema) -> Schema:
    """The schema that an array's schema states for its items; True when it states none."""
    for member in in_place(document, schema):
        if "items" in member:
            stated: Schema = member["items"]
            return stated
    return True


def in_place(document: Document, schema: Schema, within: tuple[str, ...] = ()) -> list[Mapping[str, Any]]:
    """The schema and those it holds unconditionally for the same value: through `$ref` and `allOf`."""
    if isinstance(schema, bool):
        return []
    found: list[Mapping[str, Any]] = [schema]
    reference = schema.get("$ref")
    if reference is not None and reference not in within:
        found += in_place(document, document.resolve(reference), (*within, reference))
    for member in schema.get("allOf", ()):
        found += in_place(document, member, within)
    return found

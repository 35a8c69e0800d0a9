"""Whose row a keyword is: gives ids to a schema of the user's own, so that it drives checks as a contract does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.strategies.bodies import in_place
from conformance.strategies.dialect import ANNOTATIONS, Document, Schema, children, document_of
from schemas.model import Requirement

# Keywords that judge nothing by themselves.
SILENT = ANNOTATIONS | {"properties", "patternProperties", "$defs", "$ref", "if"}


def owned(schema: Mapping[str, Any], route: str) -> dict[str, Any]:
    """The schema with an owner for each keyword (`schema.ROUTE.PARAMETER`); as it is where it already names owners."""
    if _names_owners(schema):
        return dict(schema)
    return _owned(document_of(schema), schema, f"schema.{route}", top=True)


def extra_rows(schema: Mapping[str, Any], route: str, source: str = "") -> list[Requirement]:
    """The requirements that a schema without owners states: one for each property, one for each rule.

    `source` says where the schema is from; its `$id` or its title by default.
    """
    if _names_owners(schema):
        return []
    where = source or str(schema.get("$id") or schema.get("title") or "a schema of one's own")
    prefix = f"schema.{route}"
    whole = _owned(document_of(schema), schema, prefix, top=True)
    quotes = dict(_rows(whole, prefix))
    for owner in _owners(whole):
        quotes.setdefault(owner, f"`{owner.removeprefix(prefix + '.')}` is required.")
    return [Requirement(id=owner, level="MUST", quote=quote, source=where) for owner, quote in quotes.items()]


def owner_of(schema: Schema) -> str:
    """The id of the row that a property's schema came from; empty when it names none."""
    if isinstance(schema, bool):
        return ""
    owners = schema.get("x-requirements", {})
    return next((owner for owner in (owners.get("type"), *owners.values()) if isinstance(owner, str)), "")


def _names_owners(schema: Schema) -> bool:
    if isinstance(schema, Mapping) and "x-requirements" in schema:
        return True
    return any(_names_owners(member) for _, member in children(schema))


def _owned(document: Document, schema: Mapping[str, Any], owner: str, *, top: bool = False) -> dict[str, Any]:
    """A copy in which the keywords of a schema and of its properties have owners."""
    own = f"{owner}.body" if top else owner
    owners: dict[str, Any] = {}
    for member in in_place(document, schema):
        for keyword, content in member.items():
            if keyword == "required":
                owners[keyword] = {name: f"{owner}.{name}" for name in content} | dict(owners.get(keyword, {}))
            elif keyword not in SILENT and not keyword.startswith("x-"):
                owners.setdefault(keyword, own)
    result = {**schema, "x-requirements": owners}
    if "properties" in schema:
        result["properties"] = {
            name: _owned(document, member, f"{owner}.{name}") if isinstance(member, Mapping) else member
            for name, member in schema["properties"].items()
        }
    if isinstance(schema.get("items"), Mapping):
        result["items"] = _owned(document, schema["items"], owner)
    if top:
        owners.pop("allOf", None)
        result["allOf"] = [
            _rule(document, member, f"{owner}.rule-{number}")
            for number, member in enumerate(schema.get("allOf", ()), 1)
        ]
    if not result.get("allOf", True):
        del result["allOf"]
    return result


def _rule(document: Document, member: Schema, owner: str) -> Schema:
    if isinstance(member, bool):
        return member
    owners: dict[str, Any] = {}
    for part in in_place(document, member):
        for keyword, content in part.items():
            if keyword == "required":
                owners[keyword] = dict.fromkeys(content, owner) | dict(owners.get(keyword, {}))
            elif keyword == "properties" or (keyword not in SILENT and not keyword.startswith("x-")):
                # A fault below `properties` is met there first when an error's path is walked.
                owners[keyword] = owner
    return {**member, "x-requirements": owners}


def _owners(schema: Schema) -> Iterator[str]:
    """Every owner that a schema names, at any depth."""
    if isinstance(schema, Mapping):
        for owner in schema.get("x-requirements", {}).values():
            yield from owner.values() if isinstance(owner, Mapping) else (owner,)
    for _, member in children(schema):
        yield from _owners(member)


def _rows(schema: Mapping[str, Any], owner: str) -> Iterator[tuple[str, str]]:
    """The owners of the body, its properties and its rules, with the words that each stands for."""
    yield f"{owner}.body", str(schema.get("title") or schema.get("description") or "The body keeps the schema.")
    yield from _properties(schema, owner)
    for number, member in enumerate(schema.get("allOf", ()), 1):
        yield f"{owner}.rule-{number}", _words(member)


def _properties(schema: Mapping[str, Any], owner: str) -> Iterator[tuple[str, str]]:
    for name, member in schema.get("properties", {}).items():
        yield f"{owner}.{name}", _words(member)
        if isinstance(member, Mapping):
            yield from _properties(member, f"{owner}.{name}")
            if isinstance(member.get("items"), Mapping):
                yield from _properties(member["items"], f"{owner}.{name}")


def _words(schema: Schema) -> str:
    if isinstance(schema, Mapping) and schema.get("description"):
        return str(schema["description"])
    return json.dumps(_bare(schema), ensure_ascii=False)


def _bare(value: Any) -> Any:
    """The schema as its author wrote it."""
    if isinstance(value, Mapping):
        return {key: _bare(each) for key, each in value.items() if key != "x-requirements"}
    return [_bare(each) for each in value] if isinstance(value, list) else value

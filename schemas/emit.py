"""Turns the rows into JSON Schemas (2020-12) in which every keyword carries the id of its requirement.

Law: the files under `json/` are what the rows emit, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from typing import Any, Literal, cast, get_args

from schemas import contracts
from schemas.model import Contract, ContractError, Object, Operation, Param, Route, Rule

Part = Literal["request", "response", "chunk"]
PARTS: tuple[Part, ...] = get_args(Part)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
GENERATOR = "python -m schemas --write"

# Keywords that constrain nothing by themselves: annotations, and the containers whose members do.
SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "properties", "if"})
# Where a keyword's value is a schema, a list of schemas, or schemas by name.
ONE = frozenset({"items", "additionalProperties", "not", "then", "else"})
MANY = frozenset({"prefixItems", "anyOf", "oneOf", "allOf"})
NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})

# What was emitted, by the identity of its contract, which is kept alive so that no other can take its place.
_TEXTS: dict[tuple[int, Route, Part], tuple[Contract, str]] = {}


def schema(contract: Contract, route: Route, part: Part) -> dict[str, Any]:
    """The JSON Schema of a request, a response or a chunk of that route, as the rows say it; yours to change."""
    key = (id(contract), route, part)
    if key not in _TEXTS:
        _TEXTS[key] = (contract, _text(_schema(contract, route, part)))
    copy: dict[str, Any] = json.loads(_TEXTS[key][1])
    return copy


def load(contract_name: str, route: str, part: str) -> dict[str, Any]:
    """The committed JSON Schema; `ContractError` for a contract, route or part that there is not."""
    contract = contracts.get(contract_name)
    if part not in PARTS:
        raise ContractError(f"no part of a contract is named {part!r}; choose from {', '.join(PARTS)}")
    offered = [operation.route for operation in contract.operations]
    if route not in offered:
        raise ContractError(f"contract {contract_name} has no route {route!r}; choose from {', '.join(offered)}")
    file = resources.files("schemas").joinpath("json", contract_name, f"{route}.{part}.json")
    return cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))


def emit_all() -> dict[str, str]:
    """The text of every file below `json/`, by its path relative to that folder, in order."""
    texts = {
        f"{name}/{operation.route}.{part}.json": _text(schema(contract, operation.route, part))
        for name, contract in contracts.CONTRACTS.items()
        for operation in contract.operations
        for part in PARTS
    }
    return dict(sorted(texts.items()))


def _schema(contract: Contract, route: Route, part: Part) -> dict[str, Any]:
    name, operation = contract.name, contract.operation(route)
    table: Object = getattr(operation, part)
    document: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:seatrial:{name}:{route}:{part}",
        "title": table.title,
        "x-generated-by": GENERATOR,
        "x-contract": name,
        "x-source": contract.source,
    }
    if part == "request":
        document["x-example"] = dict(operation.example)
    document["type"] = "object"
    document.update(_object(table))
    document["x-requirements"] = {"type": _payload(operation, part), **document.get("x-requirements", {})}
    return document


def _payload(operation: Operation, part: Part) -> str:
    names = {"request": "head.payload", "response": "response.payload", "chunk": "stream.events"}
    return f"{operation.route}.{names[part]}"


def _object(table: Object) -> dict[str, Any]:
    """The keywords of an object: its properties, the required ones among them, and its rules."""
    result: dict[str, Any] = {"properties": {param.name: _property(param) for param in table.params}}
    required = {param.name: param.id for param in table.params if param.required}
    owners: dict[str, Any] = {}
    if required:
        result["required"] = list(required)
        owners["required"] = required
    if table.closed is not None:
        result["additionalProperties"] = False
        owners["additionalProperties"] = table.closed.id
    if owners:
        result["x-requirements"] = owners
    if table.rules:
        result["allOf"] = [_rule(rule) for rule in table.rules]
    return result


def _property(param: Param) -> dict[str, Any]:
    result: dict[str, Any] = {"description": param.quote, **_owned(param.schema, param.id)}
    default = _default(param.default)
    if default is not ...:
        result["default"] = default
    if param.fields is not None:
        result = _with_fields(result, param)
    if param.unjudged:
        result["x-unjudged"] = [deepcopy(dict(value)) for value in param.unjudged]
    if param.companions:
        result["x-companions"] = dict(param.companions)
    return result


def _with_fields(result: dict[str, Any], param: Param) -> dict[str, Any]:
    """The property with the rows of its nested table: those of its items when it is an array, else its own."""
    assert param.fields is not None
    nested = _object(param.fields)
    if param.schema.get("type") == "array":
        owner = {"type": param.id, **nested.pop("x-requirements", {})}
        items = {"title": param.fields.title, "type": "object", **nested, "x-requirements": owner}
        result["x-requirements"] = {**result["x-requirements"], "items": param.id}
        return {**result, "items": items}
    properties = {**nested.pop("properties"), **result.get("properties", {})}
    owners = {**result.get("x-requirements", {}), **nested.pop("x-requirements", {})}
    return {**result, **nested, "properties": properties, "x-requirements": owners}


def _rule(rule: Rule) -> dict[str, Any]:
    result: dict[str, Any] = {"description": rule.quote, **deepcopy(dict(rule.schema))}
    result["x-requirements"] = {keyword: rule.id for keyword in rule.schema if keyword not in SILENT}
    if rule.unjudged:
        result["x-unjudged"] = [deepcopy(dict(value)) for value in rule.unjudged]
    return result


def _owned(value: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """A copy of a schema in which each keyword, at every depth, carries its owner's id; ids already there stay."""
    result: dict[str, Any] = {}
    owners: dict[str, Any] = {}
    own = value.get("x-requirements", {})
    for keyword, content in value.items():
        if keyword == "x-requirements":
            continue
        inner = own.get(keyword, owner)
        if keyword in ONE and isinstance(content, Mapping):
            result[keyword] = _owned(content, inner)
        elif keyword in MANY:
            result[keyword] = [_owned(each, inner) for each in content]
        elif keyword in NAMED:
            result[keyword] = {name: _owned(each, inner) for name, each in content.items()}
        else:
            result[keyword] = deepcopy(content)
        if keyword not in SILENT:
            every = dict.fromkeys(content, owner) if keyword == "required" else owner
            owners[keyword] = own.get(keyword, every)
    if owners:
        result["x-requirements"] = owners
    return result


def _default(printed: str) -> Any:
    """A default as JSON; `...` where the page prints none."""
    known = {"True": True, "False": False, "null": None}
    if printed in known:
        return known[printed]
    return int(printed) if printed.isdecimal() else ...


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

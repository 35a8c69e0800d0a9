"""The user's own request schemas: read, checked before anything is sent, and assigned to their routes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.rows.owners import extra_rows
from conformance.rows.requests import request_checks
from conformance.strategies.dialect import SchemaFault
from schemas.model import ROUTES, Contract, Route
from seatrial.errors import UserError

# What tells a schema's route by itself: the property that only one of them has.
_TELLING: Mapping[Route, str] = {"completions": "prompt", "chat": "messages"}


def read_schemas(arguments: Iterable[str], contract: Contract) -> dict[str, dict[str, Any]]:
    """The schemas of `FILE` or `ROUTE=FILE` arguments by route; `UserError` for one that cannot drive the checks."""
    found: dict[str, dict[str, Any]] = {}
    for argument in arguments:
        said, path = _split(argument)
        schema = _read(path)
        route = said or _route(path, schema)
        if route in found:
            raise UserError(f"{path}: there is a schema for {route} already; give one for each route")
        if route not in {operation.route for operation in contract.operations}:
            raise UserError(f"{path}: contract {contract.name} has no route {route}")
        _try(path, schema, route)
        found[route] = schema
    return found


def _split(argument: str) -> tuple[Route | None, Path]:
    for route in ROUTES:
        if argument.startswith(f"{route}="):
            return route, Path(argument.removeprefix(f"{route}="))
    return None, Path(argument)


def _read(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise UserError(f"cannot read the schema {path}: {error.strerror or error}; check the name") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply") from None
    if not isinstance(schema, dict):
        raise UserError(f"{path} is no JSON Schema of a request: it is to be an object with `properties`")
    return schema


def _refuse(token: str) -> Any:
    raise json.JSONDecodeError(f"{token} is no number of JSON", token, 0)


def _route(path: Path, schema: Mapping[str, Any]) -> Route:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        raise UserError(f"{path} is no JSON Schema of a request: it has no `properties`")
    telling = [route for route, name in _TELLING.items() if name in properties]
    if len(telling) != 1:
        raise UserError(f"{path}: say which route it is for, as chat={path} or completions={path}")
    return telling[0]


def _try(path: Path, schema: dict[str, Any], route: Route) -> None:
    """Derive the checks now, so that a schema which cannot drive them is found before the first request."""
    try:
        request_checks(schema, route)
        extra_rows(schema, route)
    except SchemaFault as fault:
        raise UserError(f"{path}: {fault}") from None

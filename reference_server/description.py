"""The OpenAPI document that the stand-in offers of itself, made of the contract's rows."""

from __future__ import annotations

from typing import Any

from schemas import emit
from schemas.model import Contract, Operation

PATHS = ("/swagger.json", "/openapi.json")


def description(contract: Contract) -> dict[str, Any]:
    """The document: the contract's operations, and the routes beside them that can be fetched."""
    paths: dict[str, Any] = {one.path: {"post": _operation(contract, one)} for one in contract.operations}
    for path in ("/info", "/health", "/v1/models"):
        paths[path] = {"get": {"responses": {"200": {"description": "A JSON document."}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": contract.title, "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
    }


def _operation(contract: Contract, operation: Operation) -> dict[str, Any]:
    request, response = (emit.schema(contract, operation.route, part) for part in ("request", "response"))
    query = [
        {"name": name, "in": "query", "schema": {"type": "string", "default": value}}
        for name, value in contract.query.items()
    ]
    return {
        "parameters": query,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _plain(request)}}},
        "responses": {
            "200": {"description": response["title"], "content": {"application/json": {"schema": _plain(response)}}},
            "default": {"description": "A refusal."},
        },
    }


def _plain(schema: Any) -> Any:
    """The schema without what is ours alone in it."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _plain(value) for key, value in schema.items() if not key.startswith(("x-", "$"))}

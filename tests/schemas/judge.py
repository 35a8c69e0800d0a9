"""What the emitted schemas say of a request body, by jsonschema alone: valid, unjudged or broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from schemas import contracts, emit

VALID, UNJUDGED, BROKEN = "valid", "unjudged", "broken"


def judged(body: Any, *, contract: str = "azure-llama", route: str = "completions", part: str = "request") -> str:
    """Broken as soon as one error is covered by no `x-unjudged` on its way."""
    schema = emit.load(contract, route, part)
    errors = list(Draft202012Validator(schema).iter_errors(body))
    if not errors:
        return VALID
    return UNJUDGED if all(covered(schema, error, body) for error in errors) else BROKEN


def covered(schema: Mapping[str, Any], error: ValidationError, body: Any) -> bool:
    return any(
        Draft202012Validator(unjudged).is_valid(value)
        for step, value in _way(schema, error, body)
        for unjudged in step.get("x-unjudged", ())
    )


def _way(schema: Any, error: ValidationError, value: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    steps: list[Any] = list(error.absolute_schema_path)
    places: list[Any] = list(error.absolute_path)
    while isinstance(schema, Mapping | list):
        if isinstance(schema, Mapping):
            yield schema, value
        if not steps:
            return
        step = steps.pop(0)
        # jsonschema reports the path of a condition as if, then.
        if step == "if" and steps and steps[0] in ("then", "else"):
            continue
        if not isinstance(schema, list) and step not in schema:
            return
        schema = schema[step]
        if step == "properties":
            schema, value = schema[steps.pop(0)], value[places.pop(0)]
        elif step in ("items", "additionalProperties") and places:
            value = value[places.pop(0)]


def example(route: str, contract: str = "azure-llama", **changes: Any) -> dict[str, Any]:
    """The contract's example of a body with changes; a parameter set to `...` is removed."""
    body = {**contracts.get(contract).operation("chat" if route == "chat" else "completions").example, **changes}
    return {name: value for name, value in body.items() if value is not ...}

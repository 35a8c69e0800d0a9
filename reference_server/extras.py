"""What becomes of the parameters that a contract does not know, by the header `extra-parameters`.

Law: where the contract forbids no parameter, the header is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reference_server import asgi

HEADER = "extra-parameters"
VALUES = ("error", "drop", "pass-through")


@dataclass(frozen=True)
class Sorted:
    """A body without what is dropped or passed on, what is passed on, and the fault of the header if it has one."""

    body: Any
    passed: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def sort_extras(scope: asgi.Scope, body: Any, schema: Mapping[str, Any]) -> Sorted:
    """The body as the header wants it judged; as it came where the schema forbids nothing."""
    if schema.get("additionalProperties", True) is not False:
        return Sorted(body)
    value = asgi.header(scope, HEADER) or "error"
    if value not in VALUES:
        return Sorted(body, fault=f"Unexpected EXTRA_PARAMETERS option {value}, expected options are {list(VALUES)}")
    if value == "error" or not isinstance(body, dict):
        return Sorted(body)
    known = {name: item for name, item in body.items() if name in schema["properties"]}
    extras = {name: item for name, item in body.items() if name not in known}
    return Sorted(known, extras if value == "pass-through" else {})

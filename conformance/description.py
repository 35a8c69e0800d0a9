"""Reads the OpenAPI document that an endpoint offers of itself: paths, and the properties of a request's body.

Law: the document is untrusted. References are followed within it only, and no walk visits more than a bounded number
of schemas, however they refer to each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

MOST_SCHEMAS = 2_000
MOST_PATHS = 2_000
_DEEPEST = 40
_UNIONS = ("anyOf", "oneOf")
_NUMBERS = frozenset({"integer", "number"})


@dataclass(frozen=True)
class Stated:
    """What a document states for a property: the types (empty for any), bounds and values; None for none."""

    types: frozenset[str] = frozenset()
    least: float | None = None
    most: float | None = None
    values: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class BodyOf:
    """The properties of a request's body, and those that it requires."""

    properties: Mapping[str, Stated] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


class Description:
    """A parsed OpenAPI document (2.0 or 3.x); `None` from `read` for what is none."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._budget = MOST_SCHEMAS
        self._base = _base(document)
        self.paths: dict[str, Mapping[str, Any]] = {
            path: item
            for path, item in list(_mapping(document.get("paths")).items())[:MOST_PATHS]
            if isinstance(item, Mapping)
        }

    @classmethod
    def read(cls, value: Any) -> Description | None:
        """The description in a JSON value that says which version of OpenAPI it is and has paths; None for another."""
        if not isinstance(value, Mapping) or not isinstance(value.get("paths"), Mapping):
            return None
        version = value.get("openapi", value.get("swagger"))
        return cls(value) if isinstance(version, str) else None

    def operation(self, path: str, method: str) -> Mapping[str, Any] | None:
        """The operation at that path; None when the document has none."""
        # Whether a base is a part of the endpoint's own URL or of its routes, only the user knows.
        places = (path, path.removeprefix(self._base)) if path.startswith(f"{self._base}/") else (path,)
        found = (self.paths.get(place, {}).get(method.lower()) for place in places)
        return next((operation for operation in found if isinstance(operation, Mapping)), None)

    def simple_gets(self) -> list[str]:
        """The paths that GET can ask without any parameter; none where a base makes their place uncertain."""
        return [path for path in self.paths if "{" not in path and self._needs_nothing(path)] if not self._base else []

    def _needs_nothing(self, path: str) -> bool:
        operation = self.operation(path, "get")
        if operation is None:
            return False
        listed = [*_list(self.paths[path].get("parameters")), *_list(operation.get("parameters"))]
        return not any(isinstance(one, Mapping) and (one.get("required") or "$ref" in one) for one in listed)

    def body(self, path: str) -> BodyOf | None:
        """What POST at that path takes; None where the document does not say."""
        operation = self.operation(path, "post")
        if operation is None:
            return None
        schema = self._body_schema(operation)
        self._budget = MOST_SCHEMAS
        properties: dict[str, Stated] = {}
        required: set[str] = set()
        for member in self._members(schema):
            for name, inner in _mapping(member.get("properties")).items():
                if isinstance(name, str):
                    properties.setdefault(name, self._stated(inner))
            required.update(name for name in _list(member.get("required")) if isinstance(name, str))
        return BodyOf(properties, frozenset(required)) if properties else None

    def _body_schema(self, operation: Mapping[str, Any]) -> Any:
        content = _mapping(self._resolved(operation.get("requestBody")).get("content"))
        for media, said in content.items():
            if "json" in media:
                return _mapping(said).get("schema")
        for one in _list(operation.get("parameters")):
            parameter = self._resolved(one)
            if parameter.get("in") == "body":
                return parameter.get("schema")
        return None

    def _members(self, schema: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """The schema and all those that hold with it: through references and `allOf`."""
        self._budget -= 1
        if self._budget < 0 or depth > _DEEPEST:
            return
        plain = self._resolved(schema)
        yield plain
        for member in _list(plain.get("allOf")):
            yield from self._members(member, depth + 1)

    def _stated(self, schema: Any, depth: int = 0) -> Stated:
        """What a property may be; a union states what its branches have in common with none."""
        members = list(self._members(schema, depth))
        types: frozenset[str] = frozenset()
        least = most = None
        values: tuple[Any, ...] | None = None
        for member in members:
            types = types or _types(member)
            least = _first(least, member.get("minimum"), member.get("exclusiveMinimum"))
            most = _first(most, member.get("maximum"), member.get("exclusiveMaximum"))
            listed = member.get("enum")
            values = tuple(listed) if values is None and isinstance(listed, list) else values
            branches = [branch for name in _UNIONS for branch in _list(member.get(name))]
            if branches and depth <= _DEEPEST:
                union = [self._stated(branch, depth + 1) for branch in branches[:50]]
                types = types or _joined(union)
                numeric = [one for one in union if one.types & _NUMBERS]
                if len(numeric) == 1:
                    least, most = _first(least, numeric[0].least), _first(most, numeric[0].most)
        return Stated(types, least, most, values)

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema behind a chain of references within the document; empty for anything else."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping):
                return {}
            reference = schema.get("$ref")
            if reference is None:
                return schema
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return {}
            schema = self._document
            for step in reference[2:].split("/"):
                name = unquote(step).replace("~1", "/").replace("~0", "~")
                schema = schema.get(name) if isinstance(schema, Mapping) else None
        return {}


def _base(document: Mapping[str, Any]) -> str:
    """The path that all paths of the document begin with, where it states exactly one of its own."""
    stated = document.get("basePath")
    servers = _list(document.get("servers"))
    if len(servers) == 1 and isinstance(servers[0], Mapping):
        url = servers[0].get("url")
        # A path under a host is a gateway's business, as is the base of the endpoint's own URL.
        stated = url if isinstance(url, str) and url.startswith("/") and "{" not in url else stated
    if not isinstance(stated, str):
        return ""
    try:
        return urlsplit(stated).path.rstrip("/")
    except ValueError:
        return ""


def _types(member: Mapping[str, Any]) -> frozenset[str]:
    stated = member.get("type")
    names = [stated] if isinstance(stated, str) else _list(stated)
    found = {name for name in names if isinstance(name, str)}
    return frozenset(found | {"null"} if found and member.get("nullable") is True else found)


def _joined(union: list[Stated]) -> frozenset[str]:
    """The types of all branches; empty (any) where a branch states none."""
    if any(not one.types for one in union):
        return frozenset()
    return frozenset[str]().union(*(one.types for one in union))


def _first(*values: Any) -> float | None:
    return next((v for v in values if isinstance(v, int | float) and not isinstance(v, bool)), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

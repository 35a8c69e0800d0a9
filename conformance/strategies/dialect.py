"""The dialect of JSON Schema (2020-12) that drives the checks: its keywords, its validation, whose row a fault is.

Law: a keyword that is not known here is an error of the schema, never ignored.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry

Json = Any
Schema = Mapping[str, Any] | bool

ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)
# Where a keyword's value is a schema, a list of schemas, or schemas by name.
ONE = frozenset({"items", "additionalProperties", "not", "if", "then", "else"})
MANY = frozenset({"prefixItems", "anyOf", "oneOf", "allOf"})
NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
PLAIN = frozenset(
    {
        "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "required", "minProperties",
        "maxProperties", "dependentRequired", "$ref",
    }
)  # fmt: skip
KEYWORDS = ANNOTATIONS | ONE | MANY | NAMED | PLAIN
# Members of these judge a part of the value that the schema around them judges.
DEEPER = frozenset({"properties", "patternProperties", "additionalProperties", "items", "prefixItems"})

# Of the items of one value so many are looked at for its first faults: more than any request of ours can ask for.
MOST_ITEMS = 5_000


class SchemaFault(ValueError):
    """A schema that cannot drive the checks: the fault of whoever wrote it. Its kinds are below.

    SchemaFault ── UnknownKeyword   a keyword that would have to be ignored
                └─ Unsatisfiable    no value is valid
    """


class UnknownKeyword(SchemaFault):
    """The schema has a keyword that this dialect has not; leaving it out would judge by another schema."""


class Unsatisfiable(SchemaFault):
    """No value satisfies the schema (or none that was found), so nothing valid can be sent."""


@dataclass(frozen=True)
class Fault:
    """One way in which a value breaks a schema.

    `keyword` and `requirement` are those of the deepest `x-requirements` entry that covers the fault (the failing
    keyword itself, and an empty id, where none does). `pointer` is the JSON Pointer of the value that breaks it.
    `unjudged` tells that an `x-unjudged` schema on the way accepts what it covers.
    """

    keyword: str
    pointer: str
    requirement: str
    message: str
    unjudged: bool = False


# How many items a judgement may still look at; each thread judges one value at a time.
_LEFT = threading.local()


def _items(validator: Any, schema: Schema, value: Json, whole: Mapping[str, Any]) -> Iterator[ValidationError]:
    """The keyword `items`, for as many items as are left to be looked at; `minItems` and the like see all of them."""
    if isinstance(value, list):
        value = value[: max(0, _LEFT.items) + len(whole.get("prefixItems", ()))]
        _LEFT.items -= len(value)
    yield from Draft202012Validator.VALIDATORS["items"](validator, schema, value, whole)


_Hasty: Any = extend(Draft202012Validator, {"items": _items})  # type: ignore[no-untyped-call]


@lru_cache(maxsize=32)
def _document(text: str) -> Document:
    return Document(json.loads(text))


def document_of(schema: Schema) -> Document:
    """The document of a schema, made once for equal ones: checking a schema costs more than judging by it."""
    return _document(json.dumps(schema))


class Document:
    """A schema as a whole, checked once: resolves its references and validates by it. Safe to share between threads."""

    def __init__(self, root: Schema) -> None:
        self.root: Schema = root
        try:
            Draft202012Validator.check_schema(root)
        except SchemaError as error:
            raise SchemaFault(f"{_pointer(error.absolute_path) or 'the schema'}: {error.message}") from None
        _check(root, "#")
        self._validator = Draft202012Validator(root, registry=Registry())
        self._hasty = _Hasty(root, registry=Registry())
        self._validators: dict[int, tuple[Schema, Any]] = {}
        self._targets: dict[str, Schema] = {}
        for reference in _references(root):
            self.resolve(reference)
        self.recursive = frozenset(ref for ref in self._targets if self._returns(ref))

    def resolve(self, reference: str) -> Schema:
        """The schema that a local reference (`#/$defs/…`) means; `SchemaFault` for any other."""
        if reference not in self._targets:
            if not (reference == "#" or reference.startswith("#/")):
                raise UnknownKeyword(f"$ref {reference!r}: only references within the file (#/$defs/…) are followed")
            node: Any = self.root
            for part in reference.split("/")[1:]:
                name = part.replace("~1", "/").replace("~0", "~")
                key: Any = int(name) if isinstance(node, list) and name.isdecimal() else name
                try:
                    node = node[key]
                except (KeyError, IndexError, TypeError):
                    raise SchemaFault(f"$ref {reference!r} points to nothing") from None
            self._targets[reference] = node
        return self._targets[reference]

    def accepts(self, schema: Schema, value: Json) -> bool:
        """Whether the value satisfies a schema of this document; an unjudged value is judged as any other."""
        # Building a validator costs more than most of its judgements, and the same few schemas are asked about often.
        # The schema is kept beside its validator, so that its identity stays its own.
        kept = self._validators.get(id(schema))
        if kept is None:
            kept = self._validators[id(schema)] = (schema, self._validator.evolve(schema=schema))
        return bool(kept[1].is_valid(value))

    def faults(self, value: Json) -> list[Fault]:
        """Every way in which the value breaks the document, unjudged ones marked; empty for a valid value."""
        return [self._fault(error, value) for error in self._validator.iter_errors(value)]

    def first_faults(self, value: Json) -> Mapping[str, Fault]:
        """The first fault of each requirement that the value breaks, unjudged ones left out, in the order of `faults`.

        Of a value of more than `MOST_ITEMS` array items only so many are looked at: an answer of a hundred thousand
        choices would take minutes, and breaks its rows in the first of them as in the last.
        """
        found: dict[str, Fault] = {}
        _LEFT.items = MOST_ITEMS
        for error in self._hasty.iter_errors(value):
            fault = self._fault(error, value)
            if not fault.unjudged:
                found.setdefault(fault.requirement, fault)
        return found

    def _fault(self, error: ValidationError, value: Json) -> Fault:
        """Walk from the root along the error's path, remembering whose keyword was passed last."""
        places: list[Any] = list(error.absolute_path)
        path = list(error.absolute_schema_path)
        # What the schema `false` refuses is refused by the keyword that holds it.
        keyword = str(error.validator or next((step for step in reversed(path) if step in DEEPER), "false"))
        requirement, unjudged = "", False
        node: Any = self.root
        at = value
        while path and isinstance(node, Mapping):
            unjudged = unjudged or self._leaves_open(node, at)
            step = path[0]
            owner = _owner(node, step, error)
            if owner:
                keyword, requirement = str(step), owner
            if step not in node and "$ref" in node:
                node = self.resolve(node["$ref"])
                continue
            path.pop(0)
            node = node.get(step)
            if step in NAMED or step in MANY:
                node = _member(node, path.pop(0) if path else None)
            if step in DEEPER and path and places:
                at = at[places.pop(0)]
        return Fault(keyword, _pointer(error.absolute_path), requirement, error.message, unjudged)

    def _leaves_open(self, node: Mapping[str, Any], at: Json) -> bool:
        """Whether an `x-unjudged` of this schema, or of a branch of it, accepts the value."""
        if any(self.accepts(schema, at) for schema in node.get("x-unjudged", ())):
            return True
        members = (member for keyword in ("anyOf", "oneOf") for member in node.get(keyword, ()))
        return any(isinstance(member, Mapping) and self._leaves_open(member, at) for member in members)

    def _returns(self, reference: str) -> bool:
        """Whether following the reference leads back to it."""
        seen: set[str] = set()
        queue = list(_references(self.resolve(reference)))
        while queue:
            following = queue.pop()
            if following == reference:
                return True
            if following not in seen:
                seen.add(following)
                queue.extend(_references(self.resolve(following)))
        return False


def canonical(value: Json) -> str:
    """One text for each JSON value: equal texts mean equal values, 1 and 1.0 included, 1 and true not."""
    return json.dumps(_canonical(value), sort_keys=True)


def pointer(*steps: str | int) -> str:
    """The JSON Pointer with those steps."""
    return _pointer(steps)


def _canonical(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    return value


def _pointer(steps: Sequence[str | int] | Any) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _member(members: Any, name: Any) -> Any:
    try:
        return members[name]
    except (KeyError, IndexError, TypeError):
        # A reference and its siblings can have the same keyword; the path does not say which one failed.
        return None


def _owner(node: Mapping[str, Any], step: Any, error: ValidationError) -> str:
    owner = node.get("x-requirements", {}).get(step, "")
    if isinstance(owner, Mapping):
        # jsonschema reports one error for each absent property and names it in the message only.
        missing = (name for name in owner if error.message.startswith(f"{name!r} "))
        return str(owner.get(next(missing, ""), ""))
    return str(owner)


def _check(schema: Schema, where: str) -> None:
    """Refuse what would have to be ignored."""
    if isinstance(schema, bool):
        return
    for keyword in schema:
        if keyword not in KEYWORDS and not keyword.startswith("x-"):
            raise UnknownKeyword(
                f"{where}: the keyword {keyword!r} is not known; known are {', '.join(sorted(KEYWORDS))}"
            )
    if "$id" in schema and where != "#":
        raise UnknownKeyword(f"{where}: a $id below the root would change what references mean")
    for step, member in children(schema):
        _check(member, f"{where}/{step}")
    for number, member in enumerate(schema.get("x-unjudged", ())):
        _check(member, f"{where}/x-unjudged/{number}")


def children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The schemas directly within a schema, each with the steps that lead to it."""
    if isinstance(schema, bool):
        return
    for keyword, content in schema.items():
        if keyword in ONE:
            yield keyword, content
        elif keyword in MANY:
            yield from ((f"{keyword}/{number}", member) for number, member in enumerate(content))
        elif keyword in NAMED:
            yield from ((f"{keyword}/{name}", member) for name, member in content.items())


def _references(schema: Schema) -> Iterator[str]:
    """Every reference at any depth below a schema, not following them."""
    if isinstance(schema, Mapping) and "$ref" in schema:
        yield schema["$ref"]
    for _, member in children(schema):
        yield from _references(member)

"""Judges a request's body by the contract's JSON Schema, and repairs what a forgetful server is told to overlook.

Law: a value that the schema accepts is never refused, and a broken one is refused with its requirement's id; of the
unjudged ones only those pass that clients send every day, unless the judge is lenient.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from reference_server.acceptance import accepting

Json = Any
Pair = tuple[str, str]

_MOST_ERRORS = 50
_ROUNDS = 8

_NO_EXTRAS = (
    "Extra parameters {} are not allowed when extra-parameters is not set or set to be 'error'. Set extra-parameters "
    "to 'pass-through' to pass to the model."
)
_WORDS = {
    "minimum": "must be at least",
    "maximum": "must be at most",
    "exclusiveMinimum": "must be greater than",
    "exclusiveMaximum": "must be less than",
    "minLength": "must have at least this many characters:",
    "maxLength": "must have at most this many characters:",
    "minItems": "must have at least this many items:",
    "maxItems": "must have at most this many items:",
    "type": "must be of type",
    "enum": "must be one of",
    "const": "must be",
}


@dataclass(frozen=True)
class Fault:
    """Why a body is refused: the parameter, the requirement that it breaks, a sentence; `extra` for an unknown one."""

    param: str
    requirement: str
    message: str
    extra: bool = False


@dataclass(frozen=True)
class Step:
    """One schema on the way to an error: the schema, the keyword taken from it, and the value that it judged."""

    schema: Mapping[str, Any]
    keyword: str
    value: Json


class Judge:
    """A compiled request schema. `voluntary` are the ids of rows that are no duty: they refuse nothing."""

    def __init__(self, schema: Mapping[str, Any], *, voluntary: frozenset[str] = frozenset()) -> None:
        self._schema = schema
        self._accepts = accepting(schema)
        self._validator = Draft202012Validator(schema)
        self._voluntary = voluntary
        self._example: dict[str, Json] = dict(schema.get("x-example", {}))

    def judge(
        self,
        body: Json,
        *,
        forgets: frozenset[Pair] = frozenset(),
        lenient: bool = False,
    ) -> tuple[dict[str, Json], Fault | None]:
        """The body to pass on, and the fault that refuses it if there is one.

        `forgets` are (requirement id, keyword) pairs that are not enforced; `lenient` lets unjudged values pass.
        """
        if isinstance(body, dict) and self._accepts(body):
            return body, None
        errors = list(islice(self._validator.iter_errors(body), _MOST_ERRORS))
        if not errors and isinstance(body, dict):
            return body, None
        repairs: list[tuple[ValidationError, bool]] = []
        for error in errors:
            trail = list(self._trail(error, body))
            if self._voluntary.intersection(owner for owner, _ in _pairs(trail, error)):
                continue
            if _excused(error, trail, body, lenient):
                repairs.append((error, True))
            elif self._forgiven(error, trail, forgets, body):
                repairs.append((error, False))
            else:
                return {}, _fault(error, trail)
        return self._repaired(body, repairs, lenient), None

    def _forgiven(self, error: ValidationError, trail: list[Step], forgets: frozenset[Pair], body: Json) -> bool:
        if not forgets:
            return False
        if not forgets.isdisjoint(_pairs(trail, error)):
            return True
        # A union is satisfied once one of its branches has nothing left to complain about.
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        return any(
            all(self._forgiven(inner, list(self._trail(inner, body)), forgets, body) for inner in branch)
            for branch in branches.values()
        )

    def _repaired(self, body: Json, repairs: list[tuple[ValidationError, bool]], lenient: bool) -> dict[str, Json]:
        """A copy of the body that a server can answer, whatever was wrong with it."""
        if not repairs:
            return dict(body)
        if not isinstance(body, dict):
            return dict(self._example)
        fixed: dict[str, Json] = deepcopy(body)
        for error, excused in repairs:
            if excused:
                _understand(fixed, error)
            else:
                self._repair(fixed, error)
        for _ in range(_ROUNDS):
            # What a repair uncovers (a property that is missing now) is repaired in its turn.
            errors = [
                error
                for error in islice(self._validator.iter_errors(fixed), _MOST_ERRORS)
                if "allOf" not in error.absolute_schema_path
                and not _excused(error, list(self._trail(error, fixed)), fixed, lenient)
            ]
            if not errors:
                break
            for error in errors:
                self._repair(fixed, error)
        return fixed

    def _repair(self, body: dict[str, Json], error: ValidationError) -> None:
        """Take away what is wrong; a broken rule stays broken, since each of its parameters is right by itself."""
        path = list(error.absolute_path)
        if "allOf" in error.absolute_schema_path:
            return
        if error.validator == "required":
            self._fill(body, path, _wanted(error))
        elif error.validator == "additionalProperties":
            _trim(_at(body, path), error.schema)
        elif path:
            _replace(body, path, None)

    def _fill(self, body: dict[str, Json], path: list[str | int], names: tuple[str, ...]) -> None:
        """Take what is missing from the example."""
        holder, sample = _at(body, path), _at(self._example, path)
        for name in names:
            if isinstance(holder, dict) and name not in holder:
                holder[name] = deepcopy(sample.get(name, "")) if isinstance(sample, dict) else ""

    def _trail(self, error: ValidationError, body: Json) -> Iterator[Step]:
        """The schemas from the root to the error, each with the value that it judged."""
        schema: Any = self._schema
        value, places = body, list(error.absolute_path)
        previous = ""
        for step in error.absolute_schema_path:
            # A reference leaves no trace in the path.
            while isinstance(schema, Mapping) and step not in schema and "$ref" in schema:
                schema = _resolved(self._schema, schema["$ref"])
            if isinstance(schema, Mapping) and previous != "properties" and isinstance(step, str):
                yield Step(schema, step, value)
            schema = schema[step]
            if places and (previous in ("properties", "prefixItems") or step in ("items", "additionalProperties")):
                value = value[places.pop(0)]
            # A property may be named like a keyword, so a name is never taken for one.
            previous = "" if previous == "properties" else str(step)


def _excused(error: ValidationError, trail: list[Step], body: Json, lenient: bool) -> bool:
    """Whether an unjudged schema accepts the value, and everyday practice or leniency lets it pass."""
    for step in trail:
        for unjudged in step.schema.get("x-unjudged", ()):
            if Draft202012Validator(unjudged).is_valid(step.value) and (lenient or _everyday(error, step, body)):
                return True
    return False


def _everyday(error: ValidationError, step: Step, body: Json) -> bool:
    """What clients send every day: a null for 'not set', text in parts, best_of equal to n, a token id of any size."""
    if step.value is None or (error.validator == "type" and _joined(step.value)):
        return True
    if error.validator == "maximum" and "stop_token_ids" in error.absolute_path:
        return True
    owner = step.schema.get("x-requirements", {}).get("then", "")
    if not str(owner).endswith(".rule.best_of_exceeds_n"):
        return False
    # A null stands for the default, which is 1 for both.
    best_of, n = (1 if body.get(name) is None else body[name] for name in ("best_of", "n"))
    return bool(best_of >= n)


def _pairs(trail: list[Step], error: ValidationError) -> list[Pair]:
    """(requirement id, keyword) of everything that the error breaks, the most particular last."""
    pairs: list[Pair] = []
    for step in trail:
        owner = step.schema.get("x-requirements", {}).get(step.keyword)
        if isinstance(owner, Mapping):
            owner = owner.get(_missing(error))
        if owner:
            pairs.append((owner, step.keyword))
            # Forgetting a rule may be said by its own keyword or by the one inside it.
            pairs.append((owner, str(error.validator)))
    return pairs


def _missing(error: ValidationError) -> str:
    """The property that a `required` error is about."""
    return next((name for name in _wanted(error) if error.message.startswith(repr(name))), "")


def _wanted(error: ValidationError) -> tuple[str, ...]:
    """The properties that a `required` error wants."""
    value: Any = error.validator_value
    return tuple(value) if error.validator == "required" else ()


def _fault(error: ValidationError, trail: list[Step]) -> Fault:
    owners = [owner for owner, _ in _pairs(trail, error)]
    requirement = owners[-1] if owners else ""
    names = [*(str(place) for place in error.absolute_path), *filter(None, [_missing(error)])]
    rule = next((step.schema.get("description", "") for step in trail if step.keyword == "then"), "")
    if rule:
        # A rule is broken by a whole body; the parameter is the one that it puts a condition on.
        named = re.search(r"`(\w+)`", rule)
        param = names[-1] if names else named[1] if named else ""
        return Fault(param, requirement, _signed(rule, requirement))
    param = ".".join(names)
    if error.validator == "required":
        said = "is required"
    elif error.validator == "additionalProperties" and not param:
        known = trail[-1].schema.get("properties", {}) if trail else {}
        extra = sorted(set(trail[-1].value) - set(known)) if trail else []
        message = _signed(_NO_EXTRAS.format(extra), requirement)
        return Fault(extra[0] if extra else "", requirement, message, extra=True)
    else:
        limit = json.dumps(error.validator_value)[:120]
        said = f"{_WORDS.get(str(error.validator), f'breaks {error.validator}')} {limit}"
    return Fault(param, requirement, _signed(f"{param or 'the body'} {said}", requirement))


def _signed(message: str, requirement: str) -> str:
    return f"{message} [{requirement}]" if requirement else message


def _coerced(value: Json, schema: Any) -> Json:
    """The value in the type that the schema wants; None when there is no sensible one."""
    wanted = schema.get("type", ())
    kinds = {wanted} if isinstance(wanted, str) else set(wanted)
    if value is None:
        return None
    if "boolean" in kinds and isinstance(value, str | int):
        return str(value).strip().lower() in ("true", "t", "yes", "y", "on", "1")
    if kinds & {"integer", "number"} and isinstance(value, str | int | float):
        try:
            number = float(value)
        except ValueError:
            return None
        return int(number) if "integer" in kinds and number.is_integer() else number
    if "string" in kinds and isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str)) or None
    return None


def _understand(body: dict[str, Json], error: ValidationError) -> None:
    """Read an unjudged value as it was meant: a null as nothing, a text as the number that it spells."""
    path = list(error.absolute_path)
    value = _at(body, path)
    if error.validator == "additionalProperties":
        _trim(value, error.schema)
    elif path and (value is None or (text := _joined(value))):
        _replace(body, path, None if value is None else text)
    elif len(path) == 1 and (meant := _coerced(value, error.schema)) is not None:
        _replace(body, path, meant)


def _joined(value: Json) -> str:
    """The text of a content that is a list of text parts; empty for anything else."""
    parts = value if isinstance(value, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    whole = len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
    return "".join(map(str, texts)) if whole else ""


def _trim(holder: dict[str, Json], schema: Any) -> None:
    """Take away the properties that the schema does not know."""
    for name in set(holder) - set(schema.get("properties", {})):
        del holder[name]


def _replace(body: Json, path: list[str | int], value: Json) -> None:
    """Put that value at the path, or take away what is there when the value is None."""
    holder, place = _at(body, path[:-1]), path[-1]
    if isinstance(holder, dict):
        if value is None:
            holder.pop(place, None)
        else:
            holder[place] = value
    elif isinstance(holder, list) and isinstance(place, int) and place < len(holder):
        del holder[place]


def _at(value: Json, path: list[str | int]) -> Json:
    """The part of a document at that path; an empty object where there is none."""
    for place in path:
        try:
            value = value[place]
        except (KeyError, IndexError, TypeError):
            return {}
    return value


def _resolved(root: Mapping[str, Any], reference: str) -> Any:
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            target = target[part.replace("~1", "/").replace("~0", "~")]
    return target

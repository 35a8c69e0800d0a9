"""Compiles a schema into one question: is this value certainly valid? It is asked of every request.

Law: what it accepts, the validator accepts; where it knows a keyword not at all, it accepts nothing. So the validator,
ten times slower, is left to what is refused and to what nobody foresaw.

Why not jsonschema-rs: 0.60 gave the same verdicts on 3,600 bodies, in 0.6 to 4 us of CPU where this takes 4 to 85 and
jsonschema 50 to 800 (as much for a chat of 21 messages). But the layer also runs inside vLLM's own Python, which has
jsonschema and is lent the rest as plain files; a compiled module (15 MB) would have to be installed there, and would be
a dependency of everybody, for a part of a millisecond that no request notices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Accepts = Callable[[Any], bool]

# Keywords that say nothing about whether a value is valid.
_SILENT = frozenset({"$schema", "$id", "title", "description", "default", "examples", "then", "else"})

_FEW = 2  # properties that are looked up in a value, rather than the value's in them

_TYPES: dict[str, Accepts] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
    "null": lambda value: value is None,
    "number": lambda value: type(value) is int or type(value) is float,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def accepting(schema: Any) -> Accepts:
    """Whether a value is certainly valid under that schema."""
    if isinstance(schema, bool):
        return lambda _: schema
    keywords = [keyword for keyword in schema if keyword not in _SILENT and not keyword.startswith("x-")]
    # What is missing decides most of the rules, and is the quickest to ask.
    keywords.sort(key=lambda keyword: keyword != "required")
    return _every([_KEYWORDS.get(keyword, _unknown)(schema[keyword], schema) for keyword in keywords])


def _every(tests: list[Accepts]) -> Accepts:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) and second(value)

    # Plain loops here and below: a generator for each schema would cost more than the tests.
    def accepts(value: Any) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(value):
                return False
        return True

    return accepts


def _never(_: Any) -> bool:
    return False


def _unknown(_: Any, __: Mapping[str, Any]) -> Accepts:
    return _never


def _type(wanted: Any, _: Mapping[str, Any]) -> Accepts:
    tests = [_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _properties(wanted: Mapping[str, Any], _: Mapping[str, Any]) -> Accepts:
    tests = {name: accepting(schema) for name, schema in wanted.items()}

    def all_of_a_body(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, item in value.items():
            test = tests.get(name)
            if test is not None and not test(item):
                return False
        return True

    def few(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, test in tests.items():  # noqa: SIM110
            if name in value and not test(value[name]):
                return False
        return True

    return few if len(tests) <= _FEW else all_of_a_body


def _additional(wanted: Any, schema: Mapping[str, Any]) -> Accepts:
    known = frozenset(schema.get("properties", ()))
    test = accepting(wanted)
    if "patternProperties" in schema:
        return _never
    return lambda value: not isinstance(value, dict) or all(test(value[name]) for name in value.keys() - known)


def _required(names: list[str], _: Mapping[str, Any]) -> Accepts:
    if len(names) == 1:
        (only,) = names
        return lambda value: not isinstance(value, dict) or only in value
    wanted = frozenset(names)
    return lambda value: not isinstance(value, dict) or wanted <= value.keys()


def _items(wanted: Any, schema: Mapping[str, Any]) -> Accepts:
    test = accepting(wanted)
    if "prefixItems" in schema:
        return _never

    def accepts(value: Any) -> bool:
        if isinstance(value, list):
            for item in value:
                if not test(item):
                    return False
        return True

    return accepts


def _any_of(wanted: list[Any], _: Mapping[str, Any]) -> Accepts:
    tests = [accepting(schema) for schema in wanted]
    return lambda value: any(test(value) for test in tests)


def _all_of(wanted: list[Any], _: Mapping[str, Any]) -> Accepts:
    return _every([accepting(schema) for schema in wanted])


def _not(wanted: Any, _: Mapping[str, Any]) -> Accepts:
    exact = _exactly(wanted)
    return (lambda value: not exact(value)) if exact else _never


def _if(wanted: Any, schema: Mapping[str, Any]) -> Accepts:
    exact = _exactly(wanted)
    if exact is None:
        return _never
    then, other = accepting(schema.get("then", True)), accepting(schema.get("else", True))
    return lambda value: then(value) if exact(value) else other(value)


def _exactly(schema: Any) -> Accepts | None:
    """The same question where a no must be certain too; None where a keyword is unknown."""
    return accepting(schema) if _known(schema) else None


def _known(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return isinstance(schema, bool)
    inner = [*schema.get("properties", {}).values(), *schema.get("allOf", ()), *schema.get("anyOf", ())]
    inner += [schema[name] for name in ("items", "additionalProperties", "not", "if", "then", "else") if name in schema]
    keywords = all(name in _KEYWORDS or name in _SILENT or name.startswith("x-") for name in schema)
    return keywords and not {"const", "enum"} & _loose(schema) and all(_known(one) for one in inner)


def _loose(schema: Mapping[str, Any]) -> set[str]:
    """The keywords whose no is not certain: equality is decided only between values of a plain type."""
    plain = all(isinstance(value, str | int | float | None) for value in (schema.get("const"), *schema.get("enum", ())))
    return set() if plain else {"const", "enum"} & set(schema)


def _one_of_values(wanted: list[Any], _: Mapping[str, Any]) -> Accepts:
    if all(isinstance(one, str) for one in wanted):
        texts = frozenset(wanted)
        return lambda value: isinstance(value, str) and value in texts
    # True is no 1 in JSON, while 1.0 is.
    return lambda value: any(
        isinstance(value, bool) == isinstance(one, bool) and value == one
        for one in wanted
        if isinstance(one, str | int | float | None)
    )


def _sized(kind: type[str] | type[list[Any]], *, least: bool) -> Callable[[int, Mapping[str, Any]], Accepts]:
    def keyword(bound: int, _: Mapping[str, Any]) -> Accepts:
        if least:
            return lambda value: not isinstance(value, kind) or len(value) >= bound
        return lambda value: not isinstance(value, kind) or len(value) <= bound

    return keyword


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Mapping[str, Any]], Accepts]:
    return lambda bound, _: lambda value: type(value) not in (int, float) or compare(value, bound)


_KEYWORDS: dict[str, Callable[[Any, Mapping[str, Any]], Accepts]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _any_of,
    "not": _not,
    "if": _if,
    "const": lambda wanted, schema: _one_of_values([wanted], schema),
    "enum": _one_of_values,
    "minLength": _sized(str, least=True),
    "maxLength": _sized(str, least=False),
    "minItems": _sized(list, least=True),
    "maxItems": _sized(list, least=False),
    "minimum": _compared(lambda value, bound: value >= bound),
    "maximum": _compared(lambda value, bound: value <= bound),
    "exclusiveMinimum": _compared(lambda value, bound: value > bound),
    "exclusiveMaximum": _compared(lambda value, bound: value < bound),
}

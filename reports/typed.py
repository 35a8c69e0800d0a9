"""Values taken out of a record with the type that they must have; whatever is wrong is a TypeError or a KeyError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Record = Mapping[str, Any]


def typed(record: Any, name: str, kind: type[T], default: T | None = None) -> T:
    """The value of that name, which has to be of that type."""
    value = record[name] if default is None else record.get(name, default)
    # A bool is an int in Python, but never where a count is meant.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"`{name}` is not {'an' if kind.__name__[0] in 'aeiou' else 'a'} {kind.__name__}")
    return value


def number(record: Record, name: str) -> float:
    """The number of that name; 0 where there is none."""
    value = record.get(name, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"`{name}` is not a number")
    return float(value)


def number_or_none(record: Record, name: str) -> float | None:
    """The number of that name, or None where it says so or says nothing."""
    return None if record.get(name) is None else number(record, name)


def texts(record: Record, name: str) -> tuple[str, ...]:
    """The list of texts of that name."""
    values = typed(record, name, list, [])
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"`{name}` has a value that is not text")
    return tuple(values)


def whole_numbers(record: Record, name: str) -> dict[str, int]:
    """The counts of that name."""
    values = typed(record, name, dict, {})
    for value in values.values():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise TypeError(f"`{name}` has a value that is no count")
    return values


def numbers(record: Record, name: str) -> dict[str, float]:
    """The numbers by name under that name."""
    values = typed(record, name, dict, {})
    return {str(key): number(values, key) for key in values}

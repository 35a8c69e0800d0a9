"""Simpler variants of a JSON value: what to try next, so that a report shows the smallest request that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conformance.strategies.dialect import Json

# Numbers that people would choose.
ROUND = (0, 1, 2, -1, 0.5)


def simpler(value: Json) -> Iterator[Json]:
    """Variants that are certainly simpler than the value, the most drastic first; none of what cannot be simpler."""
    if isinstance(value, dict):
        yield from _objects(value)
    elif isinstance(value, list):
        yield from _arrays(value)
    elif isinstance(value, str):
        yield from _strings(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _numbers(value)


def fewest(value: dict[str, Json], fails: Callable[[Json], bool]) -> dict[str, Json]:
    """The object with as few of its properties as still make it fail; asks a few times for each that it keeps.

    The object itself fails. A property is found by halving: the shortest part of the object that fails ends with it.
    """
    kept: list[str] = []
    names = list(value)

    def part(count: int) -> dict[str, Json]:
        chosen = {*kept, *names[:count]}
        return {name: each for name, each in value.items() if name in chosen}

    while names and not fails(part(0)):
        passing, failing = 0, len(names)
        while failing - passing > 1:
            middle = (passing + failing) // 2
            passing, failing = (passing, middle) if fails(part(middle)) else (middle, failing)
        kept.append(names[failing - 1])
        names = names[: failing - 1]
    return part(0)


def _objects(value: dict[str, Json]) -> Iterator[Json]:
    names = list(value)
    for gone in _parts(names):
        yield {name: each for name, each in value.items() if name not in gone}
    for name, each in value.items():
        yield from ({**value, name: variant} for variant in simpler(each))


def _arrays(value: list[Json]) -> Iterator[Json]:
    for gone in _parts(range(len(value))):
        yield [each for place, each in enumerate(value) if place not in gone]
    for place, each in enumerate(value):
        yield from ([*value[:place], variant, *value[place + 1 :]] for variant in simpler(each))


def _parts(members: Sequence[Any]) -> Iterator[set[Any]]:
    """What to leave out: half, then the other half, then quarters, down to single members."""
    size = len(members)
    while size > 1:
        size = (size + 1) // 2
        yield from (set(members[start : start + size]) for start in range(0, len(members), size))
    if len(members) == 1:
        yield set(members)


def _strings(value: str) -> Iterator[Json]:
    found = ["", "a"] if len(value) > 1 else [""] if value == "a" else ["", "a"] if value else []
    half = len(value) // 2
    found += [value[:half], value[half:], value[1:], value[:-1]] if len(value) > 1 else []
    yield from dict.fromkeys(text for text in found if text != value)


def _numbers(value: float) -> Iterator[Json]:
    candidates: list[float] = [
        *ROUND,
        int(value),
        int(value) // 2,
        round(value, 1),
        int(value) - (1 if value > 0 else -1),
    ]
    yield from dict.fromkeys(number for number in candidates if _effort(number) < _effort(value))


def _effort(number: float) -> tuple[int, float, bool]:
    return (0 if float(number).is_integer() else len(repr(number)), abs(number), number < 0)

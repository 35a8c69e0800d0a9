"""The numbers that a schema allows: a short list to draw from, and those at its edges.

Law: the simplest number comes first, so that the simplest failing request has a number that people would choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from conformance.strategies.dialect import Json
from conformance.strategies.plain import Plain, step

# Enough to vary, and few enough to validate each when a strategy is made instead of each time one is drawn.
MOST_CHOICES = 128
# How far from its bound an unbounded number goes: it may be a count of something that costs money.
FAR = 1000
# How many steps outside its bounds a broken number lies.
AWAY = (1, 2, FAR)


def choices(plain: Plain, *, whole: bool, cap: float | None = None) -> list[Json]:
    """At most 128 numbers that satisfy the bounds, simplest first; empty when there is none below the cap."""
    low, high = span(plain, cap)
    if low > high:
        return []
    distance = step(plain) or (1 if whole else None)
    if distance is None:
        found = _fractions(low, high)
    else:
        first, last = math.ceil(low / distance - 1e-9), math.floor(high / distance + 1e-9)
        found = [_multiple(number, distance) for number in _spread(first, last)]
    return sorted(unique(number for number in found if inside(plain, number)), key=_simplicity)


def edges(plain: Plain, *, whole: bool, cap: float | None = None) -> list[Json]:
    """The lowest and the highest number, those just within, and zero; only the side that is bounded."""
    low, high = span(plain, cap)
    if low > high:
        return []
    distance = step(plain) or (1 if whole else _fine(low, high))
    if step(plain) or whole:
        first, last = math.ceil(low / distance - 1e-9), math.floor(high / distance + 1e-9)
        ends = [_multiple(number, distance) for number in (first, first + 1, last - 1, last)]
    else:
        ends = [low, _tidy(low + distance), _tidy(high - distance), high]
    wanted = [ends[0], ends[1], 0]
    if plain.high is not None or cap is not None:
        wanted += ends[2:]
    if plain.low is None:
        wanted = [0, 1, -1, *wanted[3:]]
    return unique(number for number in wanted if inside(plain, number) and (cap is None or number <= cap))


def beyond(plain: Plain, *, whole: bool) -> list[tuple[str, Json]]:
    """Numbers outside the bounds, the nearest first, each with the side: `below`, `above` or `multiple`."""
    low, high = span(plain, None)
    distance = step(plain) or (1 if whole else _fine(low, high))
    found: list[tuple[str, Json]] = []
    if plain.low is not None:
        bound, excluded = plain.low
        near = [bound] if excluded else []
        # From the nearest multiple, where there are multiples, so that nothing else is wrong with the number.
        start = _multiple(math.ceil(bound / distance), distance) if plain.multiples else bound
        found += [("below", _tidy(number)) for number in (*near, *(start - times * distance for times in AWAY))]
    if plain.high is not None:
        bound, excluded = plain.high
        near = [bound] if excluded else []
        start = _multiple(math.floor(bound / distance), distance) if plain.multiples else bound
        found += [("above", _tidy(number)) for number in (*near, *(start + times * distance for times in AWAY))]
    if plain.multiples:
        middle = _multiple(math.ceil(low / distance), distance)
        for offset in (1,) if whole else (distance / 2, distance / 3):
            found.append(("multiple", _tidy(middle + offset)))
    return [(side, int(number) if whole else number) for side, number in found]


def span(plain: Plain, cap: float | None) -> tuple[float, float]:
    """The lowest and the highest number to consider; an open side ends a thousand away from the other."""
    low = plain.low[0] if plain.low else None
    high = plain.high[0] if plain.high else None
    if cap is not None and (high is None or high > cap):
        high = cap
    if low is None:
        low = -FAR if high is None else min(high - FAR, 0)
    if high is None:
        high = low + FAR
    return low, high


def inside(plain: Plain, number: float) -> bool:
    """Whether a number is within the bounds; multiples are for the validator to judge."""
    if plain.low and (number < plain.low[0] or (plain.low[1] and number == plain.low[0])):
        return False
    return not (plain.high and (number > plain.high[0] or (plain.high[1] and number == plain.high[0])))


def unique(values: Iterable[Json]) -> list[Json]:
    """The values without repeats, in their order; integer-valued floats and their integers are one."""
    return list({(isinstance(value, bool), value): value for value in values}.values())


def _spread(first: int, last: int) -> list[int]:
    """All integers of a short range; of a long one its ends, the powers of two, and steps between."""
    if last - first < MOST_CHOICES:
        return list(range(first, last + 1))
    powers = [sign * 2**power for power in range(0, 53, 3) for sign in (1, -1)]
    ends = [first, first + 1, first + 2, last - 2, last - 1, last, 0]
    steps = [first + (last - first) * part // 80 for part in range(81)]
    return unique(number for number in (*ends, *powers, *steps) if first <= number <= last)[:MOST_CHOICES]


def _fractions(low: float, high: float) -> list[Json]:
    digits = _digits(low, high)
    found = [low, high, 0.0, 1.0, round((low + high) / 2, digits)]
    found += [round(low + (high - low) * part / 100, digits) for part in range(1, 100)]
    return unique(number for number in found if low <= number <= high)[:MOST_CHOICES]


def _fine(low: float, high: float) -> float:
    """One hundredth of the range, as a round number: 32-bit floats can still tell it from the bound."""
    return float(10.0 ** -_digits(low, high)) * 2 if high > low else max(abs(low), 1.0) / 100


def _digits(low: float, high: float) -> int:
    return max(0, 2 - math.floor(math.log10(high - low))) if high > low else 2


def _multiple(number: int, distance: float) -> float:
    exact = number * distance
    return int(exact) if float(distance).is_integer() else _tidy(exact)


def _tidy(number: float) -> float:
    """Without the last digits, which are noise of binary fractions."""
    return number if isinstance(number, int) else round(number, 12)


def _simplicity(number: Json) -> tuple[int, float, bool]:
    return (len(repr(abs(number)).removesuffix(".0")), abs(number), number < 0)

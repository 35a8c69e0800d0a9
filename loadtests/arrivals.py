"""When requests are due: offsets in seconds from the start of a run, fixed before the first one is sent.

Law: a schedule is absolute. A late request never moves the ones after it, so a slow endpoint cannot slow its own test.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

Schedule = tuple[float, ...]


def constant(count: int, rate: float, seed: int = 0) -> Schedule:
    """`count` arrivals, one each 1/`rate` seconds from 0; each is computed from its index, so no error adds up."""
    del seed
    _refuse(count, rate)
    return tuple(index / rate for index in range(count))


def poisson(count: int, rate: float, seed: int = 0) -> Schedule:
    """`count` arrivals of a Poisson process over `count`/`rate` seconds, the same for the same seed.

    Given their number, the arrivals of a Poisson process are independent and uniform: hence exactly `count` of them,
    and a budget that holds.
    """
    _refuse(count, rate)
    draw = random.Random(f"arrivals:{seed}")  # noqa: S311 - a schedule is no secret
    return tuple(sorted(draw.uniform(0, count / rate) for _ in range(count)))


ARRIVALS: Mapping[str, Callable[[int, float, int], Schedule]] = {"constant": constant, "poisson": poisson}


def shared_out(schedule: Schedule, index: int, workers: int) -> Schedule:
    """The arrivals that worker `index` of `workers` is to send; together the workers send each exactly once."""
    if not 0 <= index < workers:
        raise ValueError(f"worker {index} of {workers}: the index runs from 0 to {workers - 1}")
    return schedule[index::workers]


def _refuse(count: int, rate: float) -> None:
    if count < 0 or not 0 < rate < float("inf"):
        raise ValueError(f"{count} arrivals at {rate} per second: the count is 0 or more, the rate above 0")

"""When requests are due: offsets in seconds from the start of a run, fixed before the first one is sent.

Law: a schedule is absolute. A late request never moves the ones after it, so a slow endpoint cannot slow its own test.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

Schedule = tuple[float, ...]

MOST_STRETCHES = 1_000


def constant(count: int, rate: float, seed: int = 0, burstiness: float = 1.0) -> Schedule:
    """`count` arrivals, one each 1/`rate` seconds from 0; each is computed from its index, so no error adds up."""
    del seed, burstiness
    _refuse(count, rate)
    return tuple(index / rate for index in range(count))


def poisson(count: int, rate: float, seed: int = 0, burstiness: float = 1.0) -> Schedule:
    """`count` arrivals of a Poisson process over `count`/`rate` seconds, the same for the same seed.

    Given their number, the arrivals of a Poisson process are independent and uniform: hence exactly `count` of them,
    and a budget that holds.
    """
    del burstiness
    _refuse(count, rate)
    draw = random.Random(f"arrivals:{seed}")  # noqa: S311 - a schedule is no secret
    return tuple(sorted(draw.uniform(0, count / rate) for _ in range(count)))


def gamma(count: int, rate: float, seed: int = 0, burstiness: float = 1.0) -> Schedule:
    """`count` arrivals over `count`/`rate` seconds whose gaps are gamma distributed with the shape `burstiness`.

    A shape of 1 is a Poisson process, less comes in bursts (the gaps vary by 1/sqrt(shape)), more is more even. The
    gaps are scaled to the time that there is, as vLLM's benchmark does, so that number and mean rate are exact.
    """
    _refuse(count, rate)
    if not 0 < burstiness < float("inf"):
        raise ValueError(f"burstiness {burstiness}: it is above 0")
    draw = random.Random(f"gamma:{seed}")  # noqa: S311 - a schedule is no secret
    # One gap more than arrivals: the last is the time that is left after the last arrival.
    ends = list(accumulate(draw.gammavariate(burstiness, 1.0) for _ in range(count + 1)))
    # All gaps of a very small shape may be 0 as far as a float can tell.
    scale = count / rate / ends[-1] if ends[-1] > 0 else 0.0
    return tuple(end * scale for end in ends[:count])


ARRIVALS: Mapping[str, Callable[[int, float, int, float], Schedule]] = {
    "constant": constant,
    "poisson": poisson,
    "gamma": gamma,
}


@dataclass(frozen=True)
class Shape:
    """How the rate goes over time: stretches of (rate at their start, rate at their end, seconds), one after another.

    Within a stretch the rate is linear, so that one stretch is a constant rate or a ramp, and several are steps.
    """

    stretches: tuple[tuple[float, float, float], ...]

    @property
    def seconds(self) -> float:
        """How long all stretches take together."""
        return math.fsum(seconds for _, _, seconds in self.stretches)

    @property
    def count(self) -> int:
        """How many requests that is; at least one."""
        # Rounded, so that 0.1 s at 30 per second are three requests and not two by a hair.
        return max(1, math.floor(round(self._ends[-1], 6)))

    @property
    def highest(self) -> float:
        """The highest rate."""
        return max(max(first, last) for first, last, _ in self.stretches)

    @cached_property
    def _ends(self) -> tuple[float, ...]:
        """The expected number of requests until the end of each stretch."""
        return tuple(accumulate((first + last) / 2 * seconds for first, last, seconds in self.stretches))

    @cached_property
    def _starts(self) -> tuple[float, ...]:
        return (0.0, *accumulate(seconds for _, _, seconds in self.stretches))

    def at(self, position: float) -> float:
        """When `position` requests are expected to have been sent: the inverse of the cumulated rate, in seconds."""
        # The one request of a shape that expects less than one is due within its time as well.
        position = min(position, self._ends[-1])
        place = min(bisect_right(self._ends, position), len(self._ends) - 1)
        first, last, seconds = self.stretches[place]
        inside = position - (self._ends[place - 1] if place else 0.0)
        if first == last:
            return self._starts[place] + inside / first if first else self._starts[place]
        root = math.sqrt(max(0.0, first * first + 2 * inside * (last - first) / seconds))
        return self._starts[place] + min(seconds, 2 * inside / (first + root)) if inside > 0 else self._starts[place]


def steady(rate: float, seconds: float) -> Shape:
    """The same rate for that long."""
    return Shape(((rate, rate, seconds),))


def ramp(first: float, last: float, seconds: float) -> Shape:
    """From one rate to another in that time, evenly."""
    return Shape(((first, last, seconds),))


def steps(text: str) -> Shape:
    """The shape in `RATE:SECONDS,RATE:SECONDS,…`; a rate of 0 is a pause. `ValueError` for what is none."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MOST_STRETCHES:
        raise ValueError(f"steps has {len(parts)} of them; {MOST_STRETCHES} are the most")
    stretches = []
    for part in parts:
        try:
            rate, seconds = map(float, part.split(":"))
        except ValueError:
            raise ValueError(f"steps is RATE:SECONDS,RATE:SECONDS,… like 5:20,50:5,5:20, and not {text!r}") from None
        if not 0 <= rate <= 10_000 or not 0 < seconds <= 86_400:
            raise ValueError(f"step {part!r}: a rate is from 0 to 10,000 per second, seconds from above 0 to 86,400")
        stretches.append((rate, rate, seconds))
    if not any(rate for rate, _, _ in stretches):
        raise ValueError(f"steps {text!r}: no step has a rate above 0")
    return Shape(tuple(stretches))


def scheduled(arrivals: str, shape: Shape, seed: int, burstiness: float = 1.0) -> Schedule:
    """The arrivals of that kind under a rate that goes by `shape`.

    The process runs on a clock that ticks once for each expected request, and the shape says when each tick is: a
    Poisson process so becomes the one whose rate varies, and keeps its count.
    """
    ticks = ARRIVALS[arrivals](shape.count, 1.0, seed, burstiness)
    if {rate for first, last, _ in shape.stretches for rate in (first, last)} == {shape.highest}:
        # One rate all the time: one division, and no error that adds up.
        return tuple(tick / shape.highest for tick in ticks)
    return tuple(shape.at(tick) for tick in ticks)


def shared_out(schedule: Schedule, index: int, workers: int) -> Schedule:
    """The arrivals that worker `index` of `workers` is to send; together the workers send each exactly once.

    They are dealt out in turn from the one schedule, so that what arrives at the endpoint has its distribution,
    whatever it is; drawing afresh in each worker would make bursts even.
    """
    if not 0 <= index < workers:
        raise ValueError(f"worker {index} of {workers}: the index runs from 0 to {workers - 1}")
    return schedule[index::workers]


def _refuse(count: int, rate: float) -> None:
    if count < 0 or not 0 < rate < float("inf"):
        raise ValueError(f"{count} arrivals at {rate} per second: the count is 0 or more, the rate above 0")

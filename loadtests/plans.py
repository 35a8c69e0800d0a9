"""A profile made exact: how many requests at which times, what they may cost, how long it takes; before any is sent.

Law: requests and tokens of a plan are upper bounds that no run exceeds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from loadtests.arrivals import Schedule, Shape, ramp, scheduled, steady, steps
from loadtests.files import read_prompts, read_trace
from loadtests.goodput import goodput_bounds
from loadtests.lengths import lengths
from loadtests.profiles import PlanError, Profile, changed
from loadtests.search import MOST_HICCUPS, MOST_TRIALS, most_of_search
from loadtests.workload import Kind, Workload, mixed

# Each has a place in memory before the first is sent.
MOST_REQUESTS = 5_000_000
# A closed loop's upper bound where none was given: no answer of a model is quicker than this (s).
_QUICKEST = 0.1


@dataclass(frozen=True)
class Plan:
    """A profile made exact.

    `requests` and `tokens`, an upper bound, include the warm-up; `likely` is what the run costs where a word is a
    token; `seconds` is the time until the last request is sent, of all trials together where there are several.
    """

    profile: Profile
    requests: int
    tokens: int
    likely: int
    seconds: float

    @property
    def scheduled(self) -> int:
        """How many requests are sent on schedule, that is, without the warm-up; a closed loop may send fewer."""
        return self.requests - self.profile.warmup

    @property
    def closed(self) -> bool:
        """Whether users wait for their answers before they send again."""
        return self.profile.concurrency > 0

    @cached_property
    def shape(self) -> Shape:
        """How the rate of an open loop goes over time; that of a trace is its mean."""
        return _shape(self.profile)

    @cached_property
    def workload(self) -> Workload:
        """What each request asks."""
        return _workload(self.profile)

    @cached_property
    def bounds(self) -> dict[str, float]:
        """The bounds that a good answer keeps, in milliseconds by measure."""
        return goodput_bounds(self.profile.goodput)

    @property
    def longest(self) -> float:
        """How long a run can take at the most, in seconds: every warm-up and every drain lasts as long as it may."""
        row = self.profile
        trials = MOST_TRIALS + MOST_HICCUPS if row.search else 1
        again = self.seconds * MOST_HICCUPS if row.search else 0.0
        return self.seconds + again + trials * ((row.warmup + 1) * row.deadline + row.drain + 1)

    def schedule(self, seed: int) -> Schedule:
        """When each request is due, in seconds from the start; empty in a closed loop, where answers decide."""
        if self.closed:
            return ()
        if self.workload.trace is not None:
            return self.workload.trace.offsets
        return scheduled(self.profile.arrivals, self.shape, seed, self.profile.burstiness)

    def pause(self, seed: int, number: int) -> float:
        """How long a user thinks before the `number`-th request (s); exponential, lest users march in step."""
        if not self.profile.think:
            return 0.0
        draw = random.Random(f"think:{seed}:{number}")  # noqa: S311 - a pause is no secret
        return draw.expovariate(1 / self.profile.think)

    def to_record(self) -> dict[str, Any]:
        """The plan as a JSON object for the log."""
        own = {name: getattr(self, name) for name in ("requests", "tokens", "likely", "seconds")}
        # Settings that were left as they are by default say nothing, and logs of before have none of them.
        row = {name: value for name, value in asdict(self.profile).items() if value != "" or name in _ALWAYS}
        return {**row, **own}

    def __str__(self) -> str:
        row = self.profile
        what = " and ".join(kind.name for kind in self.workload.kinds) if row.mix else row.route
        most = "at most " if self.closed or row.search else ""
        warm = f"{row.warmup} to warm up{' each' if row.search else ''}"
        return (
            f"{row.name}: {most}{self.requests:,} {what} requests ({self._when()}, {warm}), "
            f"{'up to ' if most else ''}about {self.likely:,} and at most "
            f"{self.tokens:,} tokens, {most}{self.seconds:.0f} s and up to {row.drain:.0f} s for the last answers"
        )

    def _when(self) -> str:
        row = self.profile
        if row.search:
            return (
                f"trials from {row.rate:g} up to {row.rate_most:g} per second, good: {row.goodput} ms for "
                f"{100 * row.share:g} % of requests"
            )
        if self.closed:
            wait = f" and {row.think:g} s of thought" if row.think else ""
            talk = f", in conversations of {row.turns} turns with the endpoint's own answers" if row.turns > 1 else ""
            return f"{row.concurrency:,} users, each sending after its last answer{wait}{talk}"
        kind = "" if row.arrivals == "constant" else f" as a {row.arrivals} process"
        if self.workload.trace is not None:
            return f"{self.scheduled:,} as in {row.trace}"
        if row.steps:
            return f"{self.scheduled:,} in steps {row.steps}{kind}"
        start = f"{row.rate_from:g} rising to " if row.rate_from else ""
        return f"{self.scheduled:,} at {start}{row.rate:g} per second{kind}"


# Fields that a record has even when they are empty.
_ALWAYS = ("name", "title", "route", "arrivals")


def plan(row: Profile, overrides: Mapping[str, Any] | None = None) -> Plan:
    """What a run of that profile does, with the user's changes (those that are None are ignored).

    Raises `PlanError` for an unknown or senseless value and for a plan that is likely to cost more than its cap.
    """
    made = changed(row, overrides)
    try:
        _refuse_contradictions(made)
        work = _workload(made)
        goodput_bounds(made.goodput)
        requests, seconds = _most(made, work)
    except ValueError as error:
        raise PlanError(str(error)) from None
    if requests > MOST_REQUESTS:
        raise PlanError(
            f"{requests:,} requests are more than one run sends ({MOST_REQUESTS:,}): lower rate or duration"
        )
    tokens = requests * (work.most_prompt + work.most_answer)
    likely = round(requests * (work.likely_prompt + work.likely_answer))
    if 0 < made.token_cap < likely:
        raise PlanError(
            f"{requests:,} requests are likely to cost {likely:,} tokens and the cap is {made.token_cap:,}: "
            "lower the rate, the duration or max_tokens, or raise the cap"
        )
    return Plan(made, requests, tokens, likely, seconds)


def _most(row: Profile, work: Workload) -> tuple[int, float]:
    """The most requests, the warm-up included, and the seconds until the last of them is sent."""
    if row.search:
        trials, requests, seconds = most_of_search(row, max(goodput_bounds(row.goodput).values()) / 1e3)
        return requests + trials * row.warmup, seconds
    if row.concurrency:
        bound = row.requests or row.concurrency * math.ceil(row.duration / max(_QUICKEST, row.think) + 1)
        return bound + row.warmup, row.duration
    if work.trace is not None:
        return len(work.trace.offsets) + row.warmup, work.trace.offsets[-1]
    shape = _shape(row)
    # At a steady rate the last is due when the rate says, which may be before the time is over.
    steady_rate = not row.steps and not row.rate_from
    return shape.count + row.warmup, shape.count / row.rate if steady_rate else shape.seconds


def _shape(row: Profile) -> Shape:
    if row.steps:
        return steps(row.steps)
    return ramp(row.rate_from, row.rate, row.duration) if row.rate_from else steady(row.rate, row.duration)


def _workload(row: Profile) -> Workload:
    lanes = max(1, row.concurrency) if row.concurrency else 16
    trace = read_trace(row.trace) if row.trace else None
    if trace is not None:
        trace = _cut(trace, row)
    return Workload(
        kinds=mixed(row.mix) if row.mix else (Kind(row.route, stream=True),),
        prompt_lengths=lengths(row.prompt_tokens, "prompt_tokens"),
        answer_lengths=lengths(row.max_tokens, "max_tokens"),
        prefix_share=row.prefix_share,
        prefixes=row.prefixes,
        turns=row.turns,
        lanes=lanes,
        prompts=read_prompts(row.prompt_file) if row.prompt_file else (),
        trace=trace,
    )


def _cut(trace: Any, row: Profile) -> Any:
    """The trace up to as many requests as were asked for."""
    most = row.requests or len(trace.offsets)
    return replace(
        trace,
        offsets=trace.offsets[:most],
        prompt_tokens=trace.prompt_tokens[:most],
        max_tokens=trace.max_tokens[:most],
    )


def _refuse_contradictions(row: Profile) -> None:
    """`ValueError` for settings that cannot be meant together."""
    shapes = [name for name in ("steps", "trace", "rate_from", "concurrency", "search") if getattr(row, name)]
    if len(shapes) > 1:
        raise ValueError(f"{' and '.join(shapes)} cannot be had together: each says when requests are sent")
    if row.think and not row.concurrency:
        raise ValueError("think is for a closed loop; give a concurrency as well")
    if row.prompt_file and (row.turns > 1 or row.prefix_share):
        raise ValueError("turns and prefix_share are for prompts that are made, not for those of a prompt_file")
    if row.search and row.rate > row.rate_most:
        raise ValueError(f"rate {row.rate:g} is above rate_most {row.rate_most:g}")
    if row.search and not row.goodput:
        raise ValueError("a search for the capacity needs goodput: what a good answer keeps, like ttft:1000,tpot:100")

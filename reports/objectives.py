"""Which objective is judged how, and those that rest on more than one histogram or share.

Law: an objective is judged only on a load that can show it; one that says nothing about a load is left out there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports.model import Load
from reports.slo import (
    GOODPUT_BOUNDS,
    OBJECTIVES,
    Objective,
    SloResult,
    State,
    judge_at_least,
    judge_at_most,
    judge_percentile,
)
from reports.stats import CONFIDENCE, Distribution, percentile_ranks, rate_bounds
from reports.trends import burst_of, drift, recovery

Distributions = Mapping[str, Distribution]
# Two percentiles are held against each other, so each bound has half of the error that their ratio may have.
_EACH = 1 - (1 - CONFIDENCE) / 2
# What has to be alike in two plans before their latencies can be compared.
_ALIKE = (
    "name", "rate", "duration", "route", "arrivals", "burstiness", "rate_from", "steps", "trace", "concurrency",
    "think", "prompt_tokens", "max_tokens", "prompt_file", "prefix_share", "prefixes", "turns", "mix",
)  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {"burstiness": 1.0, "prefixes": 1, "turns": 1}


def applies(name: str, load: Load) -> bool:
    """Whether an objective says something about a load."""
    kind = OBJECTIVES[name].kind
    if kind == "capacity":
        return load.profile == "capacity"
    if kind == "recovery":
        return burst_of(load.plan) is not None
    if kind == "drift":
        return load.profile == "soak"
    return True


@dataclass(frozen=True, kw_only=True)
class Case:
    """One objective of a gate's on one load; `distributions` are its decoded histograms by measure.

    `slo` is the gate's whole table, `baseline` the load of an earlier run with its distributions.
    """

    name: str
    slo: Mapping[str, float]
    load: Load
    distributions: Distributions
    baseline: tuple[Load, Distributions] | None = None

    @property
    def limit(self) -> float:
        """The objective's limit."""
        return self.slo[self.name]

    @property
    def objective(self) -> Objective:
        """What the objective bounds."""
        return OBJECTIVES[self.name]

    def result(self, state: State, **figures: Any) -> SloResult:
        """What follows."""
        return SloResult(name=self.name, profile=self.load.profile, limit=self.limit, state=state, **figures)

    def unknown(self, why: str) -> SloResult:
        """It cannot be judged, and why."""
        return self.result("not-enough", message=why)


def judge_slo(case: Case) -> SloResult:
    """Judge one objective on one load."""
    load = case.load
    if not load.valid:
        return case.result("not-judged", message=f"the load is not valid: {load.reason or 'no reason given'}")
    if case.objective.kind in _BEARABLE and (why := _beyond_bearing(load)):
        return case.result("not-judged", message=why)
    return _JUDGES[case.objective.kind](case)


def _beyond_bearing(load: Load) -> str:
    """Why a load is not held to what an endpoint must keep under one that it is meant to bear; empty when it is."""
    if burst_of(load.plan) is not None:
        return "a burst is meant to be too much; the recovery from it is judged"
    return "at its capacity an endpoint is as slow as may be; the capacity is judged" if load.capacity else ""


def _percentile(case: Case) -> SloResult:
    # From the intended start where it is known: a request that had to wait for its turn was slow for its user.
    return judge_percentile(case.name, case.limit, case.load, _seen(case.objective.measure, case.distributions))


def _seen(measure: str, distributions: Distributions) -> Distribution | None:
    return distributions.get(f"{measure}_intended") or distributions.get(measure)


def _goodput(case: Case) -> SloResult:
    slo, load, limit = case.slo, case.load, case.limit
    found = load.goodput
    wanted = {short: slo[key] for key, short in GOODPUT_BOUNDS.items() if key in slo}
    if found is None or not found.bounds:
        return case.unknown(f"the load knew no good answer: set {', '.join(GOODPUT_BOUNDS)} or --goodput")
    if wanted and wanted != dict(found.bounds):
        told = ", ".join(f"{short} {bound:g} ms" for short, bound in wanted.items())
        return case.unknown(f"this gate calls good: {told}; the load counted {found.told}: run it again")
    scale = 1.0
    if case.name == "goodput_rate_at_least":
        scale = found.requests / load.seconds if load.seconds > 0 else 0.0
    low, high = (bound * scale for bound in rate_bounds(found.good_intended, found.requests))
    state: State = "fail" if high < limit else "pass" if low >= limit and found.requests else "not-enough"
    message = f"{found.good_intended} of {found.requests} requests: {found.told}"
    if state == "not-enough":
        message += "; they leave it open on which side of the limit it lies"
    return case.result(
        state,
        value=found.good_intended / found.requests * scale if found.requests else None,
        low=low,
        high=high,
        samples=found.requests,
        message=message,
    )


def _capacity(case: Case) -> SloResult:
    found, limit = case.load.capacity, case.limit
    if found is None or (found.low is None and found.high is None):
        return case.unknown(found.why if found and found.why else "no capacity was found")
    low, high = found.low, found.high
    state: State = "not-enough"
    if low is not None and low >= limit:
        state = "pass"
    elif high is not None and high <= limit:
        state = "fail"
    return case.result(
        state,
        value=high if low is None else low,
        low=low,
        high=high,
        samples=sum(point.judged for point in found.curve),
        message=found.why,
    )


def _recovery(case: Case) -> SloResult:
    load, limit = case.load, case.limit
    found = None if load.course is None else recovery(load.course, load.plan)
    if found is None:
        return case.unknown("too little was measured before or after the burst")
    if not found.burdened:
        return case.unknown("the endpoint bore the burst without getting slow: raise the rate of --steps")
    state: State = "not-enough"
    if found.low > limit:
        state = "fail"
    elif found.high is not None and found.high <= limit:
        state = "pass"
    return case.result(
        state,
        value=found.low if found.high is None else found.high,
        low=found.low,
        high=found.high,
        samples=load.requests,
        message="" if found.high is not None else "it was still slow when the load ended",
    )


def _drift(case: Case) -> SloResult:
    load, limit = case.load, case.limit
    found = None if load.course is None else drift(load.course, case.objective.measure)
    if found is None:
        return case.unknown("the load was too short, or had too few answers, to show a drift")
    state: State = "fail" if found.low > limit else "pass" if found.high <= limit else "not-enough"
    message = f"{found.windows} windows"
    if state == "not-enough":
        message += " leave it open on which side of the limit it lies"
    return case.result(
        state,
        value=found.change,
        low=found.low,
        high=found.high,
        samples=found.windows,
        message=message,
    )


def _regression(case: Case) -> SloResult:
    objective, load, limit = case.objective, case.load, case.limit
    if case.baseline is None:
        return case.unknown("there is no baseline with a valid load of this profile")
    other, theirs = case.baseline
    if differing := [key for key in _ALIKE if _setting(load, key) != _setting(other, key)]:
        told = ", ".join(f"{key} {_setting(other, key)!r} there and {_setting(load, key)!r} here" for key in differing)
        return case.unknown(f"the baseline is another load: {told}")
    sides = [(_seen(objective.measure, found), one) for found, one in ((theirs, other), (case.distributions, load))]
    bounds = [_between(found, objective.percent, one, objective.measure) for found, one in sides]
    values = [found.percentile(objective.percent) if found and found.total else 0.0 for found, _ in sides]
    if not all(values):
        return case.unknown("nothing was measured on one of the sides")
    (before_low, before_high), (low, high) = bounds
    worst = high / before_low - 1 if high is not None and before_low else None
    best = low / before_high - 1 if low is not None and before_high else None
    state: State = "not-enough"
    if best is not None and best > limit:
        state = "fail"
    elif worst is not None and worst <= limit:
        state = "pass"
    message = f"{values[1]:,.4g} ms, where the baseline has {values[0]:,.4g} ms"
    return case.result(
        state,
        value=values[1] / values[0] - 1,
        low=-1.0 if best is None else best,
        high=worst,
        samples=min(one.counts.get("ok", 0) for one in (load, other)),
        message=message + ("; too few samples to say more" if state == "not-enough" else ""),
    )


def _between(found: Distribution | None, percent: float, load: Load, measure: str) -> tuple[float | None, float | None]:
    """The bounds of a percentile in milliseconds, at half of the error that a ratio of two may have."""
    if found is None or not found.total:
        return None, None
    # The gaps of one stream are alike, so they count as one sample.
    independent = min(found.total, load.counts.get("ok", 0)) if measure == "itl" else found.total
    lower, upper = percentile_ranks(independent, percent, _EACH)
    low = found.percentile(100 * lower / independent) if lower else None
    return low, found.percentile(100 * upper / independent) if upper else None


def _setting(load: Load, key: str) -> Any:
    """A setting of a plan, alike where one log leaves out what is as by default."""
    given = load.plan.get(key) or _DEFAULTS.get(key)
    return None if given is None or (isinstance(given, float) and math.isnan(given)) else given


_BEARABLE = ("percentile", "regression", "at-least", "goodput")
_JUDGES: Mapping[str, Callable[[Case], SloResult]] = {
    "percentile": _percentile,
    "at-least": lambda case: judge_at_least(case.limit, case.load),
    "at-most": lambda case: judge_at_most(case.name, case.limit, case.load),
    "goodput": _goodput,
    "capacity": _capacity,
    "recovery": _recovery,
    "drift": _drift,
    "regression": _regression,
}

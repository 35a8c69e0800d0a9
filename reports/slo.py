"""Service level objectives, judged on one load.

Law: an objective passes or fails only when the samples say so with 95 % confidence; until then they are not
enough. A load whose figures describe the generator rather than the endpoint is judged not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reports.model import Load
from reports.stats import Distribution, percentile_ranks, rate_bounds, samples_for

State = Literal["pass", "fail", "not-enough", "not-judged"]


@dataclass(frozen=True)
class Objective:
    """One objective: the measure and percentile that it bounds (no percentile for a share), its words, an example."""

    measure: str
    percent: float
    text: str
    example: float


OBJECTIVES: Mapping[str, Objective] = {
    "ttft_p95_ms": Objective("ttft", 95, "time to first token, 95th percentile", 800),
    "ttft_p99_ms": Objective("ttft", 99, "time to first token, 99th percentile", 1500),
    "itl_p95_ms": Objective("itl", 95, "gap between tokens, 95th percentile", 60),
    "itl_p99_ms": Objective("itl", 99, "gap between tokens, 99th percentile", 120),
    "e2e_p95_ms": Objective("e2e", 95, "whole answer, 95th percentile", 5000),
    "error_rate": Objective("errors", 0, "share of requests that failed (429 apart)", 0.01),
    "throttled_rate": Objective("429", 0, "share of requests answered 429", 0.05),
    "achieved_rate_at_least": Objective("ok", 0, "share of the planned requests that got a whole answer", 0.95),
}
SHARES = tuple(name for name, objective in OBJECTIVES.items() if not objective.percent)


@dataclass(frozen=True, kw_only=True)
class SloResult:
    """One objective on one load: what was measured, between which bounds the truth lies, and what follows.

    `value`, `low`, `high` and `limit` are milliseconds or a share; `high` is None where the samples give no bound.
    """

    name: str
    profile: str
    limit: float
    state: State
    value: float | None = None
    low: float | None = None
    high: float | None = None
    samples: int = 0
    message: str = ""

    @property
    def is_share(self) -> bool:
        """Whether the figures are shares from 0 to 1, and not milliseconds."""
        return self.name in SHARES

    @property
    def text(self) -> str:
        """What the objective bounds, in words."""
        return OBJECTIVES[self.name].text

    def figure(self, value: float | None) -> str:
        """A value of this objective with its unit; a dash for None."""
        if value is None:
            return "-"
        return f"{value * 100:.3g} %" if self.is_share else f"{value:,.4g} ms"

    @property
    def bounds(self) -> str:
        """Between which figures the truth lies, in words; empty when nothing was measured."""
        if self.value is None:
            return ""
        low = self.figure(self.low if self.low is not None else 0.0)
        return f"{low} to {self.figure(self.high)}" if self.high is not None else f"{low} or more"

    @property
    def evidence(self) -> str:
        """The measurement beside its limit, in one line."""
        if self.value is None:
            return self.message
        limit = "at least" if self.name.endswith("at_least") else "at most"
        told = f"{self.figure(self.value)} ({self.bounds}), {limit} {self.figure(self.limit)} wanted"
        return f"{told}; {self.message}" if self.message else told


def judge_slo(name: str, limit: float, load: Load, distributions: Mapping[str, Distribution]) -> SloResult:
    """Judge one objective on one load; `distributions` are its decoded histograms by measure."""
    if not load.valid:
        message = f"the load is not valid: {load.reason or 'no reason given'}"
        return SloResult(name=name, profile=load.profile, limit=limit, state="not-judged", message=message)
    objective = OBJECTIVES[name]
    if objective.percent:
        # From the intended start where it is known: a request that had to wait for its turn was slow for its user.
        measure = objective.measure
        intended = distributions.get(f"{measure}_intended")
        return _latency(name, limit, load, intended or distributions.get(measure))
    return _at_least(limit, load) if name == "achieved_rate_at_least" else _at_most(name, limit, load)


def failed(load: Load) -> int:
    """How many requests of a load failed: everything but a whole answer and a 429."""
    return load.requests - load.counts.get("ok", 0) - load.counts.get("429", 0)


def _latency(name: str, limit: float, load: Load, found: Distribution | None) -> SloResult:
    percent = OBJECTIVES[name].percent
    if found is None or not found.total:
        return SloResult(
            name=name, profile=load.profile, limit=limit, state="not-enough", message="nothing was measured"
        )
    # The gaps of one stream are alike, so they count as one sample: a bound for them rests on the number of streams.
    independent = min(found.total, load.counts.get("ok", 0)) if name.startswith("itl") else found.total
    lower, upper = percentile_ranks(independent, percent)
    low = found.percentile(100 * lower / independent) if lower else None
    high = found.percentile(100 * upper / independent) if upper else None
    state: State = "not-enough"
    message = ""
    if low is not None and low > limit:
        state = "fail"
    elif high is not None and high <= limit:
        state = "pass"
    elif high is None:
        message = f"{independent} samples; at least {samples_for(percent)} are needed"
    else:
        message = f"{independent} samples leave it open on which side of the limit it lies"
    return SloResult(
        name=name,
        profile=load.profile,
        limit=limit,
        state=state,
        value=found.percentile(percent),
        low=low,
        high=high,
        samples=independent,
        message=message,
    )


def _at_most(name: str, limit: float, load: Load) -> SloResult:
    hits, total = failed(load) if name == "error_rate" else load.counts.get("429", 0), load.requests
    low, high = rate_bounds(hits, total)
    if limit == 0:
        # No number of samples proves a rate of exactly 0; the limit can only mean that none was seen.
        state: State = "not-enough" if not total else "fail" if hits else "pass"
    else:
        state = "fail" if low > limit else "pass" if high <= limit else "not-enough"
    return _share(name, limit, load, state, hits, total)


def _at_least(limit: float, load: Load) -> SloResult:
    total = load.planned or load.requests
    hits = min(load.counts.get("ok", 0), total)
    low, high = rate_bounds(hits, total)
    if limit == 1:
        state: State = "not-enough" if not total else "pass" if hits == total else "fail"
    else:
        state = "fail" if high < limit else "pass" if low >= limit else "not-enough"
    return _share("achieved_rate_at_least", limit, load, state, hits, total)


def _share(name: str, limit: float, load: Load, state: State, hits: int, total: int) -> SloResult:
    low, high = rate_bounds(hits, total)
    message = f"{hits} of {total} requests"
    return SloResult(
        name=name,
        profile=load.profile,
        limit=limit,
        state=state,
        value=hits / total if total else None,
        low=low,
        high=high,
        samples=total,
        message=message + (" leave it open on which side of the limit it lies" if state == "not-enough" else ""),
    )

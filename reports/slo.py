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
Unit = Literal["ms", "share", "per s", "s", "MB", "change"]


@dataclass(frozen=True)
class Objective:
    """One objective: the measure and percentile that it bounds (no percentile for a share), its words, an example.

    `kind` says how it is judged (`reports.objectives`), `unit` what its figures are in.
    """

    measure: str
    percent: float
    text: str
    example: float
    unit: Unit = "ms"
    kind: str = "percentile"


def _regressions() -> dict[str, Objective]:
    """By how much a percentile may be worse than that of the baseline: 0.1 is a tenth."""
    words = {
        "ttft": "time to first token",
        "itl": "gap between tokens",
        "tpot": "time per token",
        "e2e": "whole answer",
    }
    return {
        f"{measure}_p{percent}_regression": Objective(
            measure, percent, f"{text}, p{percent}, slower than the baseline's", 0.1, "change", "regression"
        )
        for measure, text in words.items()
        for percent in (50, 95, 99)
    }


OBJECTIVES: Mapping[str, Objective] = {
    "ttft_p95_ms": Objective("ttft", 95, "time to first token, 95th percentile", 800),
    "ttft_p99_ms": Objective("ttft", 99, "time to first token, 99th percentile", 1500),
    "itl_p95_ms": Objective("itl", 95, "gap between tokens, 95th percentile", 60),
    "itl_p99_ms": Objective("itl", 99, "gap between tokens, 99th percentile", 120),
    "tpot_p95_ms": Objective("tpot", 95, "time per token after the first, 95th percentile", 60),
    "tpot_p99_ms": Objective("tpot", 99, "time per token after the first, 99th percentile", 100),
    "e2e_p95_ms": Objective("e2e", 95, "whole answer, 95th percentile", 5000),
    "e2e_p99_ms": Objective("e2e", 99, "whole answer, 99th percentile", 9000),
    "error_rate": Objective("errors", 0, "share of requests that failed (429 apart)", 0.01, "share", "at-most"),
    "throttled_rate": Objective("429", 0, "share of requests answered 429", 0.05, "share", "at-most"),
    "achieved_rate_at_least": Objective(
        "ok", 0, "share of the planned requests that got a whole answer", 0.95, "share", "at-least"
    ),
    "goodput_at_least": Objective("good", 0, "share of requests with a good answer", 0.95, "share", "goodput"),
    "goodput_rate_at_least": Objective("good", 0, "good answers per second", 5, "per s", "goodput"),
    "capacity_at_least": Objective("capacity", 0, "highest rate with good answers", 10, "per s", "capacity"),
    "recovery_s_at_most": Objective("recovery", 0, "time until latency is as before a burst", 10, "s", "recovery"),
    "ttft_drift_at_most": Objective("ttft", 0, "change of the median TTFT over a soak", 0.1, "change", "drift"),
    "e2e_drift_at_most": Objective("e2e", 0, "change of the median whole answer over a soak", 0.1, "change", "drift"),
    "error_drift_at_most": Objective("errors", 0, "change of the share of errors over a soak", 0.01, "share", "drift"),
    "client_memory_drift_mb": Objective("memory", 0, "growth of this client's memory over a soak", 50, "MB", "drift"),
    **_regressions(),
}
SHARES = tuple(name for name, objective in OBJECTIVES.items() if objective.unit == "share")
# What a good answer keeps, in milliseconds, by its key in a gate; given to a load and counted there.
GOODPUT_BOUNDS: Mapping[str, str] = {f"goodput_{name}_ms": name for name in ("ttft", "itl", "tpot", "e2e")}


@dataclass(frozen=True, kw_only=True)
class SloResult:
    """One objective on one load: what was measured, between which bounds the truth lies, and what follows.

    `value`, `low`, `high` and `limit` are in the objective's unit; `high` is None where the samples give no bound, and
    `low` where they give none below.
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
        unit = OBJECTIVES[self.name].unit
        if unit == "change":
            return f"{value * 100:+.3g} %"
        return f"{value * 100:.3g} %" if unit == "share" else f"{value:,.4g} {unit}"

    @property
    def bounds(self) -> str:
        """Between which figures the truth lies, in words; empty when nothing was measured."""
        if self.value is None:
            return ""
        if self.low is None and self.high is not None and OBJECTIVES[self.name].unit not in ("ms", "share"):
            return f"{self.figure(self.high)} or less"
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


def failed(load: Load) -> int:
    """How many requests of a load failed: everything but a whole answer and a 429."""
    return load.requests - load.counts.get("ok", 0) - load.counts.get("429", 0)


def judge_percentile(name: str, limit: float, load: Load, found: Distribution | None) -> SloResult:
    """Judge the percentile that an objective bounds by the distribution of its measure."""
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


def judge_at_most(name: str, limit: float, load: Load) -> SloResult:
    """Judge the share of requests that failed, or that were answered 429."""
    hits, total = failed(load) if name == "error_rate" else load.counts.get("429", 0), load.requests
    low, high = rate_bounds(hits, total)
    if limit == 0:
        # No number of samples proves a rate of exactly 0; the limit can only mean that none was seen.
        state: State = "not-enough" if not total else "fail" if hits else "pass"
    else:
        state = "fail" if low > limit else "pass" if high <= limit else "not-enough"
    return _share(name, limit, load, state, hits, total)


def judge_at_least(limit: float, load: Load) -> SloResult:
    """Judge the share of the planned requests that got a whole answer."""
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

"""What a load measured, ready to be shown: percentiles, the shape of each distribution, objectives, doubts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reports.model import Load
from reports.objectives import Case, applies, judge_slo
from reports.slo import OBJECTIVES, SloResult, failed
from reports.stats import Distribution, StatsError, decode

PERCENTS = (50.0, 90.0, 95.0, 99.0)
# What a load says of its own generator, which is also true of one that is not valid.
OWN = ("connect", "lateness", "loop_lag")


@dataclass(frozen=True)
class Measure:
    """A latency: its key in the log, its name, and its definition as printed beside the figures."""

    key: str
    name: str
    definition: str


# In the order of a report. The words are shown wherever the figures are: tools differ in what they call by these names.
MEASURES = (
    Measure("ttft", "TTFT", "time to first token: from sending the request to the first chunk that has text"),
    Measure("ttft_intended", "TTFT, intended", "the same from the moment at which the request was due"),
    Measure("itl", "ITL", "inter-token latency: each gap between two successive chunks with text, all streams pooled"),
    Measure("tpot", "TPOT", "time per output token: (last - first chunk with text) / (tokens - 1), one per stream"),
    Measure("e2e", "End to end", "from sending the request to the end of the stream"),
    Measure("e2e_intended", "End to end, intended", "the same from the moment at which the request was due"),
    Measure("connect", "Connecting", "from beginning a request to sending it, where that took a new connection"),
    Measure("lateness", "Lateness", "how long after it was due the client began a request: its own fault"),
    Measure("loop_lag", "Loop lag", "how late the client woke up: an error that any latency here may have"),
)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One measured distribution in milliseconds; `percentiles` go by percent."""

    measure: Measure
    distribution: Distribution
    percentiles: Mapping[float, float]

    @property
    def largest(self) -> float:
        """The largest value."""
        return self.distribution.values[-1]


@dataclass(frozen=True, kw_only=True)
class LoadSummary:
    """One load with its latencies, its objectives, and why its figures are in doubt (empty when they are not)."""

    load: Load
    latencies: tuple[Latency, ...]
    slos: tuple[SloResult, ...]
    doubt: str = ""

    @property
    def profile(self) -> str:
        """The name of the load's profile."""
        return self.load.profile

    @property
    def rate(self) -> float:
        """Whole answers per second; 0 for a load that took no time or is not valid."""
        timed = self.load.valid and self.load.seconds > 0
        return self.load.counts.get("ok", 0) / self.load.seconds if timed else 0.0


def summarize(load: Load, slo: Mapping[str, float], baseline: Load | None = None) -> LoadSummary:
    """Decode a load's histograms and judge it by these limits; a histogram that cannot be read becomes a doubt.

    `baseline` is the load of an earlier run that regressions are measured from. Of a load that is not valid there is no
    figure of the endpoint, since whoever sees one believes it; counts, and what is known of the generator, stay.
    """
    distributions, damaged = _decoded(load)
    earlier = None if baseline is None else (baseline, _decoded(baseline)[0])
    latencies = tuple(
        Latency(
            measure=measure,
            distribution=found,
            percentiles={percent: found.percentile(percent) for percent in PERCENTS},
        )
        for measure in (*MEASURES, *_others(distributions))
        if (found := distributions.get(measure.key)) is not None and found.total and (load.valid or measure.key in OWN)
    )
    return LoadSummary(
        load=load if load.valid else replace(load, goodput=None, course=None, capacity=None, kinds=()),
        latencies=latencies,
        slos=tuple(
            judge_slo(Case(name=name, slo=slo, load=load, distributions=distributions, baseline=earlier))
            for name in slo
            if name in OBJECTIVES and applies(name, load)
        ),
        doubt="; ".join([*_doubts(load), *damaged]),
    )


def _decoded(load: Load) -> tuple[dict[str, Distribution], list[str]]:
    """A load's distributions by measure, and what is wrong with those that are damaged."""
    distributions: dict[str, Distribution] = {}
    damaged = []
    for key, histogram in load.histograms.items():
        try:
            distributions[key] = decode(histogram.encoded, histogram.unit)
        except StatsError as error:
            damaged.append(f"the histogram {key} is damaged ({error})")
    return distributions, damaged


def _others(distributions: Mapping[str, Distribution]) -> list[Measure]:
    """Measures that this version has no words for: shown by their key rather than left out."""
    known = {measure.key for measure in MEASURES}
    return [Measure(key, key, "not described by this version") for key in distributions if key not in known]


def _doubts(load: Load) -> list[str]:
    if not load.valid:
        return [f"its figures are not valid: {load.reason or 'no reason given'}"]
    if not load.requests:
        return ["it sent no request"]
    if not load.counts.get("ok"):
        return [f"none of its {load.requests} requests got a whole answer ({failed(load)} failed)"]
    return []

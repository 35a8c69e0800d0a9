"""The loads of two runs side by side: objectives, failed requests, percentiles.

Law: only loads of one profile and one plan are held against each other, and only when both are sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reports.compare.evident import counted_bounds
from reports.compare.latency import large, told_interval, word_of
from reports.compare.model import Difference, Table
from reports.judge import Verdict
from reports.loads import Latency, LoadSummary
from reports.slo import failed
from reports.stats import rate_bounds
from reports.view import milliseconds

_SHARED = ("ttft", "itl", "e2e")
_PERCENTS = (50.0, 95.0)


def load_pairs(before: Verdict, after: Verdict) -> tuple[list[tuple[LoadSummary, LoadSummary]], list[str]]:
    """The loads of one profile and plan that both runs have, and why others are not compared."""
    pairs, why = [], []
    theirs = {one.profile: one for one in before.loads}
    for one in after.loads:
        other = theirs.pop(one.profile, None)
        if other is None:
            why.append(f"load {one.profile}: only the candidate has it")
        elif dict(other.load.plan) != dict(one.load.plan):
            why.append(f"load {one.profile}: the plans differ, so its figures are not compared")
        elif other.doubt or one.doubt:
            why.append(f"load {one.profile}: not compared, {other.doubt or one.doubt}")
        else:
            pairs.append((other, one))
    return pairs, [*why, *(f"load {name}: only the baseline has it" for name in theirs)]


def load_differences(pairs: Iterable[tuple[LoadSummary, LoadSummary]], slower: float) -> Iterator[Difference]:
    """Objectives that only one side keeps, shares of failed requests, and percentiles that are slower or faster."""
    for before, after in pairs:
        yield from _objectives(before, after)
        yield from _failures(before, after)
        for mine, theirs, percent in _common(before, after):
            ratio, interval, apart = _ratio(before, after, mine, theirs, percent)
            word = word_of(ratio, interval, apart, slower, gap=theirs.measure.key == "itl")
            if word in {"slower", "faster"}:
                sides = (mine.percentiles[percent], theirs.percentiles[percent])
                yield Difference(
                    area="latency",
                    grade="warning" if word == "slower" else "better",
                    subject=f"load {after.profile}: {theirs.measure.name} p{percent:g}",
                    title=f"The candidate is {word} under load.",
                    baseline=milliseconds(sides[0]),
                    candidate=milliseconds(sides[1]),
                    note=f"ratio {ratio:.2f} ({told_interval(interval)})",
                )


def _objectives(before: LoadSummary, after: LoadSummary) -> Iterator[Difference]:
    theirs = {one.name: one for one in before.slos}
    for one in after.slos:
        other = theirs.get(one.name)
        if other is not None and {one.state, other.state} == {"pass", "fail"}:
            yield Difference(
                area="latency",
                grade="breaking" if one.state == "fail" else "better",
                subject=f"load {after.profile}: {one.name}",
                title=f"An objective of the gate: {one.text}.",
                baseline=("kept: " if other.state == "pass" else "missed: ") + other.evidence,
                candidate=("kept: " if one.state == "pass" else "missed: ") + one.evidence,
            )


def _failures(before: LoadSummary, after: LoadSummary) -> Iterator[Difference]:
    sides = [(failed(one.load), one.load.requests) for one in (before, after)]
    (low, high), (other_low, other_high) = (rate_bounds(*side) for side in sides)
    if low > other_high or other_low > high:
        yield Difference(
            area="latency",
            grade="warning" if other_low > high else "better",
            subject=f"load {after.profile}: failed requests",
            title="The share of requests that failed differs.",
            baseline=f"{sides[0][0]:,} of {sides[0][1]:,}",
            candidate=f"{sides[1][0]:,} of {sides[1][1]:,}",
        )


def load_tables(pairs: Iterable[tuple[LoadSummary, LoadSummary]], slower: float) -> Iterator[Table]:
    """For each load in both runs its percentiles side by side."""
    for before, after in pairs:
        rows = []
        for mine, theirs, percent in _common(before, after):
            ratio, interval, apart = _ratio(before, after, mine, theirs, percent)
            rows.append((
                f"{theirs.measure.name} p{percent:g}", milliseconds(mine.percentiles[percent]),
                milliseconds(theirs.percentiles[percent]), f"{ratio:.2f}", told_interval(interval),
                word_of(ratio, interval, apart, slower, gap=theirs.measure.key == "itl"),
            ))  # fmt: skip
        head = ("measure", "baseline", "candidate", "ratio", "90 % interval or wider", "")
        yield Table(name=f"Load: {after.profile}", head=head, rows=tuple(rows))


def _common(before: LoadSummary, after: LoadSummary) -> Iterator[tuple[Latency, Latency, float]]:
    theirs = {one.measure.key: one for one in before.latencies}
    for one in after.latencies:
        if one.measure.key in _SHARED and one.measure.key in theirs:
            yield from ((theirs[one.measure.key], one, percent) for percent in _PERCENTS)


def _ratio(
    before: LoadSummary, after: LoadSummary, mine: Latency, theirs: Latency, percent: float
) -> tuple[float, tuple[float, float] | None, float]:
    """The ratio of a percentile, the interval that its bounds allow, and how far apart the two are (ms)."""
    values = [one.percentiles[percent] for one in (mine, theirs)]
    bounds = []
    for load, one in ((before, mine), (after, theirs)):
        # The gaps of one stream are alike, so they count as one sample.
        most = load.load.counts.get("ok", 0) if one.measure.key == "itl" else one.distribution.total
        bounds.append(counted_bounds(one.distribution, percent, min(one.distribution.total, most)))
    (low, high), (other_low, other_high) = bounds
    interval = None
    if low is not None and high is not None and other_low is not None and other_high is not None:
        interval = (large(other_low) / large(high), large(other_high) / large(low))
    return large(values[1]) / large(values[0]), interval, abs(values[1] - values[0])

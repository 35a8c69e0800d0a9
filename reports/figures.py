"""What a load showed beside its latencies, in words and rows that every format prints alike."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from reports.loads import LoadSummary
from reports.shapes import Capacity, Goodput, Point
from reports.stats import StatsError, decode, rate_bounds
from reports.trends import Trend, burst_of, drift, knee, recovery
from reports.view import milliseconds
from reports.visible import one_line

Fact = tuple[str, str]

CURVE_HEAD = ["rate", "good", "verdict", "TTFT p50", "TTFT p95", "TPOT p95", "answers/s", "tokens/s"]
KINDS_HEAD = ["kind", "requests", "whole answers", "p50", "p95", "p99"]
_DRIFTS = {"ttft": "TTFT, median", "e2e": "End to end, median", "errors": "Errors", "memory": "Memory of this client"}


def facts(summary: LoadSummary) -> list[Fact]:
    """Goodput, throughput, capacity, recovery and drift of a load, each as a name and what is said of it."""
    load = summary.load
    found: list[Fact] = []
    if load.goodput is not None and load.goodput.bounds:
        found.append(("Goodput", _goodput(load.goodput, load.seconds)))
    if load.valid and load.seconds > 0 and load.generated:
        rates = load.tokens.get("completion", 0) / load.seconds, load.generated / load.seconds
        found.append(("Throughput", f"{rates[0]:,.1f} output tokens per second, {rates[1]:,.1f} with those of prompts"))
    if load.capacity is not None:
        found += capacity_facts(load.capacity)
    if load.spent:
        spent = [load.spent.get(name, 0) for name in ("requests", "tokens", "seconds")]
        if all(isinstance(one, int | float) for one in spent):
            words = f"{spent[0]:,.0f} requests, {spent[1]:,.0f} tokens, {spent[2]:,.0f} s in all trials together"
            found.append(("Spent", words))
    found += _course(summary)
    return found


def curve_rows(capacity: Capacity) -> list[list[str]]:
    """One line for each trial of a search: rate, share of good answers, verdict, latencies, throughput."""
    return [
        [
            f"{point.rate:g}/s",
            f"{point.good} of {point.judged}",
            _verdict(point, capacity),
            *(_time(point, *which) for which in (("ttft_intended", "p50"), ("ttft_intended", "p95"), ("tpot", "p95"))),
            f"{point.answers_per_s:,.2f}",
            f"{point.tokens_per_s:,.1f}",
        ]
        for point in capacity.curve
    ]


def kind_rows(summary: LoadSummary) -> list[list[str]]:
    """One line for each kind of request of a mix: counts, and how long whole answers took from when they were due."""
    rows = []
    for kind in summary.load.kinds:
        try:
            found = decode(kind.encoded, kind.unit)
        except StatsError:
            continue
        times = [milliseconds(found.percentile(percent)) if found.total else "-" for percent in (50, 95, 99)]
        rows.append([one_line(kind.name, 40), f"{kind.requests:,}", f"{kind.ok:,}", *times])
    return rows


def knee_of(capacity: Capacity) -> float | None:
    """The rate from which on the time to first token rises steeply; None where the curve shows none."""
    points = [
        (point.rate, value)
        for point in {point.rate: point for point in capacity.curve}.values()
        if (value := point.latency("ttft_intended", "p50")) is not None
    ]
    # A trial that was cut short saw only the beginning of its queue, and more load makes nothing quicker.
    highest = list(accumulate((value for _, value in points), max))
    return knee([rate for rate, _ in points], highest)


def _goodput(found: Goodput, seconds: float) -> str:
    if not found.requests:
        return "no request"
    low, high = rate_bounds(found.good_intended, found.requests)
    share = 100 * found.good_intended / found.requests
    rate = f", {found.good_intended / seconds:,.2f} per second" if seconds > 0 else ""
    missed = ", ".join(f"{name} {count:,}" for name, count in found.missed.items() if count)
    return (
        f"{share:.3g} % of requests were good ({100 * low:.3g} to {100 * high:.3g} %){rate}: {found.told}; "
        f"{100 * found.good / found.requests:.3g} % from the actual send; "
        f"{found.failed:,} without a whole answer{f', missed: {missed}' if missed else ''}"
    )


def capacity_facts(found: Capacity) -> Iterator[Fact]:
    """The capacity that a search found, and the knee of its curve."""
    low = "" if found.low is None else f"at least {found.low:g}"
    high = "" if found.high is None else f"below {found.high:g}"
    words = " and ".join(filter(None, (low, high)))
    bounds = ", ".join(f"{name} {bound:g} ms" for name, bound in found.bounds.items())
    sure = f"with {100 * found.confidence:g} % confidence, in trials of {found.trial_s:g} s or more"
    told = f"{words} requests per second, {sure}" if words else "not found"
    why = f" ({one_line(found.why, 200)})" if found.why else ""
    yield "Capacity", f"{told}{why}; {100 * found.share:g} % of answers are good there: {bounds}"
    turn = knee_of(found)
    if turn is not None:
        yield "Knee", f"the time to first token rises steeply from about {turn:g} requests per second on"


def _verdict(point: Point, capacity: Capacity) -> str:
    if not point.proves:
        return "first look" + (", cut short" if point.cut_short else "")
    if capacity.low is not None and point.rate <= capacity.low:
        return "good"
    if capacity.high is not None and point.rate >= capacity.high:
        return "not good" + (", cut short" if point.cut_short else "")
    return "open"


def _time(point: Point, name: str, percentile: str) -> str:
    value = point.latency(name, percentile)
    return "-" if value is None else milliseconds(value)


def _course(summary: LoadSummary) -> Iterator[Fact]:
    load = summary.load
    if load.course is None:
        return
    if burst_of(load.plan) is not None:
        yield "Recovery", _recovery(summary)
    if load.profile == "soak":
        for name, title in _DRIFTS.items():
            found = drift(load.course, name)
            yield f"Drift: {title}", "too few windows to tell" if found is None else _drift(name, found)


def _recovery(summary: LoadSummary) -> str:
    load = summary.load
    found = None if load.course is None else recovery(load.course, load.plan)
    if found is None:
        return "too little was measured before or after the burst to tell"
    if not found.burdened:
        return "the endpoint bore the burst without getting slow"
    worst = "" if found.worst is None else f", {milliseconds(found.worst)} at worst"
    usual = f"median TTFT {milliseconds(found.before)} before{worst}"
    if found.high is None:
        return f"still slow when the load ended, {found.low:.3g} s or more after the burst; {usual}"
    return f"as before {found.low:.3g} to {found.high:.3g} s after the burst; {usual}"


def _drift(name: str, found: Trend) -> str:
    scale, unit = (1.0, "MB") if name == "memory" else (100.0, "% of requests" if name == "errors" else "%")
    change, low, high = (scale * value for value in (found.change, found.low, found.high))
    told = "no change is shown" if low <= 0 <= high else "it changed"
    return f"{change:+.3g} {unit} over the load ({low:+.3g} to {high:+.3g}, {found.windows} windows): {told}"

"""Times of two runs side by side, and which of them differ for more than chance.

Law: a difference is one only where the interval of the ratio excludes 1, the ratio passes the threshold, and the times
are milliseconds apart; with fewer samples it says so. Slower is a warning: a contract has no clock, a gate has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from conformance.wire.exchange import Exchange
from conformance.wire.timing import timing
from reports.compare.evident import median_bounds, percentile
from reports.compare.model import Difference, Grade, Table
from reports.compare.traffic import Traffic, kind_of, route_of
from reports.view import milliseconds

SLOWER = 1.20
# What two runs of one server on one machine may be apart, whatever the interval says: nobody notices less.
_LEAST_MS, _LEAST_GAP_MS = 5.0, 1.0
_SMALLEST_MS = 0.01
# A stream with gaps below this came in one piece: that is no faster a token, and `stream.incremental` judges it.
_AT_ONCE_MS = 0.1
HEAD = ("measure", "base p50", "p95", "cand p50", "p95", "n", "ratio", "90 % interval", "")
_MEASURES: Mapping[str, str] = {
    "ttft": "TTFT",
    "itl": "ITL",
    "answer": "stream",
    "document": "answer",
}
_DEFINITIONS = (
    "TTFT: from sending the request to the first chunk with text. ITL: the mean gap between chunks with text, one for "
    "each stream. Stream, answer: until its end. n: answers measured. The ratio is candidate to baseline: of runs that "
    "asked the same the median over equal requests."
)
_TITLES: Mapping[str, str] = {
    "slower": "The candidate is slower here.",
    "faster": "The candidate is faster here.",
    "at once": "Streams come all at once on one side, so there are no gaps to compare.",
}
_GRADES: Mapping[str, Grade] = {"slower": "warning", "faster": "better", "at once": "information"}
_APART = " The runs were not made at the same time, so what the network and the machines did meanwhile is in it too."


@dataclass(frozen=True, kw_only=True)
class Times:
    """One measure of one route, in milliseconds. `ratios` are of pairs, and empty where the runs asked other things."""

    route: str
    measure: str
    baseline: list[float] = field(default_factory=list)
    candidate: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Candidate to baseline, of the medians or the median over the pairs."""
        if self.ratios:
            return median(self.ratios)
        return large(percentile(self.candidate, 50)) / large(percentile(self.baseline, 50))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Between which values the ratio lies with 90 % confidence; None for too few samples."""
        if self.ratios:
            return median_bounds(self.ratios)
        before, after = median_bounds(self.baseline), median_bounds(self.candidate)
        return (large(after[0]) / large(before[1]), large(after[1]) / large(before[0])) if before and after else None

    def word(self, slower: float) -> str:
        """`slower`, `faster`, `alike`, `at once` for gaps that one side has not, or `too few` samples to tell."""
        medians = [percentile(side, 50) for side in (self.baseline, self.candidate)]
        apart = abs(medians[1] - medians[0])
        if self.measure == "itl" and min(medians) < _AT_ONCE_MS and apart >= _LEAST_GAP_MS:
            return "at once"
        return word_of(self.ratio, self.interval, apart, slower, gap=self.measure == "itl")


def word_of(ratio: float, interval: tuple[float, float] | None, apart: float, slower: float, *, gap: bool) -> str:
    """What a ratio, its interval and the distance of two times (ms) make of a measure; `gap` for one between tokens."""
    if interval is None:
        return "too few"
    if apart < (_LEAST_GAP_MS if gap else _LEAST_MS):
        return "alike"
    if interval[0] > 1 and ratio > slower:
        return "slower"
    return "faster" if interval[1] < 1 and ratio < 1 / slower else "alike"


def large(value: float) -> float:
    """The time (ms), or the smallest that a ratio can rest on."""
    return max(value, _SMALLEST_MS)


def times_of(traffic: Traffic) -> list[Times]:
    """What the exchanges of two runs took, by route and measure."""
    found: dict[tuple[str, str], Times] = {}
    sides = traffic.alike()
    if traffic.same:
        for before, after in zip(*sides, strict=True):
            theirs = dict(_measured(after))
            for key, value in _measured(before):
                if key in theirs:
                    one = found.setdefault(key, Times(route=key[0], measure=key[1]))
                    one.baseline.append(value)
                    one.candidate.append(theirs[key])
                    one.ratios.append(large(theirs[key]) / large(value))
    else:
        for number, side in enumerate(sides):
            for exchange in side:
                for key, value in _measured(exchange):
                    one = found.setdefault(key, Times(route=key[0], measure=key[1]))
                    (one.candidate if number else one.baseline).append(value)
    order = list(_MEASURES)
    complete = [one for one in found.values() if one.baseline and one.candidate]
    return sorted(complete, key=lambda one: (one.route, order.index(one.measure)))


def _measured(exchange: Exchange) -> Iterator[tuple[tuple[str, str], float]]:
    """The times of one answer that was not refused, in milliseconds, by route and measure."""
    route, kind = route_of(exchange), kind_of(exchange)
    if not route or kind not in {"document", "stream"}:
        return
    if kind == "document":
        yield (route, "document"), exchange.end_ns / 1e6
        return
    times = timing(exchange)
    if times.ttft is not None:
        yield (route, "ttft"), times.ttft / 1e6
    if len(times.content) > 1:
        yield (route, "itl"), (times.content[-1] - times.content[0]) / (len(times.content) - 1) / 1e6
    yield (route, "answer"), exchange.end_ns / 1e6


def latency_table(times: Iterable[Times], slower: float, *, together: bool) -> Table:
    """Medians, 95th percentiles, and the ratio with its interval; `together` for runs made in the same minutes."""
    rows = tuple(
        (
            f"{one.route}: {_MEASURES[one.measure]}",
            *(milliseconds(percentile(side, of)) for side in (one.baseline, one.candidate) for of in (50, 95)),
            _samples(len(one.baseline), len(one.candidate)),
            f"{one.ratio:.2f}",
            told_interval(one.interval),
            one.word(slower),
        )
        for one in times
    )
    remark = _DEFINITIONS + ("" if together else _APART)
    return Table(name="Times of the checks' requests", head=HEAD, rows=rows, remark=remark if rows else "")


def latency_differences(times: Iterable[Times], slower: float) -> Iterator[Difference]:
    """The measures that are slower or faster, or of which one side has none."""
    for one in times:
        word = one.word(slower)
        if word in _TITLES:
            yield _difference(
                f"{one.route}: {_MEASURES[one.measure]}",
                (percentile(one.baseline, 50), percentile(one.candidate, 50)),
                f"ratio {one.ratio:.2f} ({told_interval(one.interval)}), "
                f"{_samples(len(one.baseline), len(one.candidate))} samples",
                word,
            )


def _difference(subject: str, sides: tuple[float, float], note: str, word: str) -> Difference:
    return Difference(
        area="latency",
        grade=_GRADES[word],
        subject=subject,
        title=_TITLES[word],
        baseline=f"median {milliseconds(sides[0])}",
        candidate=f"median {milliseconds(sides[1])}",
        note=note,
    )


def told_interval(interval: tuple[float, float] | None) -> str:
    """The interval in words; a dash for none."""
    return f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "-"


def _samples(left: int, right: int) -> str:
    return f"{left:,}" if left == right else f"{left:,} and {right:,}"

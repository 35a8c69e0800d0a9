"""Fits every kind of limiter to what a probe saw, and says between which bounds its limit lies.

Law: a limiter is judged by contradictions: requests that passed though the limit was reached for certain, and requests
that were refused though it certainly was not. Nothing is averaged.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from loadtests.limits.limiters import Bucket, Fixed, Limiter, Sliding, Weighted, clocked, from_first, lasting
from loadtests.limits.observed import Observation, Price, Timeline, one_each, slack_of

# Windows that somebody would choose, in seconds.
CUSTOMARY = (1.0, 2.0, 3.0, 5.0, 6.0, 10.0, 12.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0)

_NEAR = 6  # passed requests looked at on each side of a refusal
_OTHERS = 150  # and about so many of the others
_SCREENED = 90
_KEPT = 3
_BRACKETS = 4
_ODD = 4
_SHARP = 8
_PHASES = 20
_ENDS = 120
_PARTS = 24
# Estimated windows are those of gateways; one of any length would pass for a bucket until it ended.
_WEIGHTED = (1.0, 10.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One limiter with its limit in [low, high), and how many of the `checked` requests contradict it.

    `refused_count` and `failed_count` say whether such requests count; `fresh` is false where refusals before the first
    return were left out, because something else may have used the quota until then. `spans` are all that fit as well.
    """

    limiter: Limiter
    low: float
    high: float
    contradictions: int
    checked: int
    refused_count: bool = False
    failed_count: bool = True
    fresh: bool = True
    price: str = "each"
    spans: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """The limiter's kind."""
        return self.limiter.kind

    @property
    def customary(self) -> bool:
        """Whether its span is one that somebody would choose."""
        return isinstance(self.limiter, Bucket) or self.limiter.span in CUSTOMARY


def limit_between(passed: Sequence[float], refused: Sequence[float]) -> tuple[float, float, int]:
    """The limits that contradict the fewest: [low, high) and how many they contradict.

    `passed` has what each such request brought the count to at least; `refused` what it would have brought it to at
    most.
    """
    at_least, below = sorted(passed), sorted(refused)
    if not below:
        return (at_least[-1] if at_least else 0.0), math.inf, 0
    if not at_least or at_least[-1] < below[0]:
        return (at_least[-1] if at_least else 0.0), below[0], 0
    best = (math.inf, 0.0)
    for place, low in enumerate(at_least):
        wrong = len(at_least) - bisect_right(at_least, low, lo=place) + bisect_right(below, low)
        best = min(best, (wrong, -low))
    wrong, low = int(best[0]), -best[1]
    place = bisect_right(below, low)
    return low, (below[place] if place < len(below) else math.inf), wrong


def fitted(limiter: Limiter, timeline: Timeline, indices: Iterable[int]) -> Fit:
    """That limiter with the limit that these requests leave it."""
    at = limiter.counted(timeline)
    passed, refused = [], []
    for index in indices:
        one = timeline.seen[index]
        least, most = at(index)
        price = timeline.prices[index][0]
        if one.passed:
            passed.append(least + price)
        elif one.passed is False:
            refused.append(most + price)
    low, high, wrong = limit_between(passed, refused)
    return Fit(limiter=limiter, low=low, high=high, contradictions=wrong, checked=len(passed) + len(refused))


def telling(timeline: Timeline, ends: int = 0) -> list[int]:
    """The requests that decide: all refusals, what passed near them, and some of the others.

    With `ends`, also so many of those before a pause: where short windows are filled, they may end a longer one.
    """
    seen = timeline.seen
    refusals = [index for index, one in enumerate(seen) if one.passed is False]
    chosen = set(refusals)
    for index in refusals:
        chosen.update(range(max(0, index - _NEAR), min(len(seen), index + _NEAR + 1)))
    chosen.update(range(0, len(seen), max(1, len(seen) // _OTHERS)))
    chosen.update(range(max(0, len(seen) - _NEAR), len(seen)))
    if ends:
        times = timeline.times
        chosen.update(sorted(range(len(seen) - 1), key=lambda index: times[index] - times[index + 1])[:ends])
    return sorted(index for index in chosen if seen[index].passed is not None)


def accounted(seen: Sequence[Observation], fit: Fit, slack: float, price: Price = one_each) -> list[Observation]:
    """Those observations without the refusals that this limiter may account for: what is left is another's doing."""
    timeline = Timeline(seen, slack=slack, price=price, refused=fit.refused_count, failed=fit.failed_count)
    at = lasting(fit.limiter, timeline).counted(timeline)
    return [
        one
        for index, one in enumerate(timeline.seen)
        if one.passed is not False or at(index)[1] + timeline.prices[index][0] <= fit.low
    ]


def returns(seen: Sequence[Observation]) -> list[tuple[float, float]]:
    """When service came back: the last refusal was sent, and what passed next was sent once that was answered."""
    found = []
    last: Observation | None = None
    for one in seen:
        if one.passed is False:
            last = one
        elif one.passed and last is not None and one.asked.most >= last.asked.most:
            if one.sent >= last.answered:
                found.append((last.sent, one.sent))
            last = None
    return found


def candidates(timeline: Timeline, *, refused: bool, beyond: float = 0.0) -> Iterator[Limiter]:
    """Every limiter worth a look with a span of more than `beyond` seconds, but for buckets.

    With `refused`, those for which it matters that refusals count.
    """
    seen = timeline.seen
    since, until = timeline.times[0], timeline.times[-1]
    back = returns(seen)
    narrow = sorted(back, key=lambda pair: pair[1] - pair[0])[:_BRACKETS]
    first = next((one.sent for one in seen if one.passed), since)
    beyond = max(0.2, beyond)
    spans = dict.fromkeys(span for span in CUSTOMARY if beyond < span <= 2 * (until - since) + 1)
    slid = dict.fromkeys([*spans, *(round(at - first, 3) for pair in back[:3] for at in (*pair, sum(pair) / 2))])
    for span in slid:
        if span > beyond:
            yield Sliding(span)
        if span > beyond and not refused:
            yield Fixed(span, tuple(from_first(span, timeline)), anchored=True)
    between = {
        round(later[1] - earlier[1], 2) for earlier, later in combinations(sorted(narrow), 2) if later[1] > earlier[1]
    }
    odd = sorted(gap for gap in between if gap > beyond and not any(abs(gap - span) < 0.03 * span for span in spans))
    for span in [*spans, *odd[:_ODD]]:
        if refused:
            continue
        for low, width in _phases(narrow, span, timeline.slack):
            yield Fixed(span, clocked(span, low, since - span, until), width)
    for span in _WEIGHTED:
        for part in range(_PHASES if beyond < span <= until - since else 0):
            yield Weighted(span, clocked(span, span * part / _PHASES, since - span, until))


def _phases(narrow: Sequence[tuple[float, float]], span: float, slack: float) -> set[tuple[float, float]]:
    """Where windows of that span may begin (the earliest, and by how much later), if they began when service returned.

    Each return leaves the time from the refusal to the end of what passed next; several leave what they have in common.
    """
    found: set[tuple[float, float]] = set()
    for low, high in narrow[:2]:
        begin, end = low, high + slack
        for other_low, other_high in narrow:
            turns = round((begin - other_low) / span)
            shifted = other_low + turns * span, other_high + slack + turns * span
            if shifted[0] < end and shifted[1] > begin:
                begin, end = max(begin, shifted[0]), min(end, shifted[1])
        # In parts, since a window that may begin at any time would contradict nothing.
        parts = min(_PARTS, max(1, math.ceil((end - begin) / max(2 * slack, span / 400))))
        width = (end - begin) / parts
        found.update((round(begin + width * part, 6), round(width, 6)) for part in range(parts))
    return found


def buckets(timeline: Timeline, indices: Sequence[int]) -> Fit | None:
    """The bucket whose rate contradicts the fewest; None where nothing was refused twice."""
    full = _spent(timeline)
    if len(full) < 2:
        return None
    rates = []
    for a, b in [(full[0], full[-1]), *zip(full[-4:], full[-3:], strict=False)]:
        if b[0] - a[0] > timeline.slack:
            rates.append((max(0.0, b[1] - a[1]) / (b[0] - a[0]), b[1] - a[1]))
    coarse = indices[:: max(1, len(indices) // _SCREENED)]
    tried: dict[float, int] = {}
    for rate, amount in rates:
        width = min(0.9, 2.5 / max(1.0, amount))
        for step in range(-8, 9):
            guess = rate * (1 + width * step / 8)
            if guess > 0 and guess not in tried:
                tried[guess] = fitted(Bucket(guess), timeline, coarse).contradictions
    if not tried:
        return None
    least = min(tried.values())
    # The middle of those that fit: the others are at the edge of contradiction.
    good = sorted(rate for rate, wrong in tried.items() if wrong == least)
    return min(
        (fitted(Bucket(rate), timeline, indices) for rate in good[:: max(1, len(good) // 5)]),
        key=lambda fit: fit.contradictions,
    )


def rates_of(best: Fit, timeline: Timeline, indices: Sequence[int]) -> tuple[float, float]:
    """Between which rates a bucket contradicts no more than the best one."""
    rate = best.limiter.rate if isinstance(best.limiter, Bucket) else 0.0

    def holds(other: float) -> bool:
        return fitted(Bucket(other), timeline, indices).contradictions <= best.contradictions

    bounds = []
    for way in (-1, 1):
        good, step = rate, rate * 0.001 * way
        while holds(good + step) and abs(good + step - rate) < rate * 0.9:
            good, step = good + step, step * 2
        bad = good + step
        for _ in range(6):
            middle = (good + bad) / 2
            good, bad = (middle, bad) if holds(middle) else (good, middle)
        bounds.append(bad)
    return bounds[0], bounds[1]


def _spent(timeline: Timeline) -> list[tuple[float, float]]:
    """When the quota was used up, something having passed just before: the time and what had been counted by then."""
    seen = timeline.seen
    return [
        (timeline.times[index], timeline.sums[index])
        for index in range(1, len(seen))
        if seen[index].passed is False and seen[index - 1].passed
    ]


def infer(
    seen: Sequence[Observation],
    *,
    price: Price = one_each,
    label: str = "each",
    slack: float | None = None,
    fresh: bool = True,
    beyond: float = 0.0,
) -> list[Fit]:
    """The best limiter of each kind, those with the fewest contradictions first; empty where nothing was refused."""
    if not any(one.passed is False for one in seen):
        return []
    slack = slack_of(seen) if slack is None else slack
    best: dict[tuple[str, bool, bool], Fit] = {}
    failed = (True, False) if any(one.failed for one in seen) else (True,)
    for counts_failed in failed:
        for counts_refused in (False, True):
            timeline = Timeline(seen, slack=slack, price=price, refused=counts_refused, failed=counts_failed)
            for fit in _fits(timeline, fresh=fresh, refused=counts_refused, beyond=beyond):
                made = replace(fit, refused_count=counts_refused, failed_count=counts_failed, fresh=fresh, price=label)
                known = best.get((made.kind, counts_refused, counts_failed))
                if known is None or _order(made) < _order(known):
                    best[made.kind, counts_refused, counts_failed] = made
    return sorted(best.values(), key=_order)


def _order(fit: Fit) -> tuple[int, bool, bool, bool, bool]:
    return (
        fit.contradictions,
        fit.kind == "sliding-weighted",
        not fit.customary,
        fit.refused_count,
        not fit.failed_count,
    )


def _fits(timeline: Timeline, *, fresh: bool, refused: bool, beyond: float) -> list[Fit]:
    """The best of each kind on one timeline."""
    indices = telling(timeline, ends=_ENDS if beyond else 0)
    if not fresh:
        back = returns(timeline.seen)
        since = back[0][1] if back else timeline.times[-1]
        indices = [i for i in indices if timeline.seen[i].passed or timeline.times[i] >= since]
    limiters = _screened(
        list(candidates(timeline, refused=refused, beyond=beyond)), timeline, _sharp(timeline, indices)
    )
    screened: dict[str, dict[float, list[tuple[int, int, Limiter]]]] = {}
    coarse = indices[:: max(1, len(indices) // _SCREENED)]
    for number, limiter in enumerate(limiters):
        fit = fitted(limiter, timeline, coarse)
        rows = screened.setdefault(limiter.kind, {}).setdefault(limiter.span, [])
        rows.append((fit.contradictions, number, limiter))
    found = [_best_of(spans, timeline, indices) for spans in screened.values()]
    bucket = buckets(timeline, indices)
    return [*found, bucket] if bucket else found


def _sharp(timeline: Timeline, indices: Sequence[int]) -> list[int]:
    """The few requests at which what passed and what was refused meet."""
    seen = timeline.seen
    meeting = [pair for pair in pairwise(indices) if seen[pair[0]].passed is not seen[pair[1]].passed]
    chosen = {index for pair in meeting[:_SHARP] + meeting[-_SHARP:] for index in pair}
    return sorted(chosen)


def _screened(limiters: list[Limiter], timeline: Timeline, indices: Sequence[int]) -> list[Limiter]:
    """Of each kind the limiters that those few requests contradict least."""
    wrong = [fitted(limiter, timeline, indices).contradictions for limiter in limiters]
    least: dict[str, int] = {}
    for limiter, count in zip(limiters, wrong, strict=True):
        least[limiter.kind] = min(count, least.get(limiter.kind, count))
    return [one for one, count in zip(limiters, wrong, strict=True) if count <= least[one.kind] + 1]


def _best_of(spans: dict[float, list[tuple[int, int, Limiter]]], timeline: Timeline, indices: Sequence[int]) -> Fit:
    """The best limiter of one kind, of those that looked best with each span."""
    least = min(row[0] for rows in spans.values() for row in rows)
    fits = [
        fitted(limiter, timeline, indices)
        for rows in spans.values()
        for wrong, _, limiter in sorted(rows, key=lambda row: row[:2])[:_KEPT]
        if wrong <= least + 2
    ]
    best = min(fits, key=_order)
    as_good = sorted({fit.limiter.span for fit in fits if fit.contradictions <= best.contradictions})
    return replace(best, spans=tuple(as_good))

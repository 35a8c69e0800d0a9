"""Which rate to try next when the capacity of an endpoint is sought: a pure function of the trials so far.

The capacity is the highest rate at which at least a share of answers is good. Short trials double the rate until one
looks bad; then the bracket is halved by trials that are long enough for a verdict, and its ends are proven, the lower
one by several trials.
Law: what is said of the capacity holds with 95 % confidence for all trials together (Bonferroni over every look that
could have been taken): by exact binomial bounds, and by bounds from batches of successive requests, since answers that
wait in one queue are slow together. A rate that stays open is neither below nor above the capacity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Literal, Protocol

from reports.stats import binomial_cdf

CONFIDENCE = 0.95
MOST_LOOKS = 2
_MOST_JUDGED = 8
MOST_TRIALS = 20
# So many trials with a verdict the lower end of the answer rests on: near saturation a queue stays long or short for
# many seconds, so that one trial may be good by luck however many requests it has.
CONFIRMED = 3
# So many trials may be taken again because the load generator was at fault.
MOST_HICCUPS = 2
# Requests of a trial that only looks where to go.
_EXPLORE = 24
# The first part of each trial, in which queues and batches fill, is not judged.
SETTLING = 0.25
# A trial is long enough to see a queue grow: at a rate that is `resolution` too high, the wait grows by that share of
# the time that passes, and has to outgrow the largest bound.
_GROWTH = 3.0
# Into so many batches the requests of a trial are cut, in the order in which they were due.
BATCHES = 12
# Neighbouring batches are seldom more alike than this; beyond it a trial of any length would show nothing.
_MOST_ALIKE = 0.8

Verdict = Literal["good", "bad", "open"]
# By rate: the verdict, and whether a trial that proves has given it.
_States = dict[float, tuple[Verdict, bool]]


class Rules(Protocol):
    """What a search needs to know of a profile."""

    @property
    def rate(self) -> float:
        """The lowest rate of interest, where the search begins."""

    @property
    def rate_most(self) -> float:
        """The highest rate that is tried."""

    @property
    def duration(self) -> float:
        """The least seconds of a trial."""

    @property
    def resolution(self) -> float:
        """How far apart, as a share, the ends of the answer may be."""

    @property
    def share(self) -> float:
        """The share of answers that has to be good."""

    @property
    def goodput(self) -> str:
        """The bounds of a good answer."""


@dataclass(frozen=True)
class Trial:
    """What to send next: so many requests at that rate. `proves` tells a trial with a verdict from a first look."""

    rate: float
    requests: int
    proves: bool

    @property
    def seconds(self) -> float:
        """How long sending takes."""
        return self.requests / self.rate

    @property
    def judged(self) -> int:
        """How many of the requests are judged, that is, come after the settling."""
        return self.requests - math.floor(self.requests * SETTLING)


@dataclass(frozen=True)
class Result:
    """What a trial found: how many requests were judged and how many good, in each batch.

    `cut` is a trial that was ended because far too few were good.
    """

    rate: float
    batches: tuple[tuple[int, int], ...]
    proves: bool
    cut: bool = False

    @property
    def judged(self) -> int:
        """How many requests were judged."""
        return sum(judged for judged, _ in self.batches)

    @property
    def good(self) -> int:
        """How many of them were good."""
        return sum(good for _, good in self.batches)

    def swamped(self, share: float) -> bool:
        """Whether the trial ended as one in which not even half of the share that is wanted was good.

        A queue that grows makes the first batches good and the last ones bad, which batches alone would call doubt.
        """
        last = self.batches[len(self.batches) // 2 :]
        judged = sum(count for count, _ in last)
        return self.cut or (judged > BATCHES and sum(good for _, good in last) < share / 2 * judged)


@dataclass(frozen=True)
class Found:
    """The answer: the capacity is at least `low` and below `high` (per second, None where nothing is proven)."""

    low: float | None
    high: float | None
    why: str = ""


def alpha() -> float:
    """The error that each single look may make."""
    return (1 - CONFIDENCE) / (_MOST_JUDGED * MOST_LOOKS)


def batched(kept: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    """Which of the requests, in the order in which they were due, were good: cut into batches that are about equal."""
    edges = [len(kept) * place // BATCHES for place in range(BATCHES + 1)]
    return tuple((end - start, sum(kept[start:end])) for start, end in pairwise(edges) if end > start)


def verdict(batches: Sequence[tuple[int, int]], share: float) -> Verdict:
    """Whether the true share of good answers is at least `share`, or less, or too close to say.

    `batches` have how many were judged and how many of them were good; a single one is judged as a binomial only.
    """
    judged, good = sum(count for count, _ in batches), sum(good for _, good in batches)
    if not judged:
        return "open"
    reach = _reach(batches)
    # How likely so many good ones, or so few, would be if the true share were just that.
    if 1 - binomial_cdf(good - 1, judged, share) < alpha() and good / judged - reach >= share:
        return "good"
    return "bad" if binomial_cdf(good, judged, share) < alpha() and good / judged + reach < share else "open"


def _reach(batches: Sequence[tuple[int, int]]) -> float:
    """How far the true share may be from that of the batches, by how much these differ (Student's t)."""
    count = len(batches)
    if count < 3:
        return 0.0
    shares = [good / judged for judged, good in batches]
    mean = math.fsum(shares) / count
    rests = [one - mean for one in shares]
    power = math.fsum(rest * rest for rest in rests)
    if not power:
        return 0.0
    # A queue outlasts a batch: then the next one is like it, and there are fewer of them than it seems.
    alike = math.fsum(first * then for first, then in pairwise(rests)) / power + 1 / count
    alike = max(0.0, min(_MOST_ALIKE, alike))
    spread = math.sqrt(power / (count - 1) / count * (1 + alike) / (1 - alike))
    return student(1 - alpha(), count - 1) * spread


def student(confidence: float, freedom: int) -> float:
    """The quantile of Student's t, by the expansion of Abramowitz and Stegun (26.7.5); true to 3 % from 5 on."""
    z = NormalDist().inv_cdf(confidence)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


@lru_cache(maxsize=64)
def judged_requests(share: float) -> int:
    """How many requests a trial with a verdict judges: a fifth of the bad answers allowed is then clearly few."""
    for count in range(20, 20_000, 10):
        bad = _most_bad(count, share)
        if bad >= 0 and binomial_cdf(bad, count, (1 - share) / 5) >= 0.8:
            return count
    return 20_000


def surely_bad(trial: Trial, share: float) -> int:
    """How many bad answers make a trial bad whatever its other answers are: then it need not go on.

    One that proves something goes on until not even half of the share that is wanted can be good any more.
    """
    return math.floor(trial.judged * (1 - (share / 2 if trial.proves else share))) + 1


def _most_bad(count: int, share: float) -> int:
    """The most bad answers among `count` with which a trial is good; -1 when none are few enough."""
    bad = -1
    while bad < count and verdict([(count, count - bad - 1)], share) == "good":
        bad += 1
    return bad


class Search:
    """The search by a profile's rules; `longest` is the largest bound of a good answer in seconds.

    `seconds` is how long a trial with a verdict is at the least.
    """

    def __init__(self, rules: Rules, longest: float) -> None:
        self._rules = rules
        self.seconds = max(rules.duration, _GROWTH * longest / rules.resolution)

    def next(self, results: Sequence[Result]) -> Trial | None:
        """The next trial; None when the answer is as good as it gets."""
        if len(results) >= MOST_TRIALS or sum(one.proves for one in results) >= _MOST_JUDGED * MOST_LOOKS:
            return None
        states = self._states(results)
        last = results[-1].rate if results and results[-1].proves else None
        if last is not None and states[last] == ("open", True) and self._looks(results, last) < MOST_LOOKS:
            return self._trial(last, proves=True)
        low, high = self._bracket(states)
        found = self._outside(states, low, high) if low is None or high is None else self._inside(states, low, high)
        if found is None and low is not None and self._looks(results, low) < CONFIRMED:
            return self._trial(low, proves=True)
        return found

    def _looks(self, results: Sequence[Result], rate: float) -> int:
        """How many trials with a verdict there were at that rate."""
        return sum(one.proves and one.rate == rate for one in results)

    def _outside(self, states: _States, low: float | None, high: float | None) -> Trial | None:
        """The next trial while one end of the bracket is missing: upwards, or the proof of the one that there is."""
        end = high if low is None else low
        if end is None:
            return self._trial(self._rules.rate)
        if high is None and end < self._rules.rate_most:
            return self._trial(min(2 * end, self._rules.rate_most))
        return None if states[end][1] else self._trial(end, proves=True)

    def _inside(self, states: _States, low: float, high: float) -> Trial | None:
        """The next trial between two ends, or the proof of one of them."""
        middle = _rounded(math.sqrt(low * high))
        if high > low * (1 + self._rules.resolution) and low < middle < high:
            return self._trial(middle, proves=True)
        if not states[low][1]:
            return self._trial(low, proves=True)
        looked_bad = [rate for rate, state in states.items() if state == ("bad", False)]
        if ("bad", True) in states.values():
            return None
        # Where the lowest of the others stayed open, the other end is above it.
        above = min(looked_bad, default=min(2 * max(states), self._rules.rate_most))
        return self._trial(above, proves=True) if above not in states or not states[above][1] else None

    def found(self, results: Sequence[Result]) -> Found:
        """What the trials prove of the capacity."""
        states = self._states(results)
        good = [rate for rate, state in states.items() if state == ("good", True)]
        bad = [rate for rate, state in states.items() if state == ("bad", True)]
        low, high = max(good, default=None), min(bad, default=None)
        if low is not None and high is not None and low >= high:
            return Found(None, None, f"{low:g} per second was good and {high:g} was bad: the endpoint's speed changed")
        if low is not None and low >= self._rules.rate_most:
            return Found(low, None, f"{low:g} per second, the highest rate allowed, was still good")
        if low is None and high is not None and high <= self._rules.rate:
            return Found(None, high, f"{high:g} per second, the lowest rate of interest, was already too much")
        return Found(low, high)

    def _trial(self, rate: float, *, proves: bool = False) -> Trial:
        needed = judged_requests(self._rules.share) if proves else _EXPLORE
        seconds = self.seconds if proves else min(self.seconds / 2, self._rules.duration)
        return Trial(rate, max(math.ceil(needed / (1 - SETTLING)), math.ceil(rate * seconds)), proves)

    def _states(self, results: Sequence[Result]) -> _States:
        """For each rate what it was found to be, and whether that is proven (an open one: whether it was judged)."""
        states: _States = {}
        for rate in dict.fromkeys(one.rate for one in results):
            proving = [one for one in results if one.rate == rate and one.proves]
            if proving:
                batches = [batch for one in proving for batch in one.batches]
                swamped = any(one.swamped(self._rules.share) for one in proving)
                states[rate] = ("bad" if swamped else verdict(batches, self._rules.share)), True
            else:
                last = [one for one in results if one.rate == rate][-1]
                enough = not last.cut and last.judged > 0 and last.good >= self._rules.share * last.judged
                states[rate] = ("good" if enough else "bad"), False
        return states

    def _bracket(self, states: _States) -> tuple[float | None, float | None]:
        """The highest good rate below the lowest other one, and that one."""
        high = min((rate for rate, state in states.items() if state[0] != "good"), default=None)
        low = max(
            (rate for rate, state in states.items() if state[0] == "good" and (high is None or rate < high)),
            default=None,
        )
        return low, high


def most_of_search(rules: Rules, longest: float) -> tuple[int, int, float]:
    """Trials, requests and seconds that a search takes at the most, whatever the capacity is, warm-ups left out.

    Found by searching for each of many capacities, with every verdict taking all the looks that it may.
    """
    steps = 40
    ratio = rules.rate_most * 2.2 / (rules.rate * 0.5)
    costs = [_cost(rules, longest, rules.rate * 0.5 * ratio ** (step / steps)) for step in range(steps + 1)]
    trials, requests, seconds = (max(cost[part] for cost in costs) for part in range(3))
    return int(trials), int(requests), seconds


def _cost(rules: Rules, longest: float, capacity: float) -> tuple[int, int, float]:
    search = Search(rules, longest)
    results: list[Result] = []
    requests, seconds = 0, 0.0
    while (trial := search.next(results)) is not None:
        requests += trial.requests
        seconds += trial.seconds
        looks = sum(one.proves and one.rate == trial.rate for one in results) + 1
        good = trial.judged if trial.rate <= capacity else 0
        if trial.proves and looks < MOST_LOOKS:
            # Just on the share that is wanted: open, so that another look is taken.
            good = round(trial.judged * rules.share)
        results.append(Result(trial.rate, ((trial.judged, good),), trial.proves))
    return len(results), requests, seconds


def _rounded(rate: float) -> float:
    """To three digits: nobody wants a capacity of 23.784142."""
    return float(f"{rate:.3g}")

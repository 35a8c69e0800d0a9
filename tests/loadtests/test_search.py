"""The search for a capacity, against servers that exist in arithmetic only."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.search import (
    MOST_TRIALS,
    SETTLING,
    Found,
    Result,
    Search,
    Trial,
    alpha,
    batched,
    judged_requests,
    most_of_search,
    student,
    surely_bad,
    verdict,
)


@dataclass(frozen=True)
class Rules:
    rate: float = 2.0
    rate_most: float = 64.0
    duration: float = 5.0
    resolution: float = 0.1
    share: float = 0.95
    goodput: str = "ttft:1000"


Server = Callable[[Trial], list[bool]]


def searched(server: Server, rules: Rules | None = None, longest: float = 1.0) -> tuple[Found, list[Result]]:
    search, results = Search(rules or Rules(), longest), list[Result]()
    while (trial := search.next(results)) is not None:
        results.append(Result(trial.rate, batched(server(trial)), trial.proves))
    return search.found(results), results


def sharp(capacity: float) -> Server:
    """Everything is good up to the capacity, and nothing above it."""
    return lambda trial: [trial.rate <= capacity] * trial.judged


def queue(capacity: float, bound: float, draw: random.Random) -> Server:
    """One server of exponential service times whose queue is simulated: good is who waits no longer than `bound`."""

    def good(trial: Trial) -> list[bool]:
        free = now = 0.0
        kept = []
        for number in range(trial.requests):
            now += draw.expovariate(trial.rate)
            free = max(now, free) + draw.expovariate(capacity)
            if number >= trial.requests - trial.judged:
                kept.append(free - now <= bound)
        return kept

    return good


@settings(deadline=None, max_examples=40)
@given(st.floats(2.0, 63.9))
def test_the_capacity_is_between_what_was_proven_as_exactly_as_was_asked_for(capacity: float) -> None:
    found, results = searched(sharp(capacity))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= capacity < found.high
    assert found.high / found.low <= 1.1 + 0.01
    assert len(results) <= MOST_TRIALS
    assert max(one.rate for one in results) <= 64


def test_a_capacity_outside_of_what_is_tried_is_told_so() -> None:
    found, results = searched(sharp(1.0))
    assert (found.low, found.high) == (None, 2.0)
    assert "lowest rate" in found.why
    assert len(results) == 2
    found, _ = searched(sharp(100.0))
    assert (found.low, found.high) == (64.0, None)
    assert "highest rate" in found.why


def test_a_server_that_is_never_clearly_good_or_bad_has_no_capacity() -> None:
    found, results = searched(lambda trial: [number % 20 > 0 for number in range(trial.judged)])
    assert (found.low, found.high) == (None, None)
    assert len(results) <= MOST_TRIALS


def test_a_first_look_that_misled_is_corrected_by_the_proof() -> None:
    def hasty(trial: Trial) -> list[bool]:
        return sharp(20.0 if trial.proves else 3.0)(trial)

    found, _ = searched(hasty)
    # Nothing was tried between the first look's bracket and 20, and nothing false is said of it.
    assert found.low is not None
    assert found.low <= 20
    assert found.high is None or found.high > 20

    def blind(trial: Trial) -> list[bool]:
        return sharp(5.0 if trial.proves else 1000.0)(trial)

    found, _ = searched(blind)
    assert found.high is None or found.high > 5
    assert found.low is None or found.low <= 5


def test_where_a_rate_stays_open_the_other_end_is_sought_above_it() -> None:
    def doubtful(trial: Trial) -> list[bool]:
        if trial.rate <= 8:
            return [True] * trial.judged
        return [number % 20 > 0 if trial.rate <= 16 else False for number in range(trial.judged)]

    found, results = searched(doubtful, Rules(resolution=1.0))
    assert found.low == 8
    assert found.high == 32
    assert len(results) <= MOST_TRIALS


def test_an_endpoint_whose_speed_changed_meanwhile_has_no_capacity() -> None:
    search = Search(Rules(), 1.0)
    results = [Result(8.0, ((400, 400),), proves=True), Result(4.0, ((400, 0),), proves=True)]
    assert "changed" in search.found(results).why


def slots(count: int, seconds: float, bound: float, draw: random.Random) -> Server:
    """So many places, each taken for just so long: near saturation its queue is short for long, and then long."""

    def good(trial: Trial) -> list[bool]:
        free, now, kept = [0.0] * count, 0.0, []
        for number in range(trial.requests):
            now += draw.expovariate(trial.rate)
            begun = max(heapq.heappop(free), now)
            heapq.heappush(free, begun + seconds)
            if number >= trial.requests - trial.judged:
                kept.append(begun - now <= bound)
        return kept

    return good


def test_a_queue_that_happened_to_be_short_makes_no_capacity_that_is_too_high() -> None:
    # Four places of a fifth of a second bear 17.1 per second with 95 % of waits below 0.45 s (simulated at length).
    rules = Rules(rate=4.0, duration=10.0)
    lows = [searched(slots(4, 0.2, 0.45, random.Random(seed)), rules, longest=0.5)[0].low or 0.0 for seed in range(40)]
    # With the rates that are tried, the next one up is 17.4: closer than the answer is wanted.
    assert sum(low > 17.1 * 1.05 for low in lows) <= 2
    assert sum(low > 17.1 * 0.75 for low in lows) >= 36


@pytest.mark.parametrize("seconds", [30.0, 60.0])
def test_a_random_server_is_said_to_bear_about_what_it_does(seconds: float) -> None:
    """Of an M/M/1 queue the truth is known: P(time in system > t) = exp(-(capacity - rate) t)."""
    capacity, bound = 20.0, 1.0
    truth = capacity + math.log(0.05) / bound
    runs = [searched(queue(capacity, bound, random.Random(seed)), Rules(duration=seconds))[0] for seed in range(20)]
    assert sum(found.low is not None for found in runs) >= 19
    # Its queue takes many seconds to fill, so a trial of half a minute bears more than the long run would.
    assert sum((found.low or 0.0) > truth * (1.25 if seconds < 60 else 1.15) for found in runs) <= 1
    assert sum((found.high or 1e9) < truth * 0.95 for found in runs) <= 1


def test_answers_that_are_slow_together_prove_less_than_those_that_are_slow_alone() -> None:
    apart = [number % 8 > 0 for number in range(480)]
    together = [number >= 60 for number in range(480)]
    assert sum(apart) == sum(together)
    assert verdict(batched(apart), 0.95) == "bad"
    assert verdict(batched(together), 0.95) == "open"


def test_a_trial_whose_queue_grew_beyond_the_bound_is_bad() -> None:
    growing = Result(10.0, batched([number < 130 for number in range(240)]), proves=True)
    assert verdict(growing.batches, 0.95) == "open"
    assert Search(Rules(), 1.0).found([growing]).high == 10.0


@pytest.mark.parametrize(("freedom", "truth"), [(5, 3.365), (11, 2.718), (23, 2.500)])
def test_students_t_is_that_of_the_tables(freedom: int, truth: float) -> None:
    assert student(0.99, freedom) == pytest.approx(truth, rel=0.01)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), max_size=100))
def test_batches_are_about_equal_and_lose_nothing(kept: list[bool]) -> None:
    batches = batched(kept)
    assert sum(count for count, _ in batches) == len(kept)
    assert sum(good for _, good in batches) == sum(kept)
    assert not batches or max(count for count, _ in batches) - min(count for count, _ in batches) <= 1


@settings(deadline=None, max_examples=20)
@given(st.floats(0.5, 200.0), st.floats(0.5, 0.99), st.floats(0.02, 1.0))
def test_no_search_costs_more_than_its_plan(capacity: float, share: float, resolution: float) -> None:
    rules = Rules(share=round(share, 2), resolution=round(resolution, 2))
    trials, requests, seconds = most_of_search(rules, 1.0)
    assert trials <= MOST_TRIALS
    search, results, sent, spent = Search(rules, 1.0), list[Result](), 0, 0.0
    while (trial := search.next(results)) is not None and sent + trial.requests <= requests:
        sent, spent = sent + trial.requests, spent + trial.seconds
        results.append(Result(trial.rate, batched(sharp(capacity)(trial)), trial.proves))
    # What is cut off by the plan's bound was nearly found.
    assert search.next(results) is None or sent > 0.8 * requests
    assert sent <= requests
    assert spent <= seconds * 1.5


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_a_verdict_is_exact_at_the_share_that_is_wanted(share: float) -> None:
    count = judged_requests(share)
    states = [verdict([(count, good)], share) for good in range(count + 1)]
    assert states[0] == "bad"
    assert states[-1] == "good"
    assert sorted(states, key=["bad", "open", "good"].index) == states
    assert verdict([], share) == "open"


def test_a_good_verdict_is_rarely_given_to_what_is_just_not_good() -> None:
    draw, count, share = random.Random(1), judged_requests(0.9), 0.9
    good = sum(
        verdict([(count, sum(draw.random() < share for _ in range(count)))], share) == "good" for _ in range(3000)
    )
    assert good / 3000 <= 2.5 * alpha()


@pytest.mark.parametrize("proves", [True, False])
def test_a_trial_is_cut_short_only_when_its_verdict_is_certain(*, proves: bool) -> None:
    trial = Trial(10.0, 400, proves)
    assert trial.judged == 400 - 400 * SETTLING
    enough = surely_bad(trial, 0.95)
    wanted = 0.95 / 2 if proves else 0.95
    assert trial.judged - enough < wanted * trial.judged <= trial.judged - enough + 1
    if proves:
        assert verdict([(trial.judged, trial.judged - enough)], 0.95) == "bad"
    # However good the rest was: the trial itself says that it is bad.
    found = Search(Rules(), 1.0).found([Result(10.0, ((150, 100),), proves=True, cut=True)])
    assert found.high == 10.0


def test_a_trial_is_long_enough_to_see_a_queue_outgrow_the_largest_bound() -> None:
    trial = Search(Rules(resolution=0.05), 2.0).next(
        [Result(2.0, ((18, 18),), proves=False), Result(4.0, ((18, 0),), proves=False)]
    )
    assert trial is not None
    assert trial.proves
    assert trial.seconds * 0.05 > 2.0

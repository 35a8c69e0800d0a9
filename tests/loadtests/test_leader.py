"""A search that several share, in virtual time: its members are arithmetic, and nothing is sent."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import pytest

from loadtests.collect import Collector
from loadtests.gauges import Gauges
from loadtests.goodput import judged
from loadtests.leader import BEGIN, CHECKED, COUNTED, ENOUGH, OVER, READY, TRIED, TRY, Leader
from loadtests.plans import Plan, plan
from loadtests.profiles import PROFILES
from loadtests.progress import Progress
from loadtests.search import SETTLING, Trial, surely_bad
from loadtests.trials import Order, Trials, Tried, joined
from tests.loadtests.made import sample

PLAN = plan(PROFILES["capacity"], {"rate": 4, "rate_most": 64, "duration": 5, "goodput": "ttft:300"})
CHECK = {"streams": 8, "ttft_p50_ms": 0.1, "arrival_p95_ms": 0.2}


def tried(whole: Plan, order: Order, index: int, shares: int, capacity: float, reason: str = "") -> Tried:
    """What a share of a trial shows of an endpoint that serves one after another, so many per second."""
    made = order.plan(whole)
    figures, gauges, kept = Collector(), Gauges(made), list[tuple[float, bool]]()
    free = 0.0
    for number, due in enumerate(made.schedule(order.seed)):
        free = max(free, due) + 1 / capacity
        if number % shares != index:
            continue
        one = sample(due=due, ttft=free - due)
        figures.add(one)
        gauges.add(one, made.workload.asked(order.seed, number))
        if due >= order.trial.seconds * SETTLING:
            kept.append((due, judged(one, whole.bounds).good_intended))
    record = {
        "type": "load", "profile": "capacity", "plan": {}, **figures.to_record(), **gauges.to_record(),
        "seconds": order.trial.seconds, "valid": not reason, "reason": reason,
        "rate": {"planned": order.trial.rate / shares, "achieved": order.trial.rate / shares},
        "unsent": 0, "warmup": {"counts": {"ok": 1}, "tokens": 10}, "proxy": "",
        "client": {"cpu": 0.1, "peak_rss_mb": 60.0, "gc": {"pauses": 0, "total_ms": 0.0, "longest_ms": 0.0}},
        "self_check": {"skipped": True},
    }  # fmt: skip
    return Tried.from_json(json.loads(json.dumps(Tried(record, tuple(kept), reason).to_json())))


class Party:
    """A leader and its members, who answer in an order of their own until the search is over."""

    def __init__(self, shares: int, capacity: float, whole: Plan = PLAN) -> None:
        self.shares, self.capacity, self.plan = shares, capacity, whole
        self.told: list[Mapping[str, Any]] = []
        self.ended = 0
        self.sent = [0] * shares
        self.reasons: dict[int, str] = {}
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self.leader = Leader(whole, 7, shares, self.hear, self.end)

    def end(self) -> None:
        self.ended += 1

    def say(self, index: int, word: str, **rest: Any) -> None:
        progress = {"sent": self.sent[index], "done": 0, "ok": 0, "tokens": 0, "seconds": 1.0, "planned": 10}
        self._waiting.append((index, {"word": word, **rest, "progress": progress}))

    def hear(self, message: Mapping[str, Any]) -> None:
        message = json.loads(json.dumps(message))
        self.told.append(message)
        if message["word"] == TRY:
            self.order = Order.from_json(message["order"])
            for index in reversed(range(self.shares)):
                self.say(index, READY, number=self.order.number)
        elif message["word"] == BEGIN:
            for index in range(self.shares):
                part = tried(self.plan, self.order, index, self.shares, self.capacity, self.reasons.get(index, ""))
                self.sent[index] += len(range(self.order.trial.requests)[index :: self.shares])
                self.say(index, TRIED, number=self.order.number, tried=part.to_json())

    def run(self) -> None:
        for index in range(self.shares):
            self.say(index, CHECKED, bias=CHECK, why="")
        self.go_on()

    def go_on(self) -> None:
        for _ in range(10_000):
            if not self._waiting:
                return
            index, message = self._waiting.popleft()
            self.leader.hear(index, json.loads(json.dumps(message)))
        raise AssertionError("the search has no end")

    def words(self) -> list[str]:
        return [message["word"] for message in self.told]


def alone(capacity: float, whole: Plan = PLAN) -> dict[str, Any]:
    """The record of the same search in one process."""
    trials = Trials(whole, 7)
    spent = Progress(sent=0, done=0, ok=0, tokens=0, seconds=1.0, planned=10)
    while (order := trials.next(spent)) is not None:
        trials.take(order.trial, tried(whole, order, 0, 1, capacity))
    return trials.to_record(spent, CHECK)


@pytest.mark.parametrize("shares", [1, 2, 3])
@pytest.mark.parametrize("capacity", [3.0, 11.0, 1000.0])
def test_a_shared_search_finds_exactly_what_one_process_would(shares: int, capacity: float) -> None:
    party = Party(shares, capacity)
    party.run()
    whole, one = json.loads(json.dumps([party.leader.to_record(), alone(capacity)]))
    for name in ("capacity", "counts", "goodput", "histograms", "tokens", "valid", "reason"):
        assert whole[name] == one[name], name
    for made in (whole, one):
        for window in made["timeline"]["windows"]:
            del window["memory_mb"]
    assert whole["timeline"] == one["timeline"]
    assert (party.ended, party.leader.over, party.words()[-1]) == (1, True, OVER)
    assert whole["self_check"]["streams"] == 8 * shares
    assert whole["spent"]["requests"] == sum(party.sent) <= PLAN.requests


def test_the_capacity_is_between_the_ends() -> None:
    party = Party(2, 11.0)
    party.run()
    found = party.leader.to_record()["capacity"]
    assert found["low"] <= 11.0 < found["high"]


def test_bad_answers_of_all_members_together_end_a_trial() -> None:
    party = Party(2, 11.0)
    for index in range(2):
        party.leader.hear(index, {"word": CHECKED, "bias": CHECK, "why": "", "progress": _progress()})
    half = (surely_bad(party.order.trial, PLAN.profile.share) + 1) // 2
    party.leader.hear(0, {"word": COUNTED, "number": 1, "bad": half, "progress": _progress()})
    assert ENOUGH not in party.words()
    # Of a trial that is over.
    party.leader.hear(1, {"word": COUNTED, "number": 0, "bad": 999, "progress": _progress()})
    assert ENOUGH not in party.words()
    for _ in range(2):
        party.leader.hear(1, {"word": COUNTED, "number": 1, "bad": half, "progress": _progress()})
    assert party.words().count(ENOUGH) == 1


def test_a_member_that_gives_up_before_the_others_began_ends_the_trial_for_all() -> None:
    party = Party(2, 11.0)
    for index in range(2):
        party.leader.hear(index, {"word": CHECKED, "bias": CHECK, "why": "", "progress": _progress()})
    part = tried(PLAN, party.order, 0, 2, 0.01, "unreachable: refused")
    party.leader.hear(0, {"word": TRIED, "number": 1, "tried": part.to_json(), "progress": _progress()})
    assert party.words()[-1] == ENOUGH
    assert BEGIN not in party.words()
    other = tried(PLAN, party.order, 1, 2, 0.01, "a verdict was certain")
    party.leader.hear(1, {"word": TRIED, "number": 1, "tried": other.to_json(), "progress": _progress()})
    # Taken again, since a hiccup is no verdict.
    assert [message["order"]["number"] for message in party.told if message["word"] == TRY] == [1, 2]


def test_a_trial_in_which_one_member_was_late_shows_nothing_and_is_taken_again_twice() -> None:
    party = Party(2, 11.0)
    party.reasons = {1: "the load generator was late"}
    party.run()
    assert "the load generator was late" in party.leader.why_invalid()
    assert len([word for word in party.words() if word == TRY]) == 3
    seeds = {message["order"]["seed"] for message in party.told if message["word"] == TRY}
    # A prompt that was sent before may be cached.
    assert len(seeds) == 3


def test_a_lost_member_ends_the_search_which_is_not_valid() -> None:
    party = Party(2, 11.0)
    for index in range(2):
        party.leader.hear(index, {"word": CHECKED, "bias": CHECK, "why": "", "progress": _progress()})
    party.leader.stop("process 2 of the load's 2 was lost")
    record = party.leader.to_record()
    assert (record["valid"], record["reason"]) == (False, "process 2 of the load's 2 was lost")
    assert (party.words()[-1], party.ended) == (OVER, 1)
    party.go_on()
    party.leader.stop("again")
    assert (party.words()[-1], party.ended, party.leader.why_invalid()) == (OVER, 1, record["reason"])


def test_a_member_that_cannot_trust_itself_ends_the_search_before_its_first_request() -> None:
    party = Party(2, 11.0)
    party.leader.hear(1, {"word": CHECKED, "bias": CHECK, "why": "33 ms late", "progress": _progress()})
    assert (party.words(), party.leader.why_invalid()) == ([OVER], "33 ms late")
    assert party.leader.to_record()["self_check"] == CHECK


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"word": TRIED, "progress": {}},
        {"word": TRIED, "number": 1, "tried": {"kept": [1]}},
        {"word": TRIED, "number": 1, "tried": {"record": {}, "kept": [], "reason": ""}},
    ],
)
def test_nonsense_from_a_member_ends_the_search(message: dict[str, Any]) -> None:
    party = Party(1, 11.0)
    party.leader.hear(0, {"word": CHECKED, "bias": CHECK, "why": "", "progress": _progress()})
    party.leader.hear(0, {"progress": _progress(), **message})
    assert "nonsense" in party.leader.why_invalid()
    assert party.leader.over


def test_a_share_that_was_late_outranks_the_verdict_that_ended_the_others() -> None:
    order = Order(Trial(4.0, 40, proves=False), 1, 7, 10**6)
    parts = [tried(PLAN, order, share, 3, 1.0, why) for share, why in enumerate(("", "a verdict was certain", "late"))]
    assert joined(parts).reason == "late"
    assert joined(parts[:2]).reason == "a verdict was certain"
    assert joined(parts[:1]).reason == ""
    assert joined(parts).record["valid"] is False


def _progress() -> dict[str, Any]:
    return {"sent": 0, "done": 0, "ok": 0, "tokens": 0, "seconds": 0.0, "planned": 10}

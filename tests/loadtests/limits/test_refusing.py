"""How tokens are charged, told by refusals where no header tells what is left: right, or undecided."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtests.limits.observed import Asked, Observation
from loadtests.limits.refusing import Ruled, tariff_of
from loadtests.limits.tariff import tokens_of_trial, wide
from loadtests.limits.virtual import Network
from tests.loadtests.limits.tills import Way, charged, till, tried

LIMIT = 200_000
TRUE: dict[Way, tuple[bool, bool]] = {"usage": (False, True), "unsettled": (True, False), "settled": (True, True)}


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("way", ["usage", "settled"])
@pytest.mark.parametrize("multiplied", [True, False])
def test_refusals_tell_how_a_request_is_charged(kind: str, way: Way, multiplied: bool) -> None:
    prober = charged(kind, LIMIT, till(kind, LIMIT, way, multiplied=multiplied))
    tariff = prober.tariff
    assert (tariff.admission, tariff.settled) == TRUE[way]
    assert tariff.multiplied is (None if way == "usage" else multiplied)
    assert tariff.by == "refusals"
    trial = prober.ledger.seen[len(prober.seen) :]
    assert sum(one.used or 0 for one in trial) < tokens_of_trial(LIMIT)
    assert sum(one.passed is False for one in trial) < 60


@pytest.mark.parametrize("multiplied", [True, False])
def test_a_bucket_that_settles_nothing_is_told(multiplied: bool) -> None:
    tariff = charged("bucket", LIMIT, till("bucket", LIMIT, "unsettled", multiplied=multiplied)).tariff
    assert tariff.admission is True
    assert tariff.settled in (False, None)
    assert tariff.multiplied in (multiplied, None)


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("way", ["usage", "unsettled", "settled"])
@pytest.mark.parametrize("limit", [20_000, 500_000])
@pytest.mark.parametrize("slow", [False, True])
def test_what_is_said_is_never_wrong(kind: str, way: Way, limit: int, slow: bool) -> None:
    network = Network(way=0.1, jitter=0.05, answer=0.5, seed=3) if slow else Network(way=0.002, answer=0.01)
    for start, multiplied in ((0.5, True), (58.0, False)):
        at = till(kind, limit, way, multiplied=multiplied)
        tariff = charged(kind, limit, at, start=start, network=network).tariff
        admission, settled = TRUE[way]
        assert tariff.admission in (admission, None)
        assert tariff.settled in (settled, None)
        assert tariff.multiplied in (multiplied, None)


@pytest.mark.parametrize(("kind", "way"), [("fixed", "unsettled"), ("sliding", "settled")])
def test_it_is_asked_after_a_search(kind: str, way: Way) -> None:
    found = tried(till(kind, 40_000, way))[1]
    assert (found.tariff.admission, found.tariff.settled) == TRUE[way]
    assert found.charge == ("asked, settled by usage" if way == "settled" else "asked")


def test_candidates_by_another_name_where_best_of_is_refused() -> None:
    tariff = charged("bucket", LIMIT, till("bucket", LIMIT, "settled", refuses=("best_of",))).tariff
    assert (tariff.candidates, tariff.multiplied) == ("n", True)
    tariff = charged("bucket", LIMIT, till("bucket", LIMIT, "settled", refuses=("best_of", "n"))).tariff
    assert tariff.multiplied is None


def test_less_is_asked_for_where_much_is_refused() -> None:
    tariff = charged("sliding", LIMIT, till("sliding", LIMIT, "settled", longest=1500)).tariff
    assert tariff.settled is True
    assert tariff.admission in (True, None)


def seen(*passed: tuple[Asked, bool]) -> list[Observation]:
    return [
        Observation(sent=float(place), answered=place + 0.1, passed=let, asked=asked, used=asked.prompt + 1)
        for place, (asked, let) in enumerate(passed)
    ]


def test_more_that_passes_where_less_was_refused_rules_out() -> None:
    ruled = Ruled(0.0, 0.0, {})
    four = ruled.against(seen((wide(2000, 4), False), (wide(4000), True)))
    assert set(four) == {"settled", "unsettled"}
    once = ruled.against(seen((wide(4000), False), (wide(2000, 4), True)))
    assert set(once) == {"settled, multiplied", "unsettled, multiplied"}
    assert not Ruled(0.0, 5000.0, {}).against(seen((wide(4000), False), (wide(2000, 4), True)))


def test_what_no_way_explains_rules_out_none() -> None:
    whole = seen((wide(4000), False), (Asked(kind="probe", prompt=20_000, max_tokens=1), True))
    assert not Ruled(0.0, 0.0, {}).against(whole)


def test_one_observation_is_no_statement() -> None:
    assert tariff_of(Counter({"usage": 1}), "best_of").admission is None
    assert tariff_of(Counter({"usage": 2}), "best_of").admission is True
    assert tariff_of(Counter(), "best_of").by == ""

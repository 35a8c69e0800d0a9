"""How tokens are charged, told in virtual time from endpoints of which it is known: right, or undecided."""

from __future__ import annotations

import pytest

from loadtests.limits.charging import agreed
from loadtests.limits.tariff import Ballot, Tariff, size_of, together, tokens_of_trial
from tests.loadtests.limits.tills import Shown, Way, charged, exact, till, tried

LIMIT = 40_000
TRUE: dict[Way, tuple[bool, bool]] = {"usage": (False, True), "unsettled": (True, False), "settled": (True, True)}


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("way", ["usage", "unsettled", "settled"])
@pytest.mark.parametrize("multiplied", [True, False])
def test_headers_tell_how_a_request_is_charged(kind: str, way: Way, multiplied: bool) -> None:
    prober = charged(kind, LIMIT, till(kind, LIMIT, way, multiplied=multiplied, shown=exact))
    tariff = prober.tariff
    assert (tariff.admission, tariff.settled) == TRUE[way]
    assert tariff.multiplied is (None if way == "usage" else multiplied)
    assert tariff.by == "headers"
    trial = prober.ledger.seen[len(prober.seen) :]
    assert len(trial) < 60
    assert sum(one.used or 0 for one in trial) < tokens_of_trial(LIMIT)


@pytest.mark.parametrize(("kind", "way"), [("bucket", "settled"), ("fixed", "unsettled")])
def test_it_is_asked_after_a_search(kind: str, way: Way) -> None:
    _, found = tried(till(kind, LIMIT, way, shown=exact))
    assert (found.tariff.admission, found.tariff.settled) == TRUE[way]
    record = found.to_record()
    assert record["charge"] == ("asked, settled by usage" if way == "settled" else "asked")
    assert record["tariff"]["multiplied"] is True


def lagging() -> Shown:
    """What was left a second ago."""
    left: list[tuple[float, float]] = []

    def shown(now: float, value: float) -> float:
        left.append((now, value))
        return next((old for at, old in reversed(left) if at <= now - 1.0), float(LIMIT))

    return shown


def one_late() -> Shown:
    """What was left for the request before."""
    left = [float(LIMIT)]

    def shown(_: float, value: float) -> float:
        left.append(value)
        return left[-2]

    return shown


@pytest.mark.parametrize("kind", ["fixed", "bucket"])
@pytest.mark.parametrize("way", ["usage", "unsettled", "settled"])
@pytest.mark.parametrize("trap", ["lagging", "one late", "doubled", "frozen", "rounded", "random"])
def test_headers_that_are_wrong_tell_nothing_wrong(kind: str, way: Way, trap: str) -> None:
    shown = {
        "lagging": lagging(),
        "one late": one_late(),
        "doubled": lambda _, left: 2 * left,
        "frozen": lambda *_: float(LIMIT),
        "rounded": lambda _, left: 100.0 * round(left / 100),
        "random": lambda now, _: float(int(now * 7919) % LIMIT),
    }[trap]
    tariff = charged(kind, LIMIT, till(kind, LIMIT, way, shown=shown)).tariff
    admission, settled = TRUE[way]
    assert tariff.admission in (admission, None)
    assert tariff.settled in (settled, None)
    assert tariff.multiplied in (True, None)


def test_candidates_by_another_name_where_best_of_is_refused() -> None:
    tariff = charged("fixed", LIMIT, till("fixed", LIMIT, "settled", shown=exact, refuses=("best_of",))).tariff
    assert (tariff.candidates, tariff.multiplied) == ("n", True)
    tariff = charged("fixed", LIMIT, till("fixed", LIMIT, "settled", shown=exact, refuses=("best_of", "n"))).tariff
    assert (tariff.candidates, tariff.multiplied) == ("", None)
    assert (tariff.admission, tariff.settled) == (True, True)


def test_less_is_asked_for_where_much_is_refused() -> None:
    tariff = charged("fixed", 80_000, till("fixed", 80_000, "settled", shown=exact, longest=1000)).tariff
    assert (tariff.admission, tariff.settled) == (True, True)


def test_a_quota_too_small_to_tell_is_not_tried() -> None:
    assert size_of(5_000) == 0
    assert size_of(1e9) == 4_000


def test_two_votes_alike_are_a_statement_and_others_are_none() -> None:
    ballot = Ballot()
    ballot.vote("settled", True)
    assert ballot.says("settled") is None
    ballot.vote("settled", True)
    assert ballot.says("settled") is True
    ballot.vote("settled", False)
    assert ballot.says("settled") is None


def test_two_trials_that_contradict_each_other_say_nothing() -> None:
    one, other = Tariff(admission=True, settled=True, by="headers"), Tariff(admission=False, by="refusals")
    assert together(one, other).admission is None
    assert together(one, other).settled is True
    assert together(Tariff(), other) == other


def test_what_speaks_against_all_requests_is_not_said() -> None:
    both = "usage or asked, settled by usage"
    assert agreed(both, Tariff(admission=True, by="headers"))[0] == "asked, settled by usage"
    assert agreed(both, Tariff(admission=False, by="headers"))[0] == "usage"
    assert agreed("asked", Tariff(settled=True, by="headers")) == ("asked", Tariff())

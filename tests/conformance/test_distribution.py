"""Bets on the temperature: an honest server wins none of them, and one that does something else is found out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import pytest

from conformance.checks.distribution import INSTEAD, NEEDED, Place, Stakes, place_of, scale_of
from conformance.layouts import TokenLogprob

CHANCES = {" the": 0.4, " a": 0.25, " no": 0.15, " one": 0.1}


def token(top: Mapping[str, float], text: str = " the") -> TokenLogprob:
    listed = {name: math.log(value) for name, value in top.items()}
    return TokenLogprob(text, listed.get(text, -9.0), listed)


def place() -> Place:
    found = place_of(token(CHANCES | {" his": 0.02}))
    assert found is not None
    return found


def played(honest: float, really: float, seed: int, rounds: int = 60) -> Stakes:
    """The stakes after so many draws from a server that samples at the temperature `really`."""
    stakes, random = Stakes(honest), Random(seed)
    weights = {**{text: value ** (1 / really) for text, value in CHANCES.items()}, "?": 0.1 ** (1 / really)}
    for _ in range(rounds):
        stakes.bet(place(), random.choices(list(weights), list(weights.values()))[0])
    return stakes


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.0])
def test_an_honest_server_is_left_alone(temperature: float) -> None:
    for seed in range(20):
        assert played(temperature, temperature, seed).total < NEEDED / 2


@pytest.mark.parametrize(("honest", "really"), [(1.0, 0.05), (0.2, 1.0), (0.2, 2.0), (2.0, 0.2)])
def test_another_temperature_is_found_out(honest: float, really: float) -> None:
    for seed in range(3):
        stakes = played(honest, really, seed)
        assert stakes.total > NEEDED
        assert stakes.powerful


@pytest.mark.parametrize("honest", [0.2, 1.0, 2.0])
def test_every_bet_is_fair(honest: float) -> None:
    """The mean of what a bet multiplies the stake by is 1 at most, and no more where rare tokens are cut off."""
    here = place()
    likely = {text: value ** (1 / honest) for text, value in CHANCES.items()}
    outside = 0.1 ** (1 / honest)
    for cut in (outside, outside / 2, 0.0):
        total = sum(likely.values()) + cut
        for instead in INSTEAD:
            mean = 0.0
            for text, weight in {**likely, "?": cut}.items():
                stakes = Stakes(honest)
                stakes.bet(here, text)
                mean += weight / total * math.exp(stakes.won[instead])
            assert mean <= 1 + 1e-9, (honest, instead, cut)


def test_a_penalty_on_what_comes_again_wins_no_bet_on_the_first() -> None:
    for penalty in (1.0, 0.5, 0.1):
        weights = CHANCES | {" the": CHANCES[" the"] * penalty}
        total = sum(weights.values())
        for instead in INSTEAD:
            mean = 0.0
            for text, weight in weights.items():
                stakes = Stakes(1.0)
                stakes.bet_on_first(place(), text)
                mean += weight / total * math.exp(stakes.won[instead])
            assert mean <= 1 + 1e-9


def test_what_cannot_be_told_apart_is_no_place_to_bet() -> None:
    assert place_of(token({" the": 0.5, "": 0.2, " a": 0.1, " b": 0.1})) is None
    assert place_of(token({" the": 0.5, " a": 0.2})) is None
    sure = place_of(token({" the": 0.99, " a": 0.004, " b": 0.003, " c": 0.002}))
    assert sure is not None
    assert list(sure.likely) == [" the"]
    stakes = Stakes(1.0)
    stakes.bet(sure, " the")
    assert not stakes.powerful


AT_ONE = {" on": -0.4, " in": -1.6, " by": -3.0}


@pytest.mark.parametrize("temperature", [0.2, 2.0])
def test_values_tell_whether_they_were_divided_by_the_temperature(temperature: float) -> None:
    divided = {text: value / temperature - 0.3 for text, value in AT_ONE.items()}
    assert scale_of(AT_ONE, AT_ONE, temperature) == "raw"
    assert scale_of(AT_ONE, divided, temperature) == "scaled"
    assert scale_of(AT_ONE, {text: 5 * value for text, value in AT_ONE.items()}, 2.0) == "otherwise"


def test_halves_of_characters_do_not_tell_how_values_are_given() -> None:
    """They are all spelt as nothing, and two tokens that are about as likely tell nothing."""
    assert scale_of({"": -2.13, " on": -1.943}, {"": -2.005, " on": -1.943, "ror": -5.13}, 2) == "otherwise"
    assert scale_of({"\ufffd": -2.1, " on": -1.9}, {"\ufffd": -2.3, " on": -1.9}, 2) == "otherwise"
    assert scale_of({" by": -2.0, " on": -1.9}, {" by": -2.3, " on": -2.15}, 2) == "otherwise"

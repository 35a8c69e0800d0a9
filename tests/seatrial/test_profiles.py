"""A check profile gives what nobody else has said: the command line first, then the target, then the profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UserError
from seatrial.options import Asked, Options, resolve
from seatrial.prices import Prices

FILE = """
[targets.prod]
url = "https://x.example"
check_profile = "thorough"
price_input_per_million = 0.3
price_output_per_million = 2
currency = "USD"
"""


def made(folder: Path, target: str = "https://x.example", **words: Any) -> Options:
    return resolve(Asked(target=target, no_key=True, **words), environ={}, folder=folder, warn=lambda _: None)


def caps(options: Options) -> tuple[str, int, int, int]:
    return options.profile.name, options.examples, options.budget_requests, options.budget_tokens


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({}, ("standard", 5, 1_500, 80_000)),
        ({"check_profile": "quick"}, ("quick", 1, 250, 15_000)),
        ({"check_profile": "quick", "examples": 0, "budget_tokens": 9}, ("quick", 0, 250, 9)),
        ({"check_profile": "quick", "repeat": 3}, ("quick", 1, 750, 45_000)),
        ({"repeat": 3, "budget_requests": 10}, ("standard", 5, 10, 240_000)),
    ],
)
def test_what_is_said_comes_before_the_profile(
    tmp_path: Path, words: dict[str, Any], wanted: tuple[str, int, int, int]
) -> None:
    assert caps(made(tmp_path, **words)) == wanted


def test_a_target_has_a_profile_and_prices(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text(FILE)
    options = made(tmp_path, "prod", prices=Prices(output=4))
    assert options.profile.name == "thorough"
    assert options.prices == Prices(0.3, 4, "USD")
    assert made(tmp_path, "prod", check_profile="quick").profile.name == "quick"


@pytest.mark.parametrize(
    ("said", "wrong"), [('"thorough"', '"deep"'), ("= 2", "= -2"), ('"USD"', "7"), ('"USD"', '""')]
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, said: str, wrong: str) -> None:
    (tmp_path / "seatrial.toml").write_text(FILE.replace(said, wrong))
    with pytest.raises(UserError, match=r"targets\.prod"):
        made(tmp_path, "prod")


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quick, standard, thorough"):
        made(tmp_path, check_profile="deep")


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_is_a_number_of_at_least_zero(price: float) -> None:
    with pytest.raises(UserError, match="--price-output"):
        Prices(output=price)


def test_a_price_is_told_with_its_currency_and_what_is_missing() -> None:
    assert Prices(1, 2, "EUR").of(1_000_000, 500_000) == "2 EUR"
    assert Prices(1).of(250_000, 1) == "0.25 (output tokens have no price)"
    assert Prices().of(1, 1) == ""

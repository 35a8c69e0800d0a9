from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Skip, Violation
from conformance.checks.strangers import a_401_names_a_scheme, the_key_is_judged_first
from conformance.wire.exchange import Sent
from tests.conformance.fakes import api_over

NO_KEY = (401, {"error": {"message": "No auth header"}})
BROKEN = (422, {"error": {"message": "temperature is too high"}})


def whole(sent: Sent) -> bool:
    body = sent.json
    return "prompt" in body and body.get("temperature") != 7.5


def judged(no_key: tuple[int, Any], broken: tuple[int, Any]) -> None:
    api, _ = api_over(lambda sent: no_key if whole(sent) else broken)
    the_key_is_judged_first.function(api)


@pytest.mark.parametrize(
    ("no_key", "broken"),
    [
        pytest.param(NO_KEY, NO_KEY, id="the key first"),
        pytest.param(NO_KEY, (403, {}), id="forbidden"),
        pytest.param((400, NO_KEY[1]), (400, NO_KEY[1]), id="a missing key is a bad request"),
        pytest.param(
            (400, {"message": "no key", "id": "a1"}), (400, {"message": "no key", "id": "b2"}), id="but for an id"
        ),
    ],
)
def test_a_stranger_learns_nothing(no_key: tuple[int, Any], broken: tuple[int, Any]) -> None:
    judged(no_key, broken)


@pytest.mark.parametrize(
    ("no_key", "broken"),
    [
        pytest.param(NO_KEY, BROKEN, id="another status"),
        pytest.param((400, NO_KEY[1]), (400, BROKEN[1]), id="other words"),
        pytest.param(NO_KEY, (500, {}), id="a crash"),
        pytest.param(NO_KEY, (200, {}), id="an answer"),
    ],
)
def test_a_stranger_is_told_what_is_wrong(no_key: tuple[int, Any], broken: tuple[int, Any]) -> None:
    with pytest.raises(Violation, match="a stranger is told"):
        judged(no_key, broken)


def test_no_challenge_is_owed_without_a_401() -> None:
    api, _ = api_over(lambda _: (403, {}))
    with pytest.raises(Skip, match="no challenge is owed"):
        a_401_names_a_scheme.function(api)


def test_words_that_differ_by_themselves_prove_nothing() -> None:
    words = iter("abcdefgh")
    api, _ = api_over(lambda _: (400, {"message": f"no key {next(words)}"}))
    the_key_is_judged_first.function(api)

from __future__ import annotations

import pytest

from conformance.check import Inconclusive
from conformance.checks.stop_sequences import Said, piece, said
from conformance.checks.stopping import PROMPT
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over, document


def test_a_piece_marks_one_place_and_has_no_white_space_around_it() -> None:
    text = "aaa bcd aaa efg hij"
    assert piece(text, 0, 3) == "aaa"
    assert piece(text, 3, 3) == "bcd"
    assert piece(text, 8, 3) == "a e"
    assert Said(text, Exchange("x", "s", 0, Sent("POST", "/", ()), 0.0)).cut_at("efg") == "aaa bcd aaa "


@pytest.mark.parametrize("text", ["abababababab", "", "          "])
def test_a_text_that_repeats_itself_has_no_such_piece(text: str) -> None:
    with pytest.raises(Inconclusive, match="repeats itself"):
        piece(text, 2, 3)


@pytest.mark.parametrize("text", ["", "short", "a long one with half a \N{REPLACEMENT CHARACTER}"])
def test_nothing_is_cut_out_of_too_little(text: str) -> None:
    api, _ = api_over(lambda sent: (200, document(text)))
    with pytest.raises(Inconclusive, match="too short or too broken"):
        said(api)


def test_what_is_said_is_asked_for_once() -> None:
    api, courier = api_over(lambda sent: (200, document("a calm sea and a good wind")))
    assert said(api).text == said(api).text == "a calm sea and a good wind"
    assert [sent.json["prompt"] for sent in courier.sent] == [PROMPT]

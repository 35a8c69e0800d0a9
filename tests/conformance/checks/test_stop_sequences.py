from __future__ import annotations

import pytest

from conformance.check import Inconclusive
from conformance.checks.stop_sequences import Said, boundaries, piece, said
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


@pytest.mark.parametrize("text", ["", "short", "early \N{REPLACEMENT CHARACTER} and so on"])
def test_nothing_is_cut_out_of_too_little(text: str) -> None:
    api, _ = api_over(lambda sent: (200, document(text)))
    with pytest.raises(Inconclusive, match="too short or too broken"):
        said(api)


def test_what_comes_before_half_a_character_may_be_cut() -> None:
    api, _ = api_over(lambda sent: (200, document("a calm sea and half a \N{REPLACEMENT CHARACTER} wind")))
    assert said(api).text == "a calm sea and half a "
    with pytest.raises(Inconclusive, match="too broken"):
        said(api, to_the_end=True)


def test_an_end_token_without_text_begins_nothing() -> None:
    text, words = "a calm sea", ["a", " calm", " sea", ""]
    row = {"tokens": words, "token_logprobs": [-1.0] * 4, "top_logprobs": [{}] * 4, "text_offsets": [0, 1, 6, 10]}
    answer = document(text)
    answer["choices"][0]["logprobs"] = row
    api, _ = api_over(lambda sent: (200, answer))
    assert boundaries(api, text) == [1, 6]


def test_what_is_said_is_asked_for_once() -> None:
    api, courier = api_over(lambda sent: (200, document("a calm sea and a good wind")))
    assert said(api).text == said(api).text == "a calm sea and a good wind"
    assert [sent.json["prompt"] for sent in courier.sent] == [PROMPT]


def test_without_log_probabilities_tokens_are_taken_to_begin_with_spaces() -> None:
    api, _ = api_over(lambda sent: (200, document("a calm sea")))
    assert boundaries(api, "a calm sea") == [1, 6]

"""The model's probabilities are true and its tokenizer loses nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.tinylm import END, SPECIAL, TinyLM, tiny_lm

LM = tiny_lm()
PROMPTS = ("", "The sea was calm", "Hello", "¿Qué?", "A ship that sails", "1, 2, 3,", "no sense at all xyzzy")


@given(st.text(alphabet=st.characters()))
@settings(deadline=None, database=None)
def test_decoding_gives_back_any_text(text: str) -> None:
    assert LM.decode(LM.encode(text)) == text


def test_decoding_gives_back_surrogates_too() -> None:
    assert LM.decode(LM.encode("a\ud83d b")) == "a\ud83d b"


def test_a_special_token_in_a_text_is_text() -> None:
    ids = LM.encode(f"stop {END} here")
    assert not any(LM.is_special(token) for token in ids)
    assert LM.decode([*ids, LM.end]) == f"stop {END} here"
    assert LM.decode([LM.end], skip_special=False) == END


def test_ids_are_the_same_in_every_model() -> None:
    assert TinyLM("The sea.\n\nThe ship.").encode("The sea.") == TinyLM("The sea.\n\nThe ship.").encode("The sea.")
    assert LM.begin == 256
    assert LM.end == 257
    assert len({LM.special(role) for role in ("system", "user", "assistant")}) == 3


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(IndexError, match="outside the vocabulary"):
        LM.decode([LM.size])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_probabilities_sum_to_one(prompt: str) -> None:
    ids = LM.encode(prompt)
    for _ in range(12):
        logprobs = LM.logprobs(ids)
        assert len(logprobs) == LM.size
        assert math.fsum(map(math.exp, logprobs)) == pytest.approx(1.0, abs=1e-12)
        ranked = LM.ranked(ids)
        assert ranked.cumulative[-1] == pytest.approx(1.0, abs=1e-9)
        ids.append(LM.support[ranked.order[0]])


def test_probability_goes_to_whole_printable_tokens_only() -> None:
    logprobs = LM.logprobs(LM.encode("The"))
    for token, value in enumerate(logprobs):
        if value > -math.inf and token != LM.end:
            text = LM.token_text(token)
            assert text.isprintable() or text == "\n"
            assert text not in SPECIAL


def test_tokens_of_the_support_have_different_texts() -> None:
    texts = [LM.token_text(token) for token in LM.support]
    assert len(set(texts)) == len(texts)


def test_the_model_has_learned_its_text() -> None:
    ids = LM.encode("The harbour")
    best = LM.support[LM.ranked(ids).order[0]]
    assert LM.token_text(best) == " maste"


def test_turn_markers_do_not_change_what_follows() -> None:
    plain = LM.encode("the ship")
    assert LM.logprobs([LM.begin, LM.special("user"), *plain, LM.special("assistant")]) == LM.logprobs(plain)


def test_a_key_says_all_that_the_model_heeds() -> None:
    ids = LM.encode("The crew was ready, and the harbour was quiet")
    key: tuple[int, ...] = ()
    for place, token in enumerate(ids, start=1):
        key = LM.key((*key, token))
        assert key == LM.key(ids[:place])


def test_the_cache_is_bounded() -> None:
    info = LM._ranked.cache_info()
    assert info.maxsize is not None
    assert info.currsize <= info.maxsize

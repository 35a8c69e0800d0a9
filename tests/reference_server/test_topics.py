"""What was said before moves the tiny model's probabilities, and they stay probabilities."""

from __future__ import annotations

import math

import pytest

from reference_server.tinylm import tiny_lm
from reference_server.topics import reminded


def test_words_said_before_become_likelier() -> None:
    lm = tiny_lm()
    context = lm.encode("The")
    words = frozenset(lm.encode(" ship"))
    model = reminded(lm, words)
    plain, moved = lm.logprobs(context), model.logprobs(context)
    for token in words:
        assert moved[token] > plain[token]
    assert sum(value < was for value, was in zip(moved, plain, strict=True)) > 100
    assert math.fsum(math.exp(value) for value in moved) == pytest.approx(1)
    assert model.ranked(context).cumulative[-1] == pytest.approx(1)
    assert plain == lm.logprobs(context)


def test_without_known_words_the_model_is_the_plain_one() -> None:
    lm = tiny_lm()
    assert reminded(lm, frozenset()) is lm
    assert reminded(lm, frozenset(lm.encode("ü"))) is lm
    assert reminded(lm, frozenset(lm.encode(" ship"))) is reminded(lm, frozenset(lm.encode(" ship")))

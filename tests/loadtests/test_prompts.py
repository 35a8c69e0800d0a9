from __future__ import annotations

import pytest

from loadtests.prompts import WORDS, most_tokens, prompt


def test_a_prompt_is_the_same_for_the_same_seed_and_number() -> None:
    assert prompt(3, 5, 64) == prompt(3, 5, 64)
    assert prompt(3, 5, 64) != prompt(4, 5, 64)


@pytest.mark.parametrize("tokens", [1, 4, 16, 64])
def test_no_two_prompts_are_alike_even_short_ones(tokens: int) -> None:
    numbers = range(-10, 5_000)
    assert len({prompt(0, number, tokens) for number in numbers}) == len(numbers)


def test_prompts_differ_within_their_first_words() -> None:
    beginnings = {tuple(prompt(0, number, 200).split()[:3]) for number in range(5_000)}
    assert len(beginnings) == 5_000


@pytest.mark.parametrize("tokens", [16, 64, 500, 4_000])
def test_a_prompt_is_about_as_long_as_asked_and_never_beyond_its_bound(tokens: int) -> None:
    prompts = [prompt(0, number, tokens) for number in range(50)]
    assert all(0.75 * tokens <= len(text.split()) <= 1.1 * tokens + 4 for text in prompts)
    assert max(len(text.encode()) for text in prompts) <= most_tokens(tokens)


def test_words_are_unique_and_plain() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all(word.isascii() and word.islower() for word in WORDS)

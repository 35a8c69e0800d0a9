"""What the tiny Llama says, computed in plain Python: whole words only, no word for ever, another for each prompt."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from reference_server.tiny_llama.checkpoint import write
from reference_server.tiny_llama.tokenizer import spelled, tokenizer
from reference_server.tiny_llama.words import BEGIN, CLASSES, END, END_HEADER, END_OF_TURN, START_HEADER
from tests.reference_server.tiny_llama.forward import Llama

MADE = tokenizer()
SAID = {MADE.id_of(word) for row in CLASSES.values() for word in row.words}
ENDS = {MADE.id_of(END), MADE.id_of(END_OF_TURN)}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    folder = tmp_path_factory.mktemp("llama")
    write(folder)
    return Llama(folder)


def ids(*parts: str) -> list[int]:
    found = [MADE.ids[BEGIN]]
    for part in parts:
        found += [MADE.ids[part]] if part in MADE.special else [MADE.ids[token] for token in MADE.cut(part)]
    return found


def probabilities(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    highest = max(logits)
    weights = [math.exp((value - highest) / temperature) for value in logits]
    return (
        [weight / sum(weights) for weight in weights] if (total := sum(weights)) == 0 else [w / total for w in weights]
    )


ODD = (
    ids(),
    ids("\u05d4\u05d9\u05dd", " \U0001f6a2", "\x00", "!"),
    ids(START_HEADER, "user", END_HEADER, "\n\n", "Ahoy", END_OF_TURN, START_HEADER, "assistant", END_HEADER, "\n\n"),
    # Half a character, which no text has and a list of ids may.
    [MADE.ids[BEGIN], MADE.ids[spelled("\u00e9")[0]]],
    [MADE.ids[token] for token in MADE.special[:6]],
)


@pytest.mark.parametrize("prompt", ODD, ids=range(len(ODD)))
def test_nothing_but_whole_words_is_likely_after_whatever(llama: Llama, prompt: list[int]) -> None:
    logits = llama.logits(prompt)
    never = sum(value for token, value in enumerate(probabilities(logits, 2.0)) if token not in SAID)
    assert never < 1e-9


def test_sampling_goes_on_sensibly_past_an_end(llama: Llama) -> None:
    draw = random.Random(5)
    logits = llama.logits(ids("The", " sea", ".", END_OF_TURN))
    said: list[int] = []
    for _ in range(24):
        said.append(draw.choices(range(len(logits)), probabilities(logits))[0])
        logits = llama.further(said[-1:])
    assert set(said) <= SAID
    assert len(set(said)) > 12
    assert said[0] not in ENDS


def test_greedy_says_no_word_twice_in_a_row_and_does_not_end_at_once(llama: Llama) -> None:
    logits = llama.logits(ids("The", " keeper", " of", " the", " light"))
    said: list[int] = []
    gaps = []
    for _ in range(24):
        first, second = sorted(range(len(logits)), key=lambda token: -logits[token])[:2]
        gaps.append(logits[first] - logits[second])
        said.append(first)
        logits = llama.further([first])
    assert not ENDS & set(said[:12])
    assert all(one != other for one, other in pairwise(said))
    assert sorted(gaps)[len(gaps) // 2] > 0.3


def test_it_is_neither_sure_nor_clueless(llama: Llama) -> None:
    entropies = []
    for word in (" sea", " captain", " wrote", " under", "."):
        likely = probabilities(llama.logits(ids("The", " old", word)))
        entropies.append(-sum(value * math.log2(value) for value in likely if value))
    assert 1.5 < sum(entropies) / len(entropies) < 5.0


def test_an_end_is_moderately_likely_behind_a_sentence(llama: Llama) -> None:
    ends = []
    for words in (("The", " ship", " passed"), (" Anna", " sold", " bread"), (" Then", " he", " slept")):
        text = (*words, ".") * 5
        after = probabilities(llama.logits(ids(*text)))
        ends.append(sum(after[token] for token in ENDS))
    assert 0.01 < sum(ends) / len(ends) < 0.6
    within = probabilities(llama.logits(ids(*text[:-1])))
    assert sum(within[token] for token in ENDS) < 1e-3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((" boat", " saw", " the", " light"), (" gull", " saw", " the", " light")),
        (("sea",), ("Sea",)),
        (("fa\u00e7ade",), ("fac\u0327ade",)),
        ((" sea", " "), (" sea", "  ")),
        ((" boat", *(" and", " the", " sea") * 8), (" gull", *(" and", " the", " sea") * 8)),
    ],
)
def test_each_part_of_a_prompt_matters(llama: Llama, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    mine, theirs = llama.logits(ids("The", *one)), llama.logits(ids("The", *other))
    likeliest = sorted(range(len(mine)), key=lambda token: -mine[token])[:5]
    assert max(abs(mine[token] - theirs[token]) for token in likeliest) > 0.01

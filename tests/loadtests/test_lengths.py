from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.lengths import LONGEST, lengths

_TEXTS = st.one_of(
    st.integers(1, LONGEST),
    st.tuples(st.integers(1, 500), st.integers(0, 500)).map(lambda pair: f"uniform:{pair[0]}-{sum(pair)}"),
    st.tuples(st.floats(1, 1000), st.floats(0.01, 3)).map(lambda pair: f"lognormal:{pair[0]}:{pair[1]}"),
    st.tuples(st.integers(1, 50), st.floats(0.01, 3)).map(lambda pair: f"lognormal:{pair[0]}:{pair[1]}:60"),
)


@settings(deadline=None, max_examples=40)
@given(_TEXTS, st.integers(0, 9), st.integers(-3, 1000))
def test_a_drawn_length_is_within_its_bounds_and_again_the_same(given_as: int | str, seed: int, number: int) -> None:
    made = lengths(given_as)
    drawn = made.draw(seed, number, "prompt")
    assert 1 <= made.least <= drawn <= made.most <= LONGEST
    assert drawn == lengths(given_as).draw(seed, number, "prompt")
    assert made.least <= made.mean <= made.most


@pytest.mark.parametrize("text", ["40", "uniform:10-90", "lognormal:40:0.8", "lognormal:40:1.2:100", "lognormal:2:0.3"])
def test_the_mean_is_that_of_what_is_drawn(text: str) -> None:
    made = lengths(text)
    drawn = [made.draw(0, number, "prompt") for number in range(4000)]
    assert sum(drawn) / len(drawn) == pytest.approx(made.mean, rel=0.06)


def test_lengths_of_prompts_and_answers_are_drawn_apart() -> None:
    made = lengths("uniform:1-1000")
    assert [made.draw(0, n, "prompt") for n in range(9)] != [made.draw(0, n, "answer") for n in range(9)]


@pytest.mark.parametrize(
    "text",
    ["", "0", "-3", "1.5", "x", "uniform:9-2", "uniform:0-4", "uniform:4", "lognormal:40", "lognormal:0:1",
     "lognormal:40:0", "lognormal:40:9", "lognormal:40:1:3", "normal:3:4", "2000000", "nan"],
)  # fmt: skip
def test_what_is_no_length_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="prompt_tokens is a number from 1 to 1,000,000, uniform:LEAST-MOST or"):
        lengths(text, "prompt_tokens")

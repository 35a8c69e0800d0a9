"""Every sampling parameter does what its row promises, on a model whose probabilities are known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reference_server.sampling import Completion, Sampling, complete, finished, pieces
from reference_server.tinylm import END, tiny_lm

LM = tiny_lm()
CALM = LM.encode("The sea was calm")
PROMPTS = [LM.encode(text) for text in ("The sea was calm", "Hello", "The crew", "In the evening the", "A ship")]


def ask(prompt: list[int] = CALM, **given: Any) -> tuple[Completion, ...]:
    return finished(complete(prompt, Sampling(**{"max_tokens": 24, **given})))


def one(prompt: list[int] = CALM, **given: Any) -> Completion:
    return ask(prompt, **given)[0]


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    answer = one(temperature=0, logprobs=3)
    assert answer.text == one(temperature=0, seed=99).text
    for entry in answer.entries:
        assert entry.logprob == max(entry.top.values())


def test_greedy_text_ends_now_and_then_and_is_no_single_token() -> None:
    lengths = []
    for prompt in PROMPTS:
        answer = one(prompt, temperature=0, max_tokens=200, logprobs=0)
        lengths.append(answer.tokens)
        assert len({entry.text for entry in answer.entries}) > 4
    assert min(lengths) < 40


def test_the_prompt_of_the_page_runs_past_the_default_of_sixteen_tokens() -> None:
    assert one(temperature=0, max_tokens=16).finish_reason == "length"
    assert one(temperature=0, max_tokens=64).finish_reason == "stop"


def test_samples_repeat_by_seed_and_differ_by_index() -> None:
    first, again, other = ask(n=3), ask(n=3), ask(n=3, seed=1)
    assert first == again
    assert first != other
    assert len({completion.text for completion in first}) == 3


def test_a_longer_answer_continues_a_shorter_one() -> None:
    assert one(max_tokens=24).text.startswith(one(max_tokens=8).text)


def test_temperature_broadens_the_distribution() -> None:
    def distinct(temperature: float) -> int:
        return len({completion.text for completion in ask(n=20, max_tokens=6, temperature=temperature)})

    assert distinct(0.1) < distinct(0.7) <= distinct(2.0)


def test_sampling_follows_the_probabilities() -> None:
    ranked = LM.ranked(CALM)
    likeliest = LM.token_text(LM.support[ranked.order[0]])
    draws = [one(max_tokens=1, seed=seed).text for seed in range(600)]
    share = draws.count(likeliest) / len(draws)
    expected = math.exp(ranked.logprobs[ranked.order[0]])
    # Four standard errors.
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(draws))


@pytest.mark.parametrize("top_p", [0.05, 0.3, 0.6, 0.9])
def test_top_p_draws_from_the_nucleus_only(top_p: float) -> None:
    ranked = LM.ranked(CALM)
    nucleus, mass = set(), 0.0
    for place in ranked.order:
        nucleus.add(LM.token_text(LM.support[place]))
        mass += math.exp(ranked.logprobs[place])
        if mass >= top_p:
            break
    drawn = {one(max_tokens=1, top_p=top_p, seed=seed).text for seed in range(200)}
    assert drawn <= nucleus


def test_a_positive_penalty_repeats_less_and_a_negative_one_more() -> None:
    def repeats(penalty: float) -> int:
        total = 0
        for answer in ask(n=8, max_tokens=40, presence_penalty=penalty, logprobs=0, ignore_eos=True):
            tokens = [entry.text for entry in answer.entries]
            total += len(tokens) - len(set(tokens))
        return total

    assert repeats(2.0) < repeats(0.0) < repeats(-2.0)


def test_a_penalty_does_not_touch_reported_probabilities() -> None:
    answer = one(temperature=0, presence_penalty=2, logprobs=2)
    history = list(CALM)
    for entry in answer.entries:
        (token,) = LM.encode(entry.text)
        assert entry.logprob == LM.ranked(history).logprobs[LM.place(token)]
        history.append(token)


def test_the_prompt_is_not_penalised() -> None:
    assert one(temperature=0, max_tokens=1, presence_penalty=2).text == one(temperature=0, max_tokens=1).text


def test_logprobs_list_the_likeliest_and_the_chosen() -> None:
    answer = one(max_tokens=40, logprobs=2, temperature=2, ignore_eos=True)
    sizes = set()
    for entry in answer.entries:
        assert entry.top[entry.text] == entry.logprob
        sizes.add(len(entry.top))
    assert sizes == {2, 3}
    assert all(set(entry.top) == {entry.text} for entry in one(logprobs=0).entries)


def test_offsets_point_into_the_text() -> None:
    answer = one(logprobs=0, max_tokens=40)
    for entry in answer.entries:
        assert answer.text[entry.offset :].startswith(entry.text)
    assert "".join(entry.text for entry in answer.entries) == answer.text


def test_best_of_returns_the_best_of_its_candidates() -> None:
    candidates = ask(n=6)
    best = sorted(candidates, key=lambda completion: -completion.mean)
    assert list(ask(n=2, best_of=6)) == best[:2]
    assert list(ask(n=6, best_of=6)) == list(candidates)


def test_best_of_ranks_by_log_probability_per_token() -> None:
    answer = one(best_of=4, logprobs=0)
    # The end token counts although it is not in the text.
    assert answer.mean == pytest.approx(math.fsum(e.logprob for e in answer.entries) / answer.tokens, abs=0.3)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_beam_search_finds_likelier_answers_than_greed(prompt: list[int]) -> None:
    given = {"temperature": 0, "max_tokens": 12, "ignore_eos": True}
    assert one(prompt, beam=True, best_of=6, **given).mean >= one(prompt, **given).mean


def test_beam_search_returns_different_beams_best_first() -> None:
    beams = ask(beam=True, best_of=5, n=3, temperature=0)
    assert len({beam.text for beam in beams}) == 3
    assert [beam.mean for beam in beams] == sorted((beam.mean for beam in beams), reverse=True)
    assert beams == ask(beam=True, best_of=5, n=3, temperature=0, seed=7)


def test_beam_search_stops_at_stop_strings() -> None:
    for beam in ask(beam=True, best_of=4, n=4, temperature=0, stop=("the", ".")):
        assert "the" not in beam.text
        assert "." not in beam.text


@pytest.mark.parametrize("stop", [("sea",), ("ip st",), ("harbo",), ("o", "e"), ("re the sea l",), ("nowhere",)])
def test_a_stop_string_ends_the_same_text_earlier(stop: tuple[str, ...]) -> None:
    whole = one(temperature=0, max_tokens=40)
    cut = one(temperature=0, max_tokens=40, stop=stop, logprobs=1)
    assert whole.text.startswith(cut.text)
    assert not any(each in cut.text for each in stop)
    if any(each in whole.text for each in stop):
        assert cut.finish_reason == "stop"
        assert cut.tokens < whole.tokens
    else:
        assert cut.text == whole.text
    # Entries for what is shown, and for nothing else.
    assert all(entry.offset < len(cut.text) for entry in cut.entries)
    assert "".join(entry.text for entry in cut.entries).startswith(cut.text)


def test_a_stop_token_stays_in_the_text() -> None:
    (token,) = LM.encode(" sea")
    answer = one(temperature=0, max_tokens=40, stop_token_ids=frozenset({token}))
    assert answer.text.endswith(" sea")
    assert answer.finish_reason == "stop"


def test_a_special_stop_token_is_not_shown() -> None:
    answer = one(
        temperature=0, max_tokens=80, ignore_eos=True, skip_special_tokens=False, stop_token_ids=frozenset({LM.end})
    )
    assert answer.finish_reason == "stop"
    assert END not in answer.text


def test_ignore_eos_goes_on_to_the_limit() -> None:
    ended = one(temperature=0, max_tokens=100)
    went_on = one(temperature=0, max_tokens=100, ignore_eos=True)
    assert ended.finish_reason == "stop"
    assert went_on.finish_reason == "length"
    assert went_on.tokens == 100
    assert went_on.text.startswith(ended.text)


def test_skip_special_tokens_hides_the_end_token() -> None:
    shown = one(temperature=0, max_tokens=100, ignore_eos=True, skip_special_tokens=False, logprobs=0)
    hidden = one(temperature=0, max_tokens=100, ignore_eos=True, logprobs=0)
    assert END in shown.text
    assert shown.text.replace(END, "") == hidden.text
    assert END not in {entry.text for entry in hidden.entries}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"temperature": 0},
        {"stop": (" the", "p s", "er")},
        {"logprobs": 2, "stop": ("ship st",)},
        {"ignore_eos": True, "skip_special_tokens": False, "max_tokens": 90, "temperature": 0, "logprobs": 1},
        {"presence_penalty": 1.5, "temperature": 0.7, "top_p": 0.8},
    ],
)
def test_the_pieces_of_a_stream_make_the_whole_answer(given: dict[str, Any]) -> None:
    asked = Sampling(**{"max_tokens": 30, **given})
    for index, whole in enumerate(ask(n=3, **{"max_tokens": 30, **given})):
        parts = list(pieces(CALM, asked, index))
        assert "".join(part.text for part in parts) == whole.text
        assert tuple(entry for part in parts for entry in part.entries) == whole.entries
        assert [part.finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)
        assert parts[-1].finish_reason == whole.finish_reason
        assert len(parts) == whole.tokens


def test_max_tokens_bounds_every_answer() -> None:
    for most in (1, 2, 7):
        for answer in ask(n=5, max_tokens=most, temperature=1.5):
            assert answer.tokens <= most

"""Whose log probabilities a choice has: judged by what can be read, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Inconclusive, Violation
from conformance.checks.candidates import each_choice_has_its_own_logprobs
from tests.conformance.fakes import api_over, document

HALF = "\N{REPLACEMENT CHARACTER}"


def answer(*rows: tuple[str, list[str]], starts: tuple[int, ...] = (0, 0, 0, 0)) -> dict[str, Any]:
    """An answer with a choice for each text and its tokens."""
    made = document()
    made["choices"] = []
    for index, (text, tokens) in enumerate(rows):
        offsets, at = [], starts[index]
        for token in tokens:
            offsets.append(at)
            at += len(token)
        lists: dict[str, list[Any]] = {"token_logprobs": [-1.0] * len(tokens), "top_logprobs": [{}] * len(tokens)}
        logprobs = {"tokens": tokens, **lists, "text_offsets": offsets} if tokens else None
        made["choices"].append({"index": index, "finish_reason": "length", "text": text, "logprobs": logprobs})
    return made


@pytest.mark.parametrize(
    "rows",
    [
        [("calm", ["calm"]), ("a sea", ["a", " sea"])],
        [("calm", ["calm", "</s>"]), ("a sea", ["a", " sea", "end"]), ("", [])],
        [(f"calm {HALF}s", ["calm", " ", "\N{LATIN SMALL LETTER E WITH ACUTE}"]), ("a sea", ["a", HALF, " sea"])],
        [("a sea", ["a", "<|pad|>", " sea"]), ("calm", ["calm"])],
    ],
    ids=["plain", "end-tokens", "half-characters", "special-tokens"],
)
def test_choices_that_have_their_own_pass(rows: list[tuple[str, list[str]]]) -> None:
    api, courier = api_over(lambda _: (200, answer(*rows)))
    each_choice_has_its_own_logprobs.function(api)
    assert len(courier.sent) == 1


@pytest.mark.parametrize(
    ("rows", "starts", "why"),
    [
        ([("calm", ["calm"]), ("a sea", ["calm"])], (0, 0), "choice 1 spell 'calm'"),
        ([("calm", ["calm"]), ("calm sea", ["calm"])], (0, 0), "choice 1 spell 'calm'"),
        ([("calm", ["calm"]), ("a sea", ["a", " sea"])], (0, 4), "not all alike"),
        ([("calm", ["calm"]), ("a sea", [])], (0, 0), "not an object"),
    ],
    ids=["of-another", "too-few", "offsets-run-on", "none"],
)
def test_choices_that_have_another_s_fail(rows: list[tuple[str, list[str]]], starts: tuple[int, ...], why: str) -> None:
    api, _ = api_over(lambda _: (200, answer(*rows, starts=starts)))
    with pytest.raises(Violation, match=why):
        each_choice_has_its_own_logprobs.function(api)


@pytest.mark.parametrize("text", ["calm", f"{HALF} sea"])
def test_choices_that_are_alike_show_nothing(text: str) -> None:
    api, _ = api_over(lambda _: (200, answer((text, [text]), (text, [text]))))
    with pytest.raises(Inconclusive, match="alike"):
        each_choice_has_its_own_logprobs.function(api)


def test_no_log_probabilities_at_all_are_for_other_checks_to_say() -> None:
    api, _ = api_over(lambda _: (200, answer(("calm", []), ("a sea", []))))
    with pytest.raises(Inconclusive, match="no log probabilities"):
        each_choice_has_its_own_logprobs.function(api)

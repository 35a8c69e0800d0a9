"""Special tokens: what shows that one was generated and not shown, and what only looks like it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conformance.check import Inconclusive, Skip, Violation
from conformance.checks.special import special_tokens_are_shown_or_skipped as shown_or_skipped
from conformance.checks.token_ids import an_answer_may_end_by_itself as may_end
from conformance.wire.exchange import Sent
from tests.conformance.fakes import api_over, document

END = "<|eot_id|>"
Answered = Callable[[Mapping[str, Any]], tuple[list[str], str, int, str]]


def run(function: Any, answered: Answered) -> None:
    """Run a check on answers that are made of tokens, a text, a count and a reason."""

    def reply(sent: Sent) -> tuple[int, Any]:
        tokens, text, count, reason = answered(json.loads(sent.body))
        answer = document(text)
        rows = {
            "tokens": tokens,
            "token_logprobs": [-1.0] * len(tokens),
            "top_logprobs": [{one: -1.0} for one in tokens],
        }
        answer["choices"][0] |= {"logprobs": rows, "finish_reason": reason}
        answer["usage"] = {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}
        return 200, answer

    api, _ = api_over(reply)
    function.function(api)


def said(body: Mapping[str, Any], *, listed: bool = True, skip: bool | None = None) -> tuple[list[str], str, int, str]:
    """A sound answer with an end token in its middle, which is listed or not when it is not shown."""
    hidden = body["skip_special_tokens"] if skip is None else skip
    if not body["ignore_eos"]:
        return ["The", " end"], "The end", 3, "stop"
    if body["max_tokens"] == 8:
        return ["sea"] * 8, "sea" * 8, 8, "length"
    tokens = ["The", " end", END, " of", " it"]
    text = "".join(one for one in tokens if one != END or not hidden)
    return [one for one in tokens if listed or one != END or not hidden], text, 5, "length"


@pytest.mark.parametrize("listed", [True, False])
def test_shown_and_skipped_is_as_it_should_be(listed: bool) -> None:
    run(shown_or_skipped, lambda body: said(body, listed=listed))


@pytest.mark.parametrize(("listed", "says"), [(True, "among its tokens"), (False, "after 'The end' without")])
def test_what_is_never_shown_is_seen_by_the_tokens_or_by_the_count(listed: bool, says: str) -> None:
    with pytest.raises(Violation, match=f"the text is without .*{says}"):
        run(shown_or_skipped, lambda body: said(body, listed=listed, skip=True))


def test_what_is_always_shown_is_seen_by_its_name() -> None:
    with pytest.raises(Violation, match="true the text contains the special token '<|eot_id|>'".replace("|", r"\|")):
        run(shown_or_skipped, lambda body: said(body, skip=False))


def test_the_opposite_is_wrong() -> None:
    with pytest.raises(Violation, match="true"):
        run(shown_or_skipped, lambda body: said(body, listed=False, skip=not body["skip_special_tokens"]))


@pytest.mark.parametrize(
    "answer",
    [
        # An engine that never generates the end token when it is to go on.
        (["The", " sea"], "The sea", 2, "length"),
        # Half of a character, as llama.cpp lists it, which no text shows.
        (["The", "<0xE2>", " sea"], "The sea", 3, "length"),
        (["The", "\ufffd", " sea"], "The sea", 3, "length"),
        # Markup that is text.
        (["The", "<b>", " sea"], "The<b> sea", 3, "length"),
        # Counted and not listed in every answer alike.
        (["The", " sea"], "The sea", 3, "length"),
        (["The", " sea"], "The sea", 3, "stop"),
        # The last token may be on its way still.
        (["The", " sea", END], "The sea", 3, "length"),
        ([], "The sea", 3, "length"),
    ],
)
def test_what_shows_nothing_is_no_violation(answer: tuple[list[str], str, int, str]) -> None:
    with pytest.raises(Skip, match="no special token"):
        run(shown_or_skipped, lambda _: answer)


def test_greedy_answers_that_differ_by_themselves_show_nothing() -> None:
    texts = iter("abcdef")
    with pytest.raises(Inconclusive):
        run(shown_or_skipped, lambda _: ([], f"The {next(texts)} sea", 3, "length"))


def test_an_end_token_that_ends_nothing_is_a_violation() -> None:
    with pytest.raises(Violation, match="goes on after the token '<\\|eot_id\\|>'"):
        run(may_end, lambda _: (["The", END, " sea"], "The sea", 64, "length"))


@pytest.mark.parametrize(
    "tokens", [["The", " sea", END], ["The", "</", "s", ">", " sea"], ["The", "<|x|>", " sea"], []]
)
def test_other_tokens_may_be_anywhere(tokens: list[str]) -> None:
    with pytest.raises(Inconclusive, match="ended by itself"):
        run(may_end, lambda _: (tokens, "The sea", 64, "length"))

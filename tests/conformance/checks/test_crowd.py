"""The crowd: different prompts, and never two alike in one batch."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Inconclusive, Violation
from conformance.checks.crowd import ENDINGS, OPENINGS, PROMPTS
from conformance.checks.isolation import Own, Ties
from conformance.lanes import MOST
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over, document


def test_as_many_endings_as_go_at_once() -> None:
    assert len(ENDINGS) == MOST
    assert len(set(PROMPTS)) == len(OPENINGS) * len(ENDINGS)


def swapped(tied: str) -> Any:
    """An API over a server that gives every prompt the other's answer, where the tie that explains it is in one."""
    texts = {"A": "calm water", "B": "rough winds"}

    def reply(sent: Sent) -> tuple[int, Any]:
        prompt = sent.json["prompt"]
        answer = document(texts[prompt])
        first, other = texts[prompt].split()[0], texts["B" if prompt == "A" else "A"].split()[0]
        least = -0.7 if prompt == tied else -9.0
        answer["choices"][0]["logprobs"] = {
            "tokens": [first], "token_logprobs": [-0.7], "top_logprobs": [{first: -0.7, other: least}],
            "text_offsets": [0],
        }  # fmt: skip
        return 200, answer

    return api_over(reply)[0], {name: Own(name, text, 3, recorded()) for name, text in texts.items()}


def recorded() -> Exchange:
    api, _ = api_over(lambda _: (200, document()))
    return api.ask(prompt="x")


def test_a_tie_in_one_answer_hides_no_mix_up_in_another() -> None:
    api, own = swapped("A")
    ties, everybody = Ties(), list(own.values())
    ties.expect_own(api, own["A"], everybody, own["B"].text, own["A"].exchange)
    with pytest.raises(Violation, match="'B' gets 'rough winds' alone"):
        ties.expect_own(api, own["B"], everybody, own["A"].text, own["B"].exchange)
    with pytest.raises(Inconclusive, match="about as likely"):
        ties.settle()

"""Equally likely tokens, which half precision makes now and then: no fault, even where no log probability shows it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Inconclusive, Violation
from conformance.checks import sampling
from conformance.checks.chunks import each_choice_is_streamed_whole
from conformance.settings import Settings
from conformance.wire.exchange import Sent
from reports.model import Capability
from tests.conformance.fakes import Reply, api_over, document

LACKING = Capability(route="completions", parameter="logprobs", requirement="r", supported=False, message="no")


def without_logprobs(reply: Reply) -> Any:
    api, courier = api_over(reply)
    api.settings = Settings(unsupported={"completions": {"logprobs": LACKING}})
    return api, courier


def test_a_nucleus_with_a_tie_is_nobodys_fault() -> None:
    def reply(sent: Sent) -> tuple[int, Any]:
        tied = sent.json["prompt"] == sampling.PROMPT and "top_p" in sent.json
        return 200, document("calm sea" if tied else "calm water")

    api, courier = without_logprobs(reply)
    with pytest.raises(Inconclusive, match="8 of 8 first tokens are"):
        sampling.a_tiny_nucleus_is_greedy.function(api)
    assert len(courier.sent) == 4 + 2 * len(sampling.OPENINGS)


def test_a_nucleus_that_is_ignored_is_one_without_log_probabilities_too() -> None:
    drawn = iter(range(1000))

    def reply(sent: Sent) -> tuple[int, Any]:
        return 200, document(f"calm {next(drawn)}" if "top_p" in sent.json else "calm")

    with pytest.raises(Violation, match="8 of 8 first tokens are others"):
        sampling.a_tiny_nucleus_is_greedy.function(without_logprobs(reply)[0])


def streamed(*texts: str) -> bytes:
    head = '"id":"x","object":"text_completion","created":1,"model":"m"'
    events = [
        f'data: {{{head},"choices":[{{"index":{index},"text":"{text}","logprobs":null,"finish_reason":"stop"}}]}}\n\n'
        for index, text in enumerate(texts)
    ]
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def three(*texts: str) -> dict[str, Any]:
    answer = document()
    answer["choices"] = [{**answer["choices"][0], "index": index, "text": text} for index, text in enumerate(texts)]
    return answer


@pytest.mark.parametrize(("again", "outcome"), [("sea", Inconclusive), ("calm", Violation)])
def test_a_stream_is_no_other_text_where_the_plain_answer_varies_as_well(again: str, outcome: type[Exception]) -> None:
    plain = iter([three("calm", "calm", "calm"), three("calm", again, "calm")])

    def reply(sent: Sent) -> tuple[int, Any]:
        return 200, streamed("calm", "sea", "calm") if sent.json.get("stream") else next(plain)

    with pytest.raises(outcome, match="choice 1 is streamed"):
        each_choice_is_streamed_whole.function(without_logprobs(reply)[0])


def test_the_answer_without_a_stream_may_be_the_one_that_left_at_a_tie() -> None:
    def listed(tokens: list[str], other: str) -> dict[str, Any]:
        tops = [{token: -0.7, other: -0.7} for token in tokens]
        return {
            "tokens": tokens, "token_logprobs": [-0.7] * len(tokens), "top_logprobs": tops,
            "text_offsets": [0] * len(tokens),
        }  # fmt: skip

    def reply(sent: Sent) -> tuple[int, Any]:
        if sent.json.get("stream"):
            return 200, streamed("calm", "sea", "calm")
        if sent.json.get("temperature") == 0:
            answer = document("sea")
            answer["choices"][0]["logprobs"] = listed(["sea"], "calm")
            return 200, answer
        return 200, three("calm", "calm", "calm")

    with pytest.raises(Inconclusive, match="about as likely"):
        each_choice_is_streamed_whole.function(api_over(reply)[0])

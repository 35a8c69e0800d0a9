"""The conditions between parameters: which a contract has, and what is promised, forbidden or left open by them."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import contracts
from tests.schemas.judge import UNJUDGED, VALID, judged

TEXT = {"prompt": "Ahoy", "max_tokens": 4}
CHAT = {"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 4}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        (
            "azure-llama",
            {
                f"{route}.rule.{rule}"
                for route in ("completions", "chat")
                for rule in (
                    "best_of_exceeds_n", "best_of_not_streamed", "beam_best_of", "beam_temperature", "beam_nucleus",
                    "greedy_candidates",
                )
            },
        ),
        # Of the parameters that others have rules on, this API has none.
        ("azure-inference", set()),
        (
            "openai",
            {
                "chat.rule.top_logprobs",
                *(f"{route}.rule.stream_options" for route in ("completions", "chat")),
                *(f"{route}.rule.greedy_candidates" for route in ("completions", "chat")),
            },
        ),
    ],
)  # fmt: skip
def test_each_contract_has_its_rules(name: str, rules: set[str]) -> None:
    found = {rule.id for one in contracts.get(name).operations for rule in one.request.rules}
    assert found == rules


@pytest.mark.parametrize(
    ("body", "route", "verdict"),
    [
        ({**TEXT, "stream_options": {"include_usage": True}}, "completions", UNJUDGED),
        ({**TEXT, "stream": True, "stream_options": {"include_usage": True}}, "completions", VALID),
        ({**CHAT, "top_logprobs": 2}, "chat", UNJUDGED),
        ({**CHAT, "top_logprobs": 2, "logprobs": True}, "chat", VALID),
        ({**CHAT, "n": 2, "temperature": 0}, "chat", UNJUDGED),
        ({**CHAT, "n": 2, "temperature": 1}, "chat", VALID),
        ({**CHAT, "user": ""}, "chat", UNJUDGED),
    ],
)
def test_what_a_server_may_refuse_is_no_promise(body: dict[str, Any], route: Any, verdict: str) -> None:
    assert judged(body, contract="openai", route=route) == verdict

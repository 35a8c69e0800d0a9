"""Both layouts of log probabilities come out as one; what does not fit is the endpoint's fault."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Violation
from conformance.layouts import TokenLogprob, layout_of, tokens_of
from conformance.wire.exchange import Exchange, Sent

EXCHANGE = Exchange("x1", "a.check", 0, Sent("POST", "/", ()), 0.0, status=200)


def arrays(**changes: Any) -> dict[str, Any]:
    logprobs = {
        "tokens": ["a", "b"],
        "token_logprobs": [-0.5, -1.0],
        "top_logprobs": [{"a": -0.5, "c": -2.0}, {"b": -1.0}],
        "text_offsets": [0, 1],
        **changes,
    }
    return {"text": "ab", "logprobs": {name: value for name, value in logprobs.items() if value is not ...}}


def content(*tokens: dict[str, Any]) -> dict[str, Any]:
    return {"message": {"content": "é"}, "logprobs": {"content": list(tokens)}}


def test_arrays_are_read_side_by_side() -> None:
    found = tokens_of(arrays(), EXCHANGE)
    assert found == [
        TokenLogprob("a", -0.5, {"a": -0.5, "c": -2.0}, 0),
        TokenLogprob("b", -1.0, {"b": -1.0}, 1),
    ]
    assert layout_of(arrays()) == "arrays"


def test_either_spelling_of_the_offsets_is_read() -> None:
    found = tokens_of(arrays(text_offsets=..., text_offset=[4, 5]), EXCHANGE)
    assert [token.offset for token in found] == [4, 5]


def test_a_list_of_tokens_is_read_with_its_bytes() -> None:
    top = [{"token": "\ufffd", "logprob": -0.1, "bytes": [195]}]
    choice = content({"token": "\ufffd", "logprob": -0.1, "bytes": [195], "top_logprobs": top})
    (found,) = tokens_of(choice, EXCHANGE)
    assert found.raw == b"\xc3"
    assert found.top == {"\ufffd": -0.1}
    assert layout_of(choice) == "content"


def test_an_answer_without_a_token_has_none() -> None:
    choice = {"text": "", "logprobs": {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offsets": []}}
    assert tokens_of(choice, EXCHANGE) == []


@pytest.mark.parametrize(
    "choice",
    [
        {"text": "ab"},
        {"text": "ab", "logprobs": None},
        {"text": "ab", "logprobs": []},
        {"text": "ab", "logprobs": {}},
        {"text": "ab", "logprobs": {"tokens": [], "token_logprobs": []}},
        arrays(tokens=["a"]),
        arrays(token_logprobs=[-0.5]),
        arrays(token_logprobs=[-0.5, None]),
        arrays(token_logprobs=[-0.5, True]),
        arrays(top_logprobs=[{"a": -0.5}, "b"]),
        arrays(top_logprobs=[{"a": "x"}, {}]),
        arrays(text_offsets=[0]),
        content({"logprob": -1.0}),
        content({"token": "a", "logprob": None}),
    ],
)
def test_what_does_not_fit_is_a_violation(choice: dict[str, Any]) -> None:
    with pytest.raises(Violation) as caught:
        tokens_of(choice, EXCHANGE)
    assert caught.value.exchanges == (EXCHANGE,)

"""Log probabilities in a stream may be ahead of a text that is held back, and never behind it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.check import Violation
from conformance.checks.chunks import _never_behind
from conformance.wire.answer import frame
from conformance.wire.exchange import Exchange, Sent

HALF = "\N{REPLACEMENT CHARACTER}"


def stream(*parts: tuple[str, list[str]]) -> Exchange:
    """A stream of completions: for each chunk its text and its tokens."""
    frames = []
    for text, tokens in parts:
        row = {"tokens": tokens, "token_logprobs": [-1.0] * len(tokens), "top_logprobs": [{}] * len(tokens)}
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": None, "logprobs": row if tokens else None}
        frames.append(frame({"choices": [choice]}))
    headers = (("Content-Type", "text/event-stream"),)
    sent = Sent("POST", "/", ())
    return Exchange("x", "a.check", 0, sent, 0.0, status=200, headers=headers, body=b"".join(frames))


@pytest.mark.parametrize(
    "parts",
    [
        [("a", ["a"]), (" calm", [" calm"]), ("", [])],
        [("", ["a"]), ("", [" calm"]), ("a calm", [])],
        [("a", ["a"]), ("", ["</s>"])],
        [("a", ["a"]), ("", [HALF]), ("\N{SAILBOAT} sea", [HALF, " sea"])],
        [("a", ["a"]), (f"{HALF} sea", []), ("", [HALF, " sea"])],
        [("calm", [" calm"]), (" sea", []), ("", [" sea"])],
    ],
    ids=["together", "held-back", "end-token", "half-tokens", "half-text", "other-forms"],
)
def test_tokens_with_or_before_their_text_are_not_late(parts: list[tuple[str, list[str]]]) -> None:
    _never_behind(stream(*parts))


@pytest.mark.parametrize(
    "parts",
    [
        [("a", []), (" calm", ["a"]), ("", [" calm"])],
        [("a", []), (" calm", ["a"]), ("", [])],
        [("a", []), ("", ["a"]), ("\N{SAILBOAT}", [HALF, HALF])],
    ],
    ids=["at-the-end", "last-one-lost", "before-a-half"],
)
def test_text_before_its_tokens_is_late(parts: list[tuple[str, list[str]]]) -> None:
    with pytest.raises(Violation, match="is sent when only"):
        _never_behind(stream(*parts))

from __future__ import annotations

import json

import pytest

from conformance.check import Declaration, Inconclusive, Violation
from conformance.checks import incremental
from conformance.checks.incremental import LONG_PROMPTS, LONG_TEXT, a_long_text_comes_in_pieces
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over, document


def stream(*texts: str) -> Exchange:
    """A stream with an event for each of those texts."""
    body = b"".join(
        b"data: " + json.dumps({"choices": [{"index": 0, "text": text}]}).encode() + b"\n\n" for text in texts
    )
    return Exchange("x1", "s", 0, Sent("POST", "/", ()), 0.0, 200, (("content-type", "text/event-stream"),), body)


SHORT, LONG = "calm", "calm " * LONG_TEXT


def judged(monkeypatch: pytest.MonkeyPatch, *streams: Exchange) -> list[Exchange]:
    """Run the check; the first stream is the short greedy one. Returns the streams that were not asked for."""
    api, _ = api_over(lambda _: (200, document("calm")))
    left = list(streams[1:])
    monkeypatch.setattr(incremental, "greedy_stream", lambda _: streams[0])
    monkeypatch.setattr(type(api), "stream", lambda _, **__: left.pop(0))
    declaration: Declaration = a_long_text_comes_in_pieces
    declaration.function(api)
    return left


def test_a_short_stream_in_pieces_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, stream("", "ca", "lm", ""), stream(LONG)) == [stream(LONG)]


def test_many_tokens_in_one_event_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, stream(SHORT), stream(LONG), stream(LONG[:400], LONG[400:])) == []


def test_long_texts_that_always_come_in_one_event_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Violation, match="each of 3 streams brought its whole text") as caught:
        judged(monkeypatch, stream(SHORT), stream(LONG), stream("", LONG), stream(SHORT), stream(LONG, ""))
    assert len(caught.value.exchanges) == 3


def test_short_texts_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Inconclusive, match="2 of 5 streams had a text of 600 characters or more"):
        judged(monkeypatch, stream(SHORT), *[stream(LONG)] * 2, *[stream(SHORT)] * (len(LONG_PROMPTS) - 2))

from __future__ import annotations

import json

import pytest

from conformance.check import Declaration, Inconclusive, Violation
from conformance.checks.incremental import AT_ONCE, SHORTEST_NS, spread_of, tokens_are_sent_as_they_are_made
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over, document

MS = 1_000_000


def stream(*times_ms: float, end_ms: float | None = None) -> Exchange:
    """A stream with one word at each of those times."""
    body, arrivals = b"", []
    for number, at in enumerate(times_ms):
        body += b"data: " + json.dumps({"choices": [{"index": 0, "text": f"word{number} "}]}).encode() + b"\n\n"
        arrivals.append((int(at * MS), len(body)))
    end = end_ms if end_ms is not None else times_ms[-1]
    headers = (("content-type", "text/event-stream"),)
    sent = Sent("POST", "/", ())
    return Exchange("x1", "s", 0, sent, 0.0, 200, headers, body, tuple(arrivals), end_ns=int(end * MS))


@pytest.mark.parametrize(
    ("times", "visible", "at_once"),
    [
        ((50, 100, 150, 200, 250), True, False),
        # A filter that lets through a hundred words at a time still shows that something happens.
        ((400, 400, 400, 800, 800), True, False),
        ((500, 500, 500, 501), False, True),
        ((500, 500, 500, 500), False, True),
        # In between: neither.
        ((500, 520, 540, 580), False, False),
        # Too fast to tell.
        ((20, 20, 20, 20), False, False),
        ((20, 40), True, False),
        ((500,), False, True),
    ],
)
def test_a_spread_tells_streamed_from_buffered(times: tuple[float, ...], visible: bool, at_once: bool) -> None:
    spread = spread_of(stream(*times), quick_ns=10 * MS)
    assert (spread.visible, spread.at_once) == (visible, at_once)


def test_the_way_there_and_back_is_no_time_of_making() -> None:
    assert spread_of(stream(400, 400), quick_ns=390 * MS).making == 10 * MS
    assert not spread_of(stream(400, 400), quick_ns=390 * MS).at_once
    assert spread_of(stream(400, 400), quick_ns=500 * MS).making == 0
    assert SHORTEST_NS > 10 * MS
    assert AT_ONCE < 0.25


def judged(monkeypatch: pytest.MonkeyPatch, *streams: Exchange) -> None:
    api, _ = api_over(lambda sent: (200, document("calm")))
    left = list(streams)
    monkeypatch.setattr(type(api), "stream", lambda _, **__: left.pop(0))
    declaration: Declaration = tokens_are_sent_as_they_are_made
    declaration.function(api)


def test_one_stream_in_pieces_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    late = stream(500, 500, 501)
    judged(monkeypatch, late, late, stream(100, 300, 500))


def test_text_that_always_comes_at_once_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    late = stream(500, 500, 501)
    with pytest.raises(Violation, match=r"5 streams came within 1\.0 ms, after 501 ms") as caught:
        judged(monkeypatch, *[late] * 5)
    assert len(caught.value.exchanges) == 5


def test_a_long_stream_in_pieces_clears_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    late = stream(500, 500, 501)
    judged(monkeypatch, late, late, late, late, stream(200, 600, 900))


def test_a_fast_stream_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    late, fast = stream(500, 500, 501), stream(5, 5, 5)
    with pytest.raises(Inconclusive, match="too fast or too uneven"):
        judged(monkeypatch, late, fast, late)

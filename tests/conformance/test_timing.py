from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.wire.exchange import Exchange, Sent
from conformance.wire.timing import Timing, arrival_ns, completion_tokens, has_content, timing

SENT = Sent("POST", "/v1/chat/completions", ())


def _event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def _streamed(parts: list[tuple[int, bytes]], end_ns: int = 1000) -> Exchange:
    """An exchange whose parts arrived at those times (ns)."""
    body, arrivals = b"", []
    for at, part in parts:
        body += part
        arrivals.append((at, len(body)))
    return Exchange("x", "s", 0, SENT, 0.0, 200, (), body, tuple(arrivals), 5, end_ns)


def _chat(text: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def _text(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": text}]}


@pytest.mark.parametrize("word", [_chat, _text])
def test_the_figures_of_a_stream(word: Any) -> None:
    first = {"choices": [{"delta": {"role": "assistant"}}]}
    result = timing(
        _streamed(
            [
                (10, _event(first)),
                (20, _event(word("a"))),
                (50, _event(word("b"))),
                (60, _event(word("c")) + _event(word(""))),
                (70, _event(b"[DONE]")),
            ]
        )
    )
    assert result == Timing(events=(10, 20, 50, 60, 60, 70), content=(20, 50, 60), tokens=3, end_to_end=1000)
    assert (result.ttft, result.itl, result.tpot) == (20, (30, 10), 20.0)


def test_tokens_are_those_of_the_usage_when_there_is_one() -> None:
    usage = {"choices": [], "usage": {"completion_tokens": 5}}
    result = timing(_streamed([(20, _event(_chat("a"))), (60, _event(_chat("bcde"))), (70, _event(usage))]))
    assert (result.tokens, result.tpot) == (5, 10.0)


def test_an_event_has_arrived_with_its_last_byte() -> None:
    event = _event(_chat("a"))
    assert timing(_streamed([(10, event[:5]), (20, event[5:-1]), (30, event[-1:])])).content == (30,)
    assert timing(_streamed([(10, event + b": and"), (20, b" so on\n\n")])).content == (10,)


def test_one_event_has_no_gap() -> None:
    result = timing(_streamed([(10, _event(_chat("a")))]))
    assert (result.ttft, result.itl, result.tpot) == (10, (), None)


def test_an_answer_without_events_has_no_times() -> None:
    result = timing(_streamed([(10, b'{"error": "no"}')]))
    assert (result.events, result.ttft, result.tpot, result.end_to_end) == ((), None, None, 1000)


def test_a_body_without_arrivals_takes_the_end() -> None:
    exchange = Exchange("x", "s", 0, SENT, 0.0, 200, (), _event(_chat("a")), (), 5, 77)
    assert timing(exchange).content == (77,)
    assert arrival_ns(exchange, 3) == 77


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None, 3]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": ""}}]},
        {"choices": [{"delta": {"content": None, "role": "assistant"}}]},
        {"choices": [{"delta": {"content": 3}}]},
        {"choices": [{"text": ""}]},
    ],
)
def test_chunks_without_content(chunk: dict[str, Any]) -> None:
    assert not has_content(chunk)


@pytest.mark.parametrize(
    "usage", [None, {}, {"completion_tokens": None}, {"completion_tokens": True}, {"completion_tokens": -1}, 7]
)
def test_usage_that_reports_nothing(usage: Any) -> None:
    assert completion_tokens({"usage": usage}) == 0

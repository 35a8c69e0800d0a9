from __future__ import annotations

import json
import socket

import pytest

from loadtests.pool import Pool
from loadtests.streams import Bounds, read_stream
from loadtests.wholes import read_whole
from tests.loadtests.loopback import Script, answer, free_port, serving, stream_of, then_close, with_status

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
CHOICE = {"index": 0, "text": "x", "finish_reason": "stop"}


def reply(document: object, *, length: int | None = None) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (size, body)


def test_a_whole_answer_is_read_with_its_usage_and_its_connection_kept() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    with serving(answer(reply({"choices": [CHOICE], "usage": usage}))) as server:
        pool = Pool("127.0.0.1", server.port)
        first, second = (read_whole(pool, REQUEST, deadline=5) for _ in range(2))
        pool.close()
    assert (first.outcome, first.status, first.prompt_tokens, first.completion_tokens) == ("ok", 200, 9, 4)
    assert first.started <= first.sent < first.end
    assert (first.first, first.gaps, first.chunks) == (0, (), 0)
    assert (first.reused, second.reused, server.connections) == (False, True, 1)


def test_whole_answers_and_streams_take_turns_on_one_connection() -> None:
    whole = reply({"choices": [CHOICE], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(whole if b"whole" in request else stream_of(3))

    with serving(script) as server:
        pool = Pool("127.0.0.1", server.port)
        readings = []
        for _ in range(2):
            readings.append(read_stream(pool, REQUEST, deadline=5))
            readings.append(read_whole(pool, REQUEST.replace(b"/ ", b"/whole "), deadline=5))
        pool.close()
    assert [(one.outcome, one.chunks, one.completion_tokens) for one in readings] == [("ok", 3, 3), ("ok", 0, 4)] * 2
    assert [one.reused for one in readings] == [False, True, True, True]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (answer(with_status(429, b"Retry-After: 7\r\n")), "429"),
        (answer(with_status(400)), "4xx"),
        (answer(with_status(503)), "5xx"),
        (answer(with_status(302)), "malformed"),
        (answer(reply({"choices": []})), "malformed"),
        (answer(reply({"choices": [{"text": "x"}]})), "malformed"),
        (answer(reply(b"[1]")), "malformed"),
        (answer(reply(b"{")), "malformed"),
        (answer(b"SSH-2.0-OpenSSH\r\n\r\n"), "malformed"),
        (then_close(), "reset"),
        (then_close(reply({"choices": [CHOICE]}, length=5000)), "cut"),
        (answer(reply(b"x" * 3000)), "too-large"),
        (answer(reply({"choices": [CHOICE]}, length=5000)), "timeout"),
    ],
)
def test_every_way_to_fail_has_its_name(script: Script, outcome: str) -> None:
    with serving(script) as server:
        pool = Pool("127.0.0.1", server.port)
        reading = read_whole(pool, REQUEST, deadline=0.2, bounds=Bounds(event=2000))
        pool.close()
    assert reading.outcome == outcome, reading.detail
    assert reading.detail
    assert reading.end >= reading.sent
    assert reading.retry_after == ("7" if outcome == "429" else "")


def test_what_cannot_be_reached_is_refused() -> None:
    reading = read_whole(Pool("127.0.0.1", free_port()), REQUEST, deadline=1)
    assert (reading.outcome, reading.sent) == ("refused", 0)


@pytest.mark.parametrize("usage", [None, 3, {"prompt_tokens": True}, {"completion_tokens": -1}])
def test_a_usage_that_is_none_counts_nothing(usage: object) -> None:
    with serving(answer(reply({"choices": [CHOICE], "usage": usage}))) as server:
        pool = Pool("127.0.0.1", server.port)
        reading = read_whole(pool, REQUEST, deadline=5)
        pool.close()
    assert (reading.outcome, reading.prompt_tokens, reading.completion_tokens) == ("ok", None, None)

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import gevent
import pytest

from loadtests.pool import Pool, Unreachable
from loadtests.streams import OUTCOMES, Bounds, Reading, read_stream
from tests.loadtests.loopback import (
    DONE,
    END,
    HEAD,
    Loopback,
    Script,
    answer,
    chunk,
    chunked,
    free_port,
    serving,
    stream_of,
    then_close,
    with_status,
)

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
SMALL = Bounds(head=4096, event=4096, body=20_000, linger=0.05)


def pool_of(server: Loopback) -> Pool:
    return Pool("127.0.0.1", server.port, connect_seconds=2)


def read(script: Script, *, deadline: float = 5.0, bounds: Bounds = SMALL) -> Reading:
    with serving(script) as server:
        pool = pool_of(server)
        reading = read_stream(pool, REQUEST, deadline=deadline, bounds=bounds)
        pool.close()
        assert reading.outcome in OUTCOMES
        return reading


def test_a_complete_stream_is_ok_and_counted() -> None:
    reading = read(answer(stream_of(5)))
    assert (reading.outcome, reading.detail, reading.status) == ("ok", "", 200)
    assert (reading.chunks, len(reading.gaps)) == (5, 4)
    assert (reading.prompt_tokens, reading.completion_tokens) == (9, 5)
    assert reading.finish == "length"
    assert reading.started <= reading.sent <= reading.first <= reading.last <= reading.end


def test_times_are_those_of_arrival() -> None:
    pause = 0.03

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD + chunked(chunk()))
        for text in ("a", "b"):
            time.sleep(pause)
            connection.sendall(chunked(chunk(text)))
        connection.sendall(chunked(chunk("", "stop")) + chunked(DONE) + END)

    reading = read(script)
    assert reading.outcome == "ok"
    assert reading.first - reading.sent >= pause * 1e9
    assert reading.gaps[0] == reading.last - reading.first
    # The server sleeps before it writes, so a gap can only shrink by what the first chunk was late.
    assert reading.last - reading.sent >= 2 * pause * 1e9


def test_events_in_one_segment_have_one_time() -> None:
    reading = read(answer(HEAD + chunked(chunk("a") + chunk("b") + chunk("", "stop") + DONE) + END))
    assert reading.chunks == 2
    assert reading.gaps == (0,)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_stream_in_small_pieces_reads_the_same(size: int) -> None:
    whole = HEAD + chunked('data: {"choices":[{"delta":{"content":"ż🚢"}}]}\r\n\r\n'.encode()) + chunked(DONE) + END
    reading = read(answer(*(whole[i : i + size] for i in range(0, len(whole), size))))
    assert (reading.outcome, reading.chunks) == ("ok", 1)


def stream(*events: bytes, end: bytes = END) -> bytes:
    return HEAD + b"".join(chunked(event) for event in events) + end


NO_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

ENDINGS: dict[str, tuple[Script, str]] = {
    "finish_reason without [DONE]": (answer(stream(chunk("a"), chunk("", "stop"))), "ok"),
    "[DONE] without finish_reason": (answer(stream(chunk("a"), DONE)), "ok"),
    "[DONE] without a blank line": (answer(stream(chunk("a"), b"data: [DONE]")), "ok"),
    "[DONE] and no end of the body": (answer(stream(chunk("a"), DONE, end=b"")), "ok"),
    "[DONE] and a closed connection": (then_close(stream(chunk("a"), DONE, end=b"")), "ok"),
    "closed in place of a length": (then_close(NO_LENGTH + chunk("a") + DONE), "ok"),
    "nothing generated": (answer(stream(chunk(), chunk("", "stop"), DONE)), "ok"),
    "rate limit": (answer(with_status(429, b"Retry-After: 7\r\n")), "429"),
    "unauthorized": (answer(with_status(401)), "4xx"),
    "server error": (answer(with_status(503)), "5xx"),
    "server error without a body": (answer(with_status(500, body=b"")), "5xx"),
    "cut server error": (then_close(with_status(500)[:-3]), "5xx"),
    "redirect": (answer(with_status(307, b"Location: http://127.0.0.1/\r\n")), "malformed"),
    "not a stream": (
        answer(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
        "malformed",
    ),
    "no content type": (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "malformed"),
    "garbage": (then_close(b"\x16\x03\x01garbage\r\n\r\n"), "malformed"),
    "bad chunk size": (answer(HEAD + b"xyz\r\n"), "malformed"),
    "not JSON": (answer(stream(chunk("a"), b"data: {oops\n\n", DONE)), "malformed"),
    "closed before an answer": (then_close(), "reset"),
    "closed in the head": (then_close(HEAD[:20]), "reset"),
    "closed in the stream": (then_close(stream(chunk("a"), chunk("b"), end=b"")), "cut"),
    "closed after finish_reason in the stream": (then_close(stream(chunk("a"), chunk("", "stop"), end=b"")), "cut"),
    "ended with no word of it": (answer(stream(chunk("a"), chunk("b"))), "cut"),
    "empty stream": (answer(stream()), "cut"),
    "error in the stream": (answer(stream(chunk("a"), b'data: {"error":{"message":"no"}}\n\n', DONE)), "sse-error"),
    "error event": (answer(stream(chunk("a"), b'event: error\ndata: {"message":"no"}\n\n')), "sse-error"),
    "endless event": (answer(HEAD + chunked(b"data: " + b"x" * 5000)), "too-large"),
    "endless head": (answer(HEAD[:-2] + b"X: " + b"y" * 5000), "too-large"),
    "endless stream": (answer(HEAD, *[chunked(chunk("x" * 500))] * 60), "too-large"),
    "silence": (answer(), "timeout"),
    "silence after the head": (answer(HEAD), "timeout"),
    "silence in the stream": (answer(stream(chunk("a"), end=b"")), "timeout"),
    "silence in an error": (answer(with_status(500)[:-3]), "5xx"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_has_its_outcome(name: str) -> None:
    script, outcome = ENDINGS[name]
    reading = read(script, deadline=0.3 if name.startswith("silence") else 5.0)
    assert reading.outcome == outcome, reading.detail
    assert bool(reading.detail) == (outcome != "ok")


def test_a_drip_is_ended_by_the_deadline_as_a_whole() -> None:
    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD)
        for _ in range(500):
            connection.sendall(chunked(b":\n"))
            time.sleep(0.01)

    began = time.monotonic()
    assert read(script, deadline=0.2).outcome == "timeout"
    assert time.monotonic() - began < 3


def test_a_reset_connection_is_a_reset() -> None:
    def script(connection: socket.socket, request: bytes) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    assert read(script).outcome == "reset"


def test_a_429_says_how_long_to_wait_and_why() -> None:
    reading = read(answer(with_status(429, b"Retry-After: 7\r\n", b'{"message": "Try again"}')))
    assert reading.retry_after == "7"
    assert "Try again" in reading.detail
    assert reading.first == 0


def test_a_port_without_a_server_is_refused() -> None:
    reading = read_stream(Pool("127.0.0.1", free_port()), REQUEST, deadline=5)
    assert reading.outcome == "refused"
    assert "refused" in reading.detail
    assert reading.sent == 0


def test_a_name_that_does_not_resolve_is_refused() -> None:
    reading = read_stream(Pool("no-such-host.invalid", 80), REQUEST, deadline=20)
    assert (reading.outcome, reading.detail) == ("refused", "the host name does not resolve")


def test_a_killed_reader_gives_up_at_once_and_says_so() -> None:
    with serving(answer(HEAD)) as server:
        job = gevent.spawn(read_stream, pool_of(server), REQUEST, deadline=30)
        while not server.requests:
            gevent.sleep(0.005)
        gevent.sleep(0.01)
        job.kill(timeout=2)
        assert job.value.outcome == "abandoned"


def test_a_connection_is_used_again_after_a_complete_answer() -> None:
    with serving(answer(stream_of(2))) as server:
        pool = pool_of(server)
        readings = [read_stream(pool, REQUEST, deadline=5) for _ in range(3)]
        pool.close()
    assert [reading.outcome for reading in readings] == ["ok"] * 3
    assert [reading.reused for reading in readings] == [False, True, True]
    assert server.connections == 1


@pytest.mark.parametrize(
    "first", [stream(chunk("a")), stream(DONE, end=b""), stream_of(1) + b"more", with_status(500)[:-1]]
)
def test_a_connection_is_not_used_again_after_an_answer_that_was_not_read_to_its_end(first: bytes) -> None:
    with serving(answer(first)) as server:
        pool = pool_of(server)
        read_stream(pool, REQUEST, deadline=0.3, bounds=SMALL)
        reused = first == stream(chunk("a"))
        assert len(pool) == reused
        pool.close()


def test_a_connection_that_an_idle_server_closed_is_replaced_before_it_is_used() -> None:
    with serving(then_close(stream_of(1))) as server:
        pool = pool_of(server)
        for _ in range(3):
            assert read_stream(pool, REQUEST, deadline=5).outcome == "ok"
            gevent.sleep(0.02)
        pool.close()
        assert len(server.requests) == 3


def test_warm_connections_are_open_before_they_are_needed() -> None:
    with serving(answer(stream_of(1))) as server:
        pool = pool_of(server)
        pool.warm(8)
        assert len(pool) == 8
        assert read_stream(pool, REQUEST, deadline=5).outcome == "ok"
        for _ in range(100):
            if server.connections < 8:
                gevent.sleep(0.01)
        pool.close()
        assert server.connections == 8
        assert len(pool) == 0


def test_warming_up_a_port_without_a_server_says_nothing() -> None:
    pool = Pool("127.0.0.1", free_port())
    pool.warm(3)
    assert len(pool) == 0
    with pytest.raises(Unreachable, match="refused"):
        pool.take()


def test_a_certificate_is_verified(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(answer(stream_of(3)), tls=context) as server:
        unknown = Pool("127.0.0.1", server.port, tls=True)
        reading = read_stream(unknown, REQUEST, deadline=5)
        assert reading.outcome == "refused"
        assert "certificate" in reading.detail
        trusted = Pool("127.0.0.1", server.port, tls=True, ca_file=str(certificate[0]))
        trusted.warm(2)
        # What a TLS server sends of its own accord does not make an idle connection look closed.
        readings = [read_stream(trusted, REQUEST, deadline=5) for _ in range(3)]
        trusted.close()
    assert [reading.outcome for reading in readings] == ["ok"] * 3
    assert server.connections == 3


def test_a_server_without_tls_is_refused() -> None:
    with serving(then_close(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        reading = read_stream(Pool("127.0.0.1", server.port, tls=True, connect_seconds=1), REQUEST, deadline=3)
    assert reading.outcome == "refused"

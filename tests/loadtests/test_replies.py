from __future__ import annotations

import pytest

from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import TooLarge

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRetry-After: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n"
)


def take_all(reply: Reply, *pieces: bytes) -> None:
    for piece in pieces:
        reply.take(piece)


def test_a_chunked_answer_reads_the_same_however_it_is_cut() -> None:
    for cut in range(1, len(CHUNKED)):
        reply = Reply()
        body = reply.take(CHUNKED[:cut]) + reply.take(CHUNKED[cut:])
        assert body == b"abcdefg"
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.headers["retry-after"] == "3"
        assert "x-trailer" not in reply.headers
        assert reply.reusable


def test_an_answer_byte_by_byte_is_complete_at_its_last_byte_only() -> None:
    reply = Reply()
    for index in range(len(CHUNKED)):
        assert not reply.complete
        reply.take(CHUNKED[index : index + 1])
    assert reply.complete


def test_an_interim_answer_announces_the_real_one() -> None:
    reply = Reply()
    reply.take(b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n")
    assert (reply.headed, reply.complete) == (False, False)
    assert reply.take(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno") == b"no"
    assert (reply.status, reply.complete, reply.reusable) == (503, True, True)
    assert "x-interim" not in reply.headers


def test_a_connection_with_bytes_behind_the_answer_is_not_used_again() -> None:
    reply = Reply()
    body = reply.take(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert body == b"ok"
    assert reply.complete
    assert not reply.reusable


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0", b"HTTP/1.0 200 OK\r\nContent-Length: 0"]
)
def test_a_connection_that_will_be_closed_is_not_used_again(head: bytes) -> None:
    reply = Reply()
    reply.take(head + b"\r\n\r\n")
    assert reply.complete
    assert not reply.reusable


def test_an_answer_without_length_ends_with_its_connection() -> None:
    reply = Reply()
    assert reply.take(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    complete = [reply.complete]
    reply.take(b"")
    complete.append(reply.complete)
    assert complete == [False, True]
    assert not reply.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        b"\x00\x01\x02",
    ],
)
def test_what_is_not_http_is_told_by_its_exception(data: bytes) -> None:
    with pytest.raises(NOT_HTTP):
        take_all(Reply(), data, b"")


def test_a_header_that_is_no_utf8_harms_nothing() -> None:
    reply = Reply()
    reply.take(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 0\r\n\r\n")
    assert reply.complete
    assert isinstance(reply.headers["x"], str)


def test_an_answer_cut_by_its_connection_is_not_http() -> None:
    reply = Reply()
    reply.take(CHUNKED[:-10])
    with pytest.raises(NOT_HTTP):
        reply.take(b"")
    assert not reply.reusable


@pytest.mark.parametrize(
    "pieces", [[b"HTTP/1.1 200 OK\r\nX: ", *[b"x" * 50] * 20], [b"HTTP/1.1 100 Continue\r\n\r\n"] * 50]
)
def test_an_endless_head_is_given_up_at_its_bound(pieces: list[bytes]) -> None:
    with pytest.raises(TooLarge):
        take_all(Reply(most_head=1000), *pieces)

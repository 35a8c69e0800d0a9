"""What the pool learns of how long a server keeps an idle connection."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent
import pytest

from loadtests.pool import Pool
from loadtests.streams import Reading, read_stream
from loadtests.wholes import read_whole
from tests.loadtests.loopback import serving, then_close

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("loadtests.pool.time", clock)
    return clock


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def pool_of(listener: socket.socket) -> Pool:
    return Pool("127.0.0.1", listener.getsockname()[1], connect_seconds=2)


def rested(pool: Pool, clock: Clock, seconds: float) -> bool:
    """Whether a connection is used again after so long a rest."""
    connection = pool.take()
    pool.give(connection)
    clock.now += seconds
    again = pool.take()
    pool.give(again)
    return again is connection


def closed_after(pool: Pool, listener: socket.socket, clock: Clock, seconds: float) -> None:
    """One connection is closed by the server, and found closed after so long a rest."""
    pool.warm(1)
    taken = pool.take()
    for _ in range(20):
        peer, address = listener.accept()
        peer.close()
        if address == taken.socket.getsockname():
            break
    pool.give(taken)
    gevent.sleep(0.01)
    clock.now += seconds
    again = pool.take()
    assert again is not taken
    again.close()


def test_what_the_server_closed_is_not_waited_for_again(listener: socket.socket, clock: Clock) -> None:
    with listener:
        pool = pool_of(listener)
        assert rested(pool, clock, 50)
        closed_after(pool, listener, clock, 5)
        assert rested(pool, clock, 3.9)
        assert not rested(pool, clock, 4.1)
        other = pool.again()
        assert not rested(other, clock, 4.1)
        other.close()
        pool.close()


def test_a_connection_closed_at_once_teaches_nothing(listener: socket.socket, clock: Clock) -> None:
    with listener:
        pool = pool_of(listener)
        closed_after(pool, listener, clock, 0.2)
        assert rested(pool, clock, 50)
        pool.close()


@pytest.mark.parametrize("read", [read_stream, read_whole])
def test_a_reset_after_a_rest_says_so(read: Callable[..., Reading], clock: Clock) -> None:
    with serving(then_close()) as server:
        pool = Pool("127.0.0.1", server.port, connect_seconds=2)
        pool.warm(1)
        clock.now += 5
        reading = read(pool, REQUEST, deadline=5)
        assert reading.outcome == "reset"
        assert "after a rest of 5.0 s" in reading.detail
        assert not rested(pool, clock, 4.1)
        pool.close()

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import gevent
import gevent.socket
import pytest

from loadtests.inbox import Inbox, arrival
from loadtests.pool import Pool


@pytest.fixture
def pair() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    ours, theirs = gevent.socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


Pair = tuple[gevent.socket.socket, gevent.socket.socket]


def until(holds: Callable[[], bool], tries: int = 200) -> None:
    for _ in range(tries):
        if holds():
            return
        gevent.sleep(0.005)


def test_pieces_come_in_order_with_the_time_of_their_arrival(pair: Pair) -> None:
    ours, theirs = pair
    got: list[tuple[int, bytes]] = []
    listener = Inbox().listen(ours, lambda at, data, error: got.append((at, data)))
    before = time.perf_counter_ns()
    for number in range(5):
        theirs.sendall(b"%d" % number)
        until(lambda: len(got) > number)  # noqa: B023 - asked for at once
    theirs.close()
    until(lambda: got[-1][1] == b"")
    assert b"".join(data for _, data in got) == b"01234"
    times = [at for at, _ in got]
    assert before < times[0]
    assert times == sorted(times)
    assert listener.close()


def test_parsing_one_stream_delays_the_clock_of_no_other() -> None:
    """Ten sockets are readable at once and each piece takes 5 ms to parse: all are stamped before the first is."""
    pairs = [gevent.socket.socketpair() for _ in range(10)]
    got: list[int] = []

    def slow(at: int, data: bytes, error: OSError | None) -> None:
        time.sleep(0.005)
        got.append(at)

    inbox = Inbox()
    listeners = [inbox.listen(ours, slow) for ours, _ in pairs]
    for _, theirs in pairs:
        theirs.sendall(b"x")
    until(lambda: len(got) == 10)
    spread = max(got) - min(got)
    assert all(listener.close() for listener in listeners)
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    # Read one after the other they would be 45 ms apart, on any machine.
    assert spread < 45e6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when bytes came")
@pytest.mark.parametrize("stamped", [True, False])
def test_a_process_that_is_kept_waiting_makes_no_endpoint_look_slow(stamped: bool) -> None:
    listening = gevent.socket.create_server(("127.0.0.1", 0))
    pool = Pool("127.0.0.1", listening.getsockname()[1], stamped=stamped).again()
    ours = pool.connect().socket
    theirs, _ = listening.accept()
    got: list[int] = []
    listener = pool.inbox.listen(ours, lambda at, data, error: got.append(at))
    for sent in range(1, 4):
        # The kernel begins to tell a little after it was asked to.
        gevent.sleep(0.02)
        before = time.perf_counter_ns()
        theirs.sendall(b"x")
        time.sleep(0.06)
        after = time.perf_counter_ns()
        until(lambda: len(got) == sent)  # noqa: B023 - asked for at once
    assert before < got[-1]
    # It came while nobody could look: only the kernel knows.
    assert (got[-1] < after - 20e6) == stamped
    assert listener.close()
    for one in (ours, theirs, listening):
        one.close()


def told(at: int, *, level: int = socket.SOL_SOCKET, kind: int = 64) -> list[tuple[int, int, bytes]]:
    return [(level, kind, struct.pack("=qq", *divmod(at, 1_000_000_000)))]


def test_the_day_s_clock_is_turned_into_ours_and_distrusted_when_it_was_set() -> None:
    seen, now = time.perf_counter_ns(), time.time_ns()
    assert abs(arrival(told(now - 40_000_000), seen) - (seen - 40_000_000)) < 30_000_000
    # From the future, from long ago, of another kind, cut short, or nothing at all: what the loop saw counts.
    strange = [told(now + 10**9), told(now - 10**10), told(now, kind=29), told(now, level=6), [(1, 64, b"1234")], []]
    assert [arrival(one, seen) for one in strange] == [seen] * len(strange)
    assert arrival(told(time.time_ns()), seen) <= seen, "nothing comes after it was seen"


def test_what_was_read_and_not_handed_out_is_known_when_listening_ends(pair: Pair) -> None:
    ours, theirs = pair
    got: list[bytes] = []
    inbox = Inbox()
    listener = inbox.listen(ours, lambda at, data, error: got.append(data))
    inbox.put(listener, 1, b"late")
    listener._undelivered += 1
    assert not listener.close()
    inbox.catch_up()
    assert got == []
    theirs.close()


def test_nothing_is_lost_when_the_loop_is_never_idle(pair: Pair) -> None:
    ours, theirs = pair
    got: list[int] = []
    inbox = Inbox()
    listener = inbox.listen(ours, lambda at, data, error: got.append(at))
    for number in range(1, 3001):
        listener._undelivered += 1
        inbox.put(listener, number, b"x")
    # No turn of the loop has happened: the bound alone made it parse.
    assert len(got) >= 3000 - 1024
    inbox.catch_up()
    assert got == list(range(1, 3001))
    assert listener.close()
    theirs.close()

"""What sockets bring in: stamped when it comes, and parsed when the loop has nothing more urgent to do.

Law: pieces of one connection come out in order and with the time at which they could be read, however long the parsing
of others took. So many streams that speak at the same moment do not wait for each other's JSON. Where the kernel says
when bytes came, that is the time, and neither does a process that was kept waiting make an endpoint look slow.
"""

from __future__ import annotations

import socket as native
import ssl
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import gevent

_RECEIVE = 1 << 14
# Pieces parsed before the loop looks for new ones: a fraction of a millisecond.
_SLICE = 16
# More than this many wait only in a process that is never idle; parsing then takes its turn with reading.
_MOST_WAITING = 1024
# Linux's SO_TIMESTAMPNS_NEW, which Python has no name for: seconds and nanoseconds of the day's clock, for TCP the
# arrival of the last byte that is read.
_STAMPED = 64
_STAMP = struct.Struct("=qq")
_ROOM = native.CMSG_SPACE(_STAMP.size) if sys.platform == "linux" else 0
# What would be older than this (ns) was stamped by a clock that has been set since.
_OLDEST = 1_000_000_000
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Take = Callable[[int, bytes, OSError | None], None]


def have_stamped(sock: Any) -> None:
    """Ask the kernel to tell when bytes of a plain connection come; where it cannot, the loop's time is taken."""
    if _ROOM:
        with suppress(OSError):
            sock.setsockopt(native.SOL_SOCKET, _STAMPED, 1)


def arrival(told: Sequence[tuple[int, int, bytes]], seen: int) -> int:
    """When bytes came that the loop saw at `seen` (`perf_counter_ns`): what the kernel told, else just that."""
    for level, kind, raw in told:
        if (level, kind, len(raw)) == (native.SOL_SOCKET, _STAMPED, _STAMP.size):
            seconds, rest = _STAMP.unpack(raw)
            age: int = time.time_ns() - (seconds * 1_000_000_000 + rest)
            if 0 <= age < _OLDEST:
                return min(seen, time.perf_counter_ns() - age)
    return seen


class Inbox:
    """The pieces that the connections of one event loop have brought and nobody has parsed yet."""

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._idle = self._loop.idle()
        self._waiting: deque[tuple[Listener, int, bytes, OSError | None]] = deque()

    def listen(self, sock: Any, take: Take) -> Listener:
        """Read that socket until `close`; `take` gets the arrival (ns) and the bytes: none at its end or an error."""
        return Listener(self, self._loop, sock, take)

    def put(self, listener: Listener, at: int, data: bytes, error: OSError | None = None) -> None:
        """Keep a piece until there is time for it."""
        self._waiting.append((listener, at, data, error))
        if not self._idle.active:
            self._idle.start(self._digest)
        if len(self._waiting) > _MOST_WAITING:
            self._digest()

    def catch_up(self) -> None:
        """Hand out all that waits, as when a deadline is to be judged by what has come."""
        while self._waiting:
            self._digest()

    def _digest(self) -> None:
        """Hand out the oldest pieces. Takers do not raise: there is nobody here to catch it."""
        waiting = self._waiting
        for _ in range(min(len(waiting), _SLICE)):
            listener, at, data, error = waiting.popleft()
            listener.hand_out(at, data, error)
        if not waiting:
            self._idle.stop()


class Listener:
    """Reads one socket as bytes come."""

    def __init__(self, inbox: Inbox, loop: Any, sock: Any, take: Take) -> None:
        self._inbox = inbox
        self._socket = sock
        self._pending = getattr(sock, "pending", None)
        # TLS reads ahead of what it has decrypted: no stamp tells of the bytes that it hands out.
        self._stamped = bool(_ROOM) and self._pending is None
        self._receive = sock.recvmsg if self._stamped else sock.recv
        self._latest = 0
        self._take = take
        self._undelivered = 0
        self._open = True
        sock.settimeout(0.0)
        self._watcher = loop.io(sock.fileno(), 1)
        self._watcher.start(self._readable)

    def hand_out(self, at: int, data: bytes, error: OSError | None) -> None:
        """Give a piece to its taker, unless nobody listens any more."""
        if self._open:
            self._undelivered -= 1
            self._take(at, data, error)

    def close(self) -> bool:
        """Read no more; whether everything that was read had been handed out."""
        if self._open:
            self._open = False
            self._watcher.stop()
            self._watcher.close()
            self._socket.settimeout(None)
        return not self._undelivered

    def _readable(self) -> None:
        # The bytes were there when the loop called, so the clock is read before they are copied.
        at = time.perf_counter_ns()
        error: OSError | None = None
        try:
            if self._stamped:
                data, told, _, _ = self._receive(_RECEIVE, _ROOM)
                at = arrival(told, at)
            else:
                data = self._receive(_RECEIVE)
                # What TLS has decrypted already makes no socket readable.
                while self._pending is not None and data and self._pending():
                    data += self._receive(_RECEIVE)
        except _NOT_YET:
            return
        except OSError as failed:
            data, error = b"", failed
        if not data:
            self._watcher.stop()
        self._undelivered += 1
        # The two clocks are read one after the other: that must not turn the order of two pieces round.
        self._latest = max(self._latest, at)
        self._inbox.put(self, self._latest, data, error)

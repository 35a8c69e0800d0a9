"""What sockets bring in: stamped when the loop finds it, and parsed when the loop has nothing more urgent to do.

Law: pieces of one connection come out in order and with the time at which they could be read, however long the parsing
of others took. So many streams that speak at the same moment do not wait for each other's JSON.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

_RECEIVE = 1 << 14
# Pieces parsed before the loop looks for new ones: a fraction of a millisecond.
_SLICE = 16
# More than this many wait only in a process that is never idle; parsing then takes its turn with reading.
_MOST_WAITING = 1024
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Take = Callable[[int, bytes, OSError | None], None]


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
        self._receive = sock.recv
        self._pending = getattr(sock, "pending", None)
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
        try:
            data, error = self._receive(_RECEIVE), None
            if self._pending is not None:
                # What TLS has decrypted already makes no socket readable.
                while data and self._pending():
                    data += self._receive(_RECEIVE)
        except _NOT_YET:
            return
        except OSError as failed:
            data, error = b"", failed
        if not data:
            self._watcher.stop()
        self._undelivered += 1
        self._inbox.put(self, at, data, error)

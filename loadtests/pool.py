"""Keep-alive connections on gevent sockets of our own, opened ahead of need.

Law: a connection that the server has closed is found out before it is used, since a request that was written is never
written again: it may have been charged for.
"""

from __future__ import annotations

import select
import socket as native
import ssl
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import certifi
import gevent
import gevent.socket
import gevent.ssl
from gevent.monkey import get_original

from loadtests.inbox import Inbox, have_stamped
from loadtests.proxies import Proxy

_poll: Any = get_original("select", "poll")

IDLE_SECONDS = 55.0
# Of the shortest rest after which the server had closed a connection, this share is still thought safe; a connection
# that was closed sooner than after the least was closed for another reason.
_SAFE = 0.8
_LEAST = 1.0


class Unreachable(Exception):
    """No connection could be made: the name, the port, the certificate, or no answer in time."""


@dataclass
class Connection:
    """An open socket; `used` counts the requests that it has carried, `rested` is its rest before the last, in s."""

    socket: Any
    used: int = 0
    idle_since: float = 0.0
    rested: float = 0.0

    def close(self) -> None:
        """Close the socket; never raises."""
        with suppress(OSError):
            self.socket.close()


class Pool:
    """Connections to one host, through a proxy if there is one: a tunnel of its for TLS.

    `take` gives the one that was idle longest, so that none grows stale unseen. How long the server keeps an idle one
    is learnt from those that it closed: a request that is sent at that very moment is lost, and by nobody's fault. Of
    one that is `stamped` the kernel tells when bytes come, where it can and there is no TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        ca_file: str | None = None,
        connect_seconds: float = 10.0,
        proxy: Proxy | None = None,
        stamped: bool = True,
    ) -> None:
        self._address = (host, port)
        self._proxy = proxy
        self._stamped = stamped
        self._seconds = connect_seconds
        self._made_with = {
            "tls": tls, "ca_file": ca_file, "connect_seconds": connect_seconds, "proxy": proxy, "stamped": stamped,
        }  # fmt: skip
        self._context = _context(ca_file) if tls else None
        self._idle: deque[Connection] = deque()
        self._closed = False
        self._patience = IDLE_SECONDS

    def again(self) -> Pool:
        """Another pool to the same host, for another run: each run closes its own at its end."""
        other = Pool(*self._address, **self._made_with)  # type: ignore[arg-type]
        other._patience = self._patience
        return other

    @cached_property
    def inbox(self) -> Inbox:
        """Where the connections of this pool are read, in the event loop that first asks for it."""
        return Inbox()

    def take(self) -> Connection:
        """An idle connection that is still open, or a new one; raises `Unreachable`."""
        while self._idle:
            connection = self._idle.popleft()
            connection.rested = time.monotonic() - connection.idle_since
            if connection.rested < self._patience:
                if _quiet(connection.socket):
                    return connection
                self.was_closed(connection)
            connection.close()
        return self.connect()

    def was_closed(self, connection: Connection) -> str:
        """Learn from a connection that the server closed between two requests; what to add to the word of it."""
        if connection.rested >= _LEAST:
            self._patience = min(self._patience, max(_LEAST, _SAFE * connection.rested))
        return f", after a rest of {connection.rested:.1f} s" if connection.rested else ""

    def give(self, connection: Connection) -> None:
        """Take back a connection that can carry another request."""
        if self._closed:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def warm(self, count: int) -> None:
        """Open connections until `count` are idle; those that cannot be opened are left for `take` to report."""
        jobs = [gevent.spawn(self._open_one) for _ in range(count - len(self._idle))]
        gevent.joinall(jobs, timeout=self._seconds)
        gevent.killall(jobs)

    def connect(self) -> Connection:
        """A new connection; raises `Unreachable`."""
        opened = None
        try:
            with gevent.Timeout(self._seconds, TimeoutError("no connection in time")):
                proxy = self._proxy
                opened = gevent.socket.create_connection((proxy.host, proxy.port) if proxy else self._address)
                opened.setsockopt(native.IPPROTO_TCP, native.TCP_NODELAY, 1)
                if self._context is not None:
                    if proxy is not None:
                        proxy.tunnel(opened, *self._address)
                    opened = self._context.wrap_socket(opened, server_hostname=self._address[0])
                elif self._stamped:
                    have_stamped(opened)
        except BaseException as error:
            if opened is not None:
                opened.close()
            if not isinstance(error, OSError | UnicodeError):
                raise
            raise Unreachable(_reason(error)) from None
        return Connection(opened)

    def close(self) -> None:
        """Close the idle connections, and those in use when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.popleft().close()

    def __len__(self) -> int:
        return len(self._idle)

    def _open_one(self) -> None:
        with suppress(Unreachable):
            self.give(self.connect())


def _context(ca_file: str | None) -> Any:
    """Certificates are verified: by the file given, or else by the system's and certifi's authorities."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
    context.load_verify_locations(cafile=ca_file or certifi.where())
    return context


def _quiet(sock: Any) -> bool:
    """Whether an idle socket is open with nothing to read; a TLS session ticket that waits there is no harm."""
    poll = _poll()
    try:
        poll.register(sock.fileno(), select.POLLIN)
        if not poll.poll(0):
            return True
        sock.settimeout(0.0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        sock.settimeout(None)
        return True
    except (OSError, ValueError):
        return False
    return False


def _reason(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, native.gaierror | UnicodeError):
        return "the host name does not resolve"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return (getattr(error, "strerror", None) or str(error)).lower()

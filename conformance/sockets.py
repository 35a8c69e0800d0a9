"""Sockets under httpcore that note when bytes arrived, end in time, and notice that a run is being stopped.

Law: no call here outlives its recorder's deadline, whatever the other side does: resolving, connecting, the TLS
handshake, reading and writing all wait in slices, and each slice looks at the clock and at the stop event.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

_SLICE = 0.2
_HEAD_END = re.compile(rb"\n\r?\n")
_FOREVER = float("inf")


class Interrupted(Exception):
    """The run is being stopped."""


class DnsError(httpcore.ConnectError):
    """The host's name could not be resolved."""


class TlsError(httpcore.ConnectError):
    """The TLS handshake failed, or the certificate is not trusted."""


class HeadTooLong(httpcore.ReadError):
    """The answer's head did not end within its bound."""


class Recorder:
    """What the socket did during one exchange; used by one thread at a time.

    `written_ns` is when the last byte of the request had been handed to the socket and `read_ns` when the last bytes
    were taken from it, both of `time.perf_counter_ns`; `received` counts bytes on the wire, head included.
    """

    def __init__(
        self, *, deadline: float = _FOREVER, stop: threading.Event | None = None, max_head: int = 64 << 10
    ) -> None:
        self.deadline = deadline
        self.stop = stop
        self.max_head = max_head
        self.restart()

    def restart(self) -> None:
        """Forget what was recorded: the request is about to be written again."""
        self.written_ns = self.read_ns = time.perf_counter_ns()
        self.received = 0
        self.head_size = 0  # 0 until a head has ended
        self.answered = False  # whether the head of the answer itself, not of a 1xx before it, has been understood
        self.start = self.tail = b""  # the first and the last few bytes
        self.eof = False
        self.reused = False
        self.stream: SocketStream | None = None
        self._head = bytearray()

    def until(self, timeout: float | None) -> float:
        """When a call that was given this timeout has to end, as a `time.monotonic` value."""
        return self.deadline if timeout is None else min(self.deadline, time.monotonic() + timeout)

    def slice(self, until: float, error: type[Exception]) -> float:
        """How long to wait before looking again; raises `error` when the time is over and `Interrupted` on stop."""
        if self.stop is not None and self.stop.is_set():
            raise Interrupted("interrupted")
        left = until - time.monotonic()
        if left <= 0:
            raise error("timed out")
        return min(left, _SLICE)

    def wrote(self, stream: SocketStream) -> None:
        """Note that bytes of the request are out."""
        self.written_ns = time.perf_counter_ns()
        if self.stream is not stream:
            self.stream = stream
            self.reused = stream.requests > 0
            stream.requests += 1

    def read(self, data: bytes) -> None:
        """Note what a read brought; empty at the end of the connection."""
        self.read_ns = time.perf_counter_ns()
        if not data:
            self.eof = True
            return
        self.received += len(data)
        self.start = self.start or data[:5]
        self.tail = (self.tail + data[-4:])[-4:]
        if not self.head_size:
            self._head += data
            found = _HEAD_END.search(self._head)
            if found:
                self.head_size = found.end()
                self._head.clear()

    def bound_head(self) -> None:
        """Raise `HeadTooLong` when a head that has not ended is as long as it may be."""
        if not self.answered and self.received >= self.max_head:
            raise HeadTooLong(f"the head of the answer is longer than {self.max_head} bytes")


class _Current(threading.local):
    recorder: Recorder | None = None


# httpcore does all its I/O in the calling thread, but has no way to say which request a read belongs to.
_CURRENT = _Current()


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Let the sockets that this thread uses report to that recorder."""
    before, _CURRENT.recorder = _CURRENT.recorder, recorder
    try:
        yield
    finally:
        _CURRENT.recorder = before


def _recorder() -> Recorder:
    return _CURRENT.recorder or Recorder()


class SocketStream(httpcore.NetworkStream):
    """A connected socket, plain or TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._closed = False
        self.requests = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The bytes that the socket has, at least one; empty at the end of the connection."""
        recorder = _recorder()
        recorder.bound_head()
        until = recorder.until(timeout)
        while True:
            pause = recorder.slice(until, httpcore.ReadTimeout)
            try:
                self._sock.settimeout(pause)
                data = self._sock.recv(max_bytes)
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError as error:
                raise httpcore.ReadError(_why(error)) from error
            recorder.read(data)
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        if not buffer:
            return
        recorder = _recorder()
        until = recorder.until(timeout)
        left = memoryview(buffer)
        # Before the first byte is out, so that a connection that breaks now is known to have been an old one.
        recorder.wrote(self)
        while left:
            pause = recorder.slice(until, httpcore.WriteTimeout)
            try:
                self._sock.settimeout(pause)
                left = left[self._sock.send(left) :]
            except (TimeoutError, ssl.SSLWantWriteError):
                continue
            except OSError as error:
                raise httpcore.WriteError(_why(error)) from error
        recorder.wrote(self)

    def close(self) -> None:
        """Close the socket; the pool never uses it again."""
        self._closed = True
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection inside TLS; raises `TlsError`, the time-out included."""
        recorder = _recorder()
        until = recorder.until(timeout)
        try:
            tls = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
            self._sock = tls
            while True:
                pause = recorder.slice(until, TlsError)
                try:
                    tls.settimeout(pause)
                    tls.do_handshake()
                except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                return self
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise TlsError(f"the certificate is not trusted: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            self.close()
            raise TlsError(_why(error)) from error
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: `ssl_object`, `socket`, addresses, and `is_readable` (of an idle one: it was closed)."""
        if info == "is_readable":
            return self._closed or _readable(self._sock)
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "socket":
            return self._sock
        if info == "client_addr":
            return self._sock.getsockname()
        return self._sock.getpeername() if info == "server_addr" else None


class SocketBackend(httpcore.NetworkBackend):
    """Opens connections; nothing about them comes from the environment."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first of the host's addresses that takes it; each gets its share of the time."""
        recorder = _recorder()
        until = recorder.until(timeout)
        addresses = _resolve(host, port, recorder, until)
        for left in range(len(addresses), 0, -1):
            family, kind, protocol, _, address = addresses[-left]
            now = time.monotonic()
            share = until if until == _FOREVER else now + (until - now) / left
            sock = socket.socket(family, kind, protocol)
            try:
                _connect(sock, address, recorder, share)
                for option in socket_options or ():
                    sock.setsockopt(*option)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except (OSError, httpcore.ConnectTimeout) as error:
                sock.close()
                if left > 1:
                    continue
                if isinstance(error, httpcore.ConnectTimeout):
                    raise
                raise httpcore.ConnectError(_why(error)) from error
            except BaseException:
                sock.close()
                raise
            return SocketStream(sock)
        raise DnsError(f"{host} has no address")


def _resolve(host: str, port: int, recorder: Recorder, until: float) -> list[Any]:
    """The addresses of a host. A resolver cannot be told to hurry, so it works in a thread that may be left behind."""
    found: list[Any] = []
    failed: list[Exception] = []
    done = threading.Event()

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error)
        done.set()

    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    except OSError:
        threading.Thread(target=look, name="resolve", daemon=True).start()
    while not done.wait(recorder.slice(until, DnsError)):
        pass
    if failed:
        raise DnsError(f"{host}: {_why(failed[0])}") from failed[0]
    return found


def _connect(sock: socket.socket, address: Any, recorder: Recorder, until: float) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EINTR, errno.EAGAIN):
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        while not poll.poll(recorder.slice(until, httpcore.ConnectTimeout) * 1000):
            pass
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _why(error: Exception) -> str:
    """What went wrong, as the operating system or OpenSSL says it, without numbers."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error.strerror or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error) or type(error).__name__

"""An httpx transport that records what the socket did, and tells apart the ways in which an exchange fails.

It connects directly: no proxy, certificate or credential is taken from the environment, since the times are to be those
of the endpoint and the key is to go nowhere else. It follows no redirect, speaks HTTP/1.1, and verifies TLS.
"""

from __future__ import annotations

import ssl
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from conformance.sockets import (
    DnsError,
    HeadTooLong,
    Interrupted,
    Recorder,
    SocketBackend,
    TlsError,
    recording,
)

KEEP_ALIVE_S = 30.0
_ENCODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_PLAIN = ("", "identity")


class TransportFailure(httpx.TransportError):
    """An exchange came to no complete answer; `kind` is one of `FAILURES`, `detail` says it to a person."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class UnsendableRequest(ValueError):
    """The request cannot be written as HTTP/1.1: the fault of whoever made it."""


class RecordingTransport(httpx.BaseTransport):
    """Sends requests, each thread on its own kept-alive connection; `request.extensions["recorder"]` is the recorder.

    Threads share nothing but the TLS context: httpcore looks at every connection of a pool, with a system call for each
    idle one, whenever a request begins or ends.

    A connection that was cut, timed out, or sent more than its answer is closed and never used again. When the server
    has closed a connection that lay idle, the request is written once more on another: not a byte of an answer had
    come, and a completion changes nothing at the endpoint, so this is safe (RFC 9110, 9.2.2) and no fault of its own.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context
        self._own = threading.local()
        self._pools: list[httpcore.ConnectionPool] = []
        self._lock = threading.Lock()

    def _pool(self) -> httpcore.ConnectionPool:
        """The calling thread's connection, in the pool that httpcore wants around it."""
        pool: httpcore.ConnectionPool | None = getattr(self._own, "pool", None)
        if pool is None:
            pool = self._own.pool = httpcore.ConnectionPool(
                ssl_context=self._ssl_context,
                max_connections=None,
                max_keepalive_connections=1,
                keepalive_expiry=KEEP_ALIVE_S,
                network_backend=SocketBackend(),
            )
            with self._lock:
                self._pools.append(pool)
        return pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still to be read; raises `TransportFailure`, `Interrupted`, or `UnsendableRequest`."""
        recorder = request.extensions.get("recorder") or Recorder()
        core = httpcore.Request(
            method=request.method.encode("ascii", "replace"),
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        response = self._send(core, recorder)
        body = _Body(response, recorder, request.method)
        return httpx.Response(
            response.status, headers=response.headers, stream=body, extensions={"recorder": recorder}, request=request
        )

    def _send(self, core: httpcore.Request, recorder: Recorder) -> httpcore.Response:
        # The first round may use up an idle connection that the server had closed; a fresh one is never tried twice.
        for left in (1, 0):
            recorder.restart()
            try:
                with recording(recorder):
                    response = self._pool().handle_request(core)
            except (httpcore.ReadError, httpcore.RemoteProtocolError) as error:
                if left and recorder.reused and not recorder.received:
                    continue
                raise failure(error, recorder) from error
            except Exception as error:
                raise failure(error, recorder) from error
            recorder.answered = True
            return response
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close every connection, those in use too: whoever reads from one ends with a failure."""
        with self._lock:
            pools = list(self._pools)
        for pool in pools:
            pool.close()


class _Body(httpx.SyncByteStream):
    """The body as it arrives; after each part, the recorder's `read_ns` is the time at which that part arrived."""

    def __init__(self, response: httpcore.Response, recorder: Recorder, method: str) -> None:
        self._response = response
        self._recorder = recorder
        self._size = _body_size(response, method)

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._response.iter_stream())
        while True:
            try:
                with recording(self._recorder):
                    part = next(parts, None)
            except Exception as error:
                raise failure(error, self._recorder) from error
            if part is None:
                break
            yield part
        if not self._clean() and self._recorder.stream is not None:
            self._recorder.stream.close()

    def _clean(self) -> bool:
        """Whether nothing came after the answer, which the next request would take for its own."""
        if self._size is None:
            return self._recorder.tail == b"\r\n\r\n"
        return self._recorder.received == self._recorder.head_size + self._size

    def close(self) -> None:
        self._response.close()


def _body_size(response: httpcore.Response, method: str) -> int | None:
    """The bytes of body that the head announces; None where it does not."""
    if method == "HEAD" or response.status in (204, 304):
        return 0
    headers = {name.lower(): value for name, value in response.headers}
    size = headers.get(b"content-length", b"")
    return int(size) if size.isdigit() and b"transfer-encoding" not in headers else None


def failure(error: Exception, recorder: Recorder) -> Exception:
    """What a failed exchange is: a `TransportFailure`, or whatever is not the endpoint's doing."""
    if recorder.stop is not None and recorder.stop.is_set():
        return Interrupted("interrupted")
    if isinstance(error, httpcore.LocalProtocolError):
        return UnsendableRequest(f"this request cannot be written as HTTP/1.1: {error}")
    text, phase = str(error) or type(error).__name__, _phase(recorder)
    if isinstance(error, httpcore.RemoteProtocolError):
        if recorder.eof and b"HTTP/".startswith(recorder.start):
            return TransportFailure("reset", f"the endpoint closed the connection {phase}")
        if "too long" in text:  # h11's own bound on a head
            return TransportFailure("too-large", f"{text} {phase}")
    for kind, name, detail in _KINDS:
        if isinstance(error, kind):
            return TransportFailure(name, detail.format(text=text, phase=phase))
    return error


# The first that fits: subclasses come before what they are.
_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (DnsError, "dns", "the host's name could not be resolved: {text}"),
    (TlsError, "tls", "no TLS connection: {text}"),
    (httpcore.ConnectError, "connect", "no connection: {text}"),
    (httpcore.ConnectTimeout, "connect", "no connection: {text}"),
    (HeadTooLong, "too-large", "{text}"),
    (httpcore.TimeoutException, "timeout", "timed out {phase}"),
    (httpcore.NetworkError, "reset", "{text} {phase}"),
    (httpcore.RemoteProtocolError, "protocol", "this is not HTTP: {text}"),
)


def _phase(recorder: Recorder) -> str:
    if not recorder.received:
        return "before any byte of an answer"
    if not recorder.answered:
        return f"in the head of the answer, after {recorder.received} bytes"
    return f"in the body of the answer, after {recorder.received - recorder.head_size} bytes of it"


class Decoder:
    """Undoes a content coding; raises `TransportFailure` for too much (`too-large`) or nonsense (`encoding`)."""

    def __init__(self, coding: str, bound: int) -> None:
        self._coding = coding.strip().lower()
        self._left = bound
        self._bound = bound
        self._inflate: Any = None
        if self._coding not in _PLAIN:
            if self._coding not in _ENCODINGS:
                raise TransportFailure("encoding", f"content-encoding {coding!r}, though only identity was accepted")
            self._inflate = zlib.decompressobj(_ENCODINGS[self._coding])

    def feed(self, part: bytes) -> bytes:
        """The next bytes of the body; what fits the bound is lost when the rest does not."""
        if self._inflate is not None:
            part = self._inflated(part)
        self._left -= len(part)
        if self._left < 0:
            raise TransportFailure("too-large", f"the body is longer than {self._bound} bytes")
        return part

    def finish(self) -> None:
        """Raise when the coded body stopped before its end."""
        if self._inflate is not None and not self._inflate.eof:
            raise TransportFailure("encoding", f"the {self._coding} body stops before its end")

    def _inflated(self, part: bytes) -> bytes:
        whole = b""
        try:
            while part and len(whole) <= self._left:
                if self._inflate.eof:  # another member follows
                    self._inflate = zlib.decompressobj(_ENCODINGS[self._coding])
                whole += self._inflate.decompress(part, self._left - len(whole) + 1)
                part = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise TransportFailure("encoding", f"the body is not {self._coding}: {error}") from error
        return whole


def trusted(ca_file: str | None = None) -> ssl.SSLContext:
    """A TLS context that trusts certifi's authorities, the system's and those in `ca_file`; `OSError` for a bad one."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context

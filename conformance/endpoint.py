"""The live endpoint as a courier: paced, within budget, bounded in bytes and time, every exchange recorded.

Law: whatever the endpoint does ends as an `Exchange`; only what is not its doing ends as an exception.
"""

from __future__ import annotations

import itertools
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, urlsplit

import httpx

from conformance.budget import Budget
from conformance.check import Inconclusive, Throttled
from conformance.pace import Pacer
from conformance.sockets import Interrupted, Recorder
from conformance.throttle import IN_VAIN, THROTTLED, Patience, backoff, kind_of, wait_asked
from conformance.transport import Decoder, RecordingTransport, TransportFailure, trusted
from conformance.wire.exchange import UNREACHABLE, Exchange, Headers, Sent
from conformance.wire.redact import SHORTEST_KEY
from conformance.wire.sse import SseReader
from conformance.wire.timing import chunk_of

USER_AGENT = "seatrial"
# Of the 429s of a run, so many are kept for the checks that look at them.
MOST_REMEMBERED = 200
# No answer to a request of ours is longer, so what a longer one reports is worth no reading of it.
MOST_COUNTED = 1 << 20
_PASTED = ("/v1/chat/completions", "/v1/completions", "/chat/completions", "/completions", "/v1")
_STREAM = "text/event-stream"


class TargetError(ValueError):
    """What the user gave as an endpoint is none; the message says what to give instead, and never shows a secret."""


@dataclass(frozen=True)
class Target:
    """Where an endpoint is and the key to it: the URL without the part that its routes add.

    `note` says what was changed in the URL, and is empty when nothing was. `key` may be empty for an endpoint that asks
    for none. `connect_seconds` bounds name, connection and TLS handshake together. Raises `TargetError`.
    """

    url: str
    key: str = field(default="", repr=False)
    ca_file: str | None = None
    connect_seconds: float = 10.0
    note: str = field(default="", init=False)

    def __post_init__(self) -> None:
        parts = _checked(self.url.strip())
        path = parts.path.rstrip("/")
        pasted = next((suffix for suffix in _PASTED if path.endswith(suffix)), "")
        path = path.removesuffix(pasted).rstrip("/")
        url = f"{parts.scheme}://{parts.netloc.lower()}{path}"
        object.__setattr__(self, "url", url)
        if pasted:
            object.__setattr__(self, "note", f"took {url} for the endpoint: {pasted} is added by its routes")
        key = self.key.strip()
        if key and (len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable()):
            raise TargetError(f"the key has fewer than {SHORTEST_KEY} characters, or some that no header can carry")
        object.__setattr__(self, "key", key)
        if self.connect_seconds <= 0:
            raise TargetError("connect_seconds is above 0")

    @property
    def encrypted(self) -> bool:
        """Whether the key travels under TLS."""
        return self.url.startswith("https:")


def _checked(url: str) -> SplitResult:
    if re.search(r"[\s\x00-\x1f\x7f\\]", url):
        raise TargetError("the endpoint's URL has a space, a backslash or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise TargetError(f"this is no URL: {error}") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise TargetError("the endpoint's URL has a user or password in it: give the key apart from the URL")
    if parts.scheme not in ("http", "https"):
        raise TargetError(f"the endpoint's URL {url!r} begins with neither https:// nor http://")
    if not parts.hostname or port == 0:
        raise TargetError(f"the endpoint's URL {url!r} names no host, or port 0")
    if parts.query or url.endswith("?"):
        raise TargetError(
            "the endpoint's URL has a query: leave it out, since a contract says which query its routes take"
        )
    if parts.fragment or "#" in url:
        raise TargetError("the endpoint's URL has a fragment (#…): leave it out")
    return parts


@dataclass(frozen=True)
class Bounds:
    """How much of an answer is read, and how long 429s are borne with.

    Bytes of head, of a document, of a stream, and seconds of a stream; bytes that are kept of an answer that was longer
    than that, and of all answers of a run together; attempts at one request, and seconds of waiting for it that 429s
    may ask for in all (fewer attempts where others like it were in vain: `Patience`).
    """

    head_bytes: int = 64 << 10
    body_bytes: int = 8 << 20
    stream_bytes: int = 8 << 20
    stream_seconds: float = 45.0
    excess_bytes: int = 64 << 10
    run_bytes: int = 64 << 20
    attempts: int = 5
    patience_seconds: float = 180.0

    def __post_init__(self) -> None:
        if min(vars(self).values()) <= 0:
            raise ValueError("every bound is above 0")


class Endpoint:
    """Delivers requests to a target; each thread that uses it has a connection of its own. Raises `TargetError`.

    A request's deadline bounds each attempt by itself: the time that it waits for its turn, or after a 429, is ours and
    not the endpoint's, and does not count. After a 429 all workers wait together, within the bounds. `log` is called
    with every exchange, from the thread that sent it; `stop` ends waiting and reading.
    """

    def __init__(
        self,
        target: Target,
        *,
        bounds: Bounds | None = None,
        pacer: Pacer | None = None,
        budget: Budget | None = None,
        log: Callable[[Exchange], object] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.target = target
        self.throttled: list[Exchange] = []
        self._bounds = bounds or Bounds()
        self._patience = Patience(self._bounds.attempts)
        self._pacer = pacer or Pacer()
        self._budget = budget or Budget()
        self._log = log or (lambda _: None)
        self._stop = stop or threading.Event()
        self._ids = itertools.count(1)
        self._kept = 0
        self._keeping = threading.Lock()
        self._transport = RecordingTransport(ssl_context=_context(target))

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; nothing is to be under way any more."""
        self._transport.close()

    def close_now(self) -> None:
        """End everything that is waiting or reading, within a second, as `Inconclusive('interrupted')`."""
        self._stop.set()
        self._transport.close()

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        """Send a request and return what came back; see `Courier`."""
        allowed = deadline - time.monotonic()
        if allowed <= 0:
            raise Inconclusive("the deadline had passed before the request was sent")
        if self._kept > self._bounds.run_bytes:
            raise Inconclusive(f"the answers of this run have more than {self._bounds.run_bytes} bytes together")
        waited = 0.0
        for attempt in itertools.count(1):
            exchange = self._attempt(sent, scope, ordinal, allowed, tokens)
            if exchange.status == THROTTLED and len(self.throttled) < MOST_REMEMBERED:
                self.throttled.append(exchange)
            if exchange.status != THROTTLED or not honour_429:
                if attempt > 1 and exchange.status != THROTTLED:
                    self._patience.helped(kind_of(sent))
                self._log(exchange)
                return exchange
            pause = backoff(attempt, wait_asked(exchange))
            waited += pause
            kind = kind_of(sent)
            last = attempt >= self._patience.attempts(kind) or waited > self._bounds.patience_seconds
            self._log(replace(exchange, superseded=not last))
            if last:
                raise Throttled(_in_vain(attempt, pause, self._patience.in_vain(kind)))
            self._pacer.pause(pause)
        raise AssertionError("unreachable")

    def _attempt(self, sent: Sent, scope: str, ordinal: int, allowed: float, tokens: int) -> Exchange:
        self._budget.reserve(tokens)
        if not self._pacer.wait(tokens, stop=self._stop):
            self._budget.cancel(tokens)
            raise Inconclusive("interrupted")
        actual: int | None = None
        try:
            exchange = self._exchange(sent, scope, ordinal, time.monotonic() + allowed)
            actual = cost(exchange)
        except Interrupted:
            raise Inconclusive("interrupted") from None
        finally:
            self._budget.settle(tokens, actual)
        return exchange

    def _exchange(self, sent: Sent, scope: str, ordinal: int, deadline: float) -> Exchange:
        recorder = Recorder(deadline=deadline, stop=self._stop, max_head=self._bounds.head_bytes)
        blank = Exchange(f"x{next(self._ids):06d}", scope, ordinal, sent, time.time())
        request = self._request(sent, recorder)
        try:
            response = self._transport.handle_request(request)
        except TransportFailure as failed:
            end_ns = time.perf_counter_ns() - recorder.written_ns
            return replace(blank, end_ns=end_ns, failure=failed.kind, detail=failed.detail)
        head_ns = recorder.read_ns - recorder.written_ns
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        reading = _Reading(response, recorder, self._bounds, sent.leave_after)
        reading.read()
        with self._keeping:
            self._kept += len(reading.body)
        return replace(
            blank,
            status=response.status_code,
            headers=headers,
            body=bytes(reading.body),
            arrivals=tuple(reading.arrivals),
            head_ns=head_ns,
            end_ns=recorder.read_ns - recorder.written_ns,
            failure=reading.failure,
            detail=reading.detail,
            left=reading.left,
        )

    def _request(self, sent: Sent, recorder: Recorder) -> httpx.Request:
        headers = [(name.encode("ascii"), value.encode("utf-8")) for name, value in _completed(sent.headers)]
        path = sent.path if sent.path.startswith("/") else f"/{sent.path}"
        return httpx.Request(
            sent.method,
            self.target.url + path,
            headers=headers,
            content=sent.body or None,
            extensions={"recorder": recorder, "timeout": {"connect": self.target.connect_seconds}},
        )


def _context(target: Target) -> ssl.SSLContext | None:
    if not target.encrypted:
        return None
    try:
        return trusted(target.ca_file)
    except OSError as error:
        why = "it has no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise TargetError(f"the CA file {target.ca_file!r} cannot be used: {why}") from None


def _in_vain(attempts: int, pause: float, in_a_row: int) -> str:
    """What is said of a request that met nothing but 429."""
    each = f"the endpoint answered 429 to each of {attempts} attempts" if attempts > 1 else "the endpoint answered 429"
    if in_a_row <= IN_VAIN:
        return f"{each}, and would have to be left alone for {pause:g} s more"
    return f"{each}, and was not waited for any longer: that was in vain for {in_a_row - 1} others like it"


class _Reading:
    """Reads the body of one answer within its bounds, keeping what came when it fails.

    `leave_after` is how many events of a stream are waited for; 0 waits for its end.
    """

    def __init__(self, response: httpx.Response, recorder: Recorder, bounds: Bounds, leave_after: int = 0) -> None:
        self._response = response
        self._recorder = recorder
        streams = response.headers.get("content-type", "").split(";")[0].strip().lower() == _STREAM
        self._bound = bounds.stream_bytes if streams else bounds.body_bytes
        self._excess = bounds.excess_bytes
        self._stream_seconds = bounds.stream_seconds
        self._stream_bounded = False
        if streams:
            ends = time.monotonic() + bounds.stream_seconds
            self._stream_bounded = ends < recorder.deadline
            recorder.deadline = min(recorder.deadline, ends)
        self._events = SseReader(max_line=self._bound, max_event=self._bound) if streams and leave_after else None
        self._wanted = leave_after
        self.left = False
        self.body = bytearray()
        self.arrivals: list[tuple[int, int]] = []
        self.failure = ""
        self.detail = ""

    def read(self) -> None:
        """Read to the end, or to what ends it; closing an answer half read closes its connection."""
        try:
            decoder = Decoder(self._response.headers.get("content-encoding", ""), self._bound)
            for part in self._response.stream:  # type: ignore[union-attr]
                plain = decoder.feed(part)
                self._take(plain)
                if self._has_enough(plain):
                    self.left = True
                    return
            decoder.finish()
        except TransportFailure as failed:
            self.failure, self.detail = failed.kind, failed.detail
            if failed.kind == "timeout" and self._stream_bounded:
                self.failure = "too-long"
                self.detail = f"the stream had not ended after {self._stream_seconds:g} s"
            if self.failure in ("too-large", "too-long", "timeout"):
                self._cut()
        finally:
            self._response.close()

    def _has_enough(self, part: bytes) -> bool:
        if self._events is None:
            return False
        self._wanted -= len(self._events.feed(part))
        return self._wanted <= 0

    def _cut(self) -> None:
        """Keep the beginning only: nobody judges the rest, and hundreds of such answers have to fit a log."""
        del self.body[self._excess :]
        self.arrivals = [(at, size) for at, size in self.arrivals if size <= self._excess]

    def _take(self, part: bytes) -> None:
        if not part:
            return
        self.body += part
        at = self._recorder.read_ns - self._recorder.written_ns
        if self.arrivals and self.arrivals[-1][0] == at:
            self.arrivals.pop()
        self.arrivals.append((at, len(self.body)))


def cost(exchange: Exchange) -> int | None:
    """The tokens that a request cost: what its answer reports, 0 where nothing was generated, None where nobody knows.

    A report is believed up to what the bytes can bear (a token is a byte at least), so that an endpoint that makes up
    its usage cannot end a run.
    """
    if exchange.failure in UNREACHABLE or (exchange.status is not None and 400 <= exchange.status < 500):
        return 0
    if len(exchange.body) > MOST_COUNTED or b'"total_tokens"' not in exchange.body:
        return None
    bodies = (
        [event.data for event in reversed(exchange.events)]
        if exchange.media_type == _STREAM
        else [exchange.body.decode("utf-8", "replace")]
    )
    for text in bodies:
        usage = (chunk_of(text) or {}).get("usage") if '"total_tokens"' in text else None
        total = usage.get("total_tokens") if isinstance(usage, dict) else None
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return total if total <= 1000 + len(exchange.body) + len(exchange.sent.body) else None
    return None


def _completed(headers: Headers) -> Headers:
    """The request's own headers, and what every request of ours has."""
    given = {name.lower() for name, _ in headers}
    ours = (("User-Agent", USER_AGENT), ("Accept-Encoding", "identity"))
    return (*headers, *(pair for pair in ours if pair[0].lower() not in given))

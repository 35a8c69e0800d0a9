"""One streamed answer read from a socket of our own: the clock is read at each `recv`, and parsing comes after.

Definitions, all from `perf_counter_ns`: *sent* is just before the request is written; *first* and *last* are the
arrivals of the first and the last payload with content; *end* is the arrival of `[DONE]`, or else of the answer's end.
Law: every way in which an answer can end has one name, and only a stream that said it was complete is `ok`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise

import gevent

from loadtests.pool import Connection, Pool, Unreachable
from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import EventScanner, Tally, TooLarge, excerpt

# refused: no connection (name, port, TLS). reset: closed before an answer. cut: closed inside one, or ended without
# finish_reason or [DONE]. abandoned: given up by us when the run was stopped.
OUTCOMES = (
    "ok", "429", "4xx", "5xx", "refused", "reset", "timeout", "cut", "sse-error", "malformed", "too-large", "abandoned",
)  # fmt: skip

_RECEIVE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much of an answer is read, in bytes, and how long we wait (s) for a complete one to end properly."""

    head: int = 1 << 16
    event: int = 1 << 20
    body: int = 1 << 26
    error: int = 1 << 14
    linger: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What became of one request. Times are `perf_counter_ns`, 0 for what did not happen.

    `gaps` are the ns between consecutive payloads with content; `prompt_tokens` and `completion_tokens` are the
    endpoint's own count, None when it gave none.
    """

    outcome: str
    detail: str = ""
    status: int | None = None
    started: int = 0
    sent: int = 0
    first: int = 0
    last: int = 0
    end: int = 0
    chunks: int = 0
    gaps: tuple[int, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish: str = ""
    retry_after: str = ""
    size: int = 0
    reused: bool = False


class _Ended(Exception):
    """The answer ended otherwise than well: an outcome and a detail."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


@dataclass
class _Course:
    """What is known so far of a request under way."""

    bounds: Bounds
    started: int
    reply: Reply
    scanner: EventScanner
    tally: Tally = field(default_factory=Tally)
    connection: Connection | None = None
    sent: int = 0
    end: int = 0
    size: int = 0
    reused: bool = False

    def reading(self, outcome: str, detail: str = "") -> Reading:
        times = self.tally.times
        prompt_tokens, completion_tokens = self.tally.usage()
        return Reading(
            outcome=outcome,
            detail=detail,
            status=self.reply.status if self.reply.headed else None,
            started=self.started,
            sent=self.sent,
            first=times[0] if times else 0,
            last=times[-1] if times else 0,
            end=self.end or time.perf_counter_ns(),
            chunks=len(times),
            gaps=tuple(later - earlier for earlier, later in pairwise(times)),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            finish=self.tally.finish,
            retry_after=self.reply.headers.get("retry-after", "")[:64],
            size=self.size,
            reused=self.reused,
        )


def read_stream(pool: Pool, request: bytes, *, deadline: float, bounds: Bounds | None = None) -> Reading:
    """Send a request and read its stream to the end or for `deadline` seconds, connecting included; never raises."""
    bounds = bounds or Bounds()
    course = _Course(bounds, time.perf_counter_ns(), Reply(most_head=bounds.head), EventScanner(most=bounds.event))
    # One timer for all of it: a timer for each recv would cost more than parsing.
    timer = gevent.Timeout(deadline)
    timer.start()
    try:
        outcome, detail = _converse(pool, request, course)
    except (_Ended, Unreachable, TooLarge, OSError, *NOT_HTTP) as error:
        outcome, detail = _classified(error)
    except gevent.Timeout as expired:
        if expired is not timer:
            raise
        outcome, detail = _timed_out(course, deadline)
    except gevent.GreenletExit:
        outcome, detail = "abandoned", "the run was stopped"
    finally:
        timer.close()
        if course.connection is not None:
            if course.reply.reusable:
                pool.give(course.connection)
            else:
                course.connection.close()
    return course.reading(outcome, detail)


def _converse(pool: Pool, request: bytes, course: _Course) -> tuple[str, str]:
    """The exchange as it goes when nothing breaks; everything else is raised."""
    connection = course.connection = pool.take()
    course.reused = connection.used > 0
    connection.used += 1
    course.sent = time.perf_counter_ns()
    connection.socket.sendall(request)
    reply = course.reply
    body, at = b"", 0
    while not reply.headed:
        body, at = _receive(connection, course)
    if reply.status != 200:
        return _refusal(connection, course, body)
    media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "text/event-stream":
        return "malformed", f"status 200 with {media or 'no content type'} in place of an event stream"
    _events(connection, course, body, at)
    return _verdict(course)


def _receive(connection: Connection, course: _Course) -> tuple[bytes, int]:
    """The body in what arrives next, and when it arrived; raises `_Ended` when the connection is closed too early."""
    data = connection.socket.recv(_RECEIVE)
    at = time.perf_counter_ns()
    if data:
        return course.reply.take(data), at
    if not course.reply.headed:
        raise _Ended("reset", "the connection was closed before an answer")
    try:
        course.reply.take(b"")
    except NOT_HTTP:
        if course.tally.done:
            # The stream had said that it was complete; only the connection is of no more use.
            return b"", at
        course.end = at
        raise _Ended("cut", "the connection was closed inside the answer") from None
    return b"", at


def _events(connection: Connection, course: _Course, body: bytes, at: int) -> None:
    """Read the events until the answer is complete."""
    reply, scanner, tally, bounds = course.reply, course.scanner, course.tally, course.bounds
    while True:
        if body:
            course.size += len(body)
            if course.size > bounds.body:
                raise TooLarge(f"the answer is longer than {bounds.body} bytes")
            for payload in scanner.feed(body):
                tally.take(payload, at)
        if tally.done:
            course.end = at
            _linger(connection, course)
            return
        if reply.complete:
            for payload in scanner.close():
                tally.take(payload, at)
            course.end = at
            return
        body, at = _receive(connection, course)


def _linger(connection: Connection, course: _Course) -> None:
    """Read what follows `[DONE]`, so that the connection can be used again; not for long and not much."""
    with gevent.Timeout(course.bounds.linger, False):
        room = 4096
        while not course.reply.complete and room > 0:
            try:
                data = connection.socket.recv(room)
                course.reply.take(data)
            except (OSError, *NOT_HTTP):
                return
            if not data:
                return
            room -= len(data)


def _refusal(connection: Connection, course: _Course, body: bytes) -> tuple[str, str]:
    """The outcome of an answer that is not 200, with the beginning of its body."""
    status = course.reply.status
    try:
        while not course.reply.complete and len(body) < course.bounds.error:
            body += _receive(connection, course)[0]
    except (_Ended, OSError, *NOT_HTTP):
        pass
    course.end = time.perf_counter_ns()
    course.size = len(body)
    return _by_status(status), f"status {status}: {excerpt(body)}" if body else f"status {status}"


def _timed_out(course: _Course, deadline: float) -> tuple[str, str]:
    """What a request is called whose time is up: what it had already shown itself to be, or else a timeout."""
    reply = course.reply
    if not course.sent:
        return "timeout", f"no connection in {deadline:g} s"
    if not reply.headed:
        return "timeout", f"no answer in {deadline:g} s"
    if reply.status != 200:
        return _by_status(reply.status), f"status {reply.status}"
    if course.tally.done:
        return _verdict(course)
    return "timeout", f"the stream had not ended after {deadline:g} s"


def _classified(error: Exception) -> tuple[str, str]:
    """The outcome of a request that an exception ended."""
    if isinstance(error, _Ended):
        return error.outcome, error.detail
    if isinstance(error, Unreachable):
        return "refused", str(error)
    if isinstance(error, TooLarge):
        return "too-large", str(error)
    if isinstance(error, OSError):
        return "reset", (error.strerror or str(error)).lower()
    return "malformed", f"not HTTP: {error}"


def _by_status(status: int) -> str:
    if status == 429:
        return "429"
    return f"{status // 100}xx" if 400 <= status < 600 else "malformed"


def _verdict(course: _Course) -> tuple[str, str]:
    """The outcome of a stream that was read to its end."""
    tally = course.tally
    if tally.error or course.scanner.error is not None:
        return "sse-error", tally.error or excerpt(course.scanner.error or b"")
    if tally.malformed:
        return "malformed", tally.malformed
    if not (tally.done or tally.finish):
        return "cut", "the stream ended without finish_reason or [DONE]"
    return "ok", ""

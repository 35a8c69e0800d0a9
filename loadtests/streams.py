"""One streamed answer read from a socket of our own: each piece has the time of its arrival, and parsing comes after.

Definitions, all from `perf_counter_ns`: *sent* is just before the request is written; *first* and *last* are the
arrivals of the first and the last payload with content; *end* is the arrival of `[DONE]`, or else of the answer's end.
Law: every way in which an answer can end has one name, and only a stream that said it was complete is `ok`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import gevent
import gevent.event

from loadtests.inbox import Listener
from loadtests.pool import Connection, Pool, Unreachable
from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import EventScanner, Tally, TooLarge, excerpt

# refused: no connection (name, port, TLS). reset: closed before an answer. cut: closed inside one, or ended without
# finish_reason or [DONE]. abandoned: given up by us when the run was stopped.
OUTCOMES = (
    "ok", "429", "4xx", "5xx", "refused", "reset", "timeout", "cut", "sse-error", "malformed", "too-large", "abandoned",
)  # fmt: skip


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
    endpoint's own count, None when it gave none. `text` is the beginning of the answer, where that was wanted.
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
    text: str = ""


class _Ended(Exception):
    """The answer ended otherwise than well: an outcome and a detail."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class _Course:
    """What is known so far of a request under way. `take` is called by the loop; `news` is set when something ended."""

    def __init__(self, bounds: Bounds, keep: int) -> None:
        self.started = time.perf_counter_ns()
        self.reply = Reply(most_head=bounds.head)
        self.scanner = EventScanner(most=bounds.event)
        self.tally = Tally(keep)
        self.news = gevent.event.Event()
        self.failure: Exception | None = None
        self.refusal = b""
        self.closed = False
        self.sent = self.end = self.size = 0
        self.reused = False
        self._bounds = bounds
        self._streaming = False

    def over(self) -> bool:
        """Whether nothing that may still come can change the outcome."""
        return self.tally.done or self.reply.complete or self.failure is not None

    def take(self, at: int, data: bytes, error: OSError | None) -> None:
        """What arrived at `at` (ns); no bytes are the end of the connection. Never raises."""
        if self.over():
            self._after_the_end(data)
            return
        try:
            if error is not None:
                raise error
            body = self._body(at, data)
            if self._streaming:
                self._events(body, at)
            elif self.reply.headed:
                self._begin(body, at)
        except (_Ended, TooLarge, OSError, *NOT_HTTP) as failed:
            self.failure = failed
        if self.over():
            self.end = self.end or at
            self.news.set()

    def _body(self, at: int, data: bytes) -> bytes:
        """The body in what arrived; raises `_Ended` when the connection was closed too early."""
        if data:
            return self.reply.take(data)
        if not self.reply.headed:
            raise _Ended("reset", "the connection was closed before an answer")
        try:
            return self.reply.take(b"")
        except NOT_HTTP:
            self.end = at
            raise _Ended("cut", "the connection was closed inside the answer") from None

    def _begin(self, body: bytes, at: int) -> None:
        """What comes with or after the head, until it is clear that it is a stream."""
        status = self.reply.status
        if status != 200:
            self.refusal += body
            if len(self.refusal) >= self._bounds.error:
                raise _Ended("cut", "enough of it is known")
            return
        media = self.reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "text/event-stream":
            raise _Ended("malformed", f"status 200 with {media or 'no content type'} in place of an event stream")
        self._streaming = True
        self._events(body, at)

    def _events(self, body: bytes, at: int) -> None:
        self.size += len(body)
        if self.size > self._bounds.body:
            raise TooLarge(f"the answer is longer than {self._bounds.body} bytes")
        tally = self.tally
        for payload in self.scanner.feed(body):
            tally.take(payload, at)
        if self.reply.complete and not tally.done:
            for payload in self.scanner.close():
                tally.take(payload, at)

    def _after_the_end(self, data: bytes) -> None:
        """What follows `[DONE]` decides only whether the connection can be used again."""
        self.closed = self.closed or not data
        with suppress(TooLarge, *NOT_HTTP):
            self.reply.take(data)
        self.news.set()

    def reading(self, outcome: str, detail: str = "") -> Reading:
        """What became of the request."""
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
            size=self.size or len(self.refusal),
            reused=self.reused,
            text=self.tally.text(),
        )


def read_stream(pool: Pool, request: bytes, *, deadline: float, bounds: Bounds | None = None, keep: int = 0) -> Reading:
    """Send a request and read its stream to the end or for `deadline` seconds, connecting included; never raises.

    `keep` is how many bytes of the text are wanted, at the least.
    """
    bounds = bounds or Bounds()
    course = _Course(bounds, keep)
    # One timer for all of it: a timer for each recv would cost more than parsing.
    timer = gevent.Timeout(deadline)
    timer.start()
    connection: Connection | None = None
    listener: Listener | None = None
    try:
        connection = pool.take()
        course.reused = connection.used > 0
        connection.used += 1
        course.sent = time.perf_counter_ns()
        connection.socket.sendall(request)
        listener = pool.inbox.listen(connection.socket, course.take)
        course.news.wait()
        outcome, detail = _ended(course)
        if course.tally.done and course.failure is None:
            _linger(course, bounds.linger)
    except (Unreachable, OSError) as error:
        outcome, detail = _classified(error)
    except gevent.Timeout as expired:
        if expired is not timer:
            raise
        pool.inbox.catch_up()
        outcome, detail = _timed_out(course, deadline)
    except gevent.GreenletExit:
        outcome, detail = "abandoned", "the run was stopped"
    finally:
        timer.close()
        clean = listener is not None and listener.close()
        if connection is not None:
            if clean and course.reply.reusable and not course.closed:
                pool.give(connection)
            else:
                connection.close()
                detail += pool.was_closed(connection) if outcome == "reset" else ""
    return course.reading(outcome, detail)


def _linger(course: _Course, seconds: float) -> None:
    """Wait for what follows `[DONE]`, so that the connection can be used again; not for long."""
    with gevent.Timeout(seconds, False):
        while not (course.reply.complete or course.closed):
            course.news.clear()
            course.news.wait()


def _ended(course: _Course) -> tuple[str, str]:
    """The outcome of a request that has ended by itself."""
    reply = course.reply
    if reply.headed and reply.status != 200:
        # The beginning of the body is for the log; how the connection ended after it changes nothing.
        status = f"status {reply.status}"
        return _by_status(reply.status), f"{status}: {excerpt(course.refusal)}" if course.refusal else status
    if course.failure is not None:
        return _classified(course.failure)
    return _verdict(course)


def _timed_out(course: _Course, deadline: float) -> tuple[str, str]:
    """What a request is called whose time is up: what it had already shown itself to be, or else a timeout."""
    reply = course.reply
    if not course.sent:
        return "timeout", f"no connection in {deadline:g} s"
    if course.over() or (reply.headed and reply.status != 200):
        return _ended(course)
    if not reply.headed:
        return "timeout", f"no answer in {deadline:g} s"
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

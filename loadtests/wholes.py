"""One answer that is not streamed, read from a socket of our own into the same `Reading` as a stream.

Law: it has no first token, since all of them come at once: such an answer counts in the time of a whole answer and in
no other latency.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import gevent

from conformance.wire.timing import content_of
from loadtests.pool import Connection, Pool, Unreachable
from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import TooLarge, excerpt
from loadtests.streams import Bounds, Reading

_RECEIVE = 1 << 16


@dataclass
class _Course:
    started: int
    reply: Reply
    sent: int = 0
    end: int = 0
    reused: bool = False
    body: bytes = b""


def read_whole(pool: Pool, request: bytes, *, deadline: float, bounds: Bounds | None = None, keep: int = 0) -> Reading:
    """Send a request and read its answer for `deadline` seconds at most, connecting included; never raises.

    With `keep` its text is wanted.
    """
    bounds = bounds or Bounds()
    course = _Course(time.perf_counter_ns(), Reply(most_head=bounds.head))
    connection: Connection | None = None
    timer = gevent.Timeout(deadline)
    timer.start()
    try:
        connection = pool.take()
        course.reused = connection.used > 0
        connection.used += 1
        course.sent = time.perf_counter_ns()
        connection.socket.sendall(request)
        outcome, detail = _read(connection, course, bounds)
    except Unreachable as error:
        outcome, detail = "refused", str(error)
    except TooLarge as error:
        outcome, detail = "too-large", str(error)
    except NOT_HTTP as error:
        outcome, detail = "malformed", f"not HTTP: {error}"
    except OSError as error:
        outcome, detail = ("cut" if course.reply.headed else "reset"), (error.strerror or str(error)).lower()
    except gevent.Timeout as expired:
        if expired is not timer:
            raise
        outcome, detail = "timeout", f"no whole answer in {deadline:g} s"
    except gevent.GreenletExit:
        outcome, detail = "abandoned", "the run was stopped"
    finally:
        timer.close()
        if connection is not None:
            if course.reply.reusable:
                pool.give(connection)
            else:
                connection.close()
                detail += pool.was_closed(connection) if outcome == "reset" else ""
    return _reading(course, outcome, detail, keep)


def _read(connection: Connection, course: _Course, bounds: Bounds) -> tuple[str, str]:
    reply = course.reply
    while not reply.complete:
        data = connection.socket.recv(_RECEIVE)
        if not data:
            if not reply.headed:
                return "reset", "the connection was closed before an answer"
            try:
                course.body += reply.take(b"")
            except NOT_HTTP:
                return "cut", "the connection was closed inside the answer"
            break
        course.body += reply.take(data)
        if len(course.body) > bounds.event:
            raise TooLarge(f"the answer is longer than {bounds.event} bytes")
    course.end = time.perf_counter_ns()
    if reply.status == 200:
        return _verdict(course.body)
    kind = "429" if reply.status == 429 else f"{reply.status // 100}xx" if 400 <= reply.status < 600 else "malformed"
    return kind, f"status {reply.status}: {excerpt(course.body)}" if course.body else f"status {reply.status}"


def _verdict(body: bytes) -> tuple[str, str]:
    """Whether a body with status 200 is an answer: JSON with a choice that says why it ended."""
    document = _document(body)
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return "malformed", f"status 200 without choices: {excerpt(body)}"
    if not choices[0].get("finish_reason"):
        return "malformed", "status 200 with a choice that has no finish_reason"
    return "ok", ""


def _reading(course: _Course, outcome: str, detail: str, keep: int) -> Reading:
    reply = course.reply
    document = _document(course.body) if outcome == "ok" else {}
    usage = document.get("usage")
    counted = usage if isinstance(usage, dict) else {}
    return Reading(
        outcome=outcome,
        detail=detail,
        status=reply.status if reply.headed else None,
        started=course.started,
        sent=course.sent,
        end=course.end or time.perf_counter_ns(),
        prompt_tokens=_count(counted.get("prompt_tokens")),
        completion_tokens=_count(counted.get("completion_tokens")),
        retry_after=reply.headers.get("retry-after", "")[:64],
        size=len(course.body),
        reused=course.reused,
        text=content_of(document)[:keep] if keep else "",
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _count(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None

"""Sends what a prober wants sent, over kept connections, and reads the answers whole.

Law: a request that was written is never written again; every answer is read within a bound of bytes and of time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.pool

from loadtests.limits.hints import seconds_of
from loadtests.limits.observed import Asked, Observation
from loadtests.limits.prober import Prober
from loadtests.limits.steps import Send
from loadtests.pool import Connection, Pool, Unreachable
from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import TooLarge

_RECEIVE = 1 << 16
_MOST_BODY = 1 << 20
_TICK = 0.5
_UNREACHED = 5


class Asker:
    """Runs one prober in real time; `bodies` makes the request for what is asked for and its number."""

    def __init__(
        self, prober: Prober, pool: Pool, bodies: Callable[[Asked, int], bytes], *, quota: str, deadline: float
    ) -> None:
        self.prober = prober
        self.prompt_tokens = self.completion_tokens = 0
        self.refusal = ""
        self.reason = ""
        self._pool = pool
        self._bodies = bodies
        self._quota = quota
        self._deadline = deadline
        self._begun = time.monotonic()
        self._news = gevent.event.Event()
        self._group = gevent.pool.Group()
        self._number = 0
        self._unreached = 0

    def run(self) -> float:
        """Search to the end; returns the seconds that it took. Never raises for what the endpoint does."""
        try:
            while (step := self.prober.next(self.now())) is not None:
                if isinstance(step, Send):
                    self._number += 1
                    self._group.spawn(self._one, step.asked, self._bodies(step.asked, self._number))
                    continue
                self._news.wait(timeout=min(_TICK, max(0.001, step.until - self.now())))
                self._news.clear()
        finally:
            self._group.kill(timeout=_TICK)
            self._pool.close()
        return self.now()

    def stop(self, reason: str) -> None:
        """Send nothing more; the search is not valid, for that reason."""
        self.reason = self.reason or reason
        self.prober.stop(reason)
        self._news.set()

    def now(self) -> float:
        """Seconds on the run's clock."""
        return time.monotonic() - self._begun

    def _one(self, asked: Asked, request: bytes) -> None:
        answer = _Answer(self.now())
        try:
            with gevent.Timeout(self._deadline, TimeoutError("no answer in time")):
                self._converse(request, answer)
        except (OSError, Unreachable, TooLarge, *NOT_HTTP) as error:
            self._failed(str(error), reached=answer.wrote)
        finally:
            if answer.connection is not None:
                if answer.reply.reusable:
                    self._pool.give(answer.connection)
                else:
                    answer.connection.close()
        self._take(asked, answer)

    def _converse(self, request: bytes, answer: _Answer) -> None:
        connection = answer.connection = self._pool.take()
        answer.sent = self.now()
        answer.wrote = True
        connection.used += 1
        connection.socket.sendall(request)
        reply = answer.reply
        while not reply.complete:
            data = connection.socket.recv(_RECEIVE)
            if not data and not reply.headed:
                raise OSError("the connection was closed before an answer")
            answer.body += reply.take(data)
            if len(answer.body) > _MOST_BODY:
                raise TooLarge("the answer is too long")
            if not data:
                break

    def _failed(self, why: str, *, reached: bool) -> None:
        self._unreached = 0 if reached else self._unreached + 1
        if self._unreached >= _UNREACHED:
            self.stop(f"unreachable: {why}")

    def _take(self, asked: Asked, answer: _Answer) -> None:
        status = answer.reply.status if answer.reply.headed else None
        document = answer.document()
        usage = document.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        prompt, completion = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0
        headers = answer.reply.headers
        passed = None if status is None or status >= 500 else status != 429
        if passed and status != 200 and asked.kind != "broken":
            self.refusal = answer.body[:200].decode("utf-8", "replace")
            if self.prober.sent <= _UNREACHED or status in (401, 403, 404):
                self.stop(f"the endpoint refuses what the search asks for: status {status}: {self.refusal}")
        told = {name: _number(headers, f"x-ratelimit-{name}-{self._quota}") for name in ("limit", "remaining")}
        self.prober.take(
            Observation(
                sent=answer.sent,
                answered=self.now(),
                passed=passed,
                status=status,
                asked=asked,
                retry_after=_retry_after(headers),
                limit=told["limit"],
                remaining=told["remaining"],
                reset=seconds_of(headers.get(f"x-ratelimit-reset-{self._quota}", "")),
                about=_about(answer.body) if status == 429 else "",
                used=None if prompt is None and completion is None else (prompt or 0) + (completion or 0),
            )
        )
        self._news.set()


class _Answer:
    """What came back of one request so far."""

    def __init__(self, sent: float) -> None:
        self.sent = sent
        self.wrote = False
        self.body = b""
        self.reply = Reply()
        self.connection: Connection | None = None

    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e9 else None


def _number(headers: dict[str, str], name: str) -> float | None:
    """A header's number, by its whole name; some only say `x-ratelimit-limit`."""
    text = headers.get(name, "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds to wait, in either of the two headers in use."""
    exact = seconds_of(headers.get("retry-after-ms", ""))
    return exact / 1000 if exact is not None else seconds_of(headers.get("retry-after", ""))


def _about(body: bytes) -> str:
    """Which quota a refusal names."""
    text = body[:2000].lower()
    named = [name for name in ("requests", "tokens") if name.encode() in text]
    return named[0] if len(named) == 1 else ""

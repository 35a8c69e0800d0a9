"""How long an endpoint asks to be left alone after a 429, in whatever way it says so, and how often it is obeyed.

Law: an endpoint that answers once it was waited for is waited for as long as it asks.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from conformance.wire.exchange import Exchange, NotJson, Sent

THROTTLED = 429

_NUMBER = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*")
_SENTENCE = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(\d{1,12}(?:\.\d{1,6})?)\s*(milliseconds?|ms|seconds?|s|minutes?|m)?\b",
    re.IGNORECASE,
)
_HEAD = 4096

# What an endpoint may throttle by itself: a path, and whether a stream is asked for.
Kind = tuple[str, str, bool]
# So many requests of a kind, each waited for as long as the endpoint asked, and the next are waited for less.
IN_VAIN = 3
# How often it is tried whether waiting helps again.
AGAIN = 5


def kind_of(sent: Sent) -> Kind:
    """The kind of a request."""
    try:
        body = sent.json
    except NotJson:
        body = None
    return sent.method, sent.path, isinstance(body, dict) and body.get("stream") is True


class Patience:
    """Counts, by kind, the requests in a row for which waiting after a 429 was in vain; safe for threads.

    The first three are sent as often as is allowed, the next three twice, and those after them once, every fifth of
    them twice: where streams are never let through, a minute for each of fifty checks says no more than a minute for
    the first. One answer after a 429, and everything is as before. An answer without one does not count: what is
    throttled may be some requests of the kind only.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._lock = threading.Lock()
        self._in_vain: Counter[Kind] = Counter()

    def attempts(self, kind: Kind) -> int:
        """How often a request of that kind is sent at most, at least once."""
        with self._lock:
            before = self._in_vain[kind]
        if before < IN_VAIN:
            return self._attempts
        return min(self._attempts, 2 if before < 2 * IN_VAIN or before % AGAIN == 0 else 1)

    def in_vain(self, kind: Kind) -> int:
        """How many waits for requests of that kind were in vain, in a row; the one that ends now is counted."""
        with self._lock:
            self._in_vain[kind] += 1
            return self._in_vain[kind]

    def helped(self, kind: Kind) -> None:
        """Take note that a request of that kind was answered after a 429."""
        with self._lock:
            self._in_vain.pop(kind, None)


def wait_asked(exchange: Exchange, *, now: datetime | None = None) -> float | None:
    """The seconds that an answer asks a client to wait; None when it says nothing that can be understood.

    In this order: `retry-after-ms`, `x-ms-retry-after-ms` (milliseconds), `retry-after` (seconds, or a date: RFC 9110,
    10.2.3), and a sentence such as 'Try again in 2 seconds' in the body. A date is compared with the answer's own
    `date`, since the endpoint's clock need not be ours.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        found = _NUMBER.fullmatch(exchange.header(name) or "")
        if found:
            return float(found[1]) / 1000
    value = exchange.header("retry-after") or ""
    found = _NUMBER.fullmatch(value)
    if found:
        return float(found[1])
    until = _date(value)
    if until is not None:
        start = _date(exchange.header("date") or "") or now or datetime.now(UTC)
        return max(0.0, (until - start).total_seconds())
    sentence = _SENTENCE.search(exchange.body[:_HEAD].decode("utf-8", "replace"))
    if sentence is None:
        return None
    unit = (sentence[2] or "s").lower()
    scale = 0.001 if unit.startswith(("ms", "milli")) else 60.0 if unit.startswith("m") else 1.0
    return float(sentence[1]) * scale


def backoff(attempt: int, asked: float | None) -> float:
    """The seconds to wait after the how-manieth 429 (from 1).

    An endpoint that says nothing is given 2, 6, 18, 54 seconds: together longer than the minute for which its limits
    are counted. One that says something is obeyed, and given more each time that this was not enough.
    """
    if asked is None:
        return 2.0 * 3.0 ** (attempt - 1)
    return max(asked, 0.5 * 2.0 ** (attempt - 1))


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

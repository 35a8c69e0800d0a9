"""How long an endpoint asks to be left alone after a 429, in whatever way it says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from conformance.wire.exchange import Exchange

THROTTLED = 429

_NUMBER = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*")
_SENTENCE = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(\d{1,12}(?:\.\d{1,6})?)\s*(milliseconds?|ms|seconds?|s|minutes?|m)?\b",
    re.IGNORECASE,
)
_HEAD = 4096


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

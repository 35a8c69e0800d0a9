"""What a 429 says, looked at in those that the run met by itself: none is provoked, since that would spend a quota.

Law: without a 429 nothing is said; a pass means that there were some, and that they were in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise, takewhile

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.throttle import THROTTLED, wait_asked
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange, NotJson

# These look back on all others, also on those that are as late.
LAST_OF_ALL = 90
# Quotas here are counted by the minute, elsewhere by the day; a client told to wait longer will never come back.
LONGEST = timedelta(days=1).total_seconds()
# One wait may be cut short by rounding or by a window that slides; two in a row, each obeyed, told nothing.
IN_VAIN = 2
# Seconds by which two readings of a clock may disagree.
CLOCK = 0.05
_WAITS_MS = ("retry-after-ms", "x-ms-retry-after-ms")
_COUNTERS = ("x-ratelimit-", "x-rate-limit-", "ratelimit")


def met(api: Api) -> tuple[Exchange, ...]:
    """The 429s of the run; `Skip` when there was none."""
    found = api.throttled()
    if not found:
        raise Skip("no 429 came during the run, and none is provoked; the load profiles find the limits")
    return found


@check(
    "limits.answer",
    cites=["limits.answer"],
    settles=["erratum.throttle-headers"],
    routes=(),
    when="last",
    cost=LAST_OF_ALL,
)
def a_429_explains_itself(api: Api) -> None:
    """Each 429 that came has a JSON object that explains it."""
    for exchange in met(api):
        try:
            document = exchange.json
        except NotJson as error:
            raise Violation(f"the body of a 429 is not JSON: {error}", exchange) from None
        expect(isinstance(document, dict) and document, "the body of a 429 is no JSON object with content", exchange)
        api.reading("erratum.throttle-headers", _told(exchange), exchange)


def _told(exchange: Exchange) -> str:
    names = [name.lower() for name, _ in exchange.headers]
    if any(name in ("retry-after", *_WAITS_MS) for name in names):
        return "retry-after"
    return "counters" if any(name.startswith(_COUNTERS) for name in names) else "silent"


@a_429_explains_itself.mutant
def throttles_with_a_web_page(answer: Answer) -> Answer:
    """Answers what is too much with a web page."""
    page = (("content-type", "text/html"),)
    return Answer(answer.ask, 429, page, b"<h1>Too Many Requests</h1>") if answer.status == THROTTLED else answer


@a_429_explains_itself.mutant
def throttles_in_silence(answer: Answer) -> Answer:
    """Answers what is too much with an empty object."""
    return answer.with_json({}) if answer.status == THROTTLED else answer


@check("limits.wait-suffices", cites=["limits.wait_suffices"], routes=(), when="last", cost=LAST_OF_ALL)
def the_wait_suffices(api: Api) -> None:
    """A request that is sent again after the wait that a 429 asked for is not throttled again and again."""
    told = [run for run in repeated(met(api)) if wait_asked(run[0]) is not None]
    if not told:
        raise Skip("no 429 of the run said how long to wait")
    for run in told:
        in_vain = sum(1 for _ in takewhile(lambda pair: _obeyed(*pair), pairwise(run)))
        if in_vain >= IN_VAIN:
            waits = ", ".join(f"{wait_asked(exchange) or 0:g}" for exchange in run[:in_vain])
            raise Violation(
                f"a request waited as it was told ({waits} s) and got 429 after each wait; no other request of ours "
                "was between, but others may share the quota",
                *run[: in_vain + 1],
            )


@the_wait_suffices.mutant
def promises_too_much(answer: Answer) -> Answer:
    """Asks to come back at once, whenever the quota will be whole again."""
    return answer.with_header("retry-after", "0") if answer.status == THROTTLED else answer


def repeated(throttled: Sequence[Exchange]) -> list[list[Exchange]]:
    """The 429s of each request that was sent again and again with no other request of ours between."""
    runs: list[list[Exchange]] = []
    for exchange in sorted(throttled, key=lambda one: one.id):
        before = runs[-1][-1] if runs else None
        again = before is not None and (before.scope, before.ordinal) == (exchange.scope, exchange.ordinal)
        if before is not None and again and _number(exchange) == _number(before) + 1:
            runs[-1].append(exchange)
        else:
            runs.append([exchange])
    return runs


def _number(exchange: Exchange) -> int:
    """The place of an exchange among all that were begun; what has no number has no neighbour."""
    digits = exchange.id.lstrip("x")
    return int(digits) if digits.isdigit() else -2


def _obeyed(refused: Exchange, again: Exchange) -> bool:
    """Whether a request was sent again no sooner than the answer before asked for."""
    asked = wait_asked(refused)
    return asked is not None and again.started - refused.started - refused.end_ns / 1e9 >= asked - CLOCK


@check("limits.retry-after", cites=["limits.retry_after"], routes=(), when="last", cost=LAST_OF_ALL)
def the_wait_can_be_understood(api: Api) -> None:
    """The Retry-After of each 429 that has one is a number of seconds or a date, and no more than a day away."""
    told = [(exchange, exchange.header("retry-after")) for exchange in met(api)]
    waits = [(exchange, value.strip()) for exchange, value in told if value is not None]
    if not waits:
        raise Skip("no 429 of the run had a Retry-After")
    for exchange, value in waits:
        seconds = _seconds(value, exchange)
        expect(seconds is not None, f"Retry-After is {value[:60]!r}, neither whole seconds nor a date", exchange)
        expect((seconds or 0) <= LONGEST, f"Retry-After is {value[:60]!r}, which is more than a day away", exchange)


def _seconds(value: str, exchange: Exchange) -> float | None:
    """The seconds that a value means, a date counted from the answer's own; None for what is neither."""
    if value.isascii() and value.isdigit():
        return float(value) if len(value) < 18 else float("inf")
    try:
        until = parsedate_to_datetime(value)
        start = parsedate_to_datetime(exchange.header("date") or "")
        return (until - start).total_seconds()
    except (ValueError, IndexError, OverflowError, TypeError):
        # A date without one to compare it with is still a date.
        return 0.0 if _is_date(value) else None


def _is_date(value: str) -> bool:
    try:
        parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError, TypeError):
        return False
    return True


@the_wait_can_be_understood.mutant
def waits_for_soon(answer: Answer) -> Answer:
    """Says `soon` where seconds belong."""
    return answer.with_header("retry-after", "soon") if answer.status == THROTTLED else answer


@the_wait_can_be_understood.mutant
def counts_backwards(answer: Answer) -> Answer:
    """Asks to wait a negative time."""
    return answer.with_header("retry-after", "-5") if answer.status == THROTTLED else answer


@the_wait_can_be_understood.mutant
def tells_milliseconds(answer: Answer) -> Answer:
    """Gives the moment itself, in milliseconds since 1970, as the seconds to wait."""
    return answer.with_header("retry-after", "1790000000000") if answer.status == THROTTLED else answer

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from conformance.throttle import backoff, wait_asked
from conformance.wire.exchange import Exchange, Sent

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def _asked(*headers: tuple[str, str], body: bytes = b"") -> float | None:
    return wait_asked(
        Exchange("x", "s", 0, Sent("POST", "/", ()), 0.0, status=429, headers=headers, body=body), now=NOW
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Retry-After", "3")], 3),
        ([("retry-after", " 0 ")], 0),
        ([("Retry-After", "1.5")], 1.5),
        ([("Retry-After-Ms", "250")], 0.25),
        ([("x-ms-retry-after-ms", "1500")], 1.5),
        ([("Retry-After", "9"), ("retry-after-ms", "100")], 0.1),
        ([("Retry-After", "Sun, 22 Nov 2026 12:00:30 GMT")], 30),
        ([("Retry-After", "Sun, 22 Nov 2026 11:00:00 GMT")], 0),
        ([("Retry-After", "Sun, 22 Nov 2026 12:00:30 GMT"), ("Date", "Sun, 22 Nov 2026 12:00:25 GMT")], 5),
        ([("Retry-After", "-5")], None),
        ([("Retry-After", "nan")], None),
        ([("Retry-After", "1e9")], None),
        ([("Retry-After", "9" * 400)], None),
        ([("Retry-After", "soon")], None),
        ([("Retry-After", "Sun, 99 Foo 2026 12:00:30 GMT")], None),
        ([("Retry-After", "")], None),
        ([], None),
    ],
)
def test_headers(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert _asked(*headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"error":{"code":"429","message":"Rate limit is exceeded. Try again in 2 seconds."}}', 2),
        (b"Please retry after 1 second.", 1),
        (b"please TRY AGAIN IN 20ms", 0.02),
        (b"Try again in 1.5s", 1.5),
        (b"Try again in 2 minutes", 120),
        (b"Try again in 7", 7),
        (b"\xff\xfe Try again in 3 seconds", 3),
        (b"Try again tomorrow", None),
        (b"", None),
    ],
)
def test_sentences(body: bytes, seconds: float | None) -> None:
    assert _asked(body=body) == seconds


def test_a_header_is_believed_before_a_sentence() -> None:
    assert _asked(("Retry-After", "4"), body=b"Try again in 9 seconds") == 4


def test_silence_is_waited_out_for_more_than_a_minute_in_all() -> None:
    assert sum(backoff(attempt, None) for attempt in range(1, 5)) > 60


def test_what_is_asked_is_the_least_that_is_waited() -> None:
    assert [backoff(attempt, 1.0) for attempt in range(1, 5)] == [1, 1, 2, 4]
    assert backoff(1, 30.0) == 30

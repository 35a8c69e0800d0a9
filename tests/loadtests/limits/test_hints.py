from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loadtests.limits.hints import promises, seconds_of
from loadtests.limits.observed import Observation

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("1m30s", 90.0),
        ("20ms", 0.02),
        ("Thu, 01 Jan 2026 12:00:09 GMT", 9.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
    ],
)
def test_a_time_to_wait_is_read_in_every_form_in_use(text: str, seconds: float | None) -> None:
    assert seconds_of(text, NOW) == seconds


def refused(sent: float, wait: float | None) -> Observation:
    return Observation(sent=sent, answered=sent + 0.01, passed=False, status=429, retry_after=wait)


def passed(sent: float) -> Observation:
    return Observation(sent=sent, answered=sent + 0.01, passed=True, status=200)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ([refused(0, 5), passed(5.1)], "true"),
        ([refused(0, 5), passed(4.5)], "true"),
        ([refused(0, 5), passed(1)], "too long"),
        ([refused(0, 1), refused(2, 1), passed(9)], "too short"),
        ([refused(0, None), passed(9)], "absent"),
        ([refused(0, 5)], "untested"),
    ],
)
def test_a_promise_is_judged_by_what_tested_it(seen: list[Observation], verdict: str) -> None:
    assert promises(seen, 0.01).verdict == verdict

from __future__ import annotations

from typing import Any

import pytest

from reports.limit_slo import judge_limit, summarize_limit
from reports.limits import headline, limit_from, limit_rows


def record(**changes: Any) -> dict[str, Any]:
    verdict = {
        "quota": "requests",
        "found": True,
        "low": 996.0,
        "high": 1004.0,
        "documented": 1000.0,
        "kind": "token bucket",
        "rivals": [],
        "meters": [{"kind": "bucket", "holds": [1000, 1001], "a_minute": [996, 1004], "rate": 16.67}],
        "retry_after": {"verdict": "true"},
        "told_limit": {"verdict": "absent"},
        "told_remaining": {"verdict": "too high"},
        "open": "",
        "ended": "enough was seen",
    } | changes
    return {
        "type": "limit",
        "profile": "request-limit",
        "plan": {},
        "valid": True,
        "reason": "",
        "seconds": 30.0,
        "counts": {"ok": 1500, "429": 12},
        "tokens": {"prompt": 20_000, "completion": 1_500},
        "verdict": verdict,
        "observations": [],
    }


@pytest.mark.parametrize(
    ("least", "changes", "state"),
    [
        (990, {}, "pass"),
        (1000, {}, "not-enough"),
        (1100, {}, "fail"),
        (1100, {"high": None}, "not-enough"),
        (1100, {"found": False, "high": None, "low": 2000.0}, "pass"),
        (3000, {"found": False, "high": None, "low": 2000.0}, "not-enough"),
        (1100, {"rivals": ["fixed"]}, "not-enough"),
        (1100, {"others": {"low": 60.0, "high": 140.0}}, "not-enough"),
        (1100, {"others": {"low": 0.0, "high": None}}, "not-enough"),
        (1100, {"others": {"low": 20.0, "high": 40.0}}, "fail"),
        (990, {"others": {"low": 20.0, "high": 40.0}}, "pass"),
    ],
)
def test_an_objective_is_judged_by_the_bounds(least: float, changes: dict[str, Any], state: str) -> None:
    assert judge_limit("rpm_limit_at_least", least, limit_from(record(**changes))).state == state


def test_an_objective_of_the_other_quota_is_not_judged_by_this_search() -> None:
    assert summarize_limit(limit_from(record()), {"tpm_limit_at_least": 1, "ttft_p95_ms": 1}).slos == ()


def test_a_search_that_is_not_valid_judges_nothing() -> None:
    limit = limit_from(record() | {"valid": False, "reason": "interrupted"})
    assert judge_limit("rpm_limit_at_least", 1, limit).state == "not-judged"
    assert headline(limit) == "not valid: interrupted"


def test_no_limit_is_told_with_how_far_was_looked() -> None:
    limit = limit_from(record(found=False, high=None, low=2100.0, kind="", meters=[]))
    assert headline(limit) == "no limit found up to 2,100 requests a minute"
    assert "kind" not in dict(limit_rows(limit))


def test_the_rows_say_what_was_found() -> None:
    rows = dict(limit_rows(limit_from(record())))
    assert rows["limit"] == "996 to 1,004 requests a minute"
    assert rows["kind"] == "token bucket"
    assert rows["x-ratelimit-remaining"] == "too high"
    assert rows["documented"] == "1,000 requests a minute: within what was found"


def test_others_on_the_quota_and_what_would_not_have_shown_are_said() -> None:
    rows = dict(limit_rows(limit_from(record(others={"low": 28.0, "high": 68.0}, unseen=685.0))))
    assert rows["others"] == "others use this quota, 28 to 68 a minute; what is found is what they leave over"
    assert rows["behind it"] == "a larger bucket of 685 or more a minute would not have shown yet"
    assert "others" not in dict(limit_rows(limit_from(record())))


@pytest.mark.parametrize("damage", [{"quota": "lines"}, {"low": "much"}])
def test_a_damaged_record_is_no_limit(damage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quota|convert"):
        limit_from(record(**damage))


@pytest.mark.parametrize(
    ("tariff", "said"),
    [
        ({"admission": True, "settled": True, "multiplied": True}, ("before", "corrected", "multiplies")),
        ({"admission": True, "settled": False, "multiplied": False}, ("before", "never", "does not multiply")),
        ({"admission": False, "settled": True, "multiplied": None}, ("does not count", "when the answer", "nothing")),
        ({"admission": None, "settled": True, "multiplied": None}, ("undecided", "only what", "undecided")),
        (None, ("undecided", "undecided", "undecided")),
    ],
)
def test_how_tokens_are_charged_is_a_line_each(tariff: dict[str, Any] | None, said: tuple[str, ...]) -> None:
    rows = dict(limit_rows(limit_from(record(quota="tokens", tariff=tariff))))
    lines = [rows[name] for name in ("charged when asked", "charge settled", "best_of")]
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_candidates_by_another_name_are_named_so() -> None:
    tariff = {"admission": True, "settled": True, "multiplied": True, "candidates": "n"}
    assert "multiplies" in dict(limit_rows(limit_from(record(quota="tokens", tariff=tariff))))["n"]
    tariff = {"admission": True, "settled": True, "multiplied": None, "candidates": ""}
    assert "were refused" in dict(limit_rows(limit_from(record(quota="tokens", tariff=tariff))))["best_of"]

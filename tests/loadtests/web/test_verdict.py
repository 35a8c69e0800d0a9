from __future__ import annotations

from loadtests.web.verdict import limit_lines

FOUND = {
    "quota": "requests",
    "found": True,
    "low": 598.2,
    "high": 601.0,
    "kind": "token bucket",
    "documented": 1000.0,
    "contradictions": 0,
    "checked": 90,
}


def test_a_limit_is_told_with_its_bounds_and_against_what_is_documented() -> None:
    assert limit_lines({"limit": FOUND}) == [
        "the limit is 598.2 to 601 requests a minute, by a token bucket",
        "documented: 1,000 requests a minute, which was not let pass",
    ]
    within = limit_lines({"limit": [{**FOUND, "documented": 600.0}]})
    assert within[1].endswith("which agrees")
    open_end = limit_lines({"limit": {**FOUND, "high": None, "contradictions": 9}})
    assert open_end == [
        "the limit is at least 598.2 requests a minute, by a token bucket",
        "documented: 1,000 requests a minute",
        "9 of 90 observations contradict that",
    ]


def test_no_limit_is_named_where_none_was_found() -> None:
    none = {"quota": "tokens", "found": False, "passed_in_minute": 250000.0}
    assert limit_lines({"limit": none}) == ["no limit of tokens was found: 250,000 passed within a minute"]
    assert limit_lines({}) == []
    assert limit_lines({"limit": None}) == []

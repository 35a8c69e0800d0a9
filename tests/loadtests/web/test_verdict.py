from __future__ import annotations

from typing import Any

from loadtests.web.verdict import verdict_lines
from tests.reports import loads

RECORD: dict[str, Any] = {
    "type": "limit",
    "profile": "request-limit",
    "verdict": {
        "quota": "requests",
        "found": True,
        "low": 598.0,
        "high": 601.0,
        "documented": 1000.0,
        "kind": "bucket",
    },
    "counts": {"ok": 600, "429": 60},
    "seconds": 90.0,
    "valid": True,
}


def test_a_search_is_told_as_its_report_tells_it() -> None:
    lines = verdict_lines(RECORD)
    assert lines[0].startswith("limit: 598 to 601 ")
    assert "kind: bucket" in lines
    assert any(line.startswith("documented: ") for line in lines)


def test_a_load_that_searches_for_nothing_has_no_verdict() -> None:
    assert verdict_lines({"type": "load", "valid": True}) == []


def test_a_capacity_is_told_as_its_report_tells_it() -> None:
    found = loads.record("capacity")
    lines = verdict_lines({**found, "valid": True})
    assert lines[0].startswith("Capacity: at least 12 and below 13 requests per second, with 95 % confidence")
    assert verdict_lines({**found, "valid": False}) == []

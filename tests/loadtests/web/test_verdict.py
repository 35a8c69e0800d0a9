from __future__ import annotations

from typing import Any

from loadtests.web.verdict import limit_lines

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
    lines = limit_lines(RECORD)
    assert lines[0].startswith("limit: 598 to 601 ")
    assert "kind: bucket" in lines
    assert any(line.startswith("documented: ") for line in lines)


def test_a_load_has_no_verdict_on_a_limit() -> None:
    assert limit_lines({"type": "load"}) == []

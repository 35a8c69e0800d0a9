"""The quick search for missed faults: it sees what there is to see, and says what it did not see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.detection import search
from conformance.check import Check


def test_a_fault_is_seen_and_what_nobody_looks_for_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few: dict[str, Check] = {name: search.CHECKS[name] for name in ("chat.answers", "chat.usage.sum")}
    monkeypatch.setattr(search, "CHECKS", few)
    log = tmp_path / "found.jsonl"
    assert search.main(["usage.total-*", "auth.none", "legal.key-order", "--output", str(log)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in told[:-1]] == [["missed", "auth.none:"]]
    assert told[-1].endswith("0 of 1 variations flagged")
    results = [json.loads(line) for line in log.read_text().splitlines()]
    assert all("chat.usage.sum" in one["found"] for one in results if one["id"].startswith("usage."))
    assert len(results) >= 3

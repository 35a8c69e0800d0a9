"""The course over time, the kinds of a mix, and all gauges together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.collect import RecordError
from loadtests.gauges import Gauges, merged_gauges
from loadtests.plans import plan
from loadtests.profiles import PROFILES
from loadtests.timeline import STEP, Timeline, bucket, resident_mb, window_of
from tests.loadtests.made import sample


@pytest.mark.parametrize(("seconds", "window"), [(1, 0.25), (10, 0.25), (30, 1.0), (48, 1.0), (60, 2.0), (3600, 100.0)])
def test_windows_are_round_and_some_fifty_at_the_most(seconds: float, window: float) -> None:
    assert window_of(seconds) == window
    assert seconds / window <= 48.01


@pytest.mark.parametrize("milliseconds", [0.02, 0.7, 33.0, 950.0, 60_000.0])
def test_a_latency_is_counted_to_the_step(milliseconds: float) -> None:
    place = bucket(milliseconds)
    assert 0.01 * STEP ** (place - 1) <= milliseconds * 1.0000001
    assert milliseconds <= 0.01 * STEP**place * 1.0000001
    assert bucket(0.0) == bucket(-5.0) == 1
    assert bucket(1e30) == 1000


def test_a_request_belongs_to_when_it_was_due_however_late_it_ended() -> None:
    line = Timeline(10.0)
    line.add(sample(due=0.3, late=5.0), good=False)
    line.add(sample(due=9.9), good=True)
    line.add(sample(due=9.95, outcome="429"), good=False)
    line.add(sample(due=9.95, outcome="5xx"), good=False)
    first, last = line.to_record()["windows"]
    assert (first["at"], last["at"]) == (1, 39)
    assert first["ttft"] == [(bucket(5100.0), 1)]
    assert [last[name] for name in ("requests", "ok", "throttled", "good")] == [3, 1, 1, 1]
    # Written as numbers: a log with `true` for a count would be refused when it is read.
    assert '"ok": 1,' in json.dumps(first)


def test_memory_is_told_or_not() -> None:
    assert resident_mb() > 1
    assert resident_mb(Path("/nowhere")) == 0.0


def test_workers_together_gauge_what_one_would_have() -> None:
    made = plan(PROFILES["mixed"], {"goodput": "ttft:200"})
    whole, *parts = (Gauges(made) for _ in range(4))
    for number in range(60):
        asked = made.workload.asked(0, number)
        one = sample(due=number / 3, ttft=0.1 + 0.005 * number, outcome="ok" if number % 7 else "5xx")
        whole.add(one, asked)
        parts[number % 3].add(one, asked)
    for part in parts[1:]:
        parts[0].merge(json.loads(json.dumps(part.to_record())))
    alone = whole.to_record()
    together = parts[0].to_record()
    assert merged_gauges([together]) == together
    for record in (together, alone):
        for window in record["timeline"]["windows"]:
            del window["memory_mb"]
    assert together == alone
    assert sum(kind["requests"] for kind in alone["kinds"].values()) == 60
    assert alone["goodput"]["failed"] == 9


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("timeline", {"window": 9.0}),
        ("timeline", {"windows": [{"at": 1}]}),
        ("timeline", {"windows": 3}),
        ("kinds", {"chat": {"requests": 1, "ok": 1, "encoded": "x"}}),
        ("kinds", {"chat": None}),
        ("goodput", {"bounds": {"e2e": 1.0}}),
    ],
)
def test_what_is_no_part_of_this_run_is_not_added(part: str, change: dict[str, Any]) -> None:
    made = plan(PROFILES["mixed"])
    record = Gauges(made).to_record()
    record[part] = {**record[part], **change}
    with pytest.raises(RecordError):
        Gauges(made).merge(record)
    with pytest.raises(RecordError):
        Gauges(made).merge({})
    with pytest.raises(RecordError):
        merged_gauges([{}])
    with pytest.raises(RecordError):
        merged_gauges([Gauges(made).to_record(), record])

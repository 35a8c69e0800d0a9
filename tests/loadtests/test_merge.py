from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from loadtests.collect import Collector, RecordError
from loadtests.gauges import Gauges
from loadtests.merge import merged
from loadtests.plans import plan
from loadtests.profiles import PROFILES
from tests.loadtests.test_collect import MS, made

PLAN = plan(PROFILES["streaming"], {"goodput": "ttft:5000"})


def record(index: int, **changes: Any) -> dict[str, Any]:
    """What one of two shares reports: `index` + 3 streams, each slower than the one before."""
    figures = Collector()
    gauges = Gauges(PLAN)
    samples = [made("5xx", detail=f"status 50{index}")]
    for number in range(index + 3):
        first = made().reading.sent + (100 + 10 * number + index) * MS
        samples.append(made(first=first, last=first + 60 * MS, end=first + 61 * MS))
    for number, one in enumerate(samples):
        figures.add(one)
        gauges.add(one, PLAN.workload.asked(1, number))
    whole = {
        "type": "load",
        "profile": "streaming",
        "plan": {"requests": 9},
        **figures.to_record(),
        **gauges.to_record(),
        "seconds": 2.0 + index,
        "valid": True,
        "reason": "",
        "rate": {"planned": 2.5, "achieved": 2.4},
        "unsent": index,
        "warmup": {"counts": {"ok": 1}, "tokens": 10},
        "client": {"cpu": 0.5, "peak_rss_mb": 60.5, "gc": {"pauses": 2, "total_ms": 1.5, "longest_ms": 1.0 + index}},
        "proxy": "",
        "self_check": {"streams": 8, "ttft_p50_ms": 0.1 * (index + 1), "arrival_p95_ms": 0.2 * (index + 1)},
        **changes,
    }
    return json.loads(json.dumps(whole))  # type: ignore[no-any-return]


def test_the_whole_is_what_one_process_would_have_counted() -> None:
    whole = merged([record(0), record(1)], 2)
    one = Collector()
    for index in range(2):
        one.merge(record(index))
    expected = one.to_record()
    assert {name: whole[name] for name in expected} == expected
    assert whole["counts"] == {"5xx": 2, "ok": 7}
    assert (whole["goodput"]["requests"], whole["goodput"]["failed"], whole["goodput"]["good"]) == (9, 2, 7)
    assert sum(window["requests"] for window in whole["timeline"]["windows"]) == 9
    assert (whole["valid"], whole["reason"], whole["seconds"], whole["unsent"]) == (True, "", 3.0, 1)
    assert whole["rate"] == {"planned": 5.0, "achieved": 4.8}
    assert whole["warmup"] == {"counts": {"ok": 2}, "tokens": 20}
    assert whole["client"] == {
        "cpu": 1.0,
        "peak_rss_mb": 121.0,
        "gc": {"pauses": 4, "total_ms": 3.0, "longest_ms": 2.0},
        "processes": 2,
    }
    assert whole["self_check"] == {"streams": 16, "ttft_p50_ms": 0.2, "arrival_p95_ms": 0.4}


@pytest.mark.parametrize(
    ("parts", "lost", "why"),
    [
        ([record(0)], ["worker 2 of the load's 2 was lost"], "worker 2"),
        ([record(0)], [], "1 of 2 shares"),
        ([record(0), record(1, valid=False, reason="late")], [], "late"),
        ([record(0, valid=False), record(1)], [], "a part is not valid"),
    ],
)
def test_a_part_that_is_missing_or_not_valid_makes_the_whole_so(
    parts: list[dict[str, Any]], lost: list[str], why: str
) -> None:
    whole = merged(parts, 2, lost)
    assert not whole["valid"]
    assert why in whole["reason"]


def test_an_unchecked_part_makes_the_whole_unchecked() -> None:
    assert merged([record(0), record(1, self_check={"skipped": True})], 2)["self_check"] == {"skipped": True}


def test_nothing_and_nonsense_are_no_record() -> None:
    with pytest.raises(RecordError, match="all are lost"):
        merged([], 2, ["all are lost"])
    for name in ("plan", "client", "warmup", "histograms", "self_check"):
        damaged = copy.deepcopy(record(0))
        del damaged[name]
        with pytest.raises(RecordError):
            merged([damaged], 1)

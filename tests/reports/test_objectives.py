from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reports.gate import Gate
from reports.judge import judge
from reports.slo import GOODPUT_BOUNDS, OBJECTIVES, SloResult
from tests.reports import loads, samples
from tests.reports.samples import TODAY, Story


def judged(
    folder: Path, record: Mapping[str, Any], slo: Mapping[str, float], baseline: Mapping[str, Any] | None = None
) -> tuple[int, list[SloResult]]:
    run = Story(loads=[dict(record)], command="load").run(folder)
    earlier = Story(loads=[dict(baseline)], command="load").run(folder).loads if baseline else ()
    verdict = judge(run, Gate(slo=slo), TODAY, earlier)
    return verdict.exit_code, list(verdict.slos)


@pytest.mark.parametrize(
    ("record", "slo", "state"),
    [
        (loads.record(goodput=loads.goodput(400)), {"goodput_at_least": 0.95}, "pass"),
        (loads.record(goodput=loads.goodput(300)), {"goodput_at_least": 0.95}, "fail"),
        (loads.record(goodput=loads.goodput(390)), {"goodput_at_least": 0.95}, "not-enough"),
        (loads.record(goodput=loads.goodput(0, 0, failed=0, missed={})), {"goodput_at_least": 0.0}, "not-enough"),
        (loads.record(goodput=loads.goodput(400)), {"goodput_rate_at_least": 4.8}, "pass"),
        (loads.record(goodput=loads.goodput(400)), {"goodput_rate_at_least": 5.2}, "fail"),
        (loads.record("capacity"), {"capacity_at_least": 12.0}, "pass"),
        (loads.record("capacity"), {"capacity_at_least": 13.0}, "fail"),
        (loads.record("capacity"), {"capacity_at_least": 12.5}, "not-enough"),
        (loads.record("capacity", capacity=loads.capacity(64.0, None)), {"capacity_at_least": 70.0}, "not-enough"),
        (loads.record("capacity", capacity=loads.capacity(None, 2.0)), {"capacity_at_least": 3.0}, "fail"),
        (loads.record("capacity", capacity=loads.capacity(None, None)), {"capacity_at_least": 3.0}, "not-enough"),
        (loads.record("burst"), {"recovery_s_at_most": 4.0}, "pass"),
        (loads.record("burst"), {"recovery_s_at_most": 3.5}, "not-enough"),
        (loads.record("burst"), {"recovery_s_at_most": 2.0}, "fail"),
        (loads.record("soak"), {"ttft_drift_at_most": 0.1}, "pass"),
        (loads.record("soak"), {"client_memory_drift_mb": 50.0}, "pass"),
        (loads.record("soak"), {"client_memory_drift_mb": 1.0}, "fail"),
        (loads.record("soak"), {"error_drift_at_most": 0.01}, "not-enough"),
    ],
)  # fmt: skip
def test_an_objective_passes_or_fails_only_when_its_bounds_say_so(
    tmp_path: Path, record: Mapping[str, Any], slo: Mapping[str, float], state: str
) -> None:
    code, (result,) = judged(tmp_path, record, slo)
    assert result.state == state, result.evidence
    assert code == {"pass": 0, "fail": 1, "not-enough": 3}[state]
    assert result.evidence
    if result.value is not None and state != "not-enough":
        assert result.bounds


@pytest.mark.parametrize("name", ["capacity_at_least", "recovery_s_at_most", "ttft_drift_at_most"])
def test_an_objective_says_nothing_about_a_load_that_cannot_show_it(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, loads.record(), {name: 1.0}) == (0, [])


def test_a_burst_is_not_held_to_what_a_bearable_load_must_keep(tmp_path: Path) -> None:
    slo = {"ttft_p95_ms": 1.0, "goodput_at_least": 0.99, "achieved_rate_at_least": 0.99, "e2e_p95_regression": 0.0}
    code, results = judged(tmp_path, loads.record("burst"), slo)
    assert [one.state for one in results] == ["not-judged"] * 4
    assert code == 0
    assert judged(tmp_path, loads.record("burst"), {"error_rate": 0.0})[0] == 1
    # Nor is a search, whose best trial is as slow as may be.
    code, results = judged(tmp_path, loads.record("capacity"), slo)
    assert [one.state for one in results] == ["not-judged"] * 4
    assert code == 0


def test_a_gate_and_a_load_must_mean_the_same_by_good(tmp_path: Path) -> None:
    same = {"goodput_at_least": 0.5, "goodput_ttft_ms": 800.0}
    assert judged(tmp_path, loads.record(), same)[0] == 0
    for other in ({**same, "goodput_ttft_ms": 500.0}, {**same, "goodput_e2e_ms": 5000.0}):
        code, (result,) = judged(tmp_path, loads.record(), other)
        assert (code, result.state) == (3, "not-enough")
        assert "run it again" in result.evidence
    code, (result,) = judged(tmp_path, loads.record(goodput=loads.goodput(bounds={}, missed={})), same)
    assert (code, "--goodput" in result.evidence) == (3, True)
    assert judged(tmp_path, samples.load_record(), same)[0] == 3


def test_an_overload_that_overloaded_nothing_judges_no_recovery(tmp_path: Path) -> None:
    calm = loads.record("burst", timeline=loads.timeline([[20.0, 21.0, 22.0]] * 30))
    code, (result,) = judged(tmp_path, calm, {"recovery_s_at_most": 3.0})
    assert (code, "raise the rate" in result.evidence) == (3, True)


@cache
def load_of(ok: int, scale: float) -> dict[str, Any]:
    """A load of which all was whole; made once, for a histogram of many gaps takes its time."""
    return samples.load_record(ok=ok, other={}, scale=scale)


@pytest.mark.parametrize(
    ("scale", "ok", "limit", "state"),
    [
        (1.0, 1200, 0.2, "pass"),
        (1.05, 1200, 0.2, "pass"),
        (1.5, 1200, 0.2, "fail"),
        (1.2, 1200, 0.2, "not-enough"),
        (1.0, 30, 0.2, "not-enough"),
        (0.5, 1200, 0.0, "pass"),
    ],
)
@pytest.mark.parametrize("name", ["ttft_p95_regression", "e2e_p50_regression", "tpot_p95_regression"])
def test_a_regression_is_judged_by_bounds_on_both_sides(
    tmp_path: Path, name: str, scale: float, ok: int, limit: float, state: str
) -> None:
    mine, theirs = (load_of(ok, one) for one in (scale, 1.0))
    _, (result,) = judged(tmp_path, mine, {name: limit}, theirs)
    assert result.state == state, result.evidence
    assert result.value is not None
    assert result.value == pytest.approx(scale - 1, abs=0.02)
    assert result.low is not None
    assert result.low <= result.value


def test_gaps_of_a_stream_are_one_sample_in_a_regression_too(tmp_path: Path) -> None:
    mine = samples.load_record(ok=40, other={})
    assert judged(tmp_path, mine, {"itl_p99_regression": 0.5}, mine)[1][0].state == "not-enough"


def test_a_baseline_of_another_plan_is_no_baseline(tmp_path: Path) -> None:
    other = samples.load_record()
    other["plan"] = {**other["plan"], "rate": 7.0}
    code, (result,) = judged(tmp_path, samples.load_record(), {"ttft_p95_regression": 0.5}, other)
    assert (code, result.state) == (3, "not-enough")
    assert "rate 7.0 there and 5.0 here" in result.evidence


def test_without_a_sound_baseline_nothing_is_judged(tmp_path: Path) -> None:
    slo = {"ttft_p95_regression": 0.5}
    assert judged(tmp_path, samples.load_record(), slo)[0] == 3
    assert judged(tmp_path, samples.load_record(), slo, samples.load_record(valid=False))[0] == 3
    assert judged(tmp_path, samples.load_record(), slo, loads.record("soak"))[0] == 3


def test_an_invalid_load_is_judged_by_no_objective(tmp_path: Path) -> None:
    every = {**dict.fromkeys(OBJECTIVES, 0.5), **dict.fromkeys(GOODPUT_BOUNDS, 800.0)}
    for profile in ("streaming", "capacity", "burst", "soak", "mixed"):
        code, results = judged(tmp_path, loads.record(profile, valid=False, reason="late"), every)
        assert {one.state for one in results} == {"not-judged"}
        assert code == 3


def test_every_objective_has_its_unit_in_its_figures() -> None:
    for name, objective in OBJECTIVES.items():
        told = SloResult(name=name, profile="p", limit=1, state="pass").figure(objective.example)
        assert told.endswith({"share": " %", "change": " %"}.get(objective.unit, f" {objective.unit}"))

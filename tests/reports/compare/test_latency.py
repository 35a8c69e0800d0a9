"""Times side by side: told only where the samples carry it; loads only where their plans are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.compare.evident import gone, median_bounds, percentile, shares_differ
from reports.gate import Gate
from tests.reports import samples
from tests.reports.compare.runs import answered, compared, document, of, only, story, streamed


def timed(base: float, count: int = 20, *, spread: float = 0.5) -> Any:
    return story(answered([document()] * count, ms=[base + spread * ((n * 7) % 11) for n in range(count)]))


def words(comparison: Any) -> dict[str, str]:
    table = next(one for one in comparison.tables if one.name.startswith("Times"))
    return {row[0]: row[-1] for row in table.rows}


def test_slower_is_a_warning_and_faster_is_better(tmp_path: Path) -> None:
    comparison = compared(tmp_path, timed(50), timed(80))
    found = only(comparison, "latency")
    assert (found.subject, found.grade) == ("chat: answer", "warning")
    assert "20 samples" in found.note
    assert comparison.exit_code == 0
    assert only(compared(tmp_path, timed(80), timed(50)), "latency").grade == "better"


@pytest.mark.parametrize(
    ("before", "after", "count", "word"),
    [
        (50.0, 80.0, 4, "too few"),
        (50.0, 55.0, 20, "alike"),  # below the ratio
        (4.0, 8.0, 20, "alike"),  # twice, and nobody notices
        (50.0, 80.0, 20, "slower"),
    ],
)
def test_a_difference_needs_samples_a_ratio_and_milliseconds(
    before: float, after: float, count: int, word: str, tmp_path: Path
) -> None:
    assert words(compared(tmp_path, timed(before, count), timed(after, count)))["chat: answer"] == word


def test_an_interval_that_holds_1_is_no_difference(tmp_path: Path) -> None:
    noisy = story(answered([document()] * 20, ms=[50 * (3 if n % 2 else 0.5) for n in range(20)]))
    assert words(compared(tmp_path, timed(50), noisy))["chat: answer"] == "alike"


def test_the_threshold_can_be_set(tmp_path: Path) -> None:
    assert words(compared(tmp_path, timed(100), timed(108), slower=1.05))["chat: answer"] == "slower"


def test_streams_have_a_first_token_and_gaps(tmp_path: Path) -> None:
    sides = [story(streamed(12, ttft=ttft, gap=gap)) for ttft, gap in ((50, 10), (90, 20))]
    found = {one.subject for one in of(compared(tmp_path, *sides), "latency")}
    assert found == {"chat: TTFT", "chat: ITL", "chat: stream"}


def test_runs_that_asked_other_things_are_compared_by_their_medians(tmp_path: Path) -> None:
    other = answered([document()] * 40, ms=[80 + 0.5 * (n % 11) for n in range(40)])[20:]
    found = only(compared(tmp_path, timed(50), story(other)), "latency")
    assert found.grade == "warning"


def test_refusals_have_no_times(tmp_path: Path) -> None:
    fast = story(answered([{"error": {}}] * 20, statuses=[400] * 20, ms=[1] * 20))
    assert not any(one.name.startswith("Times") for one in compared(tmp_path, timed(50), fast).tables)


def loaded(**rest: Any) -> samples.Story:
    return samples.Story(loads=[samples.load_record(**rest)], command="load")


def test_loads_of_one_plan_are_compared(tmp_path: Path) -> None:
    comparison = compared(tmp_path, loaded(), loaded(scale=1.6))
    assert {one.subject for one in comparison.graded("warning")} >= {
        "load streaming: TTFT p50",
        "load streaming: ITL p95",
    }
    assert any(one.name == "Load: streaming" for one in comparison.tables)
    assert comparison.exit_code == 0


def test_an_objective_that_only_the_baseline_keeps_breaks(tmp_path: Path) -> None:
    gate = Gate(slo={"ttft_p95_ms": 800.0})
    comparison = compared(tmp_path, loaded(), loaded(scale=3.0), gate=gate)
    assert [one.subject for one in comparison.graded("breaking")] == ["load streaming: ttft_p95_ms"]
    assert comparison.exit_code == 1
    assert compared(tmp_path, loaded(scale=3.0), loaded(), gate=gate).exit_code == 0


def test_loads_of_two_plans_or_in_doubt_are_not_compared(tmp_path: Path) -> None:
    for other, why in (
        (loaded(ok=200), "the plans differ"),
        (loaded(valid=False, reason="the client was too slow"), "the client was too slow"),
        (samples.Story(command="load"), "only the baseline has it"),
    ):
        comparison = compared(tmp_path, loaded(), other)
        assert not of(comparison, "latency")
        assert any(why in note for note in comparison.notes), why


def test_more_failed_requests_are_a_warning(tmp_path: Path) -> None:
    before, after = loaded(other={"error": 0}), loaded(ok=300, other={"error": 100})
    before.loads[0]["plan"] = after.loads[0]["plan"] = {}
    found = [one for one in of(compared(tmp_path, before, after), "latency") if "failed" in one.subject]
    assert [one.grade for one in found] == ["warning"]


def test_bounds_are_careful_with_few_samples() -> None:
    assert [gone(n, n, n) for n in (1, 4, 5)] == [False, False, True]
    assert not gone(1, 1000, 1000)
    assert not gone(0, 5, 5)
    assert median_bounds([1.0] * 4) is None
    assert median_bounds([float(n) for n in range(5)]) == (0.0, 4.0)
    assert shares_differ((0, 20), (20, 20))
    assert not shares_differ((0, 2), (2, 2))
    assert percentile([3.0, 1.0, 2.0, 2.0], 50) == 2.0


def test_a_stream_that_comes_in_one_piece_has_no_faster_tokens(tmp_path: Path) -> None:
    sides = [story(streamed(12, ttft=50, gap=gap)) for gap in (10, 0)]
    for before, after in (sides, sides[::-1]):
        (found,) = [one for one in of(compared(tmp_path, before, after), "latency") if one.subject == "chat: ITL"]
        assert found.grade == "information"
        assert "all at once" in found.title

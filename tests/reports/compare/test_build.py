"""The laws of a comparison: a run beside itself is equal, and who changes the sides changes nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.compare.build import compare
from reports.compare.model import Comparison
from reports.gate import Gate
from reports.model import STATUSES, Run
from tests.reports import samples
from tests.reports.compare.runs import answered, compared, document, run_of, story
from tests.reports.samples import TODAY, changed, exchange, outcome

CHECKS = ("chat.stream.done", "chat.error.status", "chat.request.n", "completions.stream.done", "chat.answers")


def told(comparison: Comparison, first: str, second: str) -> Counter[tuple[str, str, str]]:
    return Counter((one.area, getattr(one, first), getattr(one, second)) for one in comparison.differences)


@pytest.mark.parametrize("make", [samples.passing, samples.eventful, samples.lacking, samples.repeated])
def test_a_run_beside_itself_has_no_difference(make: Any, tmp_path: Path) -> None:
    run = make().run(tmp_path)
    comparison = compare(run, run, Gate(), TODAY)
    assert comparison.differences == ()
    assert comparison.exit_code == 0
    assert "both logs are of the same run" in comparison.notes


statuses = st.lists(st.sampled_from(STATUSES), min_size=len(CHECKS), max_size=len(CHECKS))
answers = st.lists(
    st.tuples(
        st.sampled_from([200, 400, 422, 429, 500]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "a", "stop"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["choices", "usage", "model", "error", "x"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        st.integers(1, 200),
    ),
    min_size=6,
    max_size=14,
)


def a_run(folder: Path, name: str, ends: list[str], replies: list[tuple[int, Any, int]]) -> Run:
    made = story(
        answered(
            [reply for _, reply, _ in replies],
            statuses=[status for status, _, _ in replies],
            ms=[ms for *_, ms in replies],
        )
    )
    made.outcomes = []
    changed(made, *(outcome(check, end, message=f"it is {end}") for check, end in zip(CHECKS, ends, strict=True)))
    return run_of(made, folder, name)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statuses, statuses, answers, answers)
def test_the_sides_can_change_places(
    tmp_path: Path, ends: list[str], others: list[str], replies: list[Any], more: list[Any]
) -> None:
    a, b = a_run(tmp_path, "a", ends, replies), a_run(tmp_path, "b", others, more)
    there, back = compare(a, b, Gate(), TODAY), compare(b, a, Gate(), TODAY)
    assert told(there, "baseline", "candidate") == told(back, "candidate", "baseline")
    assert compare(a, a, Gate(), TODAY).differences == ()


def test_a_run_that_was_cut_off_is_compared_and_never_passes(tmp_path: Path) -> None:
    for sides in ((story(end=None), story()), (story(), story(end="interrupted", end_reason="stopped"))):
        comparison = compared(tmp_path, *sides)
        assert (comparison.status, comparison.exit_code) == ("could-not-compare", 3)
        assert "is no complete run" in comparison.reasons[0]
    broken = changed(story(end=None), outcome("chat.stream.done", "fail"))
    assert compared(tmp_path, story(), broken).exit_code == 1


def test_runs_with_nothing_in_common_cannot_be_compared(tmp_path: Path) -> None:
    load = samples.Story(loads=[samples.load_record()], command="load")
    comparison = compared(tmp_path, story(), load)
    assert comparison.exit_code == 3
    assert "no check and no load in common" in comparison.reasons[0]


def test_a_run_in_which_nothing_came_to_a_result_cannot_be_compared(tmp_path: Path) -> None:
    none = story()
    none.outcomes = [outcome(one.check, "skip", message="not served") for one in none.outcomes]
    assert compared(tmp_path, none, none).exit_code == 3


def test_what_parts_the_runs_is_said(tmp_path: Path) -> None:
    sides = [
        run_of(story(settings={"check_profile": name}), tmp_path, name, seed=seed, seatrial=version)
        for name, seed, version in (("quick", 1, "0.1.0"), ("standard", 2, "0.2.0"))
    ]
    notes = "\n".join(compare(sides[0], sides[1], Gate(), TODAY).notes)
    for line in ("seeds differ: 1 and 2", "check profiles differ: quick", "versions of Seatrial differ: 0.1.0 and 0.2"):
        assert line in notes


def test_a_hostile_body_costs_no_more_than_its_bytes(tmp_path: Path) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    deeper = b"[" * 50_000 + b"]" * 50_000
    many = [exchange(n, {"seed": n}, answer=body) for n, body in enumerate([deep, deeper, b"\xff", b'{"a": NaN}'] * 3)]
    run = run_of(story(many), tmp_path, "a")
    assert compare(run, run, Gate(), TODAY).differences == ()


def test_a_whole_story_is_graded_in_the_order_of_a_report(tmp_path: Path) -> None:
    candidate = story(answered([document(x=1)] * 9))
    changed(candidate, outcome("chat.stream.done", "fail"), outcome("chat.error.status", "fail"))
    comparison = compared(tmp_path, story(answered([document()] * 9)), candidate)
    assert [one.grade for one in comparison.differences] == ["breaking", "warning", "information"]
    assert comparison.breaking == ("chat.stream.done",)
    assert comparison.counts["warning"] == 1

"""The verdict: what makes a pass, a failure, and no judgement, one cause at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from reports.gate import Gate, Waiver
from reports.judge import Verdict, judge
from tests.loadtests.web.test_verdict import RECORD as LIMIT
from tests.reports import samples
from tests.reports.samples import TODAY, Story, changed, outcome, passing

MUST, SHOULD, MAY = "chat.stream.done", "chat.error.status", "chat.request.n.quota"


class Judging:
    """Judges stories in the test's own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, story: Story, gate: Gate | None = None, today: date = TODAY) -> Verdict:
        return judge(story.run(self.folder), gate or Gate(), today)


@pytest.fixture
def judging(tmp_path: Path) -> Judging:
    return Judging(tmp_path)


def waiver(check: str = MUST, until: date = date(2030, 1, 1)) -> Waiver:
    return Waiver(check=check, reason="agreed with the vendor", until=until, line=3)


def reasons(verdict: Verdict) -> str:
    assert all("\n" not in reason for reason in verdict.reasons)
    return "\n".join(verdict.reasons)


def test_all_passed(judging: Judging) -> None:
    verdict = judging(passing())
    assert (verdict.status, verdict.exit_code, verdict.reasons) == ("conforms", 0, ())
    assert verdict.counts["passed"] == len(passing().outcomes)
    assert {one.state for one in verdict.coverage} == {"passed", "untestable"}


def test_a_failing_must_fails(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome(MUST, "fail", message="no [DONE]")))
    assert (verdict.status, verdict.exit_code, verdict.failing) == ("does-not-conform", 1, (MUST,))
    assert f"1 check fails a MUST of the contract: {MUST}" in reasons(verdict)
    assert next(one for one in verdict.coverage if one.requirement.id == MUST).state == "failed"


def test_a_failing_should_warns_by_default(judging: Judging) -> None:
    story = changed(passing(), outcome(SHOULD, "fail"))
    verdict = judging(story)
    assert (verdict.exit_code, verdict.counts["warned"], verdict.failing) == (0, 1, ())
    assert judging(story, Gate(fail=("MUST", "SHOULD"), warn=())).exit_code == 1
    assert judging(story, Gate(warn=())).counts["noted"] == 1


def test_a_failing_may_is_noted(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome(MAY, "fail")))
    assert (verdict.exit_code, verdict.counts["noted"]) == (0, 1)


def test_the_highest_level_cited_counts(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome("chat.own", "fail", SHOULD, MUST)))
    (finding,) = verdict.findings
    assert (finding.level, finding.requirement_id, finding.grade) == ("MUST", MUST, "fail")


def test_a_requirement_that_is_not_known_is_a_must(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome("chat.own", "fail", "chat.invented")))
    assert verdict.exit_code == 1
    assert verdict.findings[0].requirement is None


def test_the_runs_own_rows_are_looked_up(judging: Judging) -> None:
    story = changed(passing(), outcome("chat.own", "fail", "chat.own.row"))
    story.rows = [{"id": "chat.own.row", "level": "SHOULD", "quote": "at most 64"}]
    verdict = judging(story)
    assert verdict.exit_code == 0
    assert verdict.graded("warn")[0].requirement is not None


@pytest.mark.parametrize("end", [None, "interrupted", "aborted"])
def test_a_run_that_did_not_end_is_never_a_pass(judging: Judging, end: str | None) -> None:
    story = passing()
    story.end = end
    verdict = judging(story)
    assert (verdict.status, verdict.exit_code) == ("could-not-judge", 3)
    assert (end or "no end") in reasons(verdict)


def test_a_failure_beats_an_interruption_and_both_are_said(judging: Judging) -> None:
    story = changed(passing(), outcome(MUST, "fail"))
    story.end, story.end_reason = "interrupted", "stopped from the keyboard"
    verdict = judging(story)
    assert verdict.exit_code == 1
    assert "the run was interrupted: stopped from the keyboard" in verdict.reasons


def test_nothing_ran(judging: Judging) -> None:
    for story in (
        Story(),
        Story(outcomes=[outcome(MUST, "skip")]),
        Story(outcomes=[outcome(MUST, "blocked")]),
        Story(outcomes=[outcome(SHOULD, "inconclusive")]),
        Story(command="load"),
    ):
        verdict = judging(story)
        assert verdict.exit_code == 3
        assert "no check ran to a result" in reasons(verdict)


def test_a_fault_of_ours_is_never_a_pass(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome(SHOULD, "error", message="KeyError")))
    assert verdict.exit_code == 3
    assert f"a fault of Seatrial ended 1 check: {SHOULD}" in reasons(verdict)
    assert verdict.failing == ()


def test_a_planned_check_without_an_outcome_is_never_a_pass(judging: Judging) -> None:
    story = passing()
    story.planned = [*(one.check for one in story.outcomes), "chat.lost"]
    verdict = judging(story)
    assert (verdict.exit_code, verdict.counts["not run"]) == (3, 1)
    assert "chat.lost" in reasons(verdict)


def test_a_must_that_stayed_open(judging: Judging) -> None:
    story = changed(passing(), outcome(MUST, "inconclusive", message="throttled"))
    assert judging(story).exit_code == 3
    # One check that could judge it is enough.
    assert judging(changed(story, outcome("chat.other", "pass", MUST))).exit_code == 0
    assert judging(changed(passing(), outcome(SHOULD, "inconclusive"))).exit_code == 0


def test_what_is_blocked_is_no_failure_of_its_own(judging: Judging) -> None:
    story = changed(
        passing(),
        outcome("chat.stream.events", "fail"),
        outcome(MUST, "blocked", message="needs chat.stream.events, which did not pass"),
    )
    verdict = judging(story)
    assert (verdict.failing, verdict.counts["blocked"]) == (("chat.stream.events",), 1)
    waived_alone = judging(story, Gate(waivers=(waiver("chat.stream.events"),)))
    assert waived_alone.exit_code == 3
    assert MUST in reasons(waived_alone)
    assert judging(story, Gate(waivers=(waiver("chat.stream.*"),))).exit_code == 0


def test_skips_are_accepted_unless_the_gate_says_otherwise(judging: Judging) -> None:
    story = changed(passing(), outcome(MUST, "skip", message="not offered"))
    assert judging(story).exit_code == 0
    assert "MUST requirements were judged" in " ".join(judging(story).notes)
    strict = judging(story, Gate(accept_skip=("completions.*",)))
    assert strict.exit_code == 3
    assert MUST in reasons(strict)
    assert judging(story, Gate(accept_skip=("chat.stream.*",))).exit_code == 0


def test_a_waiver_accepts_a_failure(judging: Judging) -> None:
    verdict = judging(changed(passing(), outcome(MUST, "fail")), Gate(waivers=(waiver(),)))
    assert (verdict.exit_code, verdict.counts["waived"], verdict.failing) == (0, 1, ())
    assert verdict.findings[0].waiver == waiver()
    assert next(one for one in verdict.coverage if one.requirement.id == MUST).state == "waived"


def test_a_waiver_past_its_date_waives_nothing_and_fails(judging: Judging) -> None:
    gate = Gate(waivers=(waiver(until=date(2026, 11, 21)),))
    verdict = judging(changed(passing(), outcome(MUST, "fail")), gate)
    assert verdict.failing == (MUST,)
    assert "its date, 2026-11-21, is past" in reasons(verdict)
    assert judging(passing(), gate).exit_code == 1


def test_a_waiver_that_matches_nothing_fails(judging: Judging) -> None:
    gate = Gate(waivers=(waiver("chat.typo"),))
    verdict = judging(passing(), gate)
    assert (verdict.status, verdict.exit_code) == ("does-not-conform", 1)
    assert "it matches no check" in reasons(verdict)
    selection = passing()
    selection.settings = {"only": ["completions.*"]}
    assert judging(selection, gate).exit_code == 0


def test_a_waiver_whose_check_passes_fails(judging: Judging) -> None:
    verdict = judging(passing(), Gate(waivers=(waiver(),)))
    assert verdict.exit_code == 1
    assert f"passes now ({MUST})" in reasons(verdict)
    # Of a pattern, one failure is enough; and what was not judged does not make it stale.
    some = changed(passing(), outcome(MUST, "fail"))
    assert judging(some, Gate(waivers=(waiver("chat.stream.*"),))).stale == ()
    unknown = changed(passing(), outcome(MUST, "inconclusive"))
    assert judging(unknown, Gate(waivers=(waiver(),))).stale == ()


def test_a_stale_waiver_does_not_outrank_a_run_that_could_not_be_judged(judging: Judging) -> None:
    story = passing()
    story.end = "aborted"
    verdict = judging(story, Gate(waivers=(waiver(),)))
    assert verdict.exit_code == 3
    assert "stale" in reasons(verdict)


def test_an_unknown_contract_is_not_judged(judging: Judging) -> None:
    story = Story(outcomes=[outcome("chat.a")], contract="own")
    assert judging(story).exit_code == 3
    story.rows = [{"id": "chat.a", "level": "MUST", "quote": "so it is"}]
    assert judging(story).exit_code == 0


def test_coverage_says_why_nothing_was_said(judging: Judging) -> None:
    verdict = judging(Story(outcomes=[outcome(MUST)]))
    by_id = {one.requirement.id: one for one in verdict.coverage}
    assert by_id["limits.requests"].state == "untestable"
    assert by_id["limits.requests"].note
    assert by_id[SHOULD].state == "not run"
    assert by_id[MUST].checks == (MUST,)
    assert all(one.note for one in verdict.coverage if one.state != "passed")


def test_readings_are_told_with_their_words(judging: Judging) -> None:
    first = replace(outcome(MUST), readings={"erratum.chunk-object": "chunk"})
    second = replace(outcome(SHOULD), readings={"erratum.chunk-object": "whole", "erratum.invented": "x"})
    readings = judging(Story(outcomes=[first, second])).readings
    assert [(one.id, one.name, one.checks) for one in readings] == [
        ("erratum.chunk-object", "chunk", (MUST,)),
        ("erratum.chunk-object", "whole", (SHOULD,)),
        ("erratum.invented", "x", (SHOULD,)),
    ]
    assert readings[0].text
    assert readings[0].says


# Loads


def load_only(**changes: object) -> Story:
    return Story(loads=[samples.load_record(**changes)], command="load")  # type: ignore[arg-type]


def test_a_load_alone_can_be_judged(judging: Judging) -> None:
    verdict = judging(load_only(), Gate(slo={"ttft_p95_ms": 800.0, "error_rate": 0.05}))
    assert (verdict.exit_code, [slo.state for slo in verdict.slos]) == (0, ["pass", "pass"])
    assert verdict.coverage == ()


def test_a_load_that_nothing_was_asked_of_was_measured_and_not_judged(judging: Judging) -> None:
    verdict = judging(load_only())
    assert (verdict.status, verdict.exit_code, verdict.reasons) == ("measured", 0, ())
    assert "set one in [slo] of gate.toml, such as ttft_p95_ms = 800" in verdict.notes[0]
    # An objective about something else judges nothing of this load either.
    assert judging(load_only(), Gate(slo={"capacity_at_least": 5.0, "rpm_limit_at_least": 9.0})).status == "measured"
    judged = judging(load_only(), Gate(slo={"ttft_p95_ms": 800.0}))
    assert (judged.status, judged.notes) == ("conforms", ())
    both = Story(loads=[samples.load_record(), samples.load_record()], command="load")
    assert judging(both, Gate(slo={"ttft_p95_ms": 800.0})).status == "conforms"
    # Checks conform or do not; that the load was not judged is said beside it.
    trial = replace(passing(), loads=[samples.load_record()])
    assert judging(trial).status == "conforms"
    assert "was measured and not judged" in judging(trial).notes[-1]
    # What is in doubt is no measurement.
    assert judging(load_only(valid=False, reason="late")).status == "could-not-judge"


def test_a_search_for_a_limit_judges_where_an_objective_says_how_much(judging: Judging) -> None:
    search = Story(loads=[LIMIT], command="load")
    verdict = judging(search)
    assert (verdict.status, verdict.exit_code) == ("measured", 0)
    assert "such as rpm_limit_at_least = 1000" in verdict.notes[0]
    assert judging(search, Gate(slo={"rpm_limit_at_least": 1.0})).status == "conforms"
    assert judging(search, Gate(slo={"rpm_limit_at_least": 1e9})).status == "does-not-conform"


def test_a_waiver_of_a_check_says_nothing_about_a_load(judging: Judging) -> None:
    assert judging(load_only(), Gate(waivers=(waiver(),))).exit_code == 0


def test_a_missed_objective_fails(judging: Judging) -> None:
    verdict = judging(load_only(), Gate(slo={"ttft_p95_ms": 300.0}))
    assert verdict.exit_code == 1
    assert "objective ttft_p95_ms is missed in load streaming" in reasons(verdict)


def test_too_few_samples_are_no_pass(judging: Judging) -> None:
    verdict = judging(load_only(ok=40, other={}), Gate(slo={"ttft_p95_ms": 800.0}))
    assert (verdict.exit_code, verdict.slos[0].state) == (3, "not-enough")
    assert "40 samples; at least 59 are needed" in reasons(verdict)


def test_few_samples_can_be_enough_for_a_miss(judging: Judging) -> None:
    assert judging(load_only(ok=40, other={}), Gate(slo={"ttft_p95_ms": 100.0})).exit_code == 1


def test_gaps_of_a_stream_count_as_one_sample(judging: Judging) -> None:
    verdict = judging(load_only(ok=40, other={}), Gate(slo={"itl_p95_ms": 500.0}))
    assert (verdict.slos[0].state, verdict.slos[0].samples) == ("not-enough", 40)


@pytest.mark.parametrize(
    ("name", "limit", "other", "state"),
    [
        ("error_rate", 0.05, {"timeout": 1, "429": 90}, "pass"),
        ("error_rate", 0.05, {"timeout": 60}, "fail"),
        ("error_rate", 0.05, {"timeout": 18, "cut": 2}, "not-enough"),
        ("error_rate", 0.0, {}, "pass"),
        ("error_rate", 0.0, {"5xx": 1}, "fail"),
        ("throttled_rate", 0.05, {"429": 60}, "fail"),
        ("throttled_rate", 0.05, {"timeout": 90}, "pass"),
        ("achieved_rate_at_least", 0.9, {}, "pass"),
        ("achieved_rate_at_least", 0.9, {"429": 100}, "fail"),
        ("achieved_rate_at_least", 1.0, {}, "pass"),
        ("achieved_rate_at_least", 1.0, {"cut": 1}, "fail"),
    ],
)
def test_shares(judging: Judging, name: str, limit: float, other: dict[str, int], state: str) -> None:
    verdict = judging(load_only(other=other), Gate(slo={name: limit}))
    assert verdict.slos[0].state == state
    assert verdict.exit_code == {"pass": 0, "fail": 1, "not-enough": 3}[state]


def test_an_invalid_load_is_not_held_against_the_endpoint(judging: Judging) -> None:
    story = load_only(scale=50.0, valid=False, reason="the client was late: p99 80 ms")
    verdict = judging(story, Gate(slo={"ttft_p95_ms": 300.0}))
    assert (verdict.exit_code, verdict.slos[0].state) == (3, "not-judged")
    assert "the client was late" in reasons(verdict)


def test_a_load_without_an_answer_is_no_pass(judging: Judging) -> None:
    assert judging(load_only(ok=0, other={"refused": 40})).exit_code == 3
    assert judging(load_only(ok=0, other={})).exit_code == 3
    missed = judging(load_only(ok=0, other={"5xx": 400}), Gate(slo={"error_rate": 0.01}))
    assert missed.exit_code == 1


def test_a_damaged_histogram_is_said(judging: Judging) -> None:
    record = samples.load_record()
    record["histograms"]["ttft"]["encoded"] = "AAAA"
    verdict = judging(Story(loads=[record], command="load"))
    assert verdict.exit_code == 3
    assert "histogram ttft is damaged" in reasons(verdict)


def test_latency_counts_from_the_intended_start(judging: Judging) -> None:
    record = samples.load_record()
    record["histograms"]["ttft_intended"]["encoded"] = samples.encoded([3_000_000] * 400)
    verdict = judging(Story(loads=[record], command="load"), Gate(slo={"ttft_p95_ms": 800.0}))
    assert verdict.slos[0].state == "fail"

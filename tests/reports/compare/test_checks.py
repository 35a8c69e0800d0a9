"""Verdicts side by side: what is breaking, what is a warning, and what nobody can be blamed for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from reports.compare.build import compare
from reports.compare.model import Grade
from reports.gate import Gate, Waiver
from reports.model import Capability, Outcome
from tests.reports import samples
from tests.reports.compare.runs import compared, of, only, run_of, story
from tests.reports.samples import changed, outcome

MUST, SHOULD = "chat.stream.done", "chat.error.status"


def with_status(check: str, status: str) -> samples.Story:
    return changed(story(), outcome(check, status, message="" if status == "pass" else "so it did"))


@pytest.mark.parametrize(
    ("check", "before", "after", "grade"),
    [
        (MUST, "pass", "fail", "breaking"),
        (SHOULD, "pass", "fail", "warning"),
        (MUST, "pass", "unsupported", "breaking"),
        (MUST, "pass", "inconclusive", "open"),
        (MUST, "pass", "blocked", "open"),
        (MUST, "pass", "error", "open"),
        (SHOULD, "pass", "inconclusive", "information"),
        (MUST, "pass", "skip", "information"),
        (MUST, "fail", "pass", "better"),
        (MUST, "unsupported", "pass", "better"),
        (MUST, "inconclusive", "pass", "information"),
        (MUST, "inconclusive", "fail", "open"),
        (MUST, "unsupported", "fail", "warning"),
        (MUST, "skip", "fail", "warning"),
        (SHOULD, "skip", "fail", "information"),
        (MUST, "fail", "skip", "information"),
        (MUST, "skip", "inconclusive", "information"),
    ],
)
def test_a_change_of_verdict_is_graded(check: str, before: str, after: str, grade: Grade, tmp_path: Path) -> None:
    comparison = compared(tmp_path, with_status(check, before), with_status(check, after))
    found = only(comparison, "checks")
    assert (found.subject, found.grade) == (check, grade)
    assert found.requirement_id == check
    assert comparison.status == {"breaking": "breaking", "open": "could-not-compare"}.get(grade, "no-breaking")
    assert comparison.exit_code == {"breaking": 1, "open": 3}.get(grade, 0)


def test_a_requirement_that_another_check_still_passes_is_not_open(tmp_path: Path) -> None:
    sides = [with_status(MUST, status) for status in ("pass", "inconclusive")]
    for side in sides:
        side.outcomes.append(outcome("chat.stream.done-again", "pass", MUST))
    comparison = compared(tmp_path, *sides)
    assert only(comparison, "checks").grade == "information"
    assert comparison.status == "no-breaking"


def test_the_same_failure_on_both_sides_is_no_difference(tmp_path: Path) -> None:
    sides = [
        changed(story(), outcome(MUST, "fail", message=f"the last event carries 'cmpl-{made_up}', 3 more"))
        for made_up in ("5cdaa666c28d", "f2c1e932c9a8")
    ]
    assert not compared(tmp_path, *sides).differences


def test_another_failure_of_the_same_check_is_told(tmp_path: Path) -> None:
    sides = [changed(story(), outcome(MUST, "fail", message=message)) for message in ("no [DONE]", "two of them")]
    found = only(compared(tmp_path, *sides), "checks")
    assert (found.grade, found.baseline, found.candidate) == ("information", "fails: no [DONE]", "fails: two of them")


def test_the_gate_grades_and_a_waiver_waives(tmp_path: Path) -> None:
    sides = with_status(MUST, "pass"), with_status(MUST, "fail")
    mild = compared(tmp_path, *sides, gate=Gate(fail=(), warn=("MUST",)))
    assert (only(mild, "checks").grade, mild.exit_code) == ("warning", 0)
    waiver = Waiver(check=MUST, reason="known", until=date(2030, 1, 1))
    waived = compared(tmp_path, *sides, gate=Gate(waivers=(waiver,)))
    assert (only(waived, "checks").grade, waived.exit_code) == ("waived", 0)
    assert "known" in only(waived, "checks").note
    late = Waiver(check=MUST, reason="known", until=date(2020, 1, 1))
    assert compared(tmp_path, *sides, gate=Gate(waivers=(late,))).exit_code == 1


def option(*, supported: bool) -> samples.Story:
    evidence = ("x0001",)
    body = {"messages": [{"role": "user", "content": "How far?"}], "n": 2}
    made = story([samples.exchange(1, body, status=200 if supported else 400, answer={})])
    taken = Capability(
        route="chat", parameter="n", requirement="chat.request.n", supported=supported, exchanges=evidence
    )
    made.capabilities = [taken]
    status = "pass" if supported else "unsupported"
    names = ("chat.request.n", "chat.request.n.count")
    return changed(made, *(outcome(name, status, exchanges=() if supported else evidence) for name in names))


def test_an_option_is_one_difference_and_takes_its_checks_along(tmp_path: Path) -> None:
    comparison = compared(tmp_path, option(supported=True), option(supported=False))
    found = only(comparison, "options")
    assert (found.subject, found.grade, found.level) == ("chat.n", "breaking", "MUST")
    assert set(found.carries) == {"chat.request.n", "chat.request.n.count"}
    assert not of(comparison, "checks")
    back = compared(tmp_path, option(supported=False), option(supported=True))
    assert only(back, "options").grade == "better"
    assert not of(back, "checks")
    accepted = compared(tmp_path, option(supported=True), option(supported=False), gate=Gate(accept_unsupported=("n",)))
    assert (only(accepted, "options").grade, accepted.exit_code) == ("waived", 0)


def served(status: str) -> samples.Story:
    made = story()
    made.outcomes = [
        outcome(one.check, status, *one.cites, message="" if status == "pass" else "not served")
        if one.route == "completions"
        else one
        for one in made.outcomes
    ]
    made.outcomes.append(outcome("completions.answers", status, "completions.head.route"))
    return made


def test_a_route_that_is_gone_breaks_and_takes_its_checks_along(tmp_path: Path) -> None:
    comparison = compared(tmp_path, served("pass"), served("skip"))
    found = only(comparison, "options")
    assert (found.subject, found.grade) == ("route completions", "breaking")
    assert len(found.carries) > 20
    assert not of(comparison, "checks")
    assert only(compared(tmp_path, served("skip"), served("pass")), "options").grade == "better"


def test_readings_differ_and_are_no_fault(tmp_path: Path) -> None:
    sides = [
        changed(story(), outcome("chat.request.top_p", readings={"erratum.top_p-zero": name}))
        for name in ("accepted", "refused")
    ]
    comparison = compared(tmp_path, *sides)
    found = only(comparison, "readings")
    assert (found.subject, found.grade) == ("erratum.top_p-zero", "information")
    assert found.baseline.startswith("accepted")
    assert comparison.exit_code == 0


def test_checks_of_one_side_only_are_counted_and_not_judged(tmp_path: Path) -> None:
    fewer = story()
    fewer.outcomes = fewer.outcomes[:-7]
    comparison = compared(tmp_path, story(), fewer)
    assert not of(comparison, "checks")
    assert any("not compared: 7 of the baseline's, 0 of the candidate's" in note for note in comparison.notes)


def test_checks_of_two_contracts_are_compared_where_the_words_are_the_same(tmp_path: Path) -> None:
    baseline = run_of(story(), tmp_path, "a")
    broken = changed(story(contract="openai"), outcome(MUST, "fail"), outcome("limits.answer", "fail"))
    comparison = compare(baseline, run_of(broken, tmp_path, "b"), Gate(), samples.TODAY)
    assert any(note.startswith("the contracts differ: azure-llama and openai") for note in comparison.notes)
    # The rows of the two contracts quote other sources, so a verdict by one is none by the other.
    assert MUST not in {one.subject for one in comparison.differences}


def test_an_unknown_requirement_is_held_to_be_a_must(tmp_path: Path) -> None:
    def made(status: str) -> samples.Story:
        one = story()
        one.outcomes.append(outcome("chat.custom", status, "no.such.row"))
        return one

    assert only(compared(tmp_path, made("pass"), made("fail")), "checks").grade == "breaking"


def test_a_verdict_that_changed_from_round_to_round_says_so(tmp_path: Path) -> None:
    rounds: list[Outcome] = [outcome(MUST, "pass", round=1), outcome(MUST, "fail", message="no [DONE]", round=2)]
    candidate = story()
    candidate.outcomes = [one for one in candidate.outcomes if one.check != MUST] + rounds
    found = only(compared(tmp_path, story(), candidate), "checks")
    assert found.grade == "breaking"
    assert "unstable: pass, fail" in found.candidate

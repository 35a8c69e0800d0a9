"""Options and routes that an endpoint does not offer, as the gate has it; and one finding for one requirement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reports import junit, terminal, view
from reports.formats import FORMATS
from reports.gate import Gate
from reports.judge import Verdict, judge
from reports.model import Capability, Run
from tests.reports import samples
from tests.reports.samples import TODAY, Story, changed, outcome, passing
from tests.reports.test_formats import plain

Judging = Callable[..., Verdict]


@pytest.fixture
def judging(tmp_path: Path) -> Judging:
    def judged(story: Story, gate: Gate | None = None) -> Verdict:
        return judge(story.run(tmp_path), gate or Gate(), TODAY)

    return judged


def test_an_unsupported_must_fails_the_gate_with_a_line_of_its_own_and_no_failed_check(judging: Judging) -> None:
    verdict = judging(samples.lacking())
    assert verdict.exit_code == 1
    assert verdict.reasons == ("unsupported: chat.n (its plainest use is refused with status 400 (tried 2 and 3))",)
    assert (verdict.counts["unsupported"], verdict.counts["failed"], verdict.counts["skipped"]) == (2, 0, 0)
    assert {one.requirement.id for one in verdict.coverage if one.state == "unsupported"} == {
        "chat.request.n", "chat.request.n.count",
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["n", "chat.n", "chat.*", "*"])
def test_what_the_gate_accepts_does_not_fail_and_is_still_told(judging: Judging, pattern: str) -> None:
    verdict = judging(samples.lacking(), Gate(accept_unsupported=(pattern,)))
    assert (verdict.exit_code, verdict.reasons) == (0, ())
    assert "unsupported, and accepted by this gate: chat.n" in verdict.notes
    assert verdict.counts["unsupported"] == 2


def test_a_pattern_for_another_option_accepts_nothing(judging: Judging) -> None:
    assert judging(samples.lacking(), Gate(accept_unsupported=("completions.n", "best_of"))).exit_code == 1


def test_a_pattern_that_an_endpoint_does_not_need_is_not_stale(judging: Judging) -> None:
    verdict = judging(samples.lacking(), Gate(accept_unsupported=("n", "completions.n")))
    assert (verdict.exit_code, verdict.stale) == (0, ())
    assert not any("spelled" in note for note in verdict.notes)
    verdict = judging(samples.lacking(), Gate(accept_unsupported=("n", "bestof")))
    assert any("'bestof'" in note and "spelled right" in note for note in verdict.notes)
    assert verdict.exit_code == 0


def test_the_level_of_the_row_decides(judging: Judging) -> None:
    story = samples.lacking()
    story.rows = [{"id": "mine", "level": "SHOULD", "quote": "it should", "line": 1}]
    story.capabilities = [samples.refused("chat.n", "x0001", "x0002", "x0003", requirement="mine")]
    verdict = judging(story)
    assert verdict.exit_code == 0
    assert any(note.startswith("unsupported SHOULD: chat.n") for note in verdict.notes)
    story.capabilities = [samples.refused("chat.n", requirement="a row that nobody knows")]
    assert judging(story).exit_code == 1


def test_a_selection_that_never_came_to_the_option_is_not_about_it(judging: Judging) -> None:
    story = samples.lacking()
    story.settings = {"only": ["chat.*"]}
    assert judging(story).exit_code == 1
    story.outcomes = [one for one in story.outcomes if one.status == "pass"]
    verdict = judging(story)
    assert (verdict.exit_code, verdict.lacking) == (0, ())


def test_unsupported_without_anything_that_shows_it_is_no_pass(judging: Judging) -> None:
    story = changed(passing(), outcome("chat.request.n", "unsupported", message="it says so"))
    verdict = judging(story)
    assert verdict.exit_code == 3
    assert "nothing in the log shows" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [("pass", 0, ""), ("skip", 1, "the route chat is required and not served: not here"), ("fail", 1, "")],
)
def test_a_required_route(judging: Judging, status: str, code: int, words: str) -> None:
    story = changed(passing(), outcome("chat.answers", status, "chat.head.route", message="not here"))
    verdict = judging(story, Gate(routes=("chat",)))
    assert verdict.exit_code == code
    assert words in " ".join(verdict.reasons)
    assert judging(story).exit_code == (1 if status == "fail" else 0)


def test_a_required_route_of_which_nothing_is_known_is_no_pass(judging: Judging) -> None:
    verdict = judging(passing(), Gate(routes=("chat",)))
    assert verdict.exit_code == 3
    assert "requires the route chat" in verdict.reasons[0]
    # A load alone says nothing about routes, and is not asked to.
    assert judging(Story(loads=[samples.load_record()], command="load"), Gate(routes=("chat",))).exit_code == 0


@pytest.mark.parametrize("accepted", [(), ("n",)])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_the_option_how_it_is_refused_and_how_to_ask_again(
    tmp_path: Path, name: str, accepted: tuple[str, ...]
) -> None:
    run = samples.lacking().run(tmp_path)
    verdict = judge(run, Gate(accept_unsupported=accepted), TODAY)
    text = plain(name, FORMATS[name](run, verdict))
    assert "chat.n" in text
    assert view.LACKING["accepted" if accepted else "fail"] in text
    assert "its plainest use is refused with status 400" in text
    # The plainest use is the evidence, not the request without it.
    assert '"n": 2' in text


def test_in_junit_an_unsupported_option_is_red_unless_accepted(tmp_path: Path) -> None:
    run = samples.lacking().run(tmp_path)
    for accepted, tag in (((), "failure"), (("n",), "skipped")):
        root = ET.fromstring(junit.render(run, judge(run, Gate(accept_unsupported=accepted), TODAY)))
        (case,) = (case for case in root.iter("testcase") if case.get("classname") == "seatrial.option")
        assert (case.get("name"), case[0].tag) == ("chat.n", tag)
        skipped = [case.get("name") for case in root[0].iter("testcase") if case.find("skipped") is not None]
        assert set(skipped) == {"chat.request.n", "chat.request.n.count"}


def test_a_capability_survives_the_log(tmp_path: Path) -> None:
    story = samples.lacking()
    assert story.run(tmp_path).capabilities == tuple(story.capabilities)


# One finding for each requirement and route


def test_checks_that_fail_for_one_requirement_are_one_finding(judging: Judging) -> None:
    groups = view.grouped(judging(samples.repeated()).findings)
    assert [group.checks for group in groups] == [
        ("chat.request.top_p.accepted", "chat.request.top_p.refused-above", "chat.request.top_p.refused-below"),
        ("chat.stream.done",),
    ]
    assert [group.instances for group in groups] == [6, 1]
    assert groups[0].extent == "3 checks of this requirement, 6 instances"


def test_one_requirement_on_two_routes_is_two_findings(judging: Judging) -> None:
    story = passing()
    story.outcomes += [outcome(f"{route}.auth", "fail", "chat.head.authorization") for route in ("chat", "completions")]
    assert len(view.grouped(judging(story).findings)) == 2


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "junit"])
def test_a_finding_of_several_checks_says_its_extent_once(tmp_path: Path, name: str) -> None:
    run = samples.repeated().run(tmp_path)
    text = plain(name, FORMATS[name](run, judge(run, Gate(), TODAY)))
    assert "4 checks, 2 findings" in text
    assert "3 checks of this requirement, 6 instances" in text


def test_the_terminal_shows_the_evidence_of_one_check_of_a_finding(tmp_path: Path) -> None:
    run = samples.repeated().run(tmp_path)
    text = terminal.render(run, judge(run, Gate(), TODAY))
    assert text.count("  again  ") == 2
    assert "chat.request.top_p.refused-below: it does not, refused-below (seen 3 times)" in text


def test_every_check_keeps_a_case_of_its_own_in_junit(tmp_path: Path) -> None:
    run: Run = samples.repeated().run(tmp_path)
    root = ET.fromstring(junit.render(run, judge(run, Gate(), TODAY)))
    texts = [case[0].text or "" for case in root[0].iter("testcase") if case.find("failure") is not None]
    assert len(texts) == 4
    assert sum("One finding: 3 checks of this requirement, 6 instances" in text for text in texts) == 3


def test_a_capability_has_the_name_that_a_gate_uses() -> None:
    one = Capability(route="chat", parameter="n", requirement="chat.request.n", supported=True)
    assert one.name == "chat.n"

"""JUnit by the rules of both schemas that CI systems check against, and by what a build makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reports import junit
from reports.gate import Gate
from reports.judge import Verdict, judge
from reports.model import Run
from tests.reports import samples
from tests.reports.samples import TODAY, Story, changed, outcome, passing

# What the Ant schema requires and the Jenkins one allows.
SUITE = {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}
CASE = {"name", "classname", "time"}


def rendered(run: Run, verdict: Verdict) -> ET.Element:
    return ET.fromstring(junit.render(run, verdict))


@pytest.fixture
def eventful(tmp_path: Path) -> tuple[Run, Verdict]:
    run = samples.eventful().run(tmp_path)
    return run, judge(run, samples.gate(), TODAY)


def test_the_structure_is_that_of_both_schemas(eventful: tuple[Run, Verdict]) -> None:
    root = rendered(*eventful)
    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        assert (suite.tag, set(suite.attrib), suite.get("id")) == ("testsuite", SUITE, str(number))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        tags = [child.tag for child in suite]
        assert tags == ["properties", *["testcase"] * (len(tags) - 3), "system-out", "system-err"]
        for case in suite.iter("testcase"):
            assert set(case.attrib) == CASE
            assert re.fullmatch(r"\d+\.\d{3}", case.attrib["time"])
            assert len(case) <= 1
            for child in case:
                assert child.tag in {"failure", "error", "skipped"}
                assert set(child.attrib) == {"message", "type"}
        for name in ("failure", "error"):
            assert suite.get(f"{name}s") == str(sum(case.find(name) is not None for case in suite.iter("testcase")))
        assert suite.get("skipped") == str(sum(case.find("skipped") is not None for case in suite.iter("testcase")))


def test_one_case_for_each_check(eventful: tuple[Run, Verdict]) -> None:
    run, verdict = eventful
    names = [case.get("name") for case in rendered(run, verdict)[0].iter("testcase")]
    assert sorted(map(str, names)) == sorted(one.check for one in run.outcomes)


def test_each_status_has_its_element(eventful: tuple[Run, Verdict]) -> None:
    cases = {str(case.get("name")): case for case in rendered(*eventful)[0].iter("testcase")}

    def shown(check: str) -> tuple[str, str]:
        (child,) = cases[check]
        return child.tag, child.attrib["message"].split(":")[0]

    assert shown("chat.stream.done")[0] == "failure"
    assert shown("chat.error.status") == ("skipped", "warned")
    assert shown("chat.response.usage.sum") == ("skipped", "waived")
    assert shown("completions.request.use_beam_search.search") == ("skipped", "skipped")
    assert shown("completions.stream.done") == ("skipped", "blocked")
    assert shown("chat.request.presence_penalty.effect") == ("skipped", "inconclusive")
    assert shown("chat.response.id.unique") == ("error", "KeyError")
    assert len(cases["chat.request.top_p"]) == 0


def test_requirement_ids_are_properties_by_check(eventful: tuple[Run, Verdict]) -> None:
    run, verdict = eventful
    found = {str(one.get("name")): one.get("value") for one in rendered(run, verdict)[0].iter("property")}
    for one in run.outcomes:
        assert found[f"requirements:{one.check}"] == " ".join(one.cites)
    for name, count in verdict.counts.items():
        assert found[name] == str(count)


@pytest.mark.parametrize(
    ("story", "gate", "suite_red"),
    [
        (passing(), Gate(), False),
        (changed(passing(), outcome("chat.error.status", "fail")), Gate(), False),
        (changed(passing(), outcome("chat.stream.done", "fail")), Gate(), True),
        (Story(), Gate(), True),
        (Story(loads=[samples.load_record()], command="load"), Gate(slo={"ttft_p95_ms": 300.0}), True),
        (Story(loads=[samples.load_record()], command="load"), Gate(slo={"ttft_p95_ms": 800.0}), False),
    ],
)
def test_a_build_is_red_exactly_when_the_exit_code_is(
    tmp_path: Path, story: Story, gate: Gate, suite_red: bool
) -> None:
    run = story.run(tmp_path)
    verdict = judge(run, gate, TODAY)
    root = rendered(run, verdict)
    red = any(suite.get("failures") != "0" or suite.get("errors") != "0" for suite in root)
    assert red is suite_red is (verdict.exit_code != 0)


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        ("2026-11-22T23:40:12+02:00", "2026-11-22T21:40:12"),
        ("2026-11-22T21:40:12.5Z", "2026-11-22T21:40:12"),
        ("2026-11-22T21:40:12", "2026-11-22T21:40:12"),
        ("yesterday", "1970-01-01T00:00:00"),
    ],
)
def test_the_time_is_in_the_schema_s_form(tmp_path: Path, started: str, shown: str) -> None:
    path = passing().write(tmp_path / "run.jsonl")
    path.write_text(path.read_text(encoding="utf-8").replace("2026-11-22T21:40:12+00:00", started), encoding="utf-8")
    run = Run.read(path)
    assert rendered(run, judge(run, Gate(), TODAY))[0].get("timestamp") == shown

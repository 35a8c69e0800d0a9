"""The report as JUnit XML: one test case for each check, and a second suite for what is larger than a check.

Law: valid by the schema of Jenkins' xUnit plugin and by the older Ant one. Neither allows properties in a test case, so
the requirement ids stand in the suite's properties, by check.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from reports import figures, view
from reports.evidence import evidence
from reports.judge import Finding, Verdict
from reports.model import Outcome, Run
from reports.visible import one_line, visible

_SKIPPED = {"skip": "skipped", "unsupported": "unsupported", "blocked": "blocked", "inconclusive": "inconclusive"}


def render(run: Run, verdict: Verdict) -> str:
    """Render the report as an XML document."""
    suites = [_checks(run, verdict), _verdict(run, verdict)]
    # The Ant schema gives the outermost element no attributes.
    root = ET.Element("testsuites")
    for number, suite in enumerate(suites):
        suite.set("id", str(number))
        root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _checks(run: Run, verdict: Verdict) -> ET.Element:
    groups = [group for grade in view.GRADE_TITLES for group in view.grouped(verdict.graded(grade))]
    findings = {one.outcome.check: (one, group) for group in groups for one in (group.lead, *group.others)}
    cases = [_case(run, outcome, *findings.get(outcome.check, (None, None))) for outcome in run.outcomes]
    cases += [_ended(_new_case(check, "seatrial"), "skipped", "not run", "") for check in run.not_run]
    properties = [(name, value) for name, value in view.facts(run, verdict)]
    properties += [(name, str(count)) for name, count in verdict.counts.items()]
    properties += [
        (f"limit:{one.profile}:{name}", text) for one in verdict.limits for name, text in view.limit_facts(one)
    ]
    properties += [(f"requirements:{outcome.check}", " ".join(outcome.cites)) for outcome in run.outcomes]
    properties += [(f"unstable:{check}", rounds) for rounds, checks in view.unstable(run) for check in checks]
    seconds = sum(outcome.seconds for outcome in run.outcomes)
    return _suite("checks", run, cases, properties, view.counts_line(verdict), seconds)


def _verdict(run: Run, verdict: Verdict) -> ET.Element:
    """The verdict itself, objectives, unsupported options and stale waivers: what turns a build red without a check."""
    whole = _new_case("verdict", "seatrial.gate")
    text = "\n".join(one_line(reason) for reason in verdict.reasons)
    if verdict.status == "does-not-conform":
        _ended(whole, "failure", view.HEADLINES[verdict.status], text)
    elif verdict.status == "could-not-judge":
        _ended(whole, "error", view.HEADLINES[verdict.status], text)
    elif verdict.status == "measured":
        _ended(whole, "skipped", view.HEADLINES[verdict.status], "\n".join(map(one_line, verdict.notes)))
    cases = [whole]
    for slo in verdict.slos:
        case = _new_case(f"{slo.profile}.{slo.name}", "seatrial.slo")
        tag = {"pass": "", "fail": "failure", "not-enough": "error", "not-judged": "skipped"}[slo.state]
        cases.append(_ended(case, tag, slo.evidence, "") if tag else case)
    for lacking in verdict.lacking:
        case = _new_case(lacking.name, "seatrial.option")
        tag = "failure" if lacking.grade == "fail" else "skipped"
        again = "\n\n".join(f"Again:\n{line}" for line in view.again(run, lacking))
        cases.append(_ended(case, tag, f"{view.LACKING[lacking.grade]}: {lacking.line}", again))
    for stale in verdict.stale:
        case = _new_case(stale.waiver.check, "seatrial.waiver")
        cases.append(_ended(case, "failure", stale.why, stale.waiver.reason))
    said = [(f"load:{load.profile}:{name}", words) for load in verdict.loads for name, words in figures.facts(load)]
    return _suite("gate", run, cases, [("verdict", verdict.status), *said], text, 0.0)


def _case(run: Run, outcome: Outcome, finding: Finding | None, group: view.Group | None) -> ET.Element:
    place = ".".join(["seatrial", outcome.route or "endpoint", outcome.area])
    case = _new_case(outcome.check, place, outcome.seconds)
    if finding is not None and group is not None:
        text = _story(run, finding, group)
        if finding.grade == "fail":
            return _ended(case, "failure", view.seen(finding), text)
        # Red in a build what the gate lets pass would make two verdicts of one.
        word = {"warn": "warned", "note": "noted", "waived": "waived"}[finding.grade]
        return _ended(case, "skipped", f"{word}: {view.seen(finding)}", text)
    if outcome.status == "error":
        return _ended(case, "error", outcome.message, outcome.hint)
    if outcome.status in _SKIPPED:
        return _ended(case, "skipped", f"{_SKIPPED[outcome.status]}: {outcome.message}", outcome.hint)
    return case


def _story(run: Run, finding: Finding, group: view.Group) -> str:
    outcome = finding.outcome
    parts = [
        outcome.title,
        f"{finding.level} {finding.requirement_id} ({view.place(finding.requirement)}): {view.quote(finding)}",
        view.waiver_line(finding),
        outcome.hint,
        f"One finding: {group.extent} ({', '.join(group.checks)})" if group.others else "",
    ]
    for shown in evidence(run, outcome, laid_out=False)[:1]:
        parts += [f"Sent:\n{shown.request}", f"Got:\n{shown.answer}", f"Again:\n{shown.curl}"]
    return "\n\n".join(part for part in parts if part)


def _new_case(name: str, group: str, seconds: float = 0.0) -> ET.Element:
    return ET.Element("testcase", name=one_line(name), classname=one_line(group), time=_seconds(seconds))


def _ended(case: ET.Element, tag: str, message: str, text: str) -> ET.Element:
    element = ET.SubElement(case, tag, message=one_line(message, 1000), type=tag)
    element.text = visible(text) or None
    return case


def _suite(
    name: str, run: Run, cases: list[ET.Element], properties: list[tuple[str, str]], out: str, seconds: float
) -> ET.Element:
    def how_many(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = ET.Element(
        "testsuite",
        name=name,
        package="seatrial",
        tests=str(len(cases)),
        failures=how_many("failure"),
        errors=how_many("error"),
        skipped=how_many("skipped"),
        time=_seconds(seconds),
        timestamp=_timestamp(run.started),
        hostname=_host(run.target),
    )
    parent = ET.SubElement(suite, "properties")
    for key, value in properties:
        ET.SubElement(parent, "property", name=one_line(key), value=one_line(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = visible(out)
    ET.SubElement(suite, "system-err").text = ""
    return suite


def _seconds(value: float) -> str:
    return f"{max(0.0, value):.3f}"


def _timestamp(started: str) -> str:
    """The schema's form: UTC, whole seconds, no zone."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%S")


def _host(target: str) -> str:
    try:
        return visible(urlsplit(target).hostname or "") or "localhost"
    except ValueError:
        return "localhost"

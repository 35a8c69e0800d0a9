"""The verdict on a run: derived from its outcomes and a gate whenever it is read, and never stored.

Law: silence is not a pass. A run that was cut off, ran nothing, hit a fault of ours or left a MUST open is never found
to conform; only a failure of the endpoint itself outranks that. A load without objectives was measured, no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.coverage import Coverage, ErratumReading, contract_of, cover, readings_of, requirements_of
from reports.gate import Gate, Waiver
from reports.limit_slo import LIMIT_OBJECTIVES, LimitSummary, summarize_limit
from reports.loads import LoadSummary, summarize
from reports.model import Load, Outcome, Run
from reports.options import Lacking, lacking_of, option_doubts, option_notes, route_reasons
from reports.slo import OBJECTIVES, SloResult
from schemas.model import LEVELS, Requirement

Status = Literal["conforms", "measured", "does-not-conform", "could-not-judge"]
EXIT_CODES: Mapping[Status, int] = {"conforms": 0, "measured": 0, "does-not-conform": 1, "could-not-judge": 3}

# What a report counts, in its order; every format shows these words.
COUNTED = (
    "passed", "failed", "warned", "noted", "waived", "unsupported", "skipped", "blocked", "inconclusive", "errors",
    "not run",
)  # fmt: skip
_COUNTED_AS = {
    "pass": "passed",
    "skip": "skipped",
    "unsupported": "unsupported",
    "blocked": "blocked",
    "inconclusive": "inconclusive",
    "error": "errors",
}
_GRADED_AS = {"fail": "failed", "warn": "warned", "note": "noted", "waived": "waived"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A failing check: the requirement it is filed under, that one's level, and what the gate makes of it.

    `grade` is `fail`, `warn`, `note` or `waived`; `requirement` is None when this version knows no row of that id.
    """

    outcome: Outcome
    requirement_id: str
    requirement: Requirement | None
    level: str
    grade: str
    waiver: Waiver | None = None


@dataclass(frozen=True, kw_only=True)
class StaleWaiver:
    """A waiver that has to go, and why."""

    waiver: Waiver
    why: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a run means under a gate. `reasons` are one line each, the decisive ones first."""

    status: Status
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    stale: tuple[StaleWaiver, ...]
    coverage: tuple[Coverage, ...]
    readings: tuple[ErratumReading, ...]
    loads: tuple[LoadSummary, ...]
    counts: Mapping[str, int]
    gate: Gate
    limits: tuple[LimitSummary, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 conforms or was measured only, 1 does not conform, 3 could not judge."""
        return EXIT_CODES[self.status]

    @property
    def slos(self) -> tuple[SloResult, ...]:
        """The objectives of all loads and of all searches for limits."""
        every: list[LoadSummary | LimitSummary] = [*self.loads, *self.limits]
        return tuple(slo for one in every for slo in one.slos)

    @property
    def failing(self) -> tuple[str, ...]:
        """The ids of the checks that fail the gate."""
        return tuple(finding.outcome.check for finding in self.graded("fail"))

    def graded(self, grade: str) -> tuple[Finding, ...]:
        """The findings of one grade: `fail`, `warn`, `note` or `waived`."""
        return tuple(finding for finding in self.findings if finding.grade == grade)


def judge(run: Run, gate: Gate, today: date, baseline: Iterable[Load] = ()) -> Verdict:
    """Judge a run by a gate, as of a day (waivers have an end); regressions from the loads of a `baseline`."""
    requirements = requirements_of(run)
    findings = _findings(run, gate, requirements, today)
    waived = tuple(finding.outcome.check for finding in findings if finding.grade == "waived")
    coverage = cover(run, requirements, waived) if run.outcomes or run.planned else ()
    stale = _stale(run, gate, today)
    objectives = {name: limit for name, limit in gate.slo.items() if name not in LIMIT_OBJECTIVES}
    earlier = {load.profile: load for load in baseline if load.valid}
    loads = tuple(summarize(load, objectives, earlier.get(load.profile)) for load in run.loads)
    limits = tuple(summarize_limit(limit, gate.slo) for limit in run.limits)
    lacking = lacking_of(run, gate, requirements)
    failures = [
        *route_reasons(run, gate),
        *_failure_reasons(findings),
        *(f"unsupported: {one.line}" for one in lacking if one.grade == "fail"),
        *_slo_reasons((*loads, *limits), "fail"),
    ]
    doubts = [
        *_run_doubts(run),
        *option_doubts(run, gate),
        *_unstable_doubts(run, gate, requirements, today),
        *_coverage_doubts(coverage, gate, today),
        *_load_doubts(run, loads, limits),
    ]
    rot = [f"the waiver of {one.waiver.check} is stale: {one.why}" for one in stale]
    every: tuple[LoadSummary | LimitSummary, ...] = (*loads, *limits)
    aimless = tuple(one for one in every if not one.doubt and all(slo.state == "not-judged" for slo in one.slos))
    # A load that nothing was asked of keeps nothing and breaks nothing.
    status: Status = "measured" if aimless and not (run.outcomes or len(aimless) < len(every)) else "conforms"
    if failures:
        status = "does-not-conform"
    elif doubts:
        status = "could-not-judge"
    elif rot:
        # The endpoint may be fine; a gate that nobody tends is not, and would hide the next failure.
        status = "does-not-conform"
    return Verdict(
        status=status,
        reasons=(*failures, *doubts, *rot),
        findings=findings,
        stale=stale,
        coverage=coverage,
        readings=readings_of(run),
        loads=loads,
        limits=limits,
        counts=_counts(run, findings),
        gate=gate,
        lacking=lacking,
        notes=(*_notes(run, coverage, findings), *option_notes(run, gate, lacking), *_aimless_notes(aimless)),
    )


def listed(ids: Iterable[str], most: int = 8) -> str:
    """Those ids in one line, cut after `most`."""
    every = list(ids)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def counted(number: int, what: str) -> str:
    """A number with its noun, in the plural where there is not exactly one: `1 check`, `2 checks`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def filed_under(outcome: Outcome, requirements: Mapping[str, Requirement]) -> tuple[str, str]:
    """The requirement that an outcome is filed under, the gravest that its check cites, and that one's level."""
    # A requirement that this version does not know is held to be a MUST: not knowing must not make a gate milder.
    levels = {cited: requirements[cited].level if cited in requirements else LEVELS[0] for cited in outcome.cites}
    filed = min(outcome.cites, key=lambda cited: LEVELS.index(levels[cited])) if outcome.cites else ""
    return filed, levels.get(filed, LEVELS[0])


def _findings(run: Run, gate: Gate, requirements: Mapping[str, Requirement], today: date) -> tuple[Finding, ...]:
    found = [_finding(outcome, gate, requirements, today) for outcome in run.outcomes if outcome.status == "fail"]
    grades = list(_GRADED_AS)
    return tuple(sorted(found, key=lambda finding: (grades.index(finding.grade), finding.outcome.check)))


def _finding(outcome: Outcome, gate: Gate, requirements: Mapping[str, Requirement], today: date) -> Finding:
    filed, level = filed_under(outcome, requirements)
    waiver = gate.waiver_for(outcome.check, today)
    return Finding(
        outcome=outcome,
        requirement_id=filed,
        requirement=requirements.get(filed),
        level=level,
        grade="waived" if waiver else gate.grade(level),
        waiver=waiver,
    )


def _stale(run: Run, gate: Gate, today: date) -> tuple[StaleWaiver, ...]:
    statuses = {outcome.check: outcome.status for outcome in run.outcomes}
    every = {*run.planned, *statuses}
    found = []
    for waiver in gate.waivers:
        covered = sorted(check for check in every if waiver.covers(check))
        ends = {statuses.get(check, "not run") for check in covered}
        if waiver.expired(today):
            found.append(StaleWaiver(waiver=waiver, why=f"its date, {waiver.until}, is past"))
        elif not covered and every and not run.partial:
            found.append(StaleWaiver(waiver=waiver, why="it matches no check"))
        elif "pass" in ends and ends <= {"pass", "skip"}:
            passing = [check for check in covered if statuses[check] == "pass"]
            found.append(StaleWaiver(waiver=waiver, why=f"what it waives passes now ({listed(passing, 3)})"))
    return tuple(found)


def _failure_reasons(findings: tuple[Finding, ...]) -> Iterable[str]:
    for level in LEVELS:
        ids = [one.outcome.check for one in findings if one.grade == "fail" and one.level == level]
        if ids:
            verb = "fails" if len(ids) == 1 else "fail"
            yield f"{counted(len(ids), 'check')} {verb} a {level} of the contract: {listed(ids)}"


def _slo_reasons(loads: Iterable[LoadSummary | LimitSummary], state: str) -> Iterable[str]:
    for load in loads:
        for slo in load.slos:
            if slo.state == state:
                what = {"fail": "is missed", "not-enough": "cannot be judged", "not-judged": "is not judged"}[state]
                yield f"objective {slo.name} {what} in load {slo.profile}: {slo.evidence}"


def _run_doubts(run: Run) -> Iterable[str]:
    if run.incomplete:
        yield run.incomplete
    errors = [outcome.check for outcome in run.outcomes if outcome.status == "error"]
    if errors:
        yield f"a fault of Seatrial ended {counted(len(errors), 'check')}: {listed(errors)}"
    executed = [outcome for outcome in run.outcomes if outcome.status in {"pass", "fail"}]
    if not executed and (run.outcomes or run.planned or not (run.loads or run.limits)):
        yield "no check ran to a result"
    if run.not_run and run.complete:
        yield f"no outcome for {counted(len(run.not_run), 'planned check')}: {listed(run.not_run)}"
    if (run.outcomes or run.planned) and contract_of(run) is None and not run.rows:
        yield f"this version knows no contract named {run.contract!r}, so nothing says what was left out"


def _coverage_doubts(coverage: tuple[Coverage, ...], gate: Gate, today: date) -> Iterable[str]:
    must = [one for one in coverage if one.requirement.level == "MUST"]
    open_ = [one.requirement.id for one in must if one.state == "inconclusive"]
    if open_:
        yield f"no check could judge {counted(len(open_), 'MUST requirement')}: {listed(open_)}"
    # Who waives a failure may waive what it blocks, by a pattern that covers both.
    blocked = [
        one.requirement.id
        for one in must
        if one.state == "blocked" and not all(gate.waiver_for(check, today) for check in one.checks)
    ]
    if blocked:
        yield f"a need that did not pass leaves {counted(len(blocked), 'MUST requirement')} open: {listed(blocked)}"
    skipped = [
        one.requirement.id
        for one in must
        if one.state == "skipped" and not all(gate.accepts_skip(check) for check in one.checks)
    ]
    if skipped:
        yield f"this gate does not accept the skip of {counted(len(skipped), 'MUST requirement')}: {listed(skipped)}"


def _unstable_doubts(run: Run, gate: Gate, requirements: Mapping[str, Requirement], today: date) -> Iterable[str]:
    """The checks that would fail the gate and whose verdict changed; one that failed in any round fails anyway."""
    ids = [
        one.check
        for one in run.outcomes
        if one.unstable and one.status != "fail" and _finding(one, gate, requirements, today).grade == "fail"
    ]
    if ids:
        yield f"the verdict of {counted(len(ids), 'check')} changed from round to round: {listed(ids)}"


def _load_doubts(run: Run, loads: tuple[LoadSummary, ...], limits: tuple[LimitSummary, ...]) -> Iterable[str]:
    if run.command == "load" and not loads and not limits:
        yield "no load was recorded"
    every: list[LoadSummary | LimitSummary] = [*loads, *limits]
    for one in every:
        if one.doubt:
            yield f"load {one.profile}: {one.doubt}"
    yield from _slo_reasons(every, "not-enough")


def _aimless_notes(aimless: Iterable[LoadSummary | LimitSummary]) -> Iterable[str]:
    """What was measured and not judged, and how it would be."""
    for one in aimless:
        key, example = _objective_for(one)
        yield (
            f"load {one.profile} was measured and not judged: the gate has no objective for it; set one in [slo] of "
            f"gate.toml, such as {key} = {example:g}"
        )


def _objective_for(one: LoadSummary | LimitSummary) -> tuple[str, float]:
    """An objective that would judge it: its name, and a number for it."""
    if isinstance(one, LimitSummary):
        return next((name, goal.example) for name, goal in LIMIT_OBJECTIVES.items() if goal.quota == one.limit.quota)
    key = "capacity_at_least" if one.load.capacity is not None else "ttft_p95_ms"
    return key, OBJECTIVES[key].example


def _counts(run: Run, findings: tuple[Finding, ...]) -> Mapping[str, int]:
    counted = Counter(_COUNTED_AS[one.status] for one in run.outcomes if one.status in _COUNTED_AS)
    counted.update(_GRADED_AS[finding.grade] for finding in findings)
    counted["not run"] = len(run.not_run)
    return {name: counted[name] for name in COUNTED}


def _notes(run: Run, coverage: tuple[Coverage, ...], findings: tuple[Finding, ...]) -> tuple[str, ...]:
    notes = []
    judged = [one for one in coverage if one.requirement.level == "MUST" and one.state != "untestable"]
    done = [one for one in judged if one.state in {"passed", "failed", "waived"}]
    if judged and len(done) < len(judged):
        notes.append(f"{len(done)} of {len(judged)} testable MUST requirements were judged in this run")
    waived = [finding for finding in findings if finding.grade == "waived"]
    if waived:
        notes.append(f"{counted(len(waived), 'failing check')} waived: {listed(one.outcome.check for one in waived)}")
    if run.settings.get("only") or run.settings.get("skip"):
        notes.append("only a selection of the checks was asked for")
    elif left_out := run.settings.get("left_out"):
        profile = run.settings.get("check_profile")
        notes.append(f"profile {profile}: {len(run.planned)} checks; larger profiles have {left_out} more")
    rounds = max((len(one.rounds) for one in run.outcomes), default=0)
    if rounds:
        unstable = [one.check for one in run.outcomes if one.unstable]
        what = f"changed the verdict of {counted(len(unstable), 'check')}" if unstable else "changed no verdict"
        notes.append(f"{rounds} rounds of the checks {what}")
    return tuple(notes)

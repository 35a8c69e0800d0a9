"""The verdicts of two runs side by side: checks, options, routes and readings.

Law: a check that passed and now fails is graded by its requirement and the gate, as a failure of one run would be; a
check that nobody can hold against either side is told, and never breaks anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from reports.compare.model import Difference, Grade, grade_of
from reports.coverage import cover, readings_of, requirements_of
from reports.gate import Gate
from reports.judge import filed_under
from reports.model import Capability, Outcome, Run
from schemas.model import LEVELS, ROUTES, Requirement

# Nothing was found out, and nobody is to blame for it.
_OPEN = ("inconclusive", "error", "blocked")
_WORDS: Mapping[str, str] = {
    "pass": "passes",
    "fail": "fails",
    "skip": "is skipped",
    "unsupported": "is unsupported",
    "blocked": "is blocked",
    "inconclusive": "is inconclusive",
    "error": "ended by a fault of Seatrial",
}
# What an endpoint makes up anew for every answer, so that two messages about one fault differ in it.
_MADE_UP = re.compile(r"[0-9a-f]{8,}|\d+")


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The outcomes that may be compared, by check, with what is needed to grade them."""

    baseline: Run
    candidate: Run
    gate: Gate
    today: date
    requirements: Mapping[str, Requirement]
    both: Mapping[str, tuple[Outcome, Outcome]]
    states: Mapping[str, str]

    def __iter__(self) -> Iterator[tuple[Outcome, Outcome]]:
        return iter(self.both.values())


def verdicts_of(baseline: Run, candidate: Run, gate: Gate, today: date) -> Verdicts:
    """The checks that both runs have and that mean the same in both."""
    theirs, ours = requirements_of(baseline), requirements_of(candidate)
    before = {one.check: one for one in baseline.outcomes}
    both = {
        one.check: (before[one.check], one)
        for one in candidate.outcomes
        if one.check in before
        and (baseline.contract == candidate.contract or _same(before[one.check], one, theirs, ours))
    }
    return Verdicts(
        baseline=baseline,
        candidate=candidate,
        gate=gate,
        today=today,
        requirements=theirs | ours,
        both=both,
        states={one.requirement.id: one.state for one in cover(candidate, ours, ())},
    )


def _same(before: Outcome, after: Outcome, theirs: Mapping[str, Requirement], ours: Mapping[str, Requirement]) -> bool:
    """Whether a check of two contracts holds an endpoint to the same words."""
    return before.title == after.title and _words(before, theirs) == _words(after, ours)


def _words(outcome: Outcome, rows: Mapping[str, Requirement]) -> list[tuple[str, str, str]]:
    return [(one, rows[one].level, rows[one].quote) if one in rows else (one, "", "") for one in sorted(outcome.cites)]


def check_differences(verdicts: Verdicts) -> Iterator[Difference]:
    """The checks that ended differently, but for those that only follow an option or a route."""
    carried = {check for one in option_differences(verdicts) for check in one.carries}
    for before, after in verdicts:
        if after.check not in carried and (grade := _grade(before, after, verdicts)) is not None:
            requirement, level = filed_under(after, verdicts.requirements)
            waiver = verdicts.gate.waiver_for(after.check, verdicts.today) if grade in {"breaking", "warning"} else None
            yield Difference(
                area="checks",
                grade="waived" if waiver else grade,
                subject=after.check,
                title=after.title,
                baseline=told(before),
                candidate=told(after),
                requirement_id=requirement,
                level=level,
                note=f"waived until {waiver.until}: {waiver.reason}" if waiver else "",
                exchanges=(_last(before), _last(after)),
            )


def _grade(before: Outcome, after: Outcome, verdicts: Verdicts) -> Grade | None:
    """How much a change of verdict matters; None where there is none."""
    was, now = before.status, after.status
    if was == now:
        return "information" if was == "fail" and _fault(before) != _fault(after) else None
    requirement, level = filed_under(after, verdicts.requirements)
    grade = grade_of(level, verdicts.gate)
    if now == "pass":
        return "better" if was in {"fail", "unsupported"} else "information"
    if was == "pass" and now in {"fail", "unsupported"}:
        return grade
    if grade != "breaking" or {was, now} <= {"skip", "unsupported", *_OPEN}:
        return "information"
    if now == "fail":
        # Without a verdict on the baseline nobody knows whether this got worse; without the option it did not.
        return "open" if was in _OPEN else "warning"
    return "open" if was == "pass" and now in _OPEN and verdicts.states.get(requirement) != "passed" else "information"


def _fault(outcome: Outcome) -> str:
    return _MADE_UP.sub("#", outcome.message)


def told(outcome: Outcome) -> str:
    """How a check ended, in words."""
    unsteady = f" (unstable: {', '.join(outcome.rounds)})" if outcome.unstable else ""
    times = f" (seen {outcome.count} times)" if outcome.count > 1 else ""
    return f"{_WORDS[outcome.status]}{f': {outcome.message}' if outcome.message else ''}{times}{unsteady}"


def _last(one: Outcome | Capability) -> str:
    return one.exchanges[-1] if one.exchanges else ""


def option_differences(verdicts: Verdicts) -> list[Difference]:
    """The routes and documented options that one side has and the other has not, with the checks that follow them."""
    routes = [one for route in ROUTES if (one := _route(route, verdicts)) is not None]
    gone = {check for one in routes for check in one.carries}
    before = {one.name: one for one in verdicts.baseline.capabilities}
    after = {one.name: one for one in verdicts.candidate.capabilities}
    options = [
        _option(before[name], after[name], verdicts, gone)
        for name in before
        if name in after and before[name].supported != after[name].supported
    ]
    return [*routes, *options]


def _option(before: Capability, after: Capability, verdicts: Verdicts, gone: set[str]) -> Difference:
    rows, gate = verdicts.requirements, verdicts.gate
    level = rows[after.requirement].level if after.requirement in rows else LEVELS[0]
    lacking = before if after.supported else after
    accepted = not after.supported and gate.accepts_unsupported(after.route, after.parameter)
    carries = tuple(
        now.check
        for was, now in verdicts
        if now.check not in gone
        and {was.status, now.status} & {"unsupported"}
        and "fail" not in {was.status, now.status}
        and was.status != now.status
        and (now if now.status == "unsupported" else was).exchanges == lacking.exchanges
    )
    return Difference(
        area="options",
        grade="better" if after.supported else "waived" if accepted else grade_of(level, gate),
        subject=after.name,
        title=f"The option `{after.parameter}` of the route {after.route} is taken.",
        baseline=_taken(before),
        candidate=_taken(after),
        requirement_id=after.requirement,
        level=level,
        note="unsupported, accepted by the gate" if accepted else "",
        exchanges=(_last(before), _last(after)),
        carries=carries,
    )


def _taken(one: Capability) -> str:
    return "supported" if one.supported else f"unsupported: {one.message}"


def _route(route: str, verdicts: Verdicts) -> Difference | None:
    """The difference that only one side serves a route; None where both do, or neither, or nobody knows."""
    both = verdicts.both.get(f"{route}.answers")
    if both is None or {one.status for one in both} not in ({"pass", "skip"}, {"fail", "skip"}):
        return None
    before, after = both
    requirement, level = filed_under(after, verdicts.requirements)
    waiver = verdicts.gate.waiver_for(after.check, verdicts.today)
    served = after.status != "skip"
    grade: Grade = "better" if served else "waived" if waiver else grade_of(level, verdicts.gate)
    return Difference(
        area="options",
        grade=grade,
        subject=f"route {route}",
        title=f"The route {route} is served.",
        baseline="served" if not served else f"not served: {before.message}",
        candidate="served" if served else f"not served: {after.message}",
        requirement_id=requirement,
        level=level,
        note=f"waived until {waiver.until}: {waiver.reason}" if waiver and not served else "",
        exchanges=(_last(before), _last(after)),
        carries=tuple(
            now.check
            for was, now in verdicts
            if now.route == route and was.status != now.status and "skip" in {was.status, now.status}
        ),
    )


def reading_differences(verdicts: Verdicts) -> Iterator[Difference]:
    """The contradictions of the page that the two endpoints read otherwise: each a legal choice, none a fault."""
    sides: list[dict[str, list[str]]] = []
    says: dict[str, str] = {}
    for run in (verdicts.baseline, verdicts.candidate):
        found: dict[str, list[str]] = {}
        for one in readings_of(run):
            found.setdefault(one.id, []).append(f"{one.name} ({one.text})" if one.text else one.name)
            says[one.id] = one.says
        sides.append(found)
    for erratum in sides[1]:
        before, after = (sorted(side.get(erratum, [])) for side in sides)
        if before and before != after:
            yield Difference(
                area="readings",
                grade="information",
                subject=erratum,
                title=says[erratum] or "A contradiction that this version does not know.",
                baseline="; ".join(before),
                candidate="; ".join(after),
            )

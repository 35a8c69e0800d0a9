"""Two runs become one comparison: differences of every kind, graded; the verdict on them; what limits it.

Law: what cannot be compared is said and never guessed; silence about a MUST of the contract is not agreement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from reports.compare.answers import ending_table, error_differences, header_differences, header_table
from reports.compare.checks import (
    Verdicts,
    check_differences,
    option_differences,
    reading_differences,
    verdicts_of,
)
from reports.compare.fields import FieldDifference, field_differences, shapes
from reports.compare.latency import SLOWER, latency_differences, latency_table, times_of
from reports.compare.loads import load_differences, load_pairs, load_tables
from reports.compare.meaning import Meaning
from reports.compare.model import AREAS, GRADES, Comparison, Difference, Grade, Status, Table, grade_of
from reports.compare.traffic import Traffic, traffic_of
from reports.coverage import contract_of
from reports.gate import Gate
from reports.judge import COUNTED, counted, judge, listed
from reports.model import Run
from reports.visible import one_line
from schemas.emit import schema
from schemas.model import LEVELS

_BREAKS: Mapping[str, tuple[str, str]] = {
    "checks": ("check", "passed in the baseline and not in the candidate"),
    "options": ("option or route", "supported by the baseline only"),
    "fields": ("required field", "missing from the candidate or of a wrong type"),
    "latency": ("objective", "kept by the baseline and missed by the candidate"),
}


def compare(baseline: Run, candidate: Run, gate: Gate, today: date, *, slower: float = SLOWER) -> Comparison:
    """Hold a candidate against its baseline by a gate, as of a day.

    `slower` is the ratio of medians from which on a significant difference of times is told.
    """
    verdicts = verdicts_of(baseline, candidate, gate, today)
    traffic = traffic_of(baseline, candidate)
    meaning = Meaning(traffic)
    times = times_of(traffic)
    judged = judge(baseline, gate, today), judge(candidate, gate, today)
    loads, unequal = load_pairs(*judged)
    checks = list(check_differences(verdicts))
    options = option_differences(verdicts)
    grades: dict[str, Grade] = {one.subject: one.grade for one in checks}
    grades |= {check: one.grade for one in options for check in one.carries}
    differences = [
        *checks,
        *options,
        *_fields(traffic, verdicts),
        *error_differences(traffic, grades),
        *header_differences(traffic),
        *meaning.differences(),
        *latency_differences(times, slower),
        *load_differences(loads, slower),
        *reading_differences(verdicts),
    ]
    differences.sort(key=_rank)
    doubts = list(_doubts(verdicts, bool(loads), differences))
    status: Status = "no-breaking"
    if any(one.grade == "breaking" for one in differences):
        status = "breaking"
    elif doubts:
        status = "could-not-compare"
    tables = (
        _counts(judged[0].counts, judged[1].counts),
        ending_table(traffic),
        meaning.table(),
        latency_table(times, slower, together=_together(baseline, candidate)),
        *load_tables(loads, slower),
        header_table(traffic),
    )
    return Comparison(
        status=status,
        baseline=baseline,
        candidate=candidate,
        reasons=(*_breaking(differences), *doubts),
        notes=(*_notes(verdicts, traffic), meaning.remark, *unequal),
        differences=tuple(differences),
        tables=tuple(table for table in tables if table.rows),
        gate=gate,
        same={pair.candidate.id: pair.baseline.id for pair in traffic.pairs},
    )


def _rank(one: Difference) -> tuple[int, int, int, str]:
    level = LEVELS.index(one.level) if one.level in LEVELS else len(LEVELS)
    return GRADES.index(one.grade), AREAS.index(one.area), level, one.subject


def _fields(traffic: Traffic, verdicts: Verdicts) -> Iterator[Difference]:
    sides = [shapes(side) for side in traffic.alike()]
    for one in field_differences(sides[0], sides[1], _schemas(verdicts.candidate)):
        requirement = one.row.required if one.kind == "presence" else one.row.type_row
        row = verdicts.requirements.get(requirement)
        level = row.level if row else LEVELS[0] if requirement else ""
        before, after = (_seen(one, side) for side in (0, 1))
        yield Difference(
            area="fields",
            grade=_field_grade(one, level, verdicts.gate),
            subject=one.path,
            title=_field_title(one),
            baseline=before,
            candidate=after,
            requirement_id=requirement,
            level=level,
            places=one.places,
        )


def _field_grade(one: FieldDifference, level: str, gate: Gate) -> Grade:
    if one.less:
        return grade_of(level or LEVELS[0], gate) if one.less == "candidate" else "better"
    # Documented and not required: legal to leave out, and yet what a client of the baseline may read.
    return "warning" if one.kind == "presence" and one.row.documented and not one.hits[1] else "information"


def _field_title(one: FieldDifference) -> str:
    if one.kind == "type":
        allowed = "" if not one.less else ", which the contract does not allow"
        return f"A value that is {one.what} on one side only{allowed}."
    word = "required" if one.row.required else "documented" if one.row.documented else "undocumented"
    return f"A field that is {word}" + ("." if all(one.hits) else ", on one side only.")


def _seen(one: FieldDifference, side: int) -> str:
    hits, total = one.hits[side], one.totals[side]
    what = f"{one.what} " if one.kind == "type" else ""
    return f"{what}in {hits:,} of {total:,}" if hits else f"{what or 'absent '}(0 of {total:,})"


def _schemas(run: Run) -> Mapping[str, Mapping[str, Any]]:
    """What the run's contract says of each kind of answer, by route and kind; empty for a contract unknown here."""
    contract = contract_of(run)
    kinds = {"document": "response", "stream": "chunk"}
    return {
        f"{operation.route} {kind}": schema(contract, operation.route, part)  # type: ignore[arg-type]
        for operation in (contract.operations if contract else ())
        for kind, part in kinds.items()
        if contract is not None
    }


def _breaking(differences: list[Difference]) -> Iterator[str]:
    for area in AREAS:
        subjects = [one.subject for one in differences if one.grade == "breaking" and one.area == area]
        if subjects:
            what, how = _BREAKS[area]
            yield f"{counted(len(subjects), what)} {how}: {listed(map(one_line, subjects))}"


def _doubts(verdicts: Verdicts, loads: bool, differences: list[Difference]) -> Iterator[str]:
    baseline, candidate = verdicts.baseline, verdicts.candidate
    for name, run in (("baseline", baseline), ("candidate", candidate)):
        if run.incomplete:
            yield f"the {name} is no complete run: {run.incomplete}"
    if not verdicts.both and not loads:
        unlike = "; judge both by one contract" if baseline.contract != candidate.contract else ""
        yield f"the two runs have no check and no load in common, so there is nothing to compare{unlike}"
    elif verdicts.both and not any({"pass", "fail"} & {one.status for one in both} for both in verdicts):
        yield "no check that both runs have came to a result"
    opened = [one.subject for one in differences if one.grade == "open"]
    if opened:
        yield f"{counted(len(opened), 'check')} of a MUST came to no result on one side: {listed(opened)}"


def _notes(verdicts: Verdicts, traffic: Traffic) -> Iterator[str]:
    baseline, candidate, both = verdicts.baseline, verdicts.candidate, verdicts.both
    if baseline.id == candidate.id:
        yield "both logs are of the same run"
    alone = [len({one.check for one in run.outcomes} - both.keys()) for run in (baseline, candidate)]
    line = f"{counted(len(both), 'check')} in both runs"
    yield line + (f"; not compared: {alone[0]} of the baseline's, {alone[1]} of the candidate's" if any(alone) else "")
    pairs = len(traffic.pairs)
    sent = f"{len(traffic.baseline):,} and {len(traffic.candidate):,} requests, {pairs:,} of them the same"
    yield sent if traffic.same or not traffic.baseline else f"{sent}: too few, so answers are compared as a whole"
    for name, values in _unlike(baseline, candidate):
        yield f"the {name} differ: {values[0]} and {values[1]}"


def _unlike(baseline: Run, candidate: Run) -> Iterator[tuple[str, tuple[str, str]]]:
    def pair(name: str, before: object, after: object) -> Iterator[tuple[str, tuple[str, str]]]:
        if before != after:
            yield name, (one_line(str(before), 60), one_line(str(after), 60))

    yield from pair("contracts", baseline.contract, candidate.contract)
    yield from pair("seeds", baseline.seed, candidate.seed)
    yield from pair("versions of Seatrial", baseline.seatrial, candidate.seatrial)
    words = {"check_profile": "check profiles", "jobs": "numbers of jobs", "examples": "numbers of examples"}
    for key, name in words.items():
        if key in baseline.settings and key in candidate.settings:
            yield from pair(name, baseline.settings[key], candidate.settings[key])


def _together(baseline: Run, candidate: Run) -> bool:
    """Whether the two runs were under way at the same time, by their clocks."""
    try:
        spans = [
            (datetime.fromisoformat(run.started).timestamp(), run.end.seconds if run.end else 0.0)
            for run in (baseline, candidate)
        ]
    except ValueError:
        return False
    (start, seconds), (other, others) = spans
    return start < other + others and other < start + seconds


def _counts(before: Mapping[str, int], after: Mapping[str, int]) -> Table:
    rows = tuple((name, str(before[name]), str(after[name])) for name in COUNTED if before[name] or after[name])
    return Table(name="Checks by how they ended", head=("checks", "baseline", "candidate"), rows=rows)

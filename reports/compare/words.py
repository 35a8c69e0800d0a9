"""What every format of a comparison says in the same words: headline, counts, facts, groups of checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reports.compare.model import AREAS, Area, Comparison, Difference, Grade, Status
from reports.coverage import requirements_of
from reports.evidence import Evidence, shown
from reports.model import Run
from reports.view import place as place_of
from reports.visible import one_line
from schemas.model import ROUTES

HEADLINES: Mapping[Status, str] = {
    "breaking": "Breaking differences",
    "no-breaking": "No breaking difference",
    "could-not-compare": "Could not compare",
}
GRADE_TITLES: Mapping[Grade, str] = {
    "breaking": "Breaking",
    "open": "No result on one side",
    "warning": "Warnings",
    "waived": "Waived",
    "better": "Better than the baseline",
    "information": "For information",
}
AREA_TITLES: Mapping[Area, str] = {
    "checks": "Checks",
    "options": "Options and routes",
    "fields": "Fields",
    "errors": "Errors",
    "headers": "Headers",
    "meaning": "Meaning",
    "latency": "Latency",
    "readings": "Readings of the page's contradictions",
}
_COUNTED: Mapping[Grade, tuple[str, str]] = {
    "breaking": ("breaking", "breaking"),
    "open": ("without a result on one side", "without a result on one side"),
    "warning": ("warning", "warnings"),
    "waived": ("waived", "waived"),
    "better": ("better", "better"),
    "information": ("for information", "for information"),
}
# With these the reader wants to see for himself.
SHOWN: tuple[Grade, ...] = ("breaking", "open", "warning")


@dataclass(frozen=True)
class Group:
    """Differences for one reason: the first in full, and those of other checks of the requirement, on either route."""

    lead: Difference
    others: tuple[Difference, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """What its differences are about."""
        return tuple(one.subject for one in (self.lead, *self.others))


def grouped(differences: Iterable[Difference]) -> list[Group]:
    """One group for the checks of each requirement, whichever the route, and for fields that no contract knows."""
    found: dict[tuple[str, ...], list[Difference]] = {}
    for one in differences:
        found.setdefault(_finding(one), []).append(one)
    return [Group(_everywhere(several), tuple(several[1:])) for several in found.values()]


def _everywhere(several: list[Difference]) -> Difference:
    """The first of them, with the places of all."""
    return replace(several[0], places=tuple(sorted({place for one in several for place in one.places})))


def _finding(one: Difference) -> tuple[str, ...]:
    """What two differences have in common that are one finding."""
    # Checks that came to be different in another way are another finding.
    change = (_word(one.baseline), _word(one.candidate))
    if one.area == "checks" and one.grade == "information":
        return one.area, one.baseline, one.candidate
    if one.area == "checks" and one.requirement_id:
        return one.area, _without_route(one.requirement_id), *change
    if one.area == "fields" and one.grade == "information" and "absent" in one.baseline[:6] + one.candidate[:6]:
        return one.area, one.title, str(one.baseline.startswith("absent"))
    return one.area, one.subject, one.title, one.baseline, one.candidate


def by_area(differences: Iterable[Difference]) -> dict[Area, list[Group]]:
    """The groups of one grade by area, in the order of a report."""
    every = list(differences)
    areas = {area: grouped(one for one in every if one.area == area) for area in AREAS}
    return {area: groups for area, groups in areas.items() if groups}


def _word(text: str) -> str:
    return text.split(":", maxsplit=1)[0]


def _without_route(requirement: str) -> str:
    first, _, rest = requirement.partition(".")
    return rest if first in ROUTES else requirement


def counts_line(comparison: Comparison) -> str:
    """How many differences there are of each grade, in one line that is the same in every format."""
    told = [
        f"{count} {_COUNTED[grade][count != 1]}"
        for grade, count in comparison.counts.items()
        if count or grade in {"breaking", "warning"}
    ]
    return ", ".join(told)


def facts(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Name and both values of what identifies the runs, each in one line."""
    sides = (comparison.baseline, comparison.candidate)
    rows = [
        ("Target", [run.target for run in sides]),
        ("Contract", [run.contract for run in sides]),
        ("Started", [run.started for run in sides]),
        ("Took", [f"{run.end.seconds:,.1f} s" if run.end else "no end" for run in sides]),
        ("Requests", [f"{len(run.exchanges):,}" for run in sides]),
        ("Checks", [str(run.settings.get("check_profile") or "") for run in sides]),
        ("Seed", [str(run.seed) for run in sides]),
        ("Seatrial", [run.seatrial for run in sides]),
        ("Run", [run.id for run in sides]),
    ]
    return [(name, one_line(left), one_line(right)) for name, (left, right) in rows if left or right]


def about(one: Difference) -> str:
    """Where a difference was seen and what belongs to it, in one line; empty for nothing."""
    parts = [", ".join(one.places), one.note]
    if one.carries:
        parts.append(f"{len(one.carries)} checks go with it")
    return "; ".join(part for part in parts if part)


def words_of(comparison: Comparison, one: Difference) -> tuple[str, str]:
    """The contract's words that a difference was graded by, and where they stand; empty where there are none."""
    rows = requirements_of(comparison.baseline) | requirements_of(comparison.candidate)
    row = rows.get(one.requirement_id)
    return (one_line(row.quote, 600), place_of(row)) if row is not None else ("", "")


@dataclass(frozen=True)
class Sides:
    """The decisive request with what came back on either side; None where a log has no such exchange."""

    request: str
    curl: str
    baseline: Evidence | None
    candidate: Evidence | None


def sides_of(comparison: Comparison, one: Difference, *, most: int, laid_out: bool = True) -> Sides | None:
    """The evidence for a difference, bodies cut to about `most` characters; None for a difference without any."""
    names = list(one.exchanges)
    if not names[0] and names[1]:
        # A check that passed names no exchange: the answer to the same request is what it is held against.
        names[0] = comparison.same.get(names[1], "")
    elif names[0] and not names[1]:
        names[1] = {before: after for after, before in comparison.same.items()}.get(names[0], "")
    before, after = (
        _evidence(run, name, most, laid_out)
        for run, name in zip((comparison.baseline, comparison.candidate), names, strict=True)
    )
    decisive = after or before
    if decisive is None:
        return None
    alike = before is None or after is None or before.request_body == after.request_body
    return Sides(decisive.request, decisive.curl, before if alike else None, after)


def _evidence(run: Run, name: str, most: int, laid_out: bool) -> Evidence | None:
    return next(iter(shown(run, (name,), most=most, laid_out=laid_out)), None)

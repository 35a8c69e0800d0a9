"""What a comparison of two runs consists of: graded differences, tables side by side, and what follows from them.

Law: a difference is graded once, by the requirement that it breaks and the gate; a figure that the samples do not
support is no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reports.gate import Gate
from reports.model import Run

Grade = Literal["breaking", "open", "warning", "waived", "better", "information"]
# In the order of a report: what decides first.
GRADES: tuple[Grade, ...] = ("breaking", "open", "warning", "waived", "better", "information")
Area = Literal["checks", "options", "fields", "errors", "headers", "readings", "meaning", "latency"]
AREAS: tuple[Area, ...] = ("checks", "options", "fields", "errors", "headers", "meaning", "latency", "readings")
Status = Literal["breaking", "no-breaking", "could-not-compare"]
EXIT_CODES: Mapping[Status, int] = {"no-breaking": 0, "breaking": 1, "could-not-compare": 3}

# What the gate makes of a requirement of some level that only the candidate breaks.
_BY_GATE: Mapping[str, Grade] = {"fail": "breaking", "warn": "warning", "note": "information"}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference: what it is about, what each side did, and how much that matters.

    `requirement_id` and `level` say by what it was graded (empty where no requirement is concerned); `places` are the
    routes and kinds of answer; `exchanges` are the ids of the decisive exchange on each side (empty for none), the
    baseline's first; `carries` are the checks that changed for the same reason.
    """

    area: Area
    grade: Grade
    subject: str
    title: str
    baseline: str
    candidate: str
    requirement_id: str = ""
    level: str = ""
    note: str = ""
    places: tuple[str, ...] = ()
    exchanges: tuple[str, str] = ("", "")
    carries: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures side by side; the first cell of a row names it. `remark` says what they do not show."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate beside its baseline. `reasons` are one line each, the decisive ones first; `notes` what limits it.

    `same` has, for ids of the candidate's exchanges, the baseline's to the same request.
    """

    status: Status
    baseline: Run
    candidate: Run
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    differences: tuple[Difference, ...]
    tables: tuple[Table, ...]
    gate: Gate
    same: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 nothing breaking, 1 something, 3 could not compare."""
        return EXIT_CODES[self.status]

    @property
    def counts(self) -> Mapping[Grade, int]:
        """How many differences there are of each grade; zeros included."""
        return {grade: len(self.graded(grade)) for grade in GRADES}

    @property
    def breaking(self) -> tuple[str, ...]:
        """The subjects of the breaking differences."""
        return tuple(one.subject for one in self.graded("breaking"))

    def graded(self, grade: Grade) -> tuple[Difference, ...]:
        """The differences of one grade, in the order of the areas."""
        return tuple(one for one in self.differences if one.grade == grade)


def grade_of(level: str, gate: Gate) -> Grade:
    """What it is that only the candidate breaks a requirement of that level, by the gate."""
    return _BY_GATE[gate.grade(level)]

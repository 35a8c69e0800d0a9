"""What a run says about each requirement of its contract.

Law: a requirement that nothing was said about is never left out; it says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from reports.model import Outcome, Run
from schemas import contracts
from schemas.model import Contract, Erratum, Requirement

CoverageState = Literal[
    "failed", "waived", "error", "inconclusive", "blocked", "unsupported", "skipped", "passed", "not run", "untestable"
]
STATES: tuple[CoverageState, ...] = (
    "failed", "waived", "error", "inconclusive", "blocked", "unsupported", "skipped", "passed", "not run", "untestable",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One requirement: what the run says of it, by which checks, and a note (why it was not judged)."""

    requirement: Requirement
    state: CoverageState
    checks: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ErratumReading:
    """How the endpoint read one contradiction of the page; several where checks saw different ones."""

    id: str
    name: str
    text: str
    says: str
    passes: bool
    checks: tuple[str, ...]


def contract_of(run: Run) -> Contract | None:
    """The contract that the run names; None when this version knows none of that name."""
    return contracts.CONTRACTS.get(run.contract)


def requirements_of(run: Run) -> dict[str, Requirement]:
    """The requirements by id: those of the contract, and the run's own, which replace one of the same id."""
    contract = contract_of(run)
    rows = {row.id: row for row in contract.rows()} if contract else {}
    return rows | {row.id: row for row in run.rows}


def cover(run: Run, requirements: Mapping[str, Requirement], waived: Iterable[str]) -> tuple[Coverage, ...]:
    """The coverage of each requirement, in the contract's order; `waived` are the checks whose failure is accepted."""
    accepted = set(waived)
    citing: dict[str, list[Outcome]] = {}
    for outcome in run.outcomes:
        for cited in outcome.cites:
            citing.setdefault(cited, []).append(outcome)
    return tuple(_covered(row, citing.get(row.id, []), accepted) for row in requirements.values())


def readings_of(run: Run) -> tuple[ErratumReading, ...]:
    """The readings that the endpoint took, in the contract's order of errata."""
    contract = contract_of(run)
    errata = {erratum.id: erratum for erratum in contract.errata} if contract else {}
    seen: dict[tuple[str, str], list[str]] = {}
    for outcome in run.outcomes:
        for erratum_id, name in outcome.readings.items():
            seen.setdefault((erratum_id, name), []).append(outcome.check)
    order = {erratum_id: position for position, erratum_id in enumerate(errata)}
    found = sorted(seen.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0]))
    return tuple(_reading(errata.get(key), key, name, tuple(checks)) for (key, name), checks in found)


def _covered(row: Requirement, outcomes: list[Outcome], accepted: set[str]) -> Coverage:
    checks = tuple(outcome.check for outcome in outcomes)
    if not outcomes:
        if row.untestable:
            return Coverage(requirement=row, state="untestable", note=row.untestable)
        return Coverage(requirement=row, state="not run", note="no check of this run is about it")
    by_status: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        status = "waived" if outcome.status == "fail" and outcome.check in accepted else outcome.status
        by_status.setdefault(status, []).append(outcome)
    # The first that occurs says it all: nothing makes up for a failure, and a pass outweighs what was left open.
    for status, state in _PRECEDENCE:
        if status in by_status:
            first = by_status[status][0]
            note = "" if state == "passed" else first.message
            return Coverage(requirement=row, state=state, checks=checks, note=note)
    raise AssertionError(f"{row.id}: no state for {sorted(by_status)}")


_PRECEDENCE: tuple[tuple[str, CoverageState], ...] = (
    ("fail", "failed"),
    ("error", "error"),
    ("waived", "waived"),
    ("pass", "passed"),
    ("inconclusive", "inconclusive"),
    ("blocked", "blocked"),
    ("unsupported", "unsupported"),
    ("skip", "skipped"),
)


def _reading(erratum: Erratum | None, key: str, name: str, checks: tuple[str, ...]) -> ErratumReading:
    says = erratum.says if erratum else ""
    for reading in erratum.readings if erratum else ():
        if reading.name == name:
            return ErratumReading(id=key, name=name, text=reading.text, says=says, passes=reading.passes, checks=checks)
    return ErratumReading(id=key, name=name, text="", says=says, passes=True, checks=checks)

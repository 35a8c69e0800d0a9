"""What stands behind an id: the source's own words, and who checks them with what mutants."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from conformance.check import Check, Mutant, cited_by
from schemas.model import Contract, Erratum, Param, Requirement
from seatrial.errors import UserError


def explained(name: str, contract: Contract, checks: Mapping[str, Check]) -> str:
    """The text about a requirement, check, erratum or mutant; `UserError` with the nearest ids for anything else."""
    rows = {row.id: row for row in contract.rows()}
    errata = {erratum.id: erratum for erratum in contract.errata}
    mutants = {mutant.id: (check, mutant) for check in checks.values() for mutant in check.mutants}
    # A check may have a requirement's name; then both are what was asked for.
    parts = []
    if name in rows:
        parts.append(_requirement(rows[name], checks))
    if name in checks:
        parts.append(_check(checks[name], rows))
    if name in errata:
        parts.append(_erratum(errata[name], checks))
    if name in mutants:
        parts.append(_mutant(*mutants[name]))
    if not parts:
        known = list(dict.fromkeys([*rows, *checks, *errata, *mutants]))
        raise UserError(f"nothing has the id {name!r} in {contract.name}; {_near(name, known)}")
    return "\n".join("\n".join(part) + "\n" for part in parts)


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or [one for one in known if name in one][:3]
    return f"did you mean {', '.join(near)}?" if near else "`seatrial list --requirements` shows what there is"


def _requirement(row: Requirement, checks: Mapping[str, Check]) -> Iterator[str]:
    yield f"Requirement {row.id} ({row.level})"
    yield from _quoted(row)
    if isinstance(row, Param):
        yield f"  Type: {row.type}" + (f"; default: {row.default}" if row.default else "")
    if row.untestable:
        yield f"  Cannot be checked from outside: {row.untestable}"
    citing = cited_by(checks.values()).get(row.id, ())
    yield from _listed("Checked by", (f"{one}: {checks[one].title}" for one in citing))
    yield from _listed("Mutants", (f"{m.id}: {m.title}" for one in citing for m in checks[one].mutants))


def _check(check: Check, rows: Mapping[str, Requirement]) -> Iterator[str]:
    yield f"Check {check.id}"
    yield f"  {check.title}"
    for cited in check.cites:
        yield ""
        if cited in rows:
            yield f"Cites {cited} ({rows[cited].level})"
            yield from _quoted(rows[cited])
        else:
            yield f"Cites {cited}"
    yield from _listed("Needs", check.needs)
    yield from _listed("Settles", check.settles)
    yield from _listed("Mutants", (f"{mutant.id}: {mutant.title}" for mutant in check.mutants))


def _erratum(erratum: Erratum, checks: Mapping[str, Check]) -> Iterator[str]:
    place = f" (number {erratum.place} of the page's contradictions)" if erratum.place else ""
    yield f"Erratum {erratum.id}{place}"
    yield f"  The page: {erratum.says}"
    yield f"  Practice: {erratum.practice}"
    if erratum.unobservable:
        yield f"  Cannot be observed: {erratum.unobservable}"
    passes = {True: "passes", False: "fails"}
    yield from _listed("Readings", (f"{one.name} ({passes[one.passes]}): {one.text}" for one in erratum.readings))
    yield from _listed("About", erratum.about)
    yield from _listed("Settled by", (one.id for one in checks.values() if erratum.id in one.settles))


def _mutant(check: Check, mutant: Mutant) -> Iterator[str]:
    yield f"Mutant {mutant.id}"
    yield f"  {mutant.title}"
    yield from _listed("Not enforced", (f"{requirement}: {keyword}" for requirement, keyword in sorted(mutant.forgets)))
    yield from _listed("Found by", [f"{check.id}: {check.title}"])
    yield f"Try it: seatrial serve --mutant {mutant.id}"


def _quoted(row: Requirement) -> Iterator[str]:
    yield f"  “{row.quote}”"
    yield f"  Source: {row.source}" + (f", line {row.line}" if row.line else "")


def _listed(head: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"{head}:"
        yield from (f"  {line}" for line in found)

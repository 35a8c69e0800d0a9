"""`seatrial list`: the ids that the other commands take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from conformance.catalogue import checks_of
from conformance.check import cited_by
from loadtests.plans import plan
from loadtests.profiles import PROFILES
from schemas.contracts import get, names
from schemas.model import Contract
from seatrial.cli.options import contract_option
from seatrial.errors import CONFORMS

Row = tuple[str, ...]


def _checks(contract: Contract) -> list[Row]:
    return [(check.id, check.title) for check in checks_of(contract).values()]


def _requirements(contract: Contract) -> list[Row]:
    cited = cited_by(checks_of(contract).values())

    def held(requirement: str, untestable: str) -> str:
        return "untestable" if untestable else f"{len(cited.get(requirement, ()))} checks"

    return [(row.id, row.level, held(row.id, row.untestable), row.quote) for row in contract.rows()]


def _errata(contract: Contract) -> list[Row]:
    return [(erratum.id, erratum.says) for erratum in contract.errata]


def _profiles(_: Contract) -> list[Row]:
    return [(name, row.title, str(plan(row))) for name, row in PROFILES.items()]


def _mutants(contract: Contract) -> list[Row]:
    return [(mutant.id, mutant.title) for check in checks_of(contract).values() for mutant in check.mutants]


_KINDS: Mapping[str, Callable[[Contract], list[Row]]] = {
    "checks": _checks,
    "requirements": _requirements,
    "errata": _errata,
    "profiles": _profiles,
    "mutants": _mutants,
}


@click.command(short_help="List checks, requirements, errata, load profiles or mutants.")
@click.option("--checks", "kind", flag_value="checks", default="checks", help="Checks and what they state. [default]")
@click.option("--requirements", "kind", flag_value="requirements", help="Requirements with level, checks and words.")
@click.option("--errata", "kind", flag_value="errata", help="Contradictions of the source.")
@click.option("--profiles", "kind", flag_value="profiles", help="Load profiles.")
@click.option("--mutants", "kind", flag_value="mutants", help="Faults that `seatrial serve --mutant` takes.")
@contract_option
def command(kind: str, contract: str | None) -> int:
    """List the ids of a contract, one a line."""
    rows = _KINDS[kind](get(contract or names()[0]))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(rows[0]) if rows else 0)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return CONFORMS

"""`seatrial explain`: what stands behind an id that a report shows."""

from __future__ import annotations

import click

from conformance.catalogue import checks_of
from schemas.contracts import get, names
from seatrial.cli.options import contract_option
from seatrial.errors import CONFORMS
from seatrial.explaining import explained


@click.command(short_help="Show what a requirement, a check or an erratum is about.")
@click.argument("name", metavar="ID")
@contract_option
def command(name: str, contract: str | None) -> int:
    """Show the source's words behind ID, and the checks and mutants that belong to it."""
    rows = get(contract or names()[0])
    click.echo(explained(name, rows, checks_of(rows)), nl=False)
    return CONFORMS

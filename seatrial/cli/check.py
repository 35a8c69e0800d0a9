"""`seatrial check`: an endpoint judged by its contract."""

from __future__ import annotations

from typing import Any

import click

from seatrial.cli.course import carry_out
from seatrial.cli.options import access_options, checking_options, options_of, output_of, output_options
from seatrial.conduct import Course
from seatrial.errors import CONFORMS
from seatrial.options import Options, Plan, planned


@click.command(short_help="Judge an endpoint by its API contract.")
@click.argument("target")
@access_options
@checking_options
@output_options
@click.option("--dry-run", is_flag=True, help="Show the checks and the caps, and send nothing.")
def command(target: str, dry_run: bool, **given: Any) -> int:
    """Judge the endpoint TARGET (a URL, or a name in seatrial.toml) by its API contract."""
    output = output_of(given)
    options = options_of(target, given, sends=not dry_run)
    plan = planned(options)
    if dry_run:
        click.echo(told(options, plan), nl=False)
        return CONFORMS
    return carry_out(Course(command="check", options=options, checks=plan), output)


def told(options: Options, plan: Plan) -> str:
    """What a run would do: the caps, then a line for each check."""
    width = max((len(check.id) for check in plan.checks), default=0)
    with_key = "with a key" if options.key else "without a key"
    head = [
        f"{options.target.url} by {options.contract.name}, seed {options.seed}, {with_key}",
        f"{len(plan.checks)} checks, {options.jobs} at a time",
        f"at most {options.budget_requests:,} requests and {options.budget_tokens:,} tokens",
        f"at most {_limit(options.rpm)} requests and {_limit(options.tpm)} tokens per minute",
        "",
    ]
    lines = [f"{check.id:<{width}}  {check.title}" for check in plan.checks]
    return "\n".join([*head, *lines, ""])


def _limit(value: int | None) -> str:
    return "any number of" if value is None else f"{value:,}"

"""`seatrial load`: a load profile sent to an endpoint, judged by the objectives of the gate."""

from __future__ import annotations

from typing import Any

import click

from seatrial.cli.course import carry_out
from seatrial.cli.generator_options import generated, generator_of, generator_options
from seatrial.cli.load_options import against_baseline, load_of, loading_options
from seatrial.cli.options import access_options, note, options_of, output_of, output_options
from seatrial.cli.web_options import web_of, web_options
from seatrial.conduct import Course
from seatrial.errors import CONFORMS
from seatrial.loading import orders_of


@click.command(short_help="Send a load profile and judge it by the gate's objectives.")
@click.argument("target")
@loading_options
@generator_options
@web_options
@access_options
@output_options
@click.option("--dry-run", is_flag=True, help="Show the plan, and send nothing.")
def command(target: str, dry_run: bool, **given: Any) -> int:
    """Send a load profile to the endpoint TARGET (a URL, or a name in seatrial.toml)."""
    output = against_baseline(output_of(given), given)
    profile, overrides = load_of(given, output.gate)
    generator = generator_of(given)
    web = web_of(given, output.gate.source, processes=generator.processes)
    options = options_of(target, given)
    orders, plan = orders_of(options, profile, overrides)
    orders = generated(orders, generator)
    if dry_run:
        click.echo(str(plan))
        return CONFORMS
    note(str(plan))
    course = Course(command="load", options=options, load=orders, load_plan=plan.to_record(), web=web)
    return carry_out(course, output)

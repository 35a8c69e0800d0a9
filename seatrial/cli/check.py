"""`seatrial check`: an endpoint judged by its contract."""

from __future__ import annotations

from typing import Any

import click

from seatrial.cli.baseline import announced, baseline_of, baseline_options, carry_out_pair, options_for
from seatrial.cli.course import carry_out
from seatrial.cli.options import (
    access_options,
    checking_options,
    note,
    options_of,
    output_of,
    output_options,
    profile_option,
)
from seatrial.conduct import Course
from seatrial.errors import CONFORMS
from seatrial.options import planned
from seatrial.planning import cap_line, told
from seatrial.rehearsal import rehearse


@click.command(short_help="Judge an endpoint by its API contract.")
@click.argument("target")
@access_options
@profile_option
@checking_options
@output_options
@baseline_options
def command(target: str, dry_run: bool, **given: Any) -> int:
    """Judge the endpoint TARGET (a URL, or a name in seatrial.toml) by its API contract.

    With --baseline the same requests go to a second endpoint as well, and the two runs are compared; the exit code is
    still TARGET's own.
    """
    output = output_of(given)
    baseline = baseline_of(given)
    config, ca_file = given["config"], given["ca_file"]
    options = options_of(target, given, sends=not dry_run)
    other = options_for(baseline, options, config, ca_file) if baseline else None
    plan = planned(options)
    if dry_run:
        click.echo(told(options, plan, rehearse(options, plan)), nl=False)
        if baseline:
            click.echo("\nThe same again for the baseline: twice the requests and tokens in all.")
        return CONFORMS
    if baseline and other:
        note(announced(baseline, options, plan))
        return carry_out_pair(baseline, options, other, output)
    if options.repeat > 1:
        note(cap_line(options, plan))
    return carry_out(Course(command="check", options=options, checks=plan), output)

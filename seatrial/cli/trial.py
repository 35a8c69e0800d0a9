"""`seatrial trial`: checks and load in one log, and the gate over both."""

from __future__ import annotations

import secrets
from typing import Any

import click

from reference_server.content_filter import TRIGGERS
from seatrial.cli.course import carry_out
from seatrial.cli.generator_options import generated, generator_of, generator_options
from seatrial.cli.options import (
    Output,
    access_options,
    check_profile_option,
    checking_options,
    load_of,
    loading_options,
    note,
    options_of,
    output_of,
    output_options,
)
from seatrial.conduct import Course
from seatrial.embedded import embedded_server
from seatrial.errors import CONFORMS, UserError
from seatrial.loading import orders_of
from seatrial.options import planned
from seatrial.planning import cap_line, told
from seatrial.recognising import AUTO
from seatrial.rehearsal import rehearse
from seatrial.signals import interruptible


@click.command(short_help="Check and load in one run, with one verdict.")
@click.argument("target", required=False)
@click.option("--embedded", is_flag=True, help="Try the embedded reference server. [default without a TARGET]")
@check_profile_option
@checking_options
@loading_options
@generator_options
@access_options
@output_options
def command(target: str | None, embedded: bool, **given: Any) -> int:
    """Check the endpoint TARGET and load it; without a TARGET, the embedded reference server on a free port."""
    if target is not None and embedded:
        raise UserError("--embedded needs no TARGET; leave out one of them")
    output = output_of(given)
    if target is not None:
        return _trial(target, given, output)
    for name in ("key_env", "key_file", "no_key"):
        if given[name]:
            raise UserError(f"--{name.replace('_', '-')} is for a TARGET; the embedded server gets a key of its own")
    for name in ("rpm", "tpm"):
        given[name] = given[name] or 0
    given["filter_prompt"] = given["filter_prompt"] or TRIGGERS
    key = secrets.token_hex(16)
    # The server's process must not outlive an interrupt that comes before the run has begun or after it has ended.
    with interruptible(), embedded_server(key, contract=_served(given), seed=given["seed"]) as url:
        note(f"the embedded reference server is at {url}")
        return _trial(url, given, output, key=key)


def _served(given: dict[str, Any]) -> str | None:
    """The contract that the embedded server keeps: the one that it is judged by, its default where that is sought."""
    return None if given["contract"] == AUTO else given["contract"]


def _trial(target: str, given: dict[str, Any], output: Output, *, key: str | None = None) -> int:
    rest = dict(given)
    dry_run = rest.pop("dry_run")
    profile, overrides = load_of(rest)
    generator = generator_of(rest)
    options = options_of(target, rest, key=key)
    orders, plan = orders_of(options, profile, overrides)
    orders = generated(orders, generator)
    checks = planned(options)
    if dry_run:
        click.echo(f"{told(options, checks, rehearse(options, checks))}\nThen a load, not rehearsed: {plan}")
        return CONFORMS
    note(f"{cap_line(options, checks)}; then {plan}")
    course = Course(command="trial", options=options, checks=checks, load=orders, load_plan=plan.to_record())
    return carry_out(course, output)

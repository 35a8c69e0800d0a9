"""The options that several commands share, and what becomes of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from reports.formats import FORMATS
from reports.gate import Gate
from schemas.contracts import names
from seatrial.errors import UserError
from seatrial.options import Asked, Options, resolve
from seatrial.prices import Prices
from seatrial.profiles import DEFAULT, PROFILES
from seatrial.recognising import AUTO
from seatrial.verdicts import check_report_path, find_gate

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)

contract_option = click.option(
    "--contract", type=click.Choice(names()), help="The contract to judge by. [default: the target's, else azure-llama]"
)
judged_by_option = click.option(
    "--contract",
    type=click.Choice([*names(), AUTO]),
    help="The contract to judge by; auto finds it out. [default: the target's, else azure-llama]",
)
gate_option = click.option(
    "--gate", "gate_file", type=_FILE, help="What counts as good enough. [default: ./gate.toml, else built in]"
)
format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="terminal",
    show_default=True,
    help="Report on stdout.",
)

_ACCESS = (
    click.option("--config", type=_FILE, help="Where targets have names. [default: ./seatrial.toml]"),
    judged_by_option,
    click.option("--key-env", metavar="NAME", help="Variable that has the key. [default: SEATRIAL_API_KEY]"),
    click.option("--key-file", type=_FILE, help="File that has the key and nothing else."),
    click.option("--no-key", is_flag=True, help="Send no key."),
    click.option("--ca-file", type=_FILE, help="Certificate authority to trust besides the system's."),
    click.option("--model", metavar="NAME", help="Put `model` into every body."),
    click.option(
        "--seed",
        type=int,
        default=Asked.seed,
        show_default=True,
        help="What random requests and prompts are drawn from.",
    ),
)
_CHECKING = (
    click.option("--jobs", type=int, default=Asked.jobs, show_default=True, help="Requests at a time."),
    click.option("--budget-requests", type=int, help="Most requests of checks. [default: the profile's]"),
    click.option("--budget-tokens", type=int, help="Most tokens of checks. [default: the profile's]"),
    click.option("--examples", type=int, help="Random requests for each property. [default: the profile's]"),
    click.option("--repeat", type=int, default=1, show_default=True, help="Run the checks so often; report changes."),
    click.option("--same-seed", is_flag=True, help="With --repeat: every round asks exactly the same."),
    click.option("--price-input", type=float, help="Price of a million tokens in. [default: the target's]"),
    click.option("--price-output", type=float, help="Price of a million tokens out. [default: the target's]"),
    click.option("--currency", metavar="NAME", help="What prices are in."),
    click.option("--dry-run", is_flag=True, help="Rehearse on the embedded server and show the cost; send nothing."),
    click.option(
        "--schema",
        multiple=True,
        metavar="[ROUTE=]FILE",
        help="JSON Schema of requests, in place of the contract's. Repeatable.",
    ),
    click.option(
        "--only", multiple=True, metavar="PATTERN", help="Only checks with such an id, or of an area. Repeatable."
    ),
    click.option(
        "--skip", multiple=True, metavar="PATTERN", help="No checks with such an id, or of an area. Repeatable."
    ),
    click.option(
        "--filter-prompt",
        multiple=True,
        metavar="TEXT",
        help="Prompt that the content filter must act on. Repeatable.",
    ),
    click.option("--rpm", type=int, help="Requests per minute, 0 for no limit. [default: the contract's limit]"),
    click.option("--tpm", type=int, help="Tokens per minute, 0 for no limit. [default: the contract's limit]"),
    click.option("--timeout", type=float, help="Seconds for one request. [default: 30]"),
    click.option("--no-shrink", is_flag=True, help="Report a failing random request as it was drawn."),
)  # fmt: skip
_OUTPUT = (
    gate_option,
    click.option("--report", type=_FILE, help="HTML report (.xml: JUnit, .md: Markdown). [default: next to the log]"),
    format_option,
    click.option(
        "--log", "log_file", type=_FILE, help="Where to record the run. [default: trials/<time>-<host>.jsonl]"
    ),
    click.option("--force", is_flag=True, help="Overwrite the log that is there."),
)
_PROFILE_HELP = f"How much to check: {', '.join(PROFILES)}. [default: the target's, else {DEFAULT}]"
# A trial has a load profile as well, so `--profile` alone can only mean this where there is no load.
_ONE_PROFILE = (
    click.option(
        "--profile", "--check-profile", "check_profile", type=click.Choice(list(PROFILES)), help=_PROFILE_HELP
    ),
)
_CHECK_PROFILE = (
    click.option("--check-profile", "check_profile", type=click.Choice(list(PROFILES)), help=_PROFILE_HELP),
)
_LOADING = (
    click.option(
        "--profile", default="streaming", show_default=True, help="Load profile: streaming, request-limit, token-limit."
    ),
    click.option("--rate", type=float, help="Requests per second."),
    click.option("--duration", type=float, help="Seconds."),
    click.option("--max-tokens", type=int, help="Most tokens of an answer."),
    click.option("--route", type=click.Choice(["completions", "chat"]), help="Route to send to."),
    click.option("--up-to", type=float, help="Limit a minute up to which request-limit and token-limit look."),
    click.option("--longest", type=float, help="Longest window that they look for, in seconds. [default: 60]"),
)


def _all(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


access_options: Callable[[F], F] = _all(_ACCESS)
checking_options: Callable[[F], F] = _all(_CHECKING)
profile_option: Callable[[F], F] = _all(_ONE_PROFILE)
check_profile_option: Callable[[F], F] = _all(_CHECK_PROFILE)
output_options: Callable[[F], F] = _all(_OUTPUT)
loading_options: Callable[[F], F] = _all(_LOADING)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a run is recorded and reported, found to be usable before anything is sent."""

    gate: Gate
    report: Path | None
    kind: str
    log: Path | None
    force: bool


def output_of(given: dict[str, Any]) -> Output:
    """Take the output options out of a command's arguments; `UserError` for a gate or a place that cannot be used."""
    report = given.pop("report")
    check_report_path(report)
    return Output(
        gate=find_gate(given.pop("gate_file"), Path.cwd()),
        report=report,
        kind=given.pop("kind"),
        log=given.pop("log_file"),
        force=given.pop("force"),
    )


def load_of(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Take the load options out of a command's arguments: the profile and what is changed in it."""
    profile = given.pop("profile")
    return profile, {name: given.pop(name) for name in ("rate", "duration", "max_tokens", "route", "up_to", "longest")}


def options_of(target: str | None, given: dict[str, Any], *, key: str | None = None, sends: bool = True) -> Options:
    """The rest of a command's arguments made exact; `key` is one that the command itself has chosen.

    `sends` false forbids to ask the endpoint anything.
    """
    if target is None:
        raise UserError("no TARGET was given; name a URL or a target of seatrial.toml")
    shrink = not given.pop("no_shrink", False)
    names = {"input": "price_input", "output": "price_output", "currency": "currency"}
    prices = Prices(**{name: given.pop(option, None) for name, option in names.items()})
    environ = dict(os.environ) if key is None else {"SEATRIAL_API_KEY": key}
    asked = Asked(target=target, shrink=shrink, prices=prices, **given)
    return resolve(asked, environ=environ, folder=Path.cwd(), warn=note, sends=sends)


def note(line: str) -> None:
    """Say something on stderr that is neither a result nor an error."""
    click.echo(f"seatrial: {line}", err=True)


def colour_and_width() -> tuple[bool, int]:
    """Whether stdout shows colour, and its width in columns."""
    if not sys.stdout.isatty():
        return False, 100
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb", shutil.get_terminal_size().columns

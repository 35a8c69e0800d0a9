"""The options that shape a load, which `load` and `trial` share, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from loadtests.arrivals import ARRIVALS
from loadtests.limits.plans import LIMIT_PROFILES
from loadtests.profiles import PROFILES
from reports.gate import Gate
from reports.slo import GOODPUT_BOUNDS
from schemas.model import ROUTES
from seatrial.cli.options import Output, every
from seatrial.verdicts import check_baseline

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_PROFILES = ", ".join((*PROFILES, *LIMIT_PROFILES))
# In the order of the help: when requests are sent, what they ask, what is good, what it may cost.
_OPTIONS = (
    click.option("--profile", default="streaming", show_default=True, help=f"Load profile: {_PROFILES}."),
    click.option("--rate", type=float, help="Requests per second; the first rate of a search for the capacity."),
    click.option("--duration", type=float, help="Seconds; the least of a trial in a search."),
    click.option("--arrivals", type=click.Choice(list(ARRIVALS)), help="How requests are spread at that rate."),
    click.option("--burstiness", type=float, help="Shape of gamma arrivals: 1 is Poisson, less comes in bursts."),
    click.option("--rate-from", type=float, metavar="RATE", help="Begin at this rate and rise to --rate."),
    click.option("--steps", metavar="RATE:SECONDS,…", help="Rates, one after another."),
    click.option("--trace", type=_FILE, help="Send when this file says: offsets, and lengths if it has them."),
    click.option("--concurrency", type=int, metavar="USERS", help="Closed loop: each sends after its last answer."),
    click.option("--think", type=float, metavar="SECONDS", help="Closed loop: mean pause before the next request."),
    click.option("--requests", type=int, help="Most requests of a closed loop or of a trace."),
    click.option("--route", type=click.Choice(ROUTES), help="Route to send to."),
    click.option("--mix", metavar="KIND=WEIGHT,…", help="Kinds: chat, completions, or either with -whole."),
    click.option("--prompt-tokens", metavar="LENGTH", help="Of a prompt: N, uniform:A-B or lognormal:MEDIAN:SIGMA."),
    click.option("--max-tokens", metavar="LENGTH", help="Most tokens of an answer, in the same forms."),
    click.option("--prompt-file", type=_FILE, help="Prompts to send: one a line, or JSON lines."),
    click.option("--prefix-share", type=float, metavar="SHARE", help="Share of a prompt that is common to many."),
    click.option("--prefixes", type=int, help="How many such common texts there are."),
    click.option(
        "--turns",
        type=int,
        help="Turns of a conversation, each sent with all before it; with --concurrency, with the endpoint's answers.",
    ),
    click.option("--goodput", metavar="NAME:MS,…", help="What a good answer keeps: ttft, itl, tpot, e2e."),
    click.option("--share", type=float, help="Share of answers that must be good at the capacity."),
    click.option("--rate-most", type=float, metavar="RATE", help="Highest rate of a search for the capacity."),
    click.option("--resolution", type=float, metavar="SHARE", help="How exactly the capacity is sought."),
    click.option("--up-to", type=float, help="Limit a minute up to which request-limit and token-limit look."),
    click.option("--longest", type=float, help="Longest window that they look for, in seconds. [default: 60]"),
    click.option("--warmup", type=int, help="Requests ahead of the load that count in no figure."),
    click.option("--deadline", type=float, metavar="SECONDS", help="Time for one request."),
    click.option("--token-cap", type=int, help="Send nothing more after so many tokens."),
    click.option("--baseline", type=_FILE, metavar="LOG", help="Log that regressions are measured from."),
)  # fmt: skip
_NAMES = (
    "rate", "duration", "arrivals", "burstiness", "rate_from", "steps", "trace", "concurrency", "think", "requests",
    "route", "mix", "prompt_tokens", "max_tokens", "prompt_file", "prefix_share", "prefixes", "turns", "goodput",
    "share", "rate_most", "resolution", "warmup", "deadline", "token_cap",
)  # fmt: skip

loading_options: Callable[[F], F] = every(_OPTIONS)


def against_baseline(output: Output, given: dict[str, Any]) -> Output:
    """The output with the baseline of the command line in place of the gate's; `UserError` for one without a load."""
    baseline = given.pop("baseline")
    if baseline is None:
        return output
    made = replace(output, gate=replace(output.gate, baseline=baseline))
    check_baseline(made.gate)
    return made


def load_of(given: dict[str, Any], gate: Gate) -> tuple[str, dict[str, Any]]:
    """Take the load options out of a command's arguments: the profile and what is changed in it.

    What a good answer keeps is the gate's word unless the command line has its own.
    """
    profile = given.pop("profile")
    changes = {name: given.pop(name) for name in _NAMES}
    limits = {name: given.pop(name) for name in ("up_to", "longest")}
    if profile in LIMIT_PROFILES or any(value is not None for value in limits.values()):
        changes.update(limits)
    for name in ("trace", "prompt_file"):
        # The load process has no folder of the user's.
        changes[name] = None if changes[name] is None else str(changes[name].absolute())
    if changes["goodput"] is None and profile not in LIMIT_PROFILES:
        bounds = [f"{short}:{gate.slo[name]:g}" for name, short in GOODPUT_BOUNDS.items() if name in gate.slo]
        changes["goodput"] = ",".join(bounds) or None
    return profile, changes

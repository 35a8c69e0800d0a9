"""The options of a server's limits, and the limits that they make for a contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reference_server.limits import COUNTED, MOST_SECONDS, WINDOWS, Limits, limits_of
from schemas.model import Contract
from seatrial.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--rpm", type=click.IntRange(0), help="Requests per minute, 0 for no limit. [default: the contract's]"
    ),
    click.option("--tpm", type=click.IntRange(0), help="Tokens per minute, 0 for no limit. [default: the contract's]"),
    click.option(
        "--limiter",
        type=click.Choice(WINDOWS),
        default=Limits.window,
        show_default=True,
        help="How requests and tokens are limited: a token bucket, a fixed or a sliding window.",
    ),
    click.option(
        "--window-seconds",
        type=click.IntRange(1, MOST_SECONDS),
        default=Limits.window_seconds,
        show_default=True,
        help="Seconds that --rpm and --tpm are for, in place of a minute.",
    ),
    click.option(
        "--burst-seconds",
        type=click.IntRange(1, MOST_SECONDS),
        help="Limit requests also within this many seconds, to their share of the window: a bucket's burst.",
    ),
    click.option(
        "--count-refused",
        type=click.Choice(COUNTED),
        default=Limits.count_refused,
        show_default=True,
        help="Which refused requests count as requests: those that break the contract, or also those over a limit.",
    ),
)
NAMES = ("rpm", "tpm", "limiter", "window_seconds", "burst_seconds", "count_refused")


def limit_options(command: F) -> F:
    """Give a command the options of a limiter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def limits_from(given: dict[str, Any], contract: Contract) -> Limits:
    """Take those options out of what was given, and make limits of them; `UserError` when they make no sense."""
    asked = {name: given.pop(name) for name in NAMES}
    changed: dict[str, Any] = {"window": asked.pop("limiter")}
    for name, stated in (("rpm", "requests_per_minute"), ("tpm", "tokens_per_minute")):
        if (value := asked.pop(name)) is not None:
            changed[stated] = value or None
    burst, window = asked["burst_seconds"], asked["window_seconds"]
    if burst is not None and burst >= window:
        raise UserError(f"--burst-seconds is {burst}; a burst is shorter than the window of {window} seconds")
    return limits_of(contract, **changed, **asked)

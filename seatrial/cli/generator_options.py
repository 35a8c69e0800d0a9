"""The options of the load generator itself, which `load` and `trial` share: proxy, self-check, processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from loadtests.orders import Orders
from loadtests.proxies import ProxyError, chosen_proxy
from seatrial.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])

_MOST_PROCESSES = 64


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How the load is generated, whatever it is; `proxy` is as it was given."""

    proxy: str | None = None
    self_check: bool = True
    processes: int = 1


_OPTIONS = (
    click.option("--proxy", metavar="URL", help="Send the load through it; env: what HTTPS_PROXY and the like say."),
    click.option("--no-self-check", is_flag=True, help="Do not measure the load generator's own error first."),
    click.option(
        "--processes",
        type=click.IntRange(1, _MOST_PROCESSES),
        default=1,
        show_default=True,
        help="Processes that share the load: at most one for each core.",
    ),
)


def generator_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def generator_of(given: dict[str, Any]) -> Generator:
    """Take the generator's options out of a command's arguments."""
    return Generator(
        proxy=given.pop("proxy"), self_check=not given.pop("no_self_check"), processes=given.pop("processes")
    )


def generated(orders: Orders, by: Generator) -> Orders:
    """The orders with how they are carried out; `UserError` for a proxy that cannot be used."""
    try:
        proxy = chosen_proxy(by.proxy, orders.target, os.environ)
    except ProxyError as error:
        raise UserError(str(error)) from None
    return replace(orders, proxy=proxy, self_check=by.self_check, processes=by.processes)

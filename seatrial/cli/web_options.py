"""The options of the page in which a load is begun: `--web`, and where it is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from loadtests.web.guard import is_local
from reports.gate import Gate
from seatrial.errors import UserError
from seatrial.loading import Web

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--web", is_flag=True, help="Serve a page that begins the load and shows it, until Ctrl-C."),
    click.option("--web-host", default="127.0.0.1", show_default=True, help="Address of the page."),
    click.option(
        "--web-port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="Its port; 0: any free one."
    ),
    click.option("--web-login", is_flag=True, help="Ask for a password; env: SEATRIAL_WEB_PASSWORD, or one is made."),
)


def web_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def web_of(given: dict[str, Any], gate: str, *, processes: int) -> Web | None:
    """Take the page's options out of a command's arguments; `UserError` for a page that must not be.

    `gate` says where the gate was read, by which the page's reports are judged too.
    """
    wanted = given.pop("web")
    host, port, login = given.pop("web_host"), given.pop("web_port"), given.pop("web_login")
    if not wanted:
        return None
    if not (login or is_local(host)):
        raise UserError("a page that others can reach needs a login: add --web-login, or leave --web-host out")
    if processes > 1:
        raise UserError("--web runs in one process; for several, use locust with loadtests/locustfile.py --processes")
    return Web(host=host, port=port, login=login, gate="" if gate == Gate.source else gate)

"""A load process with a page: runs are begun there, and their records go out as those of a run without one.

Law: the process ends when it is told to or when nobody reads its records, and records a run under way before that.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import gevent

from loadtests.collect import Sample
from loadtests.orders import Orders
from loadtests.profiles import PlanError
from loadtests.users import Driver, form_fields, form_orders, new_environment
from loadtests.web.attach import WebError, search_for_limit, serve, with_limits
from loadtests.web.book import Book
from loadtests.web.guard import is_local
from loadtests.web.login import USER
from loadtests.web.page import Station
from reports.gate import Gate, GateError

_POLL = 0.5
# How long the end of a run under way may take once it was stopped.
_TO_STOP = 3.0


@dataclass(frozen=True, kw_only=True)
class WebOrders:
    """Where the page is served (port 0: any that is free), whether it asks for a login, and the gate of its report."""

    host: str = "127.0.0.1"
    port: int = 8089
    login: bool = False
    gate: str = ""

    @classmethod
    def from_json(cls, value: Any) -> WebOrders:
        """These orders in a JSON object; `PlanError` for anything that is none."""
        kinds = {field.name: type(field.default) for field in fields(cls)}
        if not isinstance(value, Mapping) or not all(
            name in kinds and isinstance(given, kinds[name]) for name, given in value.items()
        ):
            raise PlanError(f"the orders of a page are a JSON object with {', '.join(kinds)}")
        return cls(**value)


def run_with_page(
    orders: Orders, web: WebOrders, key: str, password: str, put: Callable[[dict[str, Any]], None], ended: Any
) -> int:
    """Serve the page until `ended` (an event) is set; `put` gets each record. Returns 0.

    The first record, of type `web`, has the page's URL, and user and password where a password was made. Raises
    `PlanError` for orders that make no sense or a page that cannot be.
    """
    orders.operation()
    port = _free(web.host, web.port)
    # Locust reads the defaults of its form from the command line, and ours are none of its.
    sys.argv = ["locust"]
    environment = _environment(orders, replace(web, port=port))
    driver = Driver(environment, lambda given: _merged(orders, given), lambda _: key, lambda one: put(one.to_record()))
    station = Station(
        environment=environment,
        orders=lambda given: _merged(orders, given),
        fields=form_fields,
        campaign=lambda: driver.campaign,
        fixed=True,
        search=partial(search_for_limit, key=key),
    )
    with tempfile.TemporaryDirectory(prefix="seatrial-", ignore_cleanup_errors=True) as folder:
        try:
            book = Book(Path(folder), Gate.read(Path(web.gate) if web.gate else None), (key,))
            page, made = serve(station, book, key, password)
        except (WebError, GateError) as error:
            raise PlanError(str(error)) from None
        driver.watcher = page.watched = _Told(page, put)
        _listen(environment.web_ui)
        shown = "127.0.0.1" if web.host in {"", "*", "0.0.0.0"} else web.host  # noqa: S104 - compared, not bound
        url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/seatrial"
        put({"type": "web", "url": url, **({"user": USER, "password": made} if made else {})})
        try:
            while not ended.wait(_POLL):
                if page.state == "running" and (progress := page.progress_now):
                    put({"type": "progress", **progress})
            _stop(driver, page)
        finally:
            environment.web_ui.stop()
            book.close()
    return 0


class _Told:
    """The page, and whoever reads the records."""

    def __init__(self, page: Any, put: Callable[[dict[str, Any]], None]) -> None:
        self._page = page
        self._put = put

    def began(self, orders: Orders) -> None:
        self._page.began(orders)

    def refused(self, why: str) -> None:
        self._page.refused(why)

    def sampled(self, one: Sample) -> None:
        self._page.sampled(one)

    def ended(self, record: dict[str, Any] | None, why_none: str = "") -> None:
        self._page.ended(record, why_none)
        if record is not None:
            self._put(record)


def _environment(orders: Orders, web: WebOrders) -> Any:
    environment: Any = new_environment(orders.target)
    options = environment.parsed_options
    own = {"profile": orders.profile, "seed": orders.seed, "no_self_check": not orders.self_check}
    for name, value in {**orders.overrides, **own}.items():
        if hasattr(options, name):
            setattr(options, name, value)
    environment.create_local_runner()
    environment.create_web_ui(web.host, web.port, web_login=web.login, delayed_start=True)
    return environment


def _merged(orders: Orders, given: Any) -> Orders:
    """The orders with what the form changes; what it does not ask for stays."""
    options = given.parsed_options or Namespace()
    found = with_limits(form_orders)(given)
    kept = {name: value for name, value in orders.overrides.items() if not hasattr(options, name)}
    return replace(
        orders,
        profile=found.profile,
        overrides={**kept, **found.overrides},
        seed=found.seed,
        self_check=found.self_check,
    )


def _listen(web_ui: Any) -> None:
    """Serve, and return once connections are taken."""
    web_ui.start()
    with gevent.Timeout(_TO_STOP, exception=False):
        while web_ui.server is None or not web_ui.server.started:
            gevent.sleep(0.005)


def _stop(driver: Driver, page: Any) -> None:
    if page.state != "running":
        return
    page.stopped = "interrupted"
    if driver.campaign is not None:
        driver.campaign.stop("interrupted")
    with gevent.Timeout(_TO_STOP, exception=False):
        while page.state == "running":
            gevent.sleep(0.01)


def _free(host: str, port: int) -> int:
    """The port to serve at; `PlanError` where it is taken or is none of this machine."""
    if not is_local(host) and host in {"", "*"}:
        host = ""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise PlanError(f"the page cannot be served at {host or '*'}:{port}: {why}; name another --web-port") from None

"""Puts the page into locust's own web server, behind its guard, with a login where others can reach it.

Law: without a login nothing is bound beyond this machine, and the password is shown once, to whoever started the run.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
import tempfile
import weakref
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from conformance.wire.redact import Redactor
from loadtests.collect import RecordError, Sample
from loadtests.limits.plans import LIMIT_PROFILES, LimitPlan
from loadtests.limits.process import search
from loadtests.orders import Orders
from loadtests.profiles import PROFILES, PlanError
from loadtests.web.book import Book
from loadtests.web.guard import Guard, is_local
from loadtests.web.live import PERCENTS, Live
from loadtests.web.login import PASSWORD_VARIABLE, SHORTEST, USER, add_login, new_password
from loadtests.web.page import Page, Station, blueprint
from loadtests.web.watcher import Nobody, Watcher
from reports.gate import Gate, GateError

log = logging.getLogger("seatrial.load")

_LIVE = "seatrial-live"
# Workers report every three seconds, each at a moment of its own.
_BEHIND = 4
OPEN_TO_OTHERS = "a page that others can reach needs a login: add --web-login, or leave --web-host out"


class WebError(ValueError):
    """The page cannot be served as asked; the message says why in one line."""


class Worker(Nobody):
    """Gathers live figures for the page of the master, from the moment at which it says that it has one."""

    def __init__(self, environment: Any) -> None:
        self._live: Live | None = None
        environment.runner.register_message(_LIVE, self._wanted)
        environment.events.report_to_master.add_listener(self._report)

    def sampled(self, one: Sample) -> None:
        """Count one request, if anybody wants to know."""
        if self._live is not None:
            self._live.add(one)

    def _wanted(self, msg: Any, **_: Any) -> None:
        self._live = Live(keeps=math.inf)
        self._live.begin(msg.data["bounds"])

    def _report(self, data: dict[str, Any], **_: Any) -> None:
        if self._live is not None:
            data[_LIVE] = self._live.take()


class Master(Page):
    """The page of a run on several workers."""

    def began(self, orders: Orders) -> None:
        """Ask the workers for live figures."""
        super().began(orders)
        self.live.behind = _BEHIND
        self.station.environment.runner.send_message(_LIVE, {"bounds": self.live.bounds})

    @property
    def progress_now(self) -> dict[str, Any] | None:
        """How far the run is: of a load, what the workers have reported."""
        found = super().progress_now
        if found is None and self.run:
            found = {"done": sum(self.live.totals()["counts"].values()), "planned": self.planned}
        return found

    def merge(self, client_id: str, data: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG002 - locust's names
        """Add what a worker has measured since its last report."""
        if _LIVE in data:
            # The figures of the run come by another way; without these the page shows less, and no run ends of it.
            with suppress(RecordError):
                self.live.merge(data[_LIVE])


def watch(
    driver: Any,
    orders: Callable[[Any], Orders],
    fields: Callable[[], Mapping[str, Mapping[str, Any]]],
    key: str,
    variables: Mapping[str, str],
) -> Watcher:
    """The watcher of a locust of somebody's own command line; it ends the process (2) for a page that must not be.

    `variables` are the process's environment, which may have the password of the login.
    """
    environment = driver.environment
    station = Station(
        environment=environment,
        orders=with_limits(orders),
        fields=fields,
        campaign=lambda: driver.campaign,
        search=partial(search_for_limit, key=key),
    )
    options = environment.parsed_options
    web_ui = environment.web_ui
    if web_ui is None:
        # Locust has no type for its runners here: a worker is what can be told things by a master.
        is_worker = type(environment.runner).__name__ == "WorkerRunner"
        return Worker(environment) if is_worker else Nobody()
    try:
        path = Path(getattr(options, "gate", None) or "gate.toml")
        given = getattr(options, "gate", None) is not None or path.is_file()
        book = Book(_folder(getattr(options, "run_log", None), station), Gate.read(path if given else None), (key,))
        page, password = serve(station, book, key, variables.get(PASSWORD_VARIABLE, ""))
    except (WebError, GateError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    log.info("Seatrial's page is beside locust's, at /seatrial")
    if password:
        # Not by way of locust's log, which its page shows and a file may keep.
        sys.stderr.write(f"the page asks for the user {USER} and the password {password}\n")
    return page


def with_limits(orders: Callable[[Any], Orders]) -> Callable[[Any], Orders]:
    """What makes orders of a form, for searches for a limit as well, which are no loads for locust."""

    def made(given: Any) -> Orders:
        options = given.parsed_options or Namespace()
        name = getattr(options, "profile", None) or "streaming"
        if name not in LIMIT_PROFILES:
            return orders(given)
        # The options mean the same for it.
        asked = Namespace(parsed_options=Namespace(**{**vars(options), "profile": "streaming"}), host=given.host)
        return replace(orders(asked), profile=name)

    return made


def search_for_limit(
    orders: Orders, put: Callable[[dict[str, Any]], None], stopped: Callable[[], str], *, key: str
) -> None:
    """Carry out a search for a limit in this process; raises as `loadtests.limits.process.search` does."""
    plan = orders.plan()
    if not isinstance(plan, LimitPlan):
        raise PlanError(f"{orders.profile} is no search for a limit")
    search(orders, plan, key, put, stopped)


def serve(station: Station, book: Book, key: str, password: str = "") -> tuple[Page, str]:
    """Put the page into the web server of a station; returns it with the password, if one had to be made.

    Raises `WebError` where others could reach it and nobody would ask who they are.
    """
    environment, web_ui = station.environment, station.environment.web_ui
    if not (web_ui.web_login or is_local(web_ui.host)):
        raise WebError(OPEN_TO_OTHERS)
    made = ""
    if web_ui.web_login:
        if password and len(password) < SHORTEST:
            raise WebError(f"the password in {PASSWORD_VARIABLE} needs {SHORTEST} characters at least")
        made = "" if password else new_password()
        add_login(web_ui, password or made, tls=bool(web_ui.tls_cert))
    is_master = type(environment.runner).__name__ == "MasterRunner"
    kind = Master if is_master else Page
    page = kind(station, Live(), book, Redactor([key] if key else []))
    if isinstance(page, Master):
        environment.events.worker_report.add_listener(page.merge)
    app = web_ui.app
    # Errors are answered with their text only, never with what a debugger shows.
    app.debug = False
    app.register_blueprint(blueprint(page, web_ui), url_prefix=app.blueprints["locust"].url_prefix)
    app.wsgi_app = Guard(app.wsgi_app, web_ui.host)
    _add_to_locust(page, web_ui)
    return page, made


def _add_to_locust(page: Page, web_ui: Any) -> None:
    """What locust's own page can show: the profiles in its form, a table under a tab, a file to download."""
    columns = [("name", "Measure"), ("count", "Values"), *((f"p{one:g}", f"p{one:g} (ms)") for one in PERCENTS)]
    web_ui.template_args.update(
        all_profiles=list(PROFILES),
        extended_tabs=[{"title": "Seatrial", "key": "seatrial"}],
        extended_tables=[{"key": "seatrial", "structure": [{"key": key, "title": title} for key, title in columns]}],
        # Where locust lists what it has beside its tabs.
        extended_csv_files=[
            {"href": "seatrial", "title": "Seatrial: the live page"},
            {"href": "seatrial/seconds.csv", "title": "Seatrial: figures by the second"},
        ],
    )
    environment = page.station.environment
    environment.profile = environment.profile or getattr(environment.parsed_options, "profile", None) or "streaming"

    @web_ui.app.after_request  # type: ignore[untyped-decorator]  # locust's application has no type here
    def extend(response: Any) -> Any:
        if response.is_json and _is_stats(web_ui):
            figures = {**response.get_json(), "extended_stats": [{"key": "seatrial", "data": page.table()}]}
            response.set_data(json.dumps(figures))
        return response


def _is_stats(web_ui: Any) -> bool:
    from flask import request  # noqa: PLC0415 - bound to the request under way

    return request.endpoint == "locust.request_stats" and web_ui is not None


def _folder(asked: str | None, station: Station) -> Path:
    """The folder of the logs: as asked for, or one that goes when the process ends."""
    if asked:
        path = Path(asked)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WebError(f"cannot make {path}: {error.strerror or error}") from None
        return path
    made = tempfile.mkdtemp(prefix="seatrial-")
    weakref.finalize(station.environment, shutil.rmtree, made, ignore_errors=True)
    return Path(made)

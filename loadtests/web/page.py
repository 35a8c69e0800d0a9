"""The page itself: a form that begins a run, its live figures as JSON, its report.

Law: what an endpoint said leaves here as JSON or as the report, redacted; nothing of it is ever put into a page's text.
"""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gevent
from flask import Blueprint, Response, jsonify, request, send_from_directory
from flask.typing import ResponseReturnValue
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conformance.wire.redact import Redactor
from loadtests.collect import Sample
from loadtests.limits.plans import LIMIT_PROFILES
from loadtests.orders import Orders
from loadtests.profiles import PROFILES, PlanError
from loadtests.target import TargetError
from loadtests.web.book import Book
from loadtests.web.guard import REPORT, STRICT
from loadtests.web.live import PERCENTS, SHOWN, Live
from loadtests.web.verdict import verdict_lines
from loadtests.web.watcher import Watcher
from reports.visible import visible

_FOLDER = Path(__file__).parent
Put = Callable[[dict[str, Any]], None]
Search = Callable[[Orders, Put, Callable[[], str]], object]

# What most loads differ in; the other settings are behind a click.
_FIRST = ("rate", "duration", "concurrency", "prompt_tokens", "max_tokens", "goodput", "route", "arrivals", "contract")
_LABELS = {"no_self_check": "skip the self-check"}
_FIELDS = ("t", "ok", "limited", "failed", "good", "tokens")


@dataclass(frozen=True, kw_only=True)
class Station:
    """What the page has of locust: its environment, and how orders are made of it.

    `fields` are the options that a form may ask for, as locust describes them; `campaign` is the run of this process.
    With `fixed`, the target and its contract are those of the command line, whatever a form says. `search` carries out
    what is no load for locust, if it can: it gets the orders, takes each record to `put`, and asks why it is to stop.
    """

    environment: Any
    orders: Callable[[Any], Orders]
    fields: Callable[[], Mapping[str, Mapping[str, Any]]]
    campaign: Callable[[], Any]
    fixed: bool = False
    search: Search | None = None


class Page:
    """Watches the runs of a station and shows them."""

    def __init__(self, station: Station, live: Live, book: Book, redactor: Redactor) -> None:
        self.live = live
        self.book = book
        self.station = station
        self.state = "ready"
        self.run = 0
        self.plan = ""
        self.planned = 0
        self.refusal = ""
        self.record: dict[str, Any] | None = None
        self.why_none = ""
        self.progress: dict[str, Any] | None = None
        self.stopped = ""
        # Who is told of the end of a search: the page, or whoever passes everything on to it.
        self.watched: Watcher = self
        self._redactor = redactor

    def began(self, orders: Orders) -> None:
        """Show another run from its beginning."""
        plan = orders.plan()
        self.run += 1
        self.state, self.refusal, self.record, self.why_none = "running", "", None, ""
        self.progress, self.stopped = None, ""
        self.plan, self.planned = str(plan), plan.scheduled
        # A search for a limit has bounds of another kind: no answer of it is good or bad.
        bounds = getattr(plan, "bounds", {})
        self.live.begin(bounds if isinstance(bounds, Mapping) else {})
        self.book.begin(orders)

    def refused(self, why: str) -> None:
        """Show why there is no run."""
        self.state, self.refusal = "ready", why

    def sampled(self, one: Sample) -> None:
        """Count and write one request."""
        self.live.add(one)
        self.book.take(one)

    def ended(self, record: dict[str, Any] | None, why_none: str = "") -> None:
        """Show the end of the run, and all of its seconds."""
        self.live.end()
        self.state, self.record, self.why_none = "ended", record, why_none
        self.book.end(record, why_none)

    def searched(self, orders: Orders) -> None:
        """Carry out a search, in a greenlet of its own."""
        search = self.station.search
        assert search is not None
        self.began(orders)

        def put(record: dict[str, Any]) -> None:
            # Its requests are no samples: what became of them comes as counts, and those count for the page.
            self.live.counted(record.get("counts", {}))
            if record.get("type") == "progress":
                self.progress = {name: value for name, value in record.items() if name not in ("type", "counts")}
            else:
                self.watched.ended(record)

        try:
            search(orders, put, lambda: self.stopped)
        except (PlanError, TargetError) as error:
            self.watched.ended(None, str(error))

    @property
    def progress_now(self) -> dict[str, Any] | None:
        """How far the run is."""
        if self.progress is not None or not self.run:
            return self.progress
        campaign = self.station.campaign()
        return None if campaign is None else asdict(campaign.progress())

    def to_json(self, since: int = 0) -> dict[str, Any]:
        """All that the page shows of the run, from second `since` on."""
        record = self.record
        shown = {
            "state": self.state,
            "run": self.run,
            "plan": self.plan,
            "refusal": self.refusal,
            "progress": self.progress_now,
            "points": self.live.points(since),
            "totals": self.live.totals(),
            "percents": list(PERCENTS),
            "invalid": str(record.get("reason", "")) if record is not None else self.why_none,
            "verdict": verdict_lines(record) if record is not None else [],
            "report": self.book.report is not None,
            "book": self.book.error,
        }
        return {name: _seen(value) for name, value in self._redactor.record(shown).items()}

    def table(self) -> list[dict[str, Any]]:
        """Rows for a table of locust's page: names of ours and numbers, nothing that an endpoint said."""
        return [
            {"name": name, "count": row["count"], **_columns(row["ms"])}
            for name, row in self.live.totals()["latencies"].items()
        ]

    def csv(self) -> str:
        """The figures by the second."""
        text = io.StringIO()
        writer = csv.writer(text)
        names = [f"{name}_p{percent:g}_ms" for name in ("ttft", "itl") for percent in PERCENTS]
        writer.writerow([*_FIELDS, *names])
        for point in self.live.points():
            values = [value for name in ("ttft", "itl") for value in point[name] or [""] * len(PERCENTS)]
            writer.writerow([*(point[name] for name in _FIELDS), *values])
        return text.getvalue()

    def orders(self, form: Mapping[str, str]) -> tuple[Orders, Namespace, str]:
        """What a form asks for: orders, options as locust would have them, the host; `PlanError` for nonsense."""
        options = Namespace(**vars(self.station.environment.parsed_options or Namespace()))
        host = self.station.environment.host or ""
        for name in ("profile", *self.fields()):
            if name in form:
                setattr(options, name, form[name].strip() or None)
        if not self.station.fixed:
            host = form.get("host", host).strip()
        orders = self.station.orders(Namespace(parsed_options=options, host=host))
        orders.operation()
        return orders, options, host

    def fields(self) -> dict[str, Mapping[str, Any]]:
        """The options of the form by name."""
        hidden = {"profile", *(("contract",) if self.station.fixed else ())}
        return {name: field for name, field in self.station.fields().items() if name not in hidden}


def blueprint(page: Page, web_ui: Any) -> Blueprint:
    """The routes of the page; each asks for the login if locust has one."""
    pages = Blueprint("seatrial", __name__)
    add: dict[str, tuple[str, Callable[..., ResponseReturnValue]]] = {
        "/seatrial": ("GET", lambda: _strict(_document(page, login=web_ui.web_login))),
        "/seatrial/<any('page.js', 'page.css'):name>": ("GET", _static),
        "/seatrial/live": ("GET", lambda: jsonify(page.to_json(request.args.get("since", 0, type=int)))),
        "/seatrial/seconds.csv": ("GET", lambda: _file(page.csv(), "text/csv")),
        "/seatrial/report": ("GET", lambda: _report(page)),
        "/seatrial/plan": ("POST", lambda: _plan(page)),
        "/seatrial/start": ("POST", lambda: _start(page)),
        "/seatrial/stop": ("POST", lambda: _stop(page)),
    }
    for rule, (method, view) in add.items():
        name = "page" if rule == "/seatrial" else rule.rsplit("/", 1)[1].split(".")[0].strip("<>")
        pages.add_url_rule(rule, name, web_ui.auth_required_if_enabled(_named(view, name)), methods=[method])
    return pages


def _named(view: Callable[..., ResponseReturnValue], name: str) -> Callable[..., ResponseReturnValue]:
    view.__name__ = name
    return view


def _plan(page: Page) -> ResponseReturnValue:
    try:
        orders, _, _ = page.orders(request.form)
        return jsonify({"plan": str(orders.plan())})
    except (PlanError, TargetError) as error:
        return jsonify({"error": str(error)}), 400


def _start(page: Page) -> ResponseReturnValue:
    environment = page.station.environment
    if page.state == "running":
        return jsonify({"error": "a run is under way: stop it first"}), 409
    try:
        orders, options, host = page.orders(request.form)
    except (PlanError, TargetError) as error:
        return jsonify({"error": str(error)}), 400
    if not orders.target:
        return jsonify({"error": "name the endpoint's URL"}), 400
    for name, value in vars(options).items():
        setattr(environment.parsed_options, name, value)
    environment.host = host
    if page.station.search is not None and orders.profile in LIMIT_PROFILES:
        gevent.spawn(page.searched, orders)
        return jsonify({"plan": str(orders.plan())})
    users = max(1, getattr(environment.runner, "worker_count", 1))
    gevent.spawn(environment.runner.start, users, float(users))
    return jsonify({"plan": str(orders.plan())})


def _stop(page: Page) -> ResponseReturnValue:
    page.stopped = "stopped before its end"
    gevent.spawn(page.station.environment.runner.stop)
    return jsonify({})


def _report(page: Page) -> ResponseReturnValue:
    report = page.book.report
    if report is None:
        return Response("no run of this page has ended yet\n", 404, mimetype="text/plain")
    response = Response(report.read_bytes(), mimetype="text/html")
    response.headers["Content-Security-Policy"] = REPORT
    response.headers["Cache-Control"] = "no-store"
    return response


def _static(name: str) -> ResponseReturnValue:
    response = send_from_directory(_FOLDER / "static", name)
    response.headers["Content-Security-Policy"] = STRICT
    return response


def _file(text: str, kind: str) -> Response:
    response = Response(text, mimetype=kind)
    response.headers["Content-Disposition"] = "attachment; filename=seatrial-seconds.csv"
    return response


def _strict(text: str) -> Response:
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = STRICT
    response.headers["Cache-Control"] = "no-store"
    return response


def _document(page: Page, *, login: bool) -> str:
    environment = page.station.environment
    options = vars(environment.parsed_options) if environment.parsed_options else {}
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            target=environment.host or "",
            fixed=page.station.fixed,
            profiles=[*PROFILES.values(), *(LIMIT_PROFILES.values() if page.station.search is not None else ())],
            chosen=options.get("profile") or "streaming",
            fields=[
                {
                    "name": name,
                    "label": _LABELS.get(name, name.replace("_", " ")),
                    "value": options.get(name),
                    # What differs from what a field has when nobody gave anything is to be seen.
                    "given": options.get(name) not in (None, "", field.get("default_value")),
                    "first": name in _FIRST,
                    "help": field["help_text"] or "",
                    "choices": field["choices"],
                }
                for name, field in page.fields().items()
            ],
            measures=SHOWN,
            login=login,
        )
    )


@cache
def _templates() -> Environment:
    def shown(value: Any) -> Any:
        return visible(value) if type(value) is str else value

    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates", encoding="utf-8"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _seen(value: Any) -> Any:
    """The same with hidden characters of every text as escapes."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): _seen(one) for key, one in value.items()}
    return [_seen(one) for one in value] if isinstance(value, list) else value


def _columns(milliseconds: list[float] | None) -> dict[str, str]:
    texts = [f"{value:.1f}" for value in milliseconds] if milliseconds else [""] * len(PERCENTS)
    return {f"p{percent:g}": text for percent, text in zip(PERCENTS, texts, strict=True)}

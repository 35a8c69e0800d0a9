"""The load part of a run: orders made of the options, carried out in a process of its own, recorded in the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.launch import LoadError, run_load
from loadtests.orders import Orders
from loadtests.plans import Plan
from loadtests.profiles import PlanError
from reports.log import LogWriter
from seatrial.errors import NoJudgement, UserError
from seatrial.options import Options

# What an interrupted load may take until its process has written its record and is gone.
STOP_SECONDS = 1.6
WEB_STOP_SECONDS = 8.0
_POLL = 0.1


@dataclass(frozen=True, kw_only=True)
class Web:
    """Where a page is served (port 0: any that is free), whether it asks for a login, and the gate of its reports."""

    host: str
    port: int
    login: bool
    gate: str = ""


def orders_of(options: Options, profile: str, overrides: Mapping[str, Any]) -> tuple[Orders, Plan]:
    """The orders of a load run and its plan; `UserError` for a profile or a value that makes no sense."""
    orders = Orders(
        target=options.target.url,
        contract=options.contract.name,
        profile=profile,
        overrides={name: value for name, value in overrides.items() if value is not None},
        parameters={} if options.model is None else {"model": options.model},
        seed=options.seed,
        ca_file=options.target.ca_file,
    )
    try:
        orders.operation()
        return orders, orders.plan()
    except PlanError as error:
        raise UserError(str(error)) from None


class LoadRun:
    """A load under way: `run` blocks until it is over and recorded; `requests` and `tokens` are what it spent.

    With `web` it serves a page that begins any number of runs, until it is interrupted; `on_note` gets lines for the
    terminal: where the page is, and its password if one was made.
    """

    def __init__(
        self,
        orders: Orders,
        key: str | None,
        log: LogWriter,
        on_progress: Callable[[Mapping[str, Any]], None],
        *,
        web: Web | None = None,
        on_note: Callable[[str], None] = lambda _: None,
    ):
        self.requests = 0
        self.tokens = 0
        self._orders = orders
        self._key = key
        self._log = log
        self._on_progress = on_progress
        self._web = web
        self._on_note = on_note
        self._loads = 0
        self._cut = False
        self._stop = threading.Event()
        self._done = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Carry the orders out; an interrupt stops the process and is raised again once its record is written.

        Raises `NoJudgement` when the process failed, `UserError` for orders that it refused.
        """
        # A thread of its own, so that an interrupt cannot arrive in the middle of writing a record.
        thread = threading.Thread(target=self._work, name="seatrial-load", daemon=True)
        thread.start()
        try:
            # Not join(): an interrupted join takes a running thread for one that has ended (Python 3.11).
            while not self._done.wait(timeout=_POLL):
                pass
        except KeyboardInterrupt:
            self._stop.set()
            self._done.wait(timeout=STOP_SECONDS if self._web is None else WEB_STOP_SECONDS)
            # How a page is left that serves until then, unless it cut a run short.
            if self._web is None or self._cut or not self._done.is_set():
                raise
        if isinstance(self._error, LoadError):
            kind = UserError if self._error.usage else NoJudgement
            raise kind(f"the load did not run: {self._error}") from None
        if self._error is not None:
            raise self._error
        if self._web is not None and not self._loads:
            raise NoJudgement("no run was begun in the page, so there is nothing to judge")

    def _work(self) -> None:
        try:
            web = None if self._web is None else asdict(self._web)
            run_load(self._orders.to_json(), self._key or "", self._take, self._stop, web)
        except BaseException as error:  # noqa: BLE001 - raised again where it is seen, by run()
            self._error = error
        finally:
            self._done.set()

    def _take(self, record: dict[str, Any]) -> None:
        kind = record.get("type")
        if kind == "progress":
            self._on_progress(record)
            return
        if kind == "web":
            # Not for the log: it may have a password.
            self._on_note(f"the page is at {record['url']} (Ctrl-C ends it)")
            if "password" in record:
                self._on_note(f"it asks for the user {record['user']} and the password {record['password']}")
            return
        self._log.write(record)
        if kind in ("load", "limit"):
            self._loads += 1
            self._cut = record.get("reason") == "interrupted"
            # A search spends more than the counts of its best trial, which are those of its record.
            spent = record.get("spent")
            self.requests += spent["requests"] if spent else sum(record.get("counts", {}).values())
            self.tokens += spent["tokens"] if spent else sum(record.get("tokens", {}).values())

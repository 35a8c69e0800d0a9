"""The log of each run that a page started, and the report that is made of that log and of nothing else.

Law: whatever is written went through redaction, and writing happens in a thread of its own, so that a slow disk delays
no request.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from gevent.threadpool import ThreadPool

from conformance.wire.redact import Redactor
from loadtests.collect import Sample
from loadtests.orders import Orders
from reports.gate import Gate
from reports.html import render
from reports.judge import judge
from reports.log import FORMAT, LogError, LogWriter
from reports.reader import read_run

_BATCH = 200


class Book:
    """Logs in a folder, one for each run; `report` is where the last one's report lies, None until it is written."""

    def __init__(self, folder: Path, gate: Gate, secrets: Iterable[str] = ()) -> None:
        self.report: Path | None = None
        self.error = ""
        self._folder = folder
        self._gate = gate
        self._redact = Redactor([secret for secret in secrets if secret]).record
        self._number = 0
        self._log: LogWriter | None = None
        self._waiting: list[Sample] = []
        self._thread = ThreadPool(1)

    def begin(self, orders: Orders) -> None:
        """Open the log of another run."""
        self._number += 1
        self.report, self.error, self._waiting = None, "", []
        stamp = datetime.now(UTC)
        path = self._folder / f"{stamp.strftime('%Y%m%dT%H%M%SZ')}-{self._number}.jsonl"
        self._thread.spawn(self._open, path, _head(orders, stamp))

    def take(self, one: Sample) -> None:
        """Write one request, with others."""
        self._waiting.append(one)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def end(self, record: dict[str, Any] | None, why_none: str = "") -> None:
        """Write the end of the run, and its report."""
        self._flush()
        self._thread.spawn(self._finish, record, why_none)

    def close(self) -> None:
        """Wait until everything is written."""
        self._thread.join()
        self._thread.kill()

    def join(self) -> None:
        """Wait until all that was begun is written."""
        self._thread.join()

    def _flush(self) -> None:
        samples, self._waiting = self._waiting, []
        if samples:
            self._thread.spawn(self._write, samples)

    def _open(self, path: Path, head: dict[str, Any]) -> None:
        try:
            self._log = LogWriter(path, redact=self._redact)
            self._log.write(head)
        except LogError as error:
            self.error = str(error)

    def _write(self, samples: list[Sample]) -> None:
        if self._log is None or self.error:
            return
        try:
            for one in samples:
                self._log.write(one.to_record())
        except LogError as error:
            self.error = str(error)

    def _finish(self, record: dict[str, Any] | None, why_none: str) -> None:
        log, self._log = self._log, None
        if log is None:
            return
        try:
            if record is not None:
                log.write(record)
            log.end("aborted" if record is None else "complete", why_none)
            log.close()
            run = read_run(log.path, samples=False)
            page = render(run, judge(run, self._gate, datetime.now(UTC).date()))
            report = log.path.with_suffix(".html")
            report.write_text(page, encoding="utf-8")
            self.report = report
        except (LogError, OSError) as error:
            self.error = str(error)


def _head(orders: Orders, at: datetime) -> dict[str, Any]:
    """The first record of the log."""
    try:
        version = metadata.version("seatrial")
    except metadata.PackageNotFoundError:
        version = ""
    return {
        "type": "run",
        "format": FORMAT,
        "seatrial": version,
        "id": uuid.uuid4().hex,
        "started": at.isoformat(timespec="seconds"),
        "command": "load",
        "target": orders.target,
        "contract": orders.contract,
        "seed": orders.seed,
        "profile": orders.profile,
        "settings": {"load": orders.plan().to_record(), "from": "web page"},
        "planned": [],
        "rows": [],
    }

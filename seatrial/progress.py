"""How far a run is, on stderr: a live bar on a terminal, a line now and then anywhere else.

Law: progress is for a person who waits; nothing in it is a result, and stdout stays free for the report.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskID, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from conformance.budget import Spent
from reports.model import Outcome
from reports.visible import one_line

PLAIN_SECONDS = 5.0


class Progress(Protocol):
    """What a run tells while it is under way; `end` is called whatever happened, and may be called twice."""

    def note(self, line: str) -> None:
        """Say a line before anything begins."""
        ...

    def checks(self, total: int, spent: Callable[[], Spent], caps: tuple[int, int]) -> None:
        """Begin so many checks; `caps` are the most requests and tokens that they may spend."""
        ...

    def outcome(self, outcome: Outcome) -> None:
        """One check has ended."""
        ...

    def load(self, record: Mapping[str, Any]) -> None:
        """A load run tells how far it is (a `progress` record of its own)."""
        ...

    def end(self) -> None:
        """Nothing more is told."""
        ...


def progress_on(stream: TextIO) -> Progress:
    """The live bar when the stream is a terminal that can show one, else plain lines."""
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return PlainProgress(stream)


class _Tally:
    """What both kinds count."""

    def __init__(self) -> None:
        self.total = self.done = self.failed = 0
        self._spent: Callable[[], Spent] = lambda: Spent(0, 0, 0)
        self._caps = (0, 0)

    def begin(self, total: int, spent: Callable[[], Spent], caps: tuple[int, int]) -> None:
        self.total, self._spent, self._caps = total, spent, caps

    def take(self, outcome: Outcome) -> None:
        self.done += 1
        self.failed += outcome.status == "fail"

    @property
    def short(self) -> str:
        """What fits beside a bar in 80 columns."""
        spent = self._spent()
        requests, tokens = self._caps
        return (
            f"{self.failed} failed, {spent.requests:,}/{requests:,} requests, {self._tokens(spent):,}/{tokens:,} tokens"
        )

    @staticmethod
    def _tokens(spent: Spent) -> int:
        return spent.tokens + spent.reserved

    @property
    def text(self) -> str:
        """The same in words."""
        spent = self._spent()
        requests, tokens = self._caps
        return (
            f"{self.failed} failed, {spent.requests:,} of {requests:,} requests, "
            f"{self._tokens(spent):,} of {tokens:,} tokens"
        )


class PlainProgress:
    """A line at most every five seconds, and one for each failure."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = _Tally()
        self._due = clock() + PLAIN_SECONDS

    def note(self, line: str) -> None:
        """Say it at once."""
        self._say(line)

    def checks(self, total: int, spent: Callable[[], Spent], caps: tuple[int, int]) -> None:
        """Begin so many checks."""
        self._tally.begin(total, spent, caps)
        self._say(f"{total} checks, at most {caps[0]:,} requests and {caps[1]:,} tokens")

    def outcome(self, outcome: Outcome) -> None:
        """Say a failure at once, and how far the run is when it is time."""
        with self._lock:
            self._tally.take(outcome)
            if outcome.status == "fail":
                self._say(_failure(outcome))
            self._now_and_then(f"{self._tally.done} of {self._tally.total} checks, {self._tally.text}")

    def load(self, record: Mapping[str, Any]) -> None:
        """Say how far the load is when it is time."""
        with self._lock:
            self._now_and_then(_load_line(record))

    def end(self) -> None:
        """Nothing is open."""

    def _now_and_then(self, line: str) -> None:
        if self._clock() >= self._due:
            self._due = self._clock() + PLAIN_SECONDS
            self._say(line)

    def _say(self, line: str) -> None:
        self._stream.write(f"seatrial: {line}\n")
        self._stream.flush()


class _Story(ProgressColumn):
    """The words after the bar."""

    def __init__(self, words: Callable[[], str]) -> None:
        super().__init__()
        self._words = words

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the form of a column
        return Text(self._words(), no_wrap=True, overflow="ellipsis")


class LiveProgress:
    """A bar that is redrawn four times a second; failures scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tally = _Tally()
        self._words = ""
        self._bar = RichProgress(
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            _Story(lambda: self._words or self._tally.short),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        self._checks: TaskID | None = None
        self._load: TaskID | None = None

    def note(self, line: str) -> None:
        """Print it as the plain lines are."""
        self._console.print(Text(f"seatrial: {line}"), soft_wrap=True)

    def checks(self, total: int, spent: Callable[[], Spent], caps: tuple[int, int]) -> None:
        """Begin so many checks."""
        self._tally.begin(total, spent, caps)
        self._bar.start()
        self._checks = self._bar.add_task("checks", total=total)

    def outcome(self, outcome: Outcome) -> None:
        """Move the bar on, and show a failure above it."""
        self._tally.take(outcome)
        if outcome.status == "fail":
            self._bar.console.print(Text(_failure(outcome), style="red"), soft_wrap=True)
        if self._checks is not None:
            self._bar.update(self._checks, completed=self._tally.done)

    def load(self, record: Mapping[str, Any]) -> None:
        """Move the load's bar on."""
        if self._load is None:
            self._bar.start()
            if self._checks is not None:
                self._bar.update(self._checks, visible=False)
            self._load = self._bar.add_task("load")
        self._words = _load_line(record)
        self._bar.update(self._load, total=record.get("planned"), completed=record.get("done", 0))

    def end(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def _failure(outcome: Outcome) -> str:
    return f"FAIL {outcome.check}: {one_line(outcome.message, 160)}"


def _load_line(record: Mapping[str, Any]) -> str:
    sent, planned, ok, tokens = (record.get(name, 0) for name in ("sent", "planned", "ok", "tokens"))
    return f"load: {sent:,} of {planned:,} sent, {ok:,} ok, {tokens:,} tokens"

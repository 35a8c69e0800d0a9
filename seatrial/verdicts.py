"""From a log to a verdict that somebody reads: the gate, the report files, the summary on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TextIO

from reports import terminal
from reports.formats import FORMATS
from reports.gate import Gate, GateError
from reports.judge import Verdict, judge
from reports.log import LogError
from reports.model import Load, Run
from seatrial.errors import NoJudgement, UserError

GATE_NAME = "gate.toml"
# What the name of a report file says about its format; anything else is HTML.
BY_SUFFIX: Mapping[str, str] = {".xml": "junit", ".md": "markdown", ".txt": "terminal"}
NARROWEST = 60


def find_gate(path: Path | None, folder: Path) -> Gate:
    """The gate that was named, else the folder's own, else the defaults; `UserError` for one that cannot be used."""
    if path is None and (folder / GATE_NAME).is_file():
        path = folder / GATE_NAME
    try:
        gate = Gate.read(path)
    except GateError as error:
        raise UserError(str(error)) from None
    check_baseline(gate)
    return gate


def check_baseline(gate: Gate) -> None:
    """`UserError` for a baseline that no load could be judged by, before one is sent."""
    try:
        found = baseline_loads(gate)
    except LogError as error:
        raise UserError(f"the baseline cannot be used: {error}") from None
    if gate.baseline is not None and not found:
        raise UserError(f"the baseline {gate.baseline} has no load; name the log of `seatrial load`")


def baseline_loads(gate: Gate) -> tuple[Load, ...]:
    """The loads that a gate's regressions are measured from; `LogError` for a log that cannot be read."""
    return () if gate.baseline is None else Run.read(gate.baseline).loads


def verdict_on(log: Path, gate: Gate) -> tuple[Run, Verdict]:
    """The run in a log, judged as of today; `LogError` when it is no log."""
    run = Run.read(log)
    return run, judge(run, gate, date.today(), baseline_loads(gate))


def report_path(asked: Path | None, log: Path) -> Path | None:
    """Where the report goes: where it was asked for, else beside a log that is a file."""
    if asked is not None or not log.is_file():
        return asked
    return log.with_suffix(".html")


def write_report(path: Path, run: Run, verdict: Verdict, kind: str | None = None) -> None:
    """Write the report in the format named, or that of the file's name; `NoJudgement` when it cannot be written."""
    write_text(path, FORMATS[kind or BY_SUFFIX.get(path.suffix.lower(), "html")](run, verdict))


def write_text(path: Path, text: str) -> None:
    """Write a report's text; `NoJudgement` when it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NoJudgement(
            f"cannot write the report {path}: {error.strerror or error}; name another with --report"
        ) from None


def check_report_path(path: Path | None) -> None:
    """`UserError` for a report that could not be written after the run either."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UserError(f"the report {path} cannot be written: name a file in a folder that exists")


def show(run: Run, verdict: Verdict, kind: str, stream: TextIO, *, colour: bool, width: int) -> None:
    """Put the report of that format on a stream; colour and width are for a terminal."""
    if kind == "terminal":
        terminal.show(run, verdict, stream, colour=colour, width=max(width, NARROWEST))
        return
    put_text(FORMATS[kind](run, verdict), stream)


def put_text(text: str, stream: TextIO) -> None:
    """Put a report's text on a stream as it is."""
    # XML and HTML say themselves that they are UTF-8, whatever the terminal's encoding is.
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(text)
    else:
        stream.flush()
        buffer.write(text.encode("utf-8"))
    stream.flush()

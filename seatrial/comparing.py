"""From two logs to a comparison that somebody reads: the report files, the summary on stdout."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TextIO

from reports import printing
from reports.compare import terminal
from reports.compare.build import compare
from reports.compare.formats import FORMATS
from reports.compare.latency import SLOWER
from reports.compare.model import Comparison
from reports.gate import Gate
from reports.model import Run
from seatrial.errors import UserError
from seatrial.verdicts import BY_SUFFIX, NARROWEST, check_report_path, put_text, write_text

MOST_SLOWER = 100.0


def compared(baseline: Path, candidate: Path, gate: Gate, *, slower: float = SLOWER) -> Comparison:
    """The comparison of two logs as of today; `LogError` when one of them is no log."""
    return compare(Run.read(baseline), Run.read(candidate), gate, date.today(), slower=slower)


def check_slower(slower: float) -> None:
    """`UserError` for a ratio that makes no sense."""
    if not 1 <= slower <= MOST_SLOWER:
        raise UserError(f"--slower is a ratio from 1 to {MOST_SLOWER:g}, not {slower:g}")


def check_comparison_path(path: Path | None) -> None:
    """`UserError` for a report of a comparison that could not be written."""
    check_report_path(path)
    if path is not None and BY_SUFFIX.get(path.suffix.lower(), "html") not in FORMATS:
        raise UserError(f"{path}: a comparison is written as HTML, Markdown (.md) or text (.txt), not as JUnit")


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the comparison in the format of the file's name; `NoJudgement` when it cannot be written."""
    write_text(path, FORMATS[BY_SUFFIX.get(path.suffix.lower(), "html")](comparison))


def show_comparison(comparison: Comparison, kind: str, stream: TextIO, *, colour: bool, width: int) -> None:
    """Put the comparison in that format on a stream; colour and width are for a terminal."""
    if kind == "terminal":
        printing.put(terminal.render(comparison, colour=colour, width=max(width, NARROWEST)), stream)
    else:
        put_text(FORMATS[kind](comparison), stream)

"""`seatrial replay`: a recorded run judged again without a network."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import click

from reports.judge import judge
from reports.model import Run
from reports.visible import one_line
from seatrial.cli.options import colour_and_width, format_option, gate_option, note
from seatrial.replaying import replayed
from seatrial.verdicts import check_report_path, find_gate, show, write_report


@click.command(short_help="Judge a recorded run again without a network.")
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gate_option
@click.option(
    "--report", type=click.Path(path_type=Path), help="Write a report as well (HTML; .xml: JUnit, .md: Markdown)."
)
@format_option
def command(log: Path, gate_file: Path | None, report: Path | None, kind: str) -> int:
    """Run the checks of the run in LOG again, on the answers recorded there, and judge them by the gate of today."""
    gate = find_gate(gate_file, Path.cwd())
    check_report_path(report)
    again = replayed(Run.read(log))
    verdict = judge(again.run, gate, date.today())
    if report is not None:
        write_report(report, again.run, verdict)
        note(f"report: {report}")
    colour, width = colour_and_width()
    show(again.run, verdict, kind, sys.stdout, colour=colour, width=width)
    for line in again.differences:
        note(f"differs: {one_line(line)}")
    note(f"replayed {len(again.run.outcomes)} checks; {len(again.differences)} differ from the record")
    return verdict.exit_code

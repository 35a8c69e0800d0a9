"""`seatrial compare`: two recorded runs side by side, their differences graded by requirement."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reports.compare.formats import FORMATS
from reports.compare.latency import SLOWER
from seatrial.cli.options import colour_and_width, gate_option, note
from seatrial.comparing import check_comparison_path, check_slower, compared, show_comparison, write_comparison
from seatrial.verdicts import find_gate

_LOG = click.Path(exists=True, dir_okay=False, path_type=Path)
slower_option = click.option(
    "--slower",
    type=float,
    default=SLOWER,
    show_default=True,
    metavar="RATIO",
    help="From which ratio on a significant difference of times is told.",
)


@click.command(short_help="Hold a recorded run against a baseline.")
@click.argument("baseline", type=_LOG)
@click.argument("candidate", type=_LOG)
@gate_option
@slower_option
@click.option("--report", type=click.Path(path_type=Path), help="Write a report as well (HTML; .md: Markdown).")
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="terminal",
    show_default=True,
    help="Report on stdout.",
)
def command(
    baseline: Path, candidate: Path, gate_file: Path | None, slower: float, report: Path | None, kind: str
) -> int:
    """Compare the run in the log CANDIDATE with that in BASELINE: verdicts, fields, errors, meaning, times.

    What passed in the baseline and fails now is graded by its requirement and the gate. Exit codes: 0 nothing breaking,
    1 a breaking difference, 2 wrong usage, 3 could not be compared.
    """
    check_slower(slower)
    check_comparison_path(report)
    comparison = compared(baseline, candidate, find_gate(gate_file, Path.cwd()), slower=slower)
    if report is not None:
        write_comparison(report, comparison)
        note(f"report: {report}")
    colour, width = colour_and_width()
    show_comparison(comparison, kind, sys.stdout, colour=colour, width=width)
    return comparison.exit_code

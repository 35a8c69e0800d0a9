"""`seatrial report`: a recorded run in another format."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from seatrial.cli.options import colour_and_width, format_option, gate_option
from seatrial.errors import CONFORMS
from seatrial.verdicts import check_baseline, check_report_path, find_gate, show, verdict_on, write_report


@click.command(short_help="Render a recorded run.")
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@format_option
@click.option(
    "--output", type=click.Path(path_type=Path, allow_dash=True), default="-", help="File to write. [default: stdout]"
)
@gate_option
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="LOG",
    help="Log that regressions of a load are measured from.",
)
@click.option("--exit-code", "as_exit_code", is_flag=True, help="Exit with the code of the verdict.")
def command(
    log: Path, kind: str, output: Path, gate_file: Path | None, baseline: Path | None, as_exit_code: bool
) -> int:
    """Render the run in LOG, judged by the gate of today."""
    gate = find_gate(gate_file, Path.cwd())
    if baseline is not None:
        gate = replace(gate, baseline=baseline)
        check_baseline(gate)
    to_file = output != Path("-")
    check_report_path(output if to_file else None)
    run, verdict = verdict_on(log, gate)
    if to_file:
        write_report(output, run, verdict, kind)
    else:
        colour, width = colour_and_width()
        show(run, verdict, kind, sys.stdout, colour=colour, width=width)
    return verdict.exit_code if as_exit_code else CONFORMS

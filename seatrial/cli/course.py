"""From options to an exit code: what `check`, `load` and `trial` have in common."""

from __future__ import annotations

import sys
from pathlib import Path

from reports.judge import Verdict
from reports.model import Run
from reports.view import HEADLINES
from seatrial.cli.options import Output, colour_and_width, note
from seatrial.conduct import Course, conduct
from seatrial.errors import BREACH, CONFORMS, NO_JUDGEMENT
from seatrial.progress import progress_on
from seatrial.recording import open_log
from seatrial.session import Ending
from seatrial.verdicts import report_path, show, verdict_on, write_report

# How the message of a check begins that ended because the budget was spent.
_BUDGET = "the budget of "


def carry_out(course: Course, output: Output) -> int:
    """Run the course, report it, and return the exit code."""
    log = open_log(output.log, course.options, folder=Path.cwd(), force=output.force)
    try:
        ending = conduct(course, log, progress_on(sys.stderr))
    finally:
        log.close()
    return conclude(log.path, output, ending)


def conclude(log: Path, output: Output, ending: Ending) -> int:
    """Report a recorded run: the files, the summary on stdout, the remarks on stderr; returns the exit code."""
    run, verdict = verdict_on(log, output.gate)
    colour, width = colour_and_width()
    show(run, verdict, output.kind, sys.stdout, colour=colour, width=width)
    note(f"log: {log}")
    for remark in remarks(run, ending):
        note(remark)
    # Last, so that a full disk takes the file only.
    report = report_path(output.report, log)
    if report is not None:
        write_report(report, run, verdict)
        note(f"report: {report}")
    code = exit_code(verdict, ending)
    note(f"verdict: {_word(code, verdict)} (exit code {code})")
    return code


def _word(code: int, verdict: Verdict) -> str:
    if code == CONFORMS:
        return HEADLINES[verdict.status].lower()
    return "does not conform" if code == BREACH else "could not be judged"


def exit_code(verdict: Verdict, ending: Ending) -> int:
    """The verdict's code; a run that somebody interrupted was not judged, whatever it had found until then."""
    return NO_JUDGEMENT if ending.status == "interrupted" else verdict.exit_code


def remarks(run: Run, ending: Ending) -> list[str]:
    """What the user has to know besides the report."""
    lines = []
    if ending.status == "interrupted":
        checks = f"; {len(run.outcomes)} of {len(run.planned)} checks had ended" if run.planned else ""
        lines.append(f"interrupted: {ending.reason}{checks}")
    elif ending.status == "aborted":
        lines.append(f"the run was ended early: {ending.reason}")
    spent = next((one.message for one in run.outcomes if one.message.startswith(_BUDGET)), None)
    if spent is not None:
        name = "--budget-requests" if "requests is spent" in spent else "--budget-tokens"
        lines.append(f"{spent}; raise {name}, or choose checks with --only")
    return lines

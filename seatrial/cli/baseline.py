"""`check --baseline`: the options of the other endpoint, and what becomes of a pair of runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from reports.compare.model import Comparison
from reports.compare.words import HEADLINES, counts_line
from seatrial.cli.compare import slower_option
from seatrial.cli.course import conclude
from seatrial.cli.options import Output, colour_and_width, note
from seatrial.comparing import check_comparison_path, check_slower, compared, show_comparison, write_comparison
from seatrial.config import find_target
from seatrial.errors import BREACH, CONFORMS, NO_JUDGEMENT, UserError
from seatrial.options import Asked, Options, Plan, planned, resolve
from seatrial.paired import Part, conduct_pair
from seatrial.planning import cap_line
from seatrial.progress import progress_on
from seatrial.recording import open_log

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--baseline", metavar="TARGET", help="Ask this endpoint the same, and compare."),
    click.option("--baseline-key-env", metavar="NAME", help="Variable that has the baseline's key. [default: no key]"),
    click.option("--baseline-key-file", type=_FILE, help="File that has the baseline's key and nothing else."),
    click.option("--baseline-model", metavar="NAME", help="Put `model` into every body to the baseline."),
    click.option("--compare-report", type=_FILE, help="Comparison (HTML; .md: Markdown). [default: next to the log]"),
    click.option("--fail-on-regression", is_flag=True, help="Let a breaking difference fail the run as well."),
)  # fmt: skip
# What only makes sense with a baseline.
_NEEDS_IT = ("baseline_key_env", "baseline_key_file", "baseline_model", "compare_report", "fail_on_regression")


def baseline_options(function: F) -> F:
    """The options of `check` that are about a baseline."""
    for option in (slower_option, *reversed(_OPTIONS)):
        function = option(function)
    return function


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The other endpoint in the user's words, and what is to become of the comparison."""

    target: str
    key_env: str | None
    key_file: Path | None
    model: str | None
    report: Path | None
    fails: bool
    slower: float


def baseline_of(given: dict[str, Any]) -> Baseline | None:
    """Take the options of the baseline out of a command's arguments; None without a baseline."""
    values = {name: given.pop(name) for name in ("baseline", "slower", *_NEEDS_IT)}
    if values["baseline"] is None:
        for name in _NEEDS_IT:
            if values[name]:
                raise UserError(f"--{name.replace('_', '-')} is for a --baseline; name one, or leave it out")
        return None
    check_slower(values["slower"])
    check_comparison_path(values["compare_report"])
    return Baseline(
        target=values["baseline"],
        key_env=values["baseline_key_env"],
        key_file=values["baseline_key_file"],
        model=values["baseline_model"],
        report=values["compare_report"],
        fails=values["fail_on_regression"],
        slower=values["slower"],
    )


def options_for(baseline: Baseline, options: Options, config: Path | None, ca_file: Path | None) -> Options:
    """The candidate's options turned on the baseline: the same requests, with a key and a model of its own.

    A key comes from what was named for the baseline and from nowhere else: the candidate's is never sent there.
    """
    try:
        found = resolve(
            _asked(baseline, options, config, ca_file),
            environ=os.environ,
            folder=Path.cwd(),
            warn=lambda line: note(f"baseline: {line}"),
        )
    except UserError as error:
        raise UserError(f"baseline: {str(error).replace('--key-', '--baseline-key-')}") from None
    return replace(
        options,
        target=found.target,
        key=found.key,
        model=found.model,
        rpm=found.rpm,
        tpm=found.tpm,
        timeout=max(options.timeout, found.timeout),
        recognised=None,
    )


def _asked(baseline: Baseline, options: Options, config: Path | None, ca_file: Path | None) -> Asked:
    named = find_target(baseline.target, config=config, folder=Path.cwd())
    return Asked(
        target=baseline.target,
        config=config,
        contract=options.contract.name,
        key_env=baseline.key_env,
        key_file=baseline.key_file,
        no_key=not any((baseline.key_env, baseline.key_file, named.key_env, named.key_file)),
        ca_file=ca_file,
        model=baseline.model,
        check_profile=options.profile.name,
        # For no limit of its own, the candidate's pace.
        rpm=options.rpm or 0 if named.rpm is None else None,
        tpm=options.tpm or 0 if named.tpm is None else None,
    )


def announced(baseline: Baseline, options: Options, plan: Plan) -> str:
    """What a pair of runs is about to do and may spend, in one line."""
    return f"twice, against {options.target.url} and the baseline {baseline.target}: {cap_line(options, plan)}, each"


def carry_out_pair(baseline: Baseline, options: Options, other: Options, output: Output) -> int:
    """Run both, report the candidate and the comparison, and return the exit code."""
    plan = planned(options)
    folder = Path.cwd()
    if output.log is not None and output.log.exists() and not output.log.is_file():
        raise UserError(f"--log {output.log} is no file; a comparison reads both logs, so name a place for one")
    log = open_log(output.log, options, folder=folder, force=output.force, secrets=(other.key,))
    try:
        beside = open_log(
            log.path.with_suffix(".baseline.jsonl"), other, folder=folder, force=output.force, secrets=(options.key,)
        )
    except UserError:
        log.close()
        # Nothing is in it yet, and it would stand in the way of the next attempt.
        log.path.unlink(missing_ok=True)
        raise
    try:
        endings = conduct_pair(
            Part(options=options, plan=plan, log=log),
            Part(options=other, plan=planned(other), log=beside),
            progress_on(sys.stderr),
        )
    finally:
        log.close()
        beside.close()
    code = conclude(log.path, output, endings.candidate)
    if endings.baseline.status != "complete":
        note(f"the baseline's run was {endings.baseline.status}: {endings.baseline.reason}")
    return _compared(baseline, log.path, beside.path, output, code)


def _compared(baseline: Baseline, log: Path, beside: Path, output: Output, code: int) -> int:
    comparison = compared(beside, log, output.gate, slower=baseline.slower)
    if output.kind == "terminal":
        colour, width = colour_and_width()
        sys.stdout.write("\n")
        show_comparison(comparison, output.kind, sys.stdout, colour=colour, width=width)
    note(f"baseline's log: {beside}")
    report = baseline.report or (log.with_suffix(".compare.html") if log.is_file() else None)
    if report is not None:
        write_comparison(report, comparison)
        note(f"comparison: {report}")
    note(f"{HEADLINES[comparison.status].lower()}: {counts_line(comparison)}")
    worse = code_with(code, comparison) if baseline.fails else code
    if worse != code:
        note(f"exit code {worse}, because of the comparison (--fail-on-regression)")
    return worse


def code_with(code: int, comparison: Comparison) -> int:
    """The verdict's code, or the comparison's where the verdict alone would let the candidate pass."""
    if code == CONFORMS:
        return comparison.exit_code
    return BREACH if code == NO_JUDGEMENT and comparison.exit_code == BREACH else code

"""The report for a terminal: the verdict first, then what failed with its evidence, then everything else in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import view
from reports.evidence import evidence
from reports.judge import Verdict, listed
from reports.loads import LoadSummary
from reports.model import Run
from reports.visible import one_line, visible

WIDTH = 100
# With more findings than this, the rest is listed without its evidence: the HTML report has it.
_FULL = {"fail": 20, "warn": 5}
_EXCERPT = 700
_REASONS = 20
_STYLES = {"conforms": "bold green", "does-not-conform": "bold red", "could-not-judge": "bold yellow"}
_GRADE_STYLES = {"fail": "bold red", "warn": "bold yellow", "note": "bold", "waived": "bold"}


def render(run: Run, verdict: Verdict, *, colour: bool = False, width: int = WIDTH) -> str:
    """Render the report as text of `width` columns (evidence and curl lines are not wrapped), plain unless `colour`."""
    out = StringIO()
    # The environment is for the command line to read: here it would make a report depend on where it is made.
    console = Console(
        file=out,
        force_terminal=colour,
        color_system="standard" if colour else None,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    _head(console, run, verdict)
    for grade in view.GRADE_TITLES:
        _findings(console, run, verdict, grade)
    _options(console, run, verdict)
    _unstable(console, run)
    _unjudged(console, run)
    _coverage(console, verdict)
    _readings(console, verdict)
    for load in verdict.loads:
        _load(console, load)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def show(run: Run, verdict: Verdict, stream: TextIO, *, colour: bool | None = None, width: int = WIDTH) -> None:
    """Print the report on a stream, in colour when that is a terminal (or as `colour` says)."""
    text = render(run, verdict, colour=stream.isatty() if colour is None else colour, width=width)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _head(console: Console, run: Run, verdict: Verdict) -> None:
    headline = view.HEADLINES[verdict.status].upper()
    console.print(
        Text.assemble((headline, _STYLES[verdict.status]), f"  {one_line(run.target)}, {one_line(run.contract)}")
    )
    for reason in verdict.reasons:
        _item(console, reason)
    console.print(Text(f"Checks: {view.counts_line(verdict)}"))
    for note in verdict.notes:
        console.print(Text(one_line(note), style="dim"))
    names = {"Started", "Took", "Requests", "Tokens", "Seed", "Gate", "Seatrial", "Checks"}
    told = [f"{name.lower()} {value}" for name, value in view.facts(run, verdict) if name in names]
    console.print(Text(", ".join(told), style="dim"))


def _findings(console: Console, run: Run, verdict: Verdict, grade: str) -> None:
    findings = verdict.graded(grade)
    if not findings:
        return
    title, number = view.grade_title(grade, findings)
    _title(console, f"{title} ({number})")
    full = _FULL.get(grade, 0)
    groups = view.grouped(findings)
    for place, group in enumerate(groups):
        _finding(console, run, group, whole=place < full)
    if len(groups) > full > 0:
        console.print(Text("The evidence for the rest is in the HTML report.", style="dim"))


def _finding(console: Console, run: Run, group: view.Group, *, whole: bool) -> None:
    finding, outcome = group.lead, group.lead.outcome
    console.print(Text.assemble(
        (f"{finding.level} ", _GRADE_STYLES[finding.grade]), (one_line(outcome.check), "bold"),
        f"  {one_line(outcome.title)}",
    ))  # fmt: skip
    _field(console, "found", visible(view.seen(finding)))
    if finding.waiver:
        _field(console, "waived", view.waiver_line(finding).removeprefix("waived "))
    if outcome.hint:
        _field(console, "hint", visible(outcome.hint))
    if group.others:
        lines = [f"{one.outcome.check}: {one_line(view.seen(one))}" for one in group.others]
        _field(console, "also", "\n".join([f"{group.extent}:", *lines]))
    if not whole:
        return
    _field(
        console,
        "words",
        f"“{view.quote(finding)}” ({one_line(finding.requirement_id)}; {view.place(finding.requirement)})",
    )
    for shown in evidence(run, outcome, most=_EXCERPT, laid_out=False)[:1]:
        _field(console, "sent", shown.request)
        _field(console, "got", shown.answer)
        _field(console, "again", shown.curl)
    console.print()


def _options(console: Console, run: Run, verdict: Verdict) -> None:
    """The options that the endpoint does not support, each with a request that shows it."""
    if not verdict.lacking:
        return
    _title(console, f"Unsupported options ({len(verdict.lacking)})")
    for one in verdict.lacking:
        console.print(
            Text.assemble((f"{one.level} ", "bold"), (one_line(one.name), "bold"), f"  {view.LACKING[one.grade]}")
        )
        _field(console, "found", visible(one.capability.message))
        for line in view.again(run, one):
            _field(console, "again", line)


def _unstable(console: Console, run: Run) -> None:
    found = view.unstable(run)
    if found:
        _title(console, view.UNSTABLE)
    for rounds, checks in found:
        _item(console, f"{rounds}: {listed(checks, 20)}")


def _unjudged(console: Console, run: Run) -> None:
    """What neither passed nor failed, so that nobody takes it for passed."""
    for title, count, reasons in view.unjudged(run):
        _title(console, f"{title} ({count})")
        for reason, checks in reasons[:_REASONS]:
            console.print(Text(f"- {one_line(reason)}: {one_line(listed(checks, 6), 1000)}"), soft_wrap=True)
        if len(reasons) > _REASONS:
            _item(console, f"and for {len(reasons) - _REASONS} more reasons")


def _coverage(console: Console, verdict: Verdict) -> None:
    counts = view.coverage_counts(verdict.coverage)
    if not counts:
        return
    _title(console, "Coverage of the contract")
    states = [state for state in next(iter(counts.values())) if any(row[state] for row in counts.values())]
    _table(
        console, ["level", *states], [[level, *(str(row[state]) for state in states)] for level, row in counts.items()]
    )


def _readings(console: Console, verdict: Verdict) -> None:
    if not verdict.readings:
        return
    _title(console, "How the endpoint reads the page's contradictions")
    for reading in verdict.readings:
        _item(
            console,
            f"{one_line(reading.id)}: {one_line(reading.name)}"
            + (f" ({one_line(reading.text)})" if reading.text else ""),
        )


def _load(console: Console, load: LoadSummary) -> None:
    _title(console, f"Load: {one_line(load.profile)}")
    console.print(Text(view.load_line(load)))
    if load.doubt:
        console.print(Text(one_line(load.doubt), style="bold yellow"))
    if load.latencies:
        _table(console, view.LOAD_HEAD, view.load_rows(load))
    if load.slos:
        _table(console, view.SLO_HEAD, view.slo_rows(load), words=(3, 4))
    for one in load.latencies:
        console.print(Text(f"{one.measure.name}: {one.measure.definition}", style="dim"))


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def _item(console: Console, text: str) -> None:
    console.print(Text(f"- {one_line(text)}"), soft_wrap=True)


def _field(console: Console, name: str, text: str) -> None:
    """A named block, indented; never wrapped, so that it can be copied."""
    label = f"  {name:<7}"
    for number, line in enumerate(text.splitlines() or [""]):
        console.print(Text.assemble((label if number == 0 else " " * len(label), "dim"), line), soft_wrap=True)


def _table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], words: tuple[int, ...] = ()) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for position, name in enumerate(head):
        table.add_column(name, justify="left" if position == 0 or position in words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console.print(table)

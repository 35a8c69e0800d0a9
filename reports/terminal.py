"""The report for a terminal: the verdict first, then what failed with its evidence, then everything else in numbers."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from reports import figures, printing, view
from reports.evidence import evidence
from reports.judge import Verdict, listed
from reports.limit_slo import LimitSummary
from reports.loads import LoadSummary
from reports.model import Run
from reports.trust import load_notes
from reports.visible import one_line, visible

# With more findings than this, the rest is listed without its evidence: the HTML report has it.
_FULL = {"fail": 20, "warn": 5}
_EXCERPT = 700
_REASONS = 20
_STYLES = {
    "conforms": "bold green",
    "measured": "bold",
    "does-not-conform": "bold red",
    "could-not-judge": "bold yellow",
}
_GRADE_STYLES = {"fail": "bold red", "warn": "bold yellow", "note": "bold", "waived": "bold"}


def render(run: Run, verdict: Verdict, *, colour: bool = False, width: int = printing.WIDTH) -> str:
    """Render the report as text of `width` columns (evidence and curl lines are not wrapped), plain unless `colour`."""
    console, out = printing.made(colour=colour, width=width)
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
    for limit in verdict.limits:
        _limit(console, limit)
    return printing.text_of(out)


def show(
    run: Run, verdict: Verdict, stream: TextIO, *, colour: bool | None = None, width: int = printing.WIDTH
) -> None:
    """Print the report on a stream, in colour when that is a terminal (or as `colour` says)."""
    text = render(run, verdict, colour=stream.isatty() if colour is None else colour, width=width)
    printing.put(text, stream)


def _head(console: Console, run: Run, verdict: Verdict) -> None:
    headline = view.HEADLINES[verdict.status].upper()
    console.print(
        Text.assemble((headline, _STYLES[verdict.status]), f"  {one_line(run.target)}, {one_line(run.contract)}")
    )
    for reason in verdict.reasons:
        printing.item(console, reason)
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
    printing.title(console, f"{title} ({number})")
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
    printing.field(console, "found", visible(view.seen(finding)))
    if finding.waiver:
        printing.field(console, "waived", view.waiver_line(finding).removeprefix("waived "))
    if outcome.hint:
        printing.field(console, "hint", visible(outcome.hint))
    if group.others:
        lines = [f"{one.outcome.check}: {one_line(view.seen(one))}" for one in group.others]
        printing.field(console, "also", "\n".join([f"{group.extent}:", *lines]))
    if not whole:
        return
    printing.field(
        console,
        "words",
        f"“{view.quote(finding)}” ({one_line(finding.requirement_id)}; {view.place(finding.requirement)})",
    )
    for shown in evidence(run, outcome, most=_EXCERPT, laid_out=False)[:1]:
        printing.field(console, "sent", shown.request)
        printing.field(console, "got", shown.answer)
        printing.field(console, "again", shown.curl)
    console.print()


def _options(console: Console, run: Run, verdict: Verdict) -> None:
    """The options that the endpoint does not support, each with a request that shows it."""
    if not verdict.lacking:
        return
    printing.title(console, f"Unsupported options ({len(verdict.lacking)})")
    for one in verdict.lacking:
        console.print(
            Text.assemble((f"{one.level} ", "bold"), (one_line(one.name), "bold"), f"  {view.LACKING[one.grade]}")
        )
        printing.field(console, "found", visible(one.capability.message))
        for line in view.again(run, one):
            printing.field(console, "again", line)


def _unstable(console: Console, run: Run) -> None:
    found = view.unstable(run)
    if found:
        printing.title(console, view.UNSTABLE)
    for rounds, checks in found:
        printing.item(console, f"{rounds}: {listed(checks, 20)}")


def _unjudged(console: Console, run: Run) -> None:
    """What neither passed nor failed, so that nobody takes it for passed."""
    for title, count, reasons in view.unjudged(run):
        printing.title(console, f"{title} ({count})")
        for reason, checks in reasons[:_REASONS]:
            console.print(Text(f"- {one_line(reason)}: {one_line(listed(checks, 6), 1000)}"), soft_wrap=True)
        if len(reasons) > _REASONS:
            printing.item(console, f"and for {len(reasons) - _REASONS} more reasons")


def _coverage(console: Console, verdict: Verdict) -> None:
    counts = view.coverage_counts(verdict.coverage)
    if not counts:
        return
    printing.title(console, "Coverage of the contract")
    states = [state for state in next(iter(counts.values())) if any(row[state] for row in counts.values())]
    printing.table(
        console, ["level", *states], [[level, *(str(row[state]) for state in states)] for level, row in counts.items()]
    )


def _readings(console: Console, verdict: Verdict) -> None:
    if not verdict.readings:
        return
    printing.title(console, "How the endpoint reads the page's contradictions")
    for reading in verdict.readings:
        printing.item(
            console,
            f"{one_line(reading.id)}: {one_line(reading.name)}"
            + (f" ({one_line(reading.text)})" if reading.text else ""),
        )


def _shape(console: Console, load: LoadSummary) -> None:
    """What a load showed beside its latencies."""
    if load.load.capacity is not None and load.load.capacity.curve:
        printing.table(console, figures.CURVE_HEAD, figures.curve_rows(load.load.capacity), words=(2,))
    if load.load.kinds:
        printing.table(console, figures.KINDS_HEAD, figures.kind_rows(load))
    for name, words in figures.facts(load):
        console.print(Text(f"{name}: {one_line(words)}"))


def _load(console: Console, load: LoadSummary) -> None:
    printing.title(console, f"Load: {one_line(load.profile)}")
    console.print(Text(view.load_line(load)))
    if load.doubt:
        console.print(Text(one_line(load.doubt), style="bold yellow"))
    if load.latencies:
        printing.table(console, view.LOAD_HEAD, view.load_rows(load))
    if load.slos:
        printing.table(console, view.SLO_HEAD, view.slo_rows(load), words=(3, 4))
    _shape(console, load)
    for note in load_notes(load.load):
        console.print(Text(note))
    for one in load.latencies:
        console.print(Text(f"{one.measure.name}: {one.measure.definition}", style="dim"))


def _limit(console: Console, limit: LimitSummary) -> None:
    printing.title(console, f"Limit: {one_line(limit.profile)}")
    for name, text in view.limit_facts(limit):
        printing.field(console, name, text, width=24)
    if limit.slos:
        printing.table(console, view.SLO_HEAD, view.slo_rows(limit), words=(3, 4))

"""The report as Markdown for the summary of a CI job.

Law: at most 64 KiB, with every failing id in it; and no text that an endpoint chose is ever read as Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports import figures, view
from reports.evidence import evidence
from reports.judge import Verdict
from reports.limit_slo import LimitSummary
from reports.loads import LoadSummary
from reports.model import Run
from reports.trust import load_notes
from reports.visible import one_line, shortened, visible

MAX_BYTES = 64 << 10
# What the failing ids, the tables and the closing line may need is kept free while the rows of findings are written.
_FOR_ROWS = 24 << 10
_FOR_TABLES = 40 << 10
_MARKS = {"conforms": "✅", "measured": "📏", "does-not-conform": "❌", "could-not-judge": "⚠️"}
_SPECIAL = re.compile(r"[&<>`*_\[\]\\|~@#!$:{}^=]")


def render(run: Run, verdict: Verdict) -> str:
    """Render the report as Markdown with tables, in at most 64 KiB of UTF-8."""
    page = Page()
    page.add(_head(run, verdict))
    for grade in view.GRADE_TITLES:
        _findings(page, verdict, grade)
    for block in (
        _options(run, verdict),
        _unstable(run),
        _unjudged(run),
        _coverage(verdict),
        *map(_load, verdict.loads),
        *map(_limit, verdict.limits),
        _readings(verdict),
    ):
        page.add(block, most=_FOR_TABLES)
    for group in view.grouped(verdict.graded("fail")):
        page.add(_details(run, group), most=MAX_BYTES - 512)
    if page.left_out:
        page.add("_Shortened to fit; the HTML report has everything._")
    return page.text


class Page:
    """A page of Markdown within a bound of bytes; `left_out` counts the blocks that it had no room for."""

    def __init__(self) -> None:
        self.size = 0
        self.left_out = 0
        self._blocks: list[str] = []

    @property
    def text(self) -> str:
        """The page so far."""
        return "".join(self._blocks)

    def add(self, block: str, most: int = MAX_BYTES) -> bool:
        """Append a block if the page stays within `most` bytes; whether it did."""
        if not block:
            return True
        part = f"{block.rstrip()}\n\n"
        size = len(part.encode())
        if self.size + size > most:
            self.left_out += 1
            return False
        self._blocks.append(part)
        self.size += size
        return True


def escaped(text: str, most: int = 400) -> str:
    """The text as one line that Markdown and HTML show as it is, in a table's cell as elsewhere."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", one_line(text, most))


def code(text: str) -> str:
    """The text as a code span: in backticks where that is safe, as it is for every id of ours."""
    line = one_line(text, 200)
    return f"`{line}`" if re.fullmatch(r"[\w./:@-]+", line, re.ASCII) else f"<code>{escaped(line)}</code>"


def block(text: str) -> str:
    """The text as a fenced block whose fence is longer than any within it."""
    inside = visible(text)
    longest = max((len(run) for run in re.findall("`+", inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{inside}\n{fence}"


def _head(run: Run, verdict: Verdict) -> str:
    lines = [f"## {_MARKS[verdict.status]} {view.HEADLINES[verdict.status]}", ""]
    lines += [f"{code(run.target)}, contract {code(run.contract)}", ""]
    lines += [f"- {escaped(reason, 600)}" for reason in verdict.reasons]
    lines += ["", f"**Checks:** {view.counts_line(verdict)}", ""]
    lines += [f"- {escaped(note)}" for note in verdict.notes]
    names = {"Started", "Took", "Requests", "Tokens", "Seed", "Gate", "Seatrial", "Run"}
    told = [f"{name.lower()} {escaped(value)}" for name, value in view.facts(run, verdict) if name in names]
    return "\n".join([*lines, "", f"<sub>{', '.join(told)}</sub>"])


def _findings(page: Page, verdict: Verdict, grade: str) -> None:
    findings = verdict.graded(grade)
    if not findings:
        return
    title = "### {} ({})".format(*view.grade_title(grade, findings))
    groups = view.grouped(findings)
    rows = [_row(group) for group in groups]
    # As many rows as fit, and the ids alone of the others: which checks fail is never left out.
    fitting, size = 0, page.size
    while fitting < len(rows) and size + len(rows[fitting].encode()) < _FOR_ROWS:
        size += len(rows[fitting].encode()) + 1
        fitting += 1
    text = title
    if fitting:
        text += "\n\n" + "\n".join([*table_head(["check", "level", "requirement", "found"]), *rows[:fitting]])
    if rest := groups[fitting:]:
        text += "\n\nAnd: " + ", ".join(code(check) for group in rest for check in group.checks)
    if not page.add(text, most=MAX_BYTES - 2048):
        page.add(f"{title}\n\nToo many to list here.")


def _row(group: view.Group) -> str:
    finding = group.lead
    found = shortened(one_line(view.waiver_line(finding) or view.seen(finding)), 240)
    more = f" ({group.extent})" if group.others else ""
    checks = ", ".join(code(check) for check in group.checks)
    cells = [checks, finding.level, code(finding.requirement_id), escaped(found + more)]
    return f"| {' | '.join(cells)} |"


def _details(run: Run, group: view.Group) -> str:
    finding, outcome = group.lead, group.lead.outcome
    lines = [
        f"<details><summary>{escaped(outcome.check)}: {escaped(outcome.title)}</summary>",
        "",
        f"> {escaped(view.quote(finding), 600)}",
        ">",
        f"> {finding.level} {code(finding.requirement_id)}, {escaped(view.place(finding.requirement))}",
        "",
        f"**Found:** {escaped(view.seen(finding), 600)}",
        "",
    ]
    if outcome.hint:
        lines += [f"**Hint:** {escaped(outcome.hint, 600)}", ""]
    if group.others:
        lines += [f"**Also:** {group.extent}", ""]
        lines += [f"- {code(one.outcome.check)}: {escaped(view.seen(one), 240)}" for one in group.others]
        lines += [""]
    for shown in evidence(run, outcome, most=900)[:1]:
        lines += ["Sent", "", block(shown.request), "", "Got", "", block(shown.answer), ""]
        lines += ["Again", "", block(shown.curl), ""]
    return "\n".join([*lines, "</details>"])


def _options(run: Run, verdict: Verdict) -> str:
    rows = [
        f"| {code(one.name)} | {one.level} | {view.LACKING[one.grade]} | {escaped(one.capability.message, 240)} |"
        for one in verdict.lacking
    ]
    if not rows:
        return ""
    lines = [
        f"### Unsupported options ({len(rows)})",
        "",
        *table_head(["option", "level", "gate", "found"]),
        *rows,
        "",
    ]
    for one in verdict.lacking:
        lines += [part for line in view.again(run, one) for part in (f"{code(one.name)}, again", "", block(line), "")]
    return "\n".join(lines)


def _unstable(run: Run) -> str:
    found = [[rounds, ", ".join(code(check) for check in checks[:20])] for rounds, checks in view.unstable(run)]
    if not found:
        return ""
    rows = [f"| {escaped(rounds, 160)} | {checks} |" for rounds, checks in found[:30]]
    return "\n".join([f"### {view.UNSTABLE}", "", *table_head(["rounds", "checks"]), *rows])


def _unjudged(run: Run) -> str:
    found = view.unjudged(run)
    rows = [
        f"| {title} | {escaped(reason, 160)} | {', '.join(code(check) for check in checks[:6])}"
        f"{f' and {len(checks) - 6} more' if len(checks) > 6 else ''} |"
        for title, _, reasons in found
        for reason, checks in reasons
    ]
    if not rows:
        return ""
    more = [f"| and {len(rows) - 30} more | | |"] if len(rows) > 30 else []
    title = f"### Not judged ({sum(count for _, count, _ in found)})"
    return "\n".join([title, "", *table_head(["state", "reason", "checks"]), *rows[:30], *more])


def _coverage(verdict: Verdict) -> str:
    counts = view.coverage_counts(verdict.coverage)
    if not counts:
        return ""
    states = [state for state in next(iter(counts.values())) if any(row[state] for row in counts.values())]
    rows = [[level, *(str(row[state]) for state in states)] for level, row in counts.items()]
    return table("Coverage of the contract", ["level", *states], rows)


def _readings(verdict: Verdict) -> str:
    rows = [[one.id, one.name, one.text] for one in verdict.readings]
    return table("How the endpoint reads the page's contradictions", ["erratum", "reading", "meaning"], rows)


def _load(load: LoadSummary) -> str:
    parts = [f"### Load: {escaped(load.profile)}", escaped(view.load_line(load))]
    if load.doubt:
        parts.append(f"⚠️ {escaped(load.doubt)}")
    parts.append(table("", view.LOAD_HEAD, view.load_rows(load)))
    parts.append(table("", view.SLO_HEAD, view.slo_rows(load)))
    if load.load.capacity is not None:
        parts.append(table("", figures.CURVE_HEAD, figures.curve_rows(load.load.capacity)))
    parts.append(table("", figures.KINDS_HEAD, figures.kind_rows(load)))
    parts += [f"- **{escaped(name)}**: {escaped(words, 600)}" for name, words in figures.facts(load)]
    parts.append("\n".join(f"- {escaped(note, 600)}" for note in load_notes(load.load)))
    words = "; ".join(f"{one.measure.name}: {one.measure.definition}" for one in load.latencies)
    parts.append(f"<sub>{escaped(words, 2000)}</sub>" if words else "")
    return "\n\n".join(part for part in parts if part)


def _limit(limit: LimitSummary) -> str:
    parts = [
        table(f"Limit: {escaped(limit.profile)}", ["", "found"], view.limit_facts(limit)),
        table("", view.SLO_HEAD, view.slo_rows(limit)),
    ]
    return "\n\n".join(part for part in parts if part)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its title, every cell escaped; empty without rows."""
    if not rows:
        return ""
    lines = [*table_head(head), *(f"| {' | '.join(escaped(cell, 200) for cell in row)} |" for row in rows)]
    return "\n".join(([f"### {title}", ""] if title else []) + lines)


def table_head(head: Sequence[str]) -> list[str]:
    """The two lines that begin a table."""
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]

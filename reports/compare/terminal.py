"""A comparison for a terminal: what decides first, what broke with its evidence, then figures side by side."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from reports import printing
from reports.compare import words
from reports.compare.model import GRADES, Comparison, Difference, Grade
from reports.judge import listed
from reports.visible import one_line, visible

# With more findings than this, the rest is listed without its evidence: the HTML report has it.
_FULL = 12
_EXCERPT = 700
_STYLES = {"breaking": "bold red", "no-breaking": "bold green", "could-not-compare": "bold yellow"}
_GRADE_STYLES = {"breaking": "bold red", "open": "bold yellow", "warning": "bold yellow", "better": "bold green"}


def render(comparison: Comparison, *, colour: bool = False, width: int = printing.WIDTH) -> str:
    """Render the comparison as text of `width` columns (evidence is not wrapped), plain unless `colour`."""
    console, out = printing.made(colour=colour, width=width)
    _head(console, comparison)
    for grade in GRADES:
        _grade(console, comparison, grade)
    for table in comparison.tables:
        printing.title(console, one_line(table.name))
        last = len(table.head) - 1
        printing.table(console, table.head, table.rows, words=(last,) if not table.head[-1] else ())
        if table.remark:
            console.print(Text(one_line(table.remark), style="dim"))
    return printing.text_of(out)


def _head(console: Console, comparison: Comparison) -> None:
    headline = words.HEADLINES[comparison.status].upper()
    console.print(Text(headline, style=_STYLES[comparison.status]))
    for name, run in (("candidate", comparison.candidate), ("baseline", comparison.baseline)):
        console.print(
            Text.assemble(
                (f"  {name:<10}", "dim"), f"{one_line(run.target)}, {one_line(run.contract)}, {one_line(run.started)}"
            )
        )
    for reason in comparison.reasons:
        printing.item(console, reason)
    console.print(Text(f"Differences: {words.counts_line(comparison)}"))
    for note in comparison.notes:
        console.print(Text(one_line(note), style="dim"))


def _grade(console: Console, comparison: Comparison, grade: Grade) -> None:
    differences = comparison.graded(grade)
    if not differences:
        return
    printing.title(console, f"{words.GRADE_TITLES[grade]} ({len(differences)})")
    full = _FULL if grade in words.SHOWN else 0
    for area, groups in words.by_area(differences).items():
        if len(words.by_area(differences)) > 1 or area != "checks":
            console.print(Text(words.AREA_TITLES[area], style="underline"))
        for place, group in enumerate(groups):
            if grade in words.SHOWN:
                _group(console, comparison, group, whole=place < full)
            else:
                _short(console, group)


def _group(console: Console, comparison: Comparison, group: words.Group, *, whole: bool) -> None:
    one = group.lead
    level = f"{one.level} " if one.level else ""
    console.print(Text.assemble(
        (level, _GRADE_STYLES.get(one.grade, "bold")), (one_line(one.subject), "bold"), f"  {one_line(one.title)}",
    ))  # fmt: skip
    _field(console, "baseline", visible(one.baseline))
    _field(console, "candidate", visible(one.candidate))
    if told := words.about(one):
        _field(console, "note", visible(told))
    if one.carries:
        _field(console, "with it", one_line(listed(one.carries, 12), 1000))
    if group.others:
        lines = [f"{other.subject}: {one_line(other.candidate, 160)}" for other in group.others]
        _field(console, "also", "\n".join(lines))
    if not whole:
        return
    quote, where = words.words_of(comparison, one)
    if quote:
        _field(console, "words", f"“{quote}” ({one_line(one.requirement_id)}; {where})")
    if one.area in {"checks", "options", "errors", "meaning"}:
        _sides(console, comparison, one)
    console.print()


def _sides(console: Console, comparison: Comparison, one: Difference) -> None:
    sides = words.sides_of(comparison, one, most=_EXCERPT, laid_out=False)
    if sides is None:
        return
    _field(console, "sent", sides.request)
    for name, evidence in (("baseline", sides.baseline), ("candidate", sides.candidate)):
        if evidence is not None:
            _field(console, "got", f"({name}) {evidence.answer}")
    _field(console, "again", sides.curl)


def _short(console: Console, group: words.Group) -> None:
    one = group.lead
    console.print(Text.assemble((one_line(one.subject), "bold"), f"  {one_line(one.title)}"))
    _field(console, "baseline", one_line(one.baseline))
    _field(console, "candidate", one_line(one.candidate))
    if group.others:
        _field(console, "also", one_line(listed([other.subject for other in group.others], 12), 1000))
    if told := words.about(one):
        _field(console, "note", one_line(told))


def _field(console: Console, name: str, text: str) -> None:
    printing.field(console, name, text, width=10)

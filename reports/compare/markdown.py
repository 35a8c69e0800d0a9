"""A comparison as Markdown for the summary of a CI job.

Law: at most 64 KiB, with every breaking subject in it; no text that an endpoint chose is ever read as Markdown or HTML.
"""

from __future__ import annotations

from reports.compare import words
from reports.compare.model import GRADES, Comparison, Grade
from reports.judge import listed
from reports.markdown import MAX_BYTES, Page, block, code, escaped, table, table_head
from reports.visible import one_line, shortened

_MARKS = {"no-breaking": "✅", "breaking": "❌", "could-not-compare": "⚠️"}
# What the tables and the closing line may need is kept free while the rows of differences are written.
_FOR_ROWS, _FOR_TABLES = 24 << 10, 44 << 10


def render(comparison: Comparison) -> str:
    """Render the comparison as Markdown with tables, in at most 64 KiB of UTF-8."""
    page = Page()
    page.add(_head(comparison))
    for grade in GRADES:
        _grade(page, comparison, grade)
    for one in comparison.tables:
        page.add(table(escaped(one.name), one.head, one.rows), most=_FOR_TABLES)
        page.add(f"<sub>{escaped(one.remark, 1000)}</sub>" if one.remark else "", most=_FOR_TABLES)
    for group in words.grouped(comparison.graded("breaking")):
        page.add(_details(comparison, group), most=MAX_BYTES - 512)
    if page.left_out:
        page.add("_Shortened to fit; the HTML report has everything._")
    return page.text


def _head(comparison: Comparison) -> str:
    lines = [f"## {_MARKS[comparison.status]} {words.HEADLINES[comparison.status]}", ""]
    lines += [f"{code(comparison.candidate.target)} against the baseline {code(comparison.baseline.target)}", ""]
    lines += [f"- {escaped(reason, 2000)}" for reason in comparison.reasons]
    lines += ["", f"**Differences:** {words.counts_line(comparison)}", ""]
    lines += [f"- {escaped(note, 400)}" for note in comparison.notes]
    facts = [(name, left, right) for name, left, right in words.facts(comparison) if name != "Target"]
    return "\n".join([*lines, "", table("", ["run", "baseline", "candidate"], facts)])


def _grade(page: Page, comparison: Comparison, grade: Grade) -> None:
    differences = comparison.graded(grade)
    if not differences:
        return
    groups = [group for groups in words.by_area(differences).values() for group in groups]
    rows = [_row(group) for group in groups]
    fitting, size = 0, page.size
    while fitting < len(rows) and size + len(rows[fitting].encode()) < _FOR_ROWS:
        size += len(rows[fitting].encode()) + 1
        fitting += 1
    text = f"### {words.GRADE_TITLES[grade]} ({len(differences)})"
    if fitting:
        text += "\n\n" + "\n".join([*table_head(["about", "level", "baseline", "candidate"]), *rows[:fitting]])
    if rest := groups[fitting:]:
        text += "\n\nAnd: " + ", ".join(code(subject) for group in rest for subject in group.subjects)
    if not page.add(text, most=MAX_BYTES - 4096):
        page.add(f"### {words.GRADE_TITLES[grade]} ({len(differences)})\n\nToo many to list here.")


def _row(group: words.Group) -> str:
    one = group.lead
    name = ", ".join(code(subject) for subject in group.subjects)
    told = [shortened(one_line(text), 240) for text in (one.baseline, one.candidate)]
    about = words.about(one)
    cells = [
        f"{name}<br>{escaped(one.title, 200)}" + (f"<br>_{escaped(about, 200)}_" if about else ""),
        escaped(one.level),
        *map(escaped, told),
    ]
    return f"| {' | '.join(cells)} |"


def _details(comparison: Comparison, group: words.Group) -> str:
    one = group.lead
    quote, where = words.words_of(comparison, one)
    lines = [f"<details><summary>{escaped(one.subject)}: {escaped(one.title)}</summary>", ""]
    if quote:
        lines += [f"> {escaped(quote, 600)}", ">", f"> {one.level} {code(one.requirement_id)}, {escaped(where)}", ""]
    lines += [f"**Baseline:** {escaped(one.baseline, 600)}", "", f"**Candidate:** {escaped(one.candidate, 600)}", ""]
    if group.others:
        lines += [f"- {code(other.subject)}: {escaped(other.candidate, 240)}" for other in group.others]
        lines += [""]
    if one.carries:
        lines += [f"**With it:** {escaped(listed(one.carries, 20), 1000)}", ""]
    sides = words.sides_of(comparison, one, most=900)
    if sides is not None:
        lines += ["Sent", "", block(sides.request), ""]
        for name, evidence in (("baseline", sides.baseline), ("candidate", sides.candidate)):
            if evidence is not None:
                lines += [f"Got from the {name}", "", block(evidence.answer), ""]
        lines += ["Again", "", block(sides.curl), ""]
    return "\n".join([*lines, "</details>"])

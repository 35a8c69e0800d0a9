"""A comparison as one HTML file in the look of the reports: no script, no request, no font of its own.

Law: every text on the page goes through the one door of the reports' templates.
"""

from __future__ import annotations

from reports.compare import words
from reports.compare.model import GRADES, Comparison, Difference
from reports.html import environment

# Evidence beyond this many findings would make a page that no browser likes; the logs have it all.
_WITH_EVIDENCE = 60
_OPEN_AT_FIRST = 2
_TONES = {
    "breaking": "failed",
    "open": "inconclusive",
    "warning": "warned",
    "waived": "waived",
    "better": "passed",
    "information": "noted",
}
_BODIES = {"no-breaking": "conforms", "breaking": "does-not-conform", "could-not-compare": "could-not-judge"}


def render(comparison: Comparison) -> str:
    """Render the comparison as a complete HTML document."""

    def sides(one: Difference) -> words.Sides | None:
        return words.sides_of(comparison, one, most=2400)

    text: str = (
        environment()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            words=words,
            grades=[grade for grade in GRADES if comparison.graded(grade)],
            tones=_TONES,
            body=_BODIES[comparison.status],
            counts=_bar(comparison),
            sides=sides,
            with_evidence=_WITH_EVIDENCE,
            open_at_first=_OPEN_AT_FIRST,
            # The filter of the reports' coverage is part of the style, and this page has none.
            states=[],
        )
    )
    return text


def _bar(comparison: Comparison) -> list[tuple[str, str, int]]:
    """The counts that a legend shows: the title, the colour's name, the number."""
    return [
        (words.GRADE_TITLES[grade], _TONES[grade], count)
        for grade, count in comparison.counts.items()
        if count or grade in {"breaking", "warning"}
    ]

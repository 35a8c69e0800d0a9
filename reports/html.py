"""The report as one HTML file that needs nothing else: no script, no request, no font of its own.

Law: every text on the page goes through `visible` and through the template's escaping; there is one door for both.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import view
from reports.chart import chart
from reports.coverage import STATES
from reports.evidence import evidence
from reports.judge import Verdict
from reports.model import Run
from reports.trust import load_notes
from reports.visible import visible

# Evidence beyond this many findings of a grade would make a page that no browser likes; the log has it all.
_WITH_EVIDENCE = 150
_OPEN_AT_FIRST = 6


def render(run: Run, verdict: Verdict) -> str:
    """Render the report as a complete HTML document."""
    text: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            verdict=verdict,
            view=view,
            load_notes=load_notes,
            chart=chart,
            evidence=lambda outcome: evidence(run, outcome, most=2400),
            states=STATES,
            with_evidence=_WITH_EVIDENCE,
            open_at_first=_OPEN_AT_FIRST,
            bar=_bar(verdict),
            unstable=view.unstable(run),
            unstable_title=view.UNSTABLE,
            unjudged=view.unjudged(run),
            passed=[outcome for outcome in run.outcomes if outcome.status == "pass"],
            coverage_counts=view.coverage_counts(verdict.coverage),
            chapters=view.chapters(verdict.coverage),
        )
    )
    return text


@cache
def environment() -> Environment:
    """The templates, with one door for every text: made visible, then escaped."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True,
        finalize=_neutral,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["spans"] = _spans
    return made


def _neutral(value: Any) -> Any:
    """What every expression of a template passes before it is escaped; Markup is the templates' own output."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _spans(text: str) -> Markup:
    """The words of a contract with what they put in backticks as code; escaped before anything is added."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))  # noqa: S704 - escaped here


def _bar(verdict: Verdict) -> list[tuple[str, int, float]]:
    """The counts as parts of a bar: name, count, share in percent."""
    total = sum(verdict.counts.values())
    return [(name, count, round(100 * count / total, 3)) for name, count in verdict.counts.items() if count]

"""The report formats by name: what `--format` and file endings choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from reports import html, junit, markdown, terminal
from reports.judge import Verdict
from reports.model import Run


class Renderer(Protocol):
    """Makes a report out of a run and its verdict."""

    def __call__(self, run: Run, verdict: Verdict) -> str:
        """The whole report as text."""
        ...


FORMATS: Mapping[str, Renderer] = {
    "terminal": terminal.render,
    "html": html.render,
    "junit": junit.render,
    "markdown": markdown.render,
}

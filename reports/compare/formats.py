"""The formats of a comparison by name: what `--format` and file endings choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reports.compare import html, markdown, terminal
from reports.compare.model import Comparison

FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "terminal": terminal.render,
    "html": html.render,
    "markdown": markdown.render,
}

"""What a search for a limit found, in the lines of its report.

Law: the page says what the report says, in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.limits import limit_from, limit_rows


def limit_lines(record: Mapping[str, Any]) -> list[str]:
    """The verdict in a run's record; none for a run that looked for no limit."""
    if record.get("type") != "limit":
        return []
    return [f"{name}: {text}" for name, text in limit_rows(limit_from(record))]

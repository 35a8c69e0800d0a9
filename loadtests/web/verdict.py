"""What a search found, be it a limit or a capacity, in the lines of its report.

Law: the page says what the report says, in the same words; of a search that is not valid it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.figures import capacity_facts
from reports.limits import limit_from, limit_rows
from reports.shapes import Capacity


def verdict_lines(record: Mapping[str, Any]) -> list[str]:
    """The verdict in a run's record; none for a run that searched for nothing."""
    if record.get("type") == "limit":
        return _lines(limit_rows(limit_from(record)))
    if "capacity" not in record or not record.get("valid"):
        return []
    return _lines(list(capacity_facts(Capacity.from_record(record["capacity"]))))


def _lines(rows: list[tuple[str, str]]) -> list[str]:
    return [f"{name}: {text}" for name, text in rows]

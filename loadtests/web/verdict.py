"""What a search for a limit found, in a few lines.

Law: no limit is named where none was found, and bounds are said as bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def limit_lines(record: Mapping[str, Any]) -> list[str]:
    """The verdict in a run's record; none for a run that looked for no limit."""
    found = record.get("limit")
    verdicts = found if isinstance(found, list) else [found]
    return [line for verdict in verdicts if isinstance(verdict, Mapping) for line in _lines(verdict)]


def _lines(verdict: Mapping[str, Any]) -> list[str]:
    quota = verdict.get("quota", "requests")
    documented = verdict.get("documented")
    if not verdict.get("found"):
        return [f"no limit of {quota} was found: {_number(verdict.get('passed_in_minute'))} passed within a minute"]
    low, high = verdict.get("low"), verdict.get("high")
    bounds = f"at least {_number(low)}" if high is None else f"{_number(low)} to {_number(high)}"
    lines = [f"the limit is {bounds} {quota} a minute, by a {verdict.get('kind') or 'limiter of no known kind'}"]
    if isinstance(documented, int | float):
        lines.append(f"documented: {_number(documented)} {quota} a minute{_against(documented, low, high)}")
    if verdict.get("contradictions"):
        lines.append(f"{verdict['contradictions']} of {verdict.get('checked')} observations contradict that")
    return lines


def _against(documented: float, low: Any, high: Any) -> str:
    if isinstance(low, int | float) and documented < low:
        return ", which is less than was let pass"
    if isinstance(high, int | float) and documented > high:
        return ", which was not let pass"
    return ", which agrees" if high is not None else ""


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, int | float) else "unknown"

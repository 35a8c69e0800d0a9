"""The Markdown table: what each tool catches of each fault, and what it says of what is legal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.detection.model import Deviation

Results = Mapping[tuple[str, str], Mapping[str, Any]]


def news(results: Results, one: Deviation, tool: str) -> tuple[str, ...] | None:
    """The findings of a run that the control of the same base does not have; None when it was not run."""
    ran, control = results.get((one.id, tool)), results.get((f"control.{one.base}", tool))
    if ran is None or control is None:
        return None
    return tuple(finding for finding in ran["findings"] if finding not in control["findings"])


def render(results: Results, faults: Sequence[Deviation], legal: Sequence[Deviation], tools: Sequence[str]) -> str:
    """The whole report."""
    parts = (
        _summary(results, faults, legal, tools),
        _costs(results, tools),
        _rows("Faults", results, faults, tools),
        _rows("Legal variations", results, legal, tools),
    )
    return "\n".join(line for part in parts for line in part)


def _summary(
    results: Results, faults: Sequence[Deviation], legal: Sequence[Deviation], tools: Sequence[str]
) -> list[str]:
    lines = [
        "# Detection",
        "",
        "| tool | faults run | caught | caught by the gate | legal run | flagged |",
        "|-|-|-|-|-|-|",
    ]
    caught: dict[str, set[str]] = {}
    shared = [one for one in faults if all(news(results, one, tool) is not None for tool in tools)]
    for tool in tools:
        ran = [one for one in faults if news(results, one, tool) is not None]
        hit = {one.id for one in ran if news(results, one, tool)}
        gate = [one for one in ran if one.id in hit and results[one.id, tool]["gate"]]
        allowed = [one for one in legal if news(results, one, tool) is not None]
        flagged = [one for one in allowed if news(results, one, tool)]
        caught[tool] = hit & {one.id for one in shared}
        lines.append(f"| {tool} | {len(ran)} | {len(hit)} | {len(gate)} | {len(allowed)} | {len(flagged)} |")
    lines += ["", f"Of the {len(shared)} faults that every tool was run on: "
              + ", ".join(f"{tool} {len(caught[tool])}" for tool in tools) + "."]  # fmt: skip
    peers = [len(caught[tool]) for tool in tools if tool != "seatrial"]
    if "seatrial" in tools and peers and max(peers):
        lines.append(f"Seatrial catches {len(caught['seatrial']) / max(peers):.2f} times as many as the best peer.")
    areas = sorted({one.area for one in faults})
    lines += ["", f"| area | faults | {' | '.join(tools)} |", "|-|-|" + "-|" * len(tools)]
    for area in areas:
        own = [one for one in faults if one.area == area]
        cells = [f"{sum(bool(news(results, one, t)) for one in own)} of "
                 f"{sum(news(results, one, t) is not None for one in own)}" for t in tools]  # fmt: skip
        lines.append(f"| {area} | {len(own)} | {' | '.join(cells)} |")
    return lines


def _costs(results: Results, tools: Sequence[str]) -> list[str]:
    lines = [
        "",
        "| tool | runs | requests a run | CPU a request, ms | CPU a run, s | wall a run, s | timed out |",
        "|-|-|-|-|-|-|-|",
    ]
    for tool in tools:
        runs = [ran for (_, name), ran in results.items() if name == tool]
        if not runs:
            continue
        count = len(runs)
        requests, cpu, wall = (sum(ran[name] for ran in runs) for name in ("requests", "cpu", "wall"))
        late = sum(bool(ran["timed_out"]) for ran in runs)
        each = f"{cpu / requests * 1000:.1f}" if requests else "-"
        lines.append(
            f"| {tool} | {count} | {requests / count:.0f} | {each} | {cpu / count:.1f} | {wall / count:.1f} | {late} |"
        )
    return lines


def _rows(title: str, results: Results, all_of: Sequence[Deviation], tools: Sequence[str]) -> list[str]:
    lines = ["", f"## {title}", "", f"| id | what | {' | '.join(tools)} |", "|-|-|" + "-|" * len(tools)]
    for one in all_of:
        cells = [_cell(news(results, one, tool)) for tool in tools]
        if any(cells):
            lines.append(f"| `{one.id}` | {_plain(one.title)} | {' | '.join(cells)} |")
    return lines


def _cell(found: tuple[str, ...] | None) -> str:
    if found is None:
        return ""
    if not found:
        return "no"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"**yes** {_plain(found[0])[:60]}{more}"


def _plain(text: str) -> str:
    for mark in "|<>`\n":
        text = text.replace(mark, " ")
    return text

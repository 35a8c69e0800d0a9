"""Samples as a run would have them, made without one."""

from __future__ import annotations

from loadtests.collect import Sample
from loadtests.streams import Reading


def sample(
    *,
    due: float = 0.0,
    late: float = 0.0,
    ttft: float = 0.1,
    gaps: tuple[float, ...] = (0.01, 0.01),
    outcome: str = "ok",
    tokens: int | None = None,
) -> Sample:
    """One request of so many seconds until its first content and between the others; `late` after it was due."""
    sent = due + late
    last = sent + ttft + sum(gaps)

    def on_clock(seconds: float) -> int:
        return round((seconds + 100) * 1e9)

    whole = outcome == "ok"
    reading = Reading(
        outcome=outcome,
        started=on_clock(sent),
        sent=on_clock(sent),
        first=on_clock(sent + ttft) if whole else 0,
        last=on_clock(last) if whole else 0,
        end=on_clock(last),
        chunks=len(gaps) + 1 if whole else 0,
        gaps=tuple(round(gap * 1e9) for gap in gaps) if whole else (),
        completion_tokens=tokens,
    )
    return Sample(
        t_intended=due,
        t_started=sent,
        t_sent=sent,
        t_first=sent + ttft if whole else None,
        t_last=last if whole else None,
        t_end=last,
        reading=reading,
    )

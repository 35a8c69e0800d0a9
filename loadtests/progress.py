"""How far a run is, by itself or together with others.

Law: two parts of a run add up to what one would have said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Progress:
    """How far a run is. Requests and tokens include the warm-up, for they are paid for."""

    sent: int
    done: int
    ok: int
    tokens: int
    seconds: float
    planned: int


def summed(parts: Sequence[Progress]) -> Progress:
    """The progress of all who share a run; they go on at the same time."""
    numbers = {name: sum(getattr(part, name) for part in parts) for name in ("sent", "done", "ok", "tokens", "planned")}
    return Progress(**numbers, seconds=max((part.seconds for part in parts), default=0.0))


def after(first: Progress, then: Progress) -> Progress:
    """The progress of two runs, one after the other, of which the first says what is planned of both."""
    every = [field.name for field in fields(Progress)]
    return Progress(
        **{**{name: getattr(first, name) + getattr(then, name) for name in every}, "planned": first.planned}
    )

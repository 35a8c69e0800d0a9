"""Goodput: how many requests were good enough, that is, kept every bound that the user set for one answer.

Law: a request that failed was not good, and counts. Two parts of a run add up to what one would have counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.collect import RecordError, Sample

# Each bound is in milliseconds and holds for each single request.
BOUNDED: Mapping[str, str] = {
    "ttft": "time to first token",
    "itl": "longest gap between two chunks with text",
    "tpot": "time per output token after the first",
    "e2e": "whole answer",
}
_MOST_MS = 600_000.0


def goodput_bounds(text: str) -> dict[str, float]:
    """The bounds in `ttft:800,tpot:60`, in milliseconds by name; `ValueError` for what is none."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, given = part.partition(":")
        try:
            value = float(given)
        except ValueError:
            value = 0.0
        if name not in BOUNDED or name in found or not 0 < value <= _MOST_MS:
            raise ValueError(
                f"goodput is NAME:MILLISECONDS,… with {', '.join(BOUNDED)}, each once and up to {_MOST_MS:,.0f}, "
                f"not {text!r}"
            )
        found[name] = value
    return found


@dataclass(frozen=True)
class Judged:
    """One request: which bounds it kept by the actual and by the intended send, and whether that was all of them."""

    good: bool
    good_intended: bool
    missed: tuple[str, ...]


def judged(one: Sample, bounds: Mapping[str, float]) -> Judged:
    """Judge one request. A measure that a request does not have, such as a gap where there is one chunk, is kept."""
    if one.outcome != "ok" or one.t_end is None or one.t_sent is None:
        return Judged(good=False, good_intended=False, missed=())
    actual, intended = _figures(one, one.t_sent), _figures(one, one.t_intended)
    missed = tuple(name for name, bound in bounds.items() if actual.get(name, 0.0) > bound)
    late = any(intended.get(name, 0.0) > bound for name, bound in bounds.items())
    return Judged(good=not missed, good_intended=not late, missed=missed)


def _figures(one: Sample, since: float) -> dict[str, float]:
    """The bounded measures of a request in milliseconds, from that moment."""
    reading = one.reading
    figures = {"e2e": ((one.t_end or 0.0) - since) * 1e3}
    if one.t_first is not None:
        figures["ttft"] = (one.t_first - since) * 1e3
    if reading.gaps:
        figures["itl"] = max(reading.gaps) / 1e6
        if one.completion_tokens > 1:
            figures["tpot"] = (reading.last - reading.first) / 1e6 / (one.completion_tokens - 1)
    return figures


class Goodput:
    """Counts of good requests and of their tokens."""

    def __init__(self, bounds: Mapping[str, float]) -> None:
        self.bounds = dict(bounds)
        self.requests = self.good = self.good_intended = self.good_tokens = 0
        self.missed = dict.fromkeys(self.bounds, 0)
        self.failed = 0

    def add(self, one: Sample) -> Judged:
        """Count one request; returns what became of it."""
        result = judged(one, self.bounds)
        self.requests += 1
        self.failed += one.outcome != "ok"
        self.good += result.good
        self.good_intended += result.good_intended
        self.good_tokens += one.completion_tokens if result.good_intended else 0
        for name in result.missed:
            self.missed[name] += 1
        return result

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add what another counted by the same bounds, given as its `to_record`; `RecordError` for anything else."""
        try:
            if dict(record["bounds"]) != self.bounds:
                raise RecordError("goodput counted by other bounds cannot be added")
            numbers = {name: int(record[name]) for name in _COUNTS}
            missed = {name: int(record["missed"][name]) for name in self.bounds}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"no record of goodput: {error!r}") from None
        for name, number in numbers.items():
            setattr(self, name, getattr(self, name) + number)
        for name, number in missed.items():
            self.missed[name] += number

    def to_record(self) -> dict[str, Any]:
        """The counts as a JSON object for the log."""
        return {
            "bounds": self.bounds,
            **{name: getattr(self, name) for name in _COUNTS},
            "missed": dict(self.missed),
        }


_COUNTS = ("requests", "failed", "good", "good_intended", "good_tokens")

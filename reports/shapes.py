"""What a load record says beside its latencies: goodput, its course over time, kinds of requests, a capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.stats import Distribution
from reports.typed import Record, number, number_or_none, numbers, typed, whole_numbers

_MOST_WINDOWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Goodput:
    """How many requests were good: by `bounds` in milliseconds, from the actual and from the intended send.

    `missed` counts for each bound the whole answers that did not keep it; `tokens` are those of good answers.
    """

    bounds: Mapping[str, float]
    requests: int
    failed: int
    good: int
    good_intended: int
    tokens: int
    missed: Mapping[str, int]

    @classmethod
    def from_record(cls, record: Record) -> Goodput:
        """The goodput in a record; raises TypeError, ValueError or KeyError for anything else."""
        counts = {name: typed(record, name, int) for name in ("requests", "failed", "good", "good_intended")}
        if not 0 <= counts["good_intended"] <= counts["requests"] or not 0 <= counts["good"] <= counts["requests"]:
            raise ValueError("more requests were good than there were")
        return cls(
            **counts,
            bounds=numbers(record, "bounds"),
            tokens=typed(record, "good_tokens", int),
            missed=whole_numbers(record, "missed"),
        )

    @property
    def told(self) -> str:
        """The bounds in words."""
        return ", ".join(f"{name} {bound:g} ms" for name, bound in self.bounds.items()) or "a whole answer"


@dataclass(frozen=True, kw_only=True)
class Window:
    """The requests that were due from `start` on (s), until the next window; times of whole answers in milliseconds."""

    start: float
    requests: int
    ok: int
    throttled: int
    good: int
    tokens: int
    ttft: Distribution
    e2e: Distribution
    memory_mb: float

    @property
    def failed(self) -> int:
        """Requests with neither a whole answer nor a 429."""
        return self.requests - self.ok - self.throttled

    def median(self) -> float | None:
        """The median time to first token of all its requests, failed ones the slowest; None where that is no number.

        Where no answer is streamed, the time of the whole answer stands for it.
        """
        found = self.ttft if self.ttft.total else self.e2e
        rank = (self.requests + 1) // 2
        return found.at_rank(rank) if 1 <= rank <= found.total else None


@dataclass(frozen=True, kw_only=True)
class Course:
    """A load over time, in windows of `window` seconds that had requests; latencies were counted in steps of `step`."""

    window: float
    windows: tuple[Window, ...]
    step: float = 1.0

    @classmethod
    def from_record(cls, record: Record) -> Course:
        """The course in a record; raises TypeError, ValueError or KeyError for anything else."""
        window, step, least = (number(record, name) for name in ("window", "step", "least_ms"))
        rows = typed(record, "windows", list)
        if not window > 0 or not 1 < step <= 2 or not least > 0 or len(rows) > _MOST_WINDOWS:
            raise ValueError("a timeline has a window, a step above 1 and windows")

        def distribution(row: Any, name: str) -> Distribution:
            pairs = [(int(place), int(count)) for place, count in typed(row, name, list)]
            places = [place for place, _ in pairs]
            if places != sorted(set(places)) or any(not 0 <= place <= 5_000 or count < 0 for place, count in pairs):
                raise ValueError(f"`{name}` has a count of no step")
            # The middle of each step, as far as a ratio has one.
            values = tuple(least * step ** (place - 0.5) for place, _ in pairs)
            return Distribution(values, tuple(count for _, count in pairs))

        return cls(
            window=window,
            step=step,
            windows=tuple(
                Window(
                    start=typed(row, "at", int) * window,
                    ttft=distribution(row, "ttft"),
                    e2e=distribution(row, "e2e"),
                    memory_mb=number(row, "memory_mb"),
                    **{name: typed(row, name, int) for name in ("requests", "ok", "throttled", "good", "tokens")},
                )
                for row in rows
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Point:
    """One trial of a search: so many good of so many judged at that rate, and how the endpoint did there."""

    rate: float
    judged: int
    good: int
    proves: bool
    cut_short: bool
    answers_per_s: float
    tokens_per_s: float
    latencies: Mapping[str, Mapping[str, float]]

    def latency(self, name: str, percentile: str) -> float | None:
        """That percentile in milliseconds, None where it was not measured."""
        return self.latencies.get(name, {}).get(percentile)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a search proved: good at `low` per second and no longer at `high` (None: not proven), and its trials.

    `trial_s` is how long a trial with a verdict was at the least: for so long the endpoint bore what is said of it.
    """

    low: float | None
    high: float | None
    why: str
    confidence: float
    trial_s: float
    share: float
    bounds: Mapping[str, float]
    curve: tuple[Point, ...]

    @classmethod
    def from_record(cls, record: Record) -> Capacity:
        """The capacity in a record; raises TypeError, ValueError or KeyError for anything else."""
        return cls(
            low=number_or_none(record, "low"),
            high=number_or_none(record, "high"),
            why=typed(record, "why", str, ""),
            confidence=number(record, "confidence"),
            trial_s=number(record, "trial_s"),
            share=number(record, "share"),
            bounds=numbers(record, "bounds"),
            curve=tuple(
                Point(
                    rate=number(row, "rate"),
                    judged=typed(row, "judged", int),
                    good=typed(row, "good", int),
                    proves=typed(row, "proves", bool),
                    cut_short=typed(row, "cut_short", bool),
                    answers_per_s=number(row, "answers_per_s"),
                    tokens_per_s=number(row, "tokens_per_s"),
                    latencies={name: numbers(row["latencies_ms"], name) for name in row["latencies_ms"]},
                )
                for row in typed(record, "curve", list)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of request of a mix: how many, how many got a whole answer, and the histogram of how long that took."""

    name: str
    requests: int
    ok: int
    unit: str
    encoded: str

    @classmethod
    def from_record(cls, name: str, record: Record) -> Kind:
        """The kind in a record; raises TypeError or KeyError for anything else."""
        counts = {key: typed(record, key, int) for key in ("requests", "ok")}
        return cls(name=name, **counts, unit=typed(record, "unit", str), encoded=typed(record, "encoded", str))

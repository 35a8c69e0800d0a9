"""What a load measures while it runs, second by second, for a page that shows it.

Law: a request belongs to the second in which it ended, so what the workers of a run send in adds up by the second.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtests.collect import RecordError, Sample
from loadtests.goodput import judged
from loadtests.web.sketch import Sketch

SHOWN = ("ttft", "ttft_intended", "itl", "tpot", "e2e")
PERCENTS = (50.0, 95.0, 99.0)

# Workers report every three seconds; whatever is older than this is settled.
_SETTLED = 10
# How many seconds a page can look back.
_MOST_SECONDS = 900
_MOST_EXAMPLES = 3
_MOST_TEXT = 300


@dataclass
class Second:
    """What ended within one second."""

    counts: Counter[str] = field(default_factory=Counter)
    good: int = 0
    tokens: int = 0
    sketches: dict[str, Sketch] = field(default_factory=lambda: {name: Sketch() for name in SHOWN})

    def merge(self, other: Second) -> None:
        """Add what another part of the run measured in this second."""
        self.counts.update(other.counts)
        self.good += other.good
        self.tokens += other.tokens
        for name, sketch in self.sketches.items():
            sketch.merge(other.sketches[name])

    def to_json(self) -> dict[str, Any]:
        """The second as a worker sends it to its master."""
        sketches = {name: sketch.to_json() for name, sketch in self.sketches.items()}
        return {"counts": dict(self.counts), "good": self.good, "tokens": self.tokens, "sketches": sketches}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Second:
        """The second that `to_json` gave."""
        return cls(
            Counter({str(name): int(count) for name, count in value["counts"].items()}),
            int(value["good"]),
            int(value["tokens"]),
            {name: Sketch.from_json(value["sketches"][name]) for name in SHOWN},
        )

    def point(self, at: int) -> dict[str, Any]:
        """The second as a page draws it: `at` seconds after the first, latencies in milliseconds."""
        failed = self.counts.total() - self.counts["ok"] - self.counts["429"]
        return {
            "t": at,
            "ok": self.counts["ok"],
            "limited": self.counts["429"],
            "failed": failed,
            "good": self.good,
            "tokens": self.tokens,
            **{name: _rounded(self.sketches[name]) for name in ("ttft", "itl")},
        }


class Live:
    """One run as it goes on; seconds older than `keeps` can be shown but no longer be handed on."""

    def __init__(self, clock: Callable[[], float] = time.time, *, keeps: float = _SETTLED) -> None:
        self._clock = clock
        self._keeps = keeps
        # How many seconds before the present one may lack what somebody has still to send in.
        self.behind = 0
        self.begin({})

    def begin(self, bounds: Mapping[str, float]) -> None:
        """Forget the run before; `bounds` say when an answer is good (ms)."""
        self.behind = 0
        self.bounds = dict(bounds)
        self._first = int(self._clock())
        self._seconds: dict[int, Second] = {}
        self._points: dict[int, dict[str, Any]] = {}
        self._settled = Second()
        self._examples: dict[str, dict[str, None]] = {}
        self._counted: Counter[str] = Counter()

    def end(self) -> None:
        """Nothing more will come: the present second is whole as well."""
        self.behind = -1

    def add(self, one: Sample) -> None:
        """Count one request that has just ended."""
        second = self._second(int(self._clock()))
        second.counts[one.outcome] += 1
        second.tokens += one.completion_tokens
        if one.outcome != "ok":
            self._example(one.outcome, one.reading.detail)
            return
        second.good += judged(one, self.bounds).good_intended
        sketches = second.sketches
        if one.t_end is not None and one.t_sent is not None:
            sketches["e2e"].add((one.t_end - one.t_sent) * 1e3)
        if one.t_first is None or one.t_sent is None:
            return
        sketches["ttft"].add((one.t_first - one.t_sent) * 1e3)
        sketches["ttft_intended"].add((one.t_first - one.t_intended) * 1e3)
        gaps = one.reading.gaps
        add = sketches["itl"].add
        for gap in gaps:
            add(gap / 1e6)
        if gaps and one.completion_tokens > 1:
            sketches["tpot"].add((one.reading.last - one.reading.first) / 1e6 / (one.completion_tokens - 1))

    def counted(self, counts: Mapping[str, int]) -> None:
        """Note by outcome how many requests have ended until now, of a run that has no samples."""
        self._second(int(self._clock())).counts.update(Counter(counts) - self._counted)
        self._counted |= Counter(counts)

    def take(self) -> dict[str, Any]:
        """What a worker has measured since it was last asked."""
        taken = {str(at): second.to_json() for at, second in self._seconds.items()}
        examples = {name: list(texts) for name, texts in self._examples.items()}
        self._seconds = {}
        return {"seconds": taken, "examples": examples}

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add what a worker's `take` gave; `RecordError` for anything else."""
        try:
            found = {int(at): Second.from_json(second) for at, second in record["seconds"].items()}
            examples = {str(name): [str(text) for text in texts] for name, texts in record["examples"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"no record of live figures: {error!r}") from None
        for at, second in found.items():
            self._second(at).merge(second)
        for name, texts in examples.items():
            for text in texts:
                self._example(name, text)

    def points(self, since: int = 0) -> list[dict[str, Any]]:
        """The seconds from `since` on (counted from the first), without the present and other unfinished ones."""
        self._settle()
        now = int(self._clock()) - self.behind
        fresh = {at - self._first: one.point(at - self._first) for at, one in self._seconds.items() if at < now}
        return [point for at, point in sorted({**self._points, **fresh}.items()) if at >= since]

    def totals(self) -> dict[str, Any]:
        """The whole run until now: counts by outcome, good answers, tokens, percentiles in milliseconds."""
        whole = Second()
        for part in (self._settled, *self._seconds.values()):
            whole.merge(part)
        return {
            "counts": dict(sorted(whole.counts.items())),
            "good": whole.good,
            "tokens": whole.tokens,
            "bounds": self.bounds,
            "latencies": {
                name: {"count": sketch.count, "ms": _rounded(sketch)} for name, sketch in whole.sketches.items()
            },
            "examples": {name: list(texts) for name, texts in sorted(self._examples.items())},
        }

    def _second(self, at: int) -> Second:
        # What comes in for a time before the run, from a machine with another clock, must not be lost.
        at = max(at, self._first)
        if at - self._first in self._points:
            # Too late to be drawn; the totals have it.
            return self._settled
        if at not in self._seconds:
            self._settle()
            self._seconds[at] = Second()
        return self._seconds[at]

    def _settle(self) -> None:
        limit = int(self._clock()) - self._keeps
        for at in [at for at in self._seconds if at < limit]:
            second = self._seconds.pop(at)
            self._settled.merge(second)
            self._points[at - self._first] = second.point(at - self._first)
        while len(self._points) > _MOST_SECONDS:
            del self._points[min(self._points)]

    def _example(self, outcome: str, text: str) -> None:
        if text and len(texts := self._examples.setdefault(outcome, {})) < _MOST_EXAMPLES:
            texts[text[:_MOST_TEXT]] = None


def _rounded(sketch: Sketch) -> list[float] | None:
    return [round(value, 3) for value in sketch.percentiles(PERCENTS)] if sketch.count else None

"""A load over time: counts and latencies by windows of when requests were due, which merge exactly.

Law: a request belongs to the window in which it was due, however late it ended, so that a slow answer shows where it
was asked for. Latencies are from the moment at which a request was due, as its user would feel them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.collect import RecordError, Sample

WINDOWS = 48
_SHORTEST = 0.25
# Latencies are counted in steps of 2 %: a median of a window is then true to 1 %.
STEP = 1.02
_LOG_STEP = math.log(STEP)
_LEAST_MS, _MOST_BUCKET = 0.01, 1_000
_COUNTS = ("requests", "ok", "throttled", "good", "tokens")


def window_of(seconds: float) -> float:
    """How long the windows of a run of that length are, in seconds: a round number, some fifty in all."""
    wanted = max(_SHORTEST, seconds / WINDOWS)
    magnitude = 10 ** math.floor(math.log10(wanted))
    return float(next(step * magnitude for step in (1, 2, 2.5, 5, 10) if step * magnitude >= wanted * 0.999999))


def bucket(milliseconds: float) -> int:
    """The number of the step in which a latency is counted."""
    return min(_MOST_BUCKET, max(0, 1 + math.floor(math.log(max(milliseconds, _LEAST_MS) / _LEAST_MS) / _LOG_STEP)))


class _Window:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ttft: Counter[int] = Counter()
        self.e2e: Counter[int] = Counter()
        self.memory = 0.0


class Timeline:
    """The windows of a run of `seconds`, or of that length."""

    def __init__(self, seconds: float, *, window: float | None = None) -> None:
        self.window = window_of(seconds) if window is None else window
        self._windows: dict[int, _Window] = {}

    def add(self, one: Sample, *, good: bool) -> None:
        """Count one request."""
        place = max(0, int(one.t_intended / self.window))
        window = self._windows.get(place)
        if window is None:
            window = self._windows[place] = _Window()
            # Once a window: the first of its requests that ends.
            window.memory = resident_mb()
        # A Counter that is still empty keeps what it is given: a bool would not be written as a number.
        window.counts.update(
            requests=1,
            ok=int(one.outcome == "ok"),
            throttled=int(one.outcome == "429"),
            good=int(good),
            tokens=one.completion_tokens,
        )
        if one.outcome != "ok":
            return
        if one.t_first is not None:
            window.ttft[bucket((one.t_first - one.t_intended) * 1e3)] += 1
        if one.t_end is not None:
            window.e2e[bucket((one.t_end - one.t_intended) * 1e3)] += 1

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add the windows of another part of the run; `RecordError` for what is none. Memory: that of the largest."""
        try:
            if record["window"] != self.window:
                raise RecordError("windows of another length cannot be added")
            rows = [(int(row["at"]), row) for row in record["windows"]]
            for place, row in rows:
                window = self._windows.setdefault(place, _Window())
                window.counts.update({name: int(row[name]) for name in _COUNTS})
                for name, into in (("ttft", window.ttft), ("e2e", window.e2e)):
                    into.update({int(step): int(count) for step, count in row[name]})
                window.memory = max(window.memory, float(row["memory_mb"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"no record of a timeline: {error!r}") from None

    def to_record(self) -> dict[str, Any]:
        """The windows as a JSON object for the log; latencies as pairs of a step's number and a count."""
        return {
            "window": self.window,
            "step": STEP,
            "least_ms": _LEAST_MS,
            "windows": [
                {
                    "at": place,
                    **{name: window.counts[name] for name in _COUNTS},
                    "ttft": sorted(window.ttft.items()),
                    "e2e": sorted(window.e2e.items()),
                    "memory_mb": round(window.memory, 2),
                }
                for place, window in sorted(self._windows.items())
            ],
        }


def resident_mb(path: Path = Path("/proc/self/statm")) -> float:
    """The memory that this process holds, in MB; 0 where the system does not tell."""
    try:
        return int(path.read_text().split()[1]) * 4096 / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0

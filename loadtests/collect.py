"""What a run measured: histograms that merge exactly, counts by outcome, tokens; and one sample for each request.

Law: only streams that were complete enter a latency, so a fast error or a 429 never makes an endpoint look quick.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from loadtests.streams import Reading

# In microseconds, from 1 to ten minutes, three significant digits.
LOWEST, HIGHEST, DIGITS = 1, 600_000_000, 3

# Each definition is printed with the figures; times are those that `streams` defines.
MEASURES: Mapping[str, str] = {
    "ttft": "time to first token: from sending the request to the first content",
    "ttft_intended": "the same from the moment at which the request was due",
    "itl": "inter-token latency: each gap between two consecutive chunks with content, all streams pooled",
    "tpot": "time per output token after the first: (last - first content) / (completion tokens - 1), one per stream",
    "e2e": "from sending the request to the end of the stream",
    "e2e_intended": "the same from the moment at which the request was due",
    "lateness": "how long after it was due a request was begun: the load generator's own fault",
    "connect": "from beginning a request to sending it, where that took a new connection",
    "loop_lag": "how late the load generator woke up: an error that any latency here may have",
}

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

# What reading a record raises when it is none, the decoder's struct and zlib included.
_NOT_A_RECORD = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error, zlib.error)

# How many different details of each kind of failure the log keeps.
MOST_EXAMPLES = 3

# Outcomes in which no connection existed.
UNREACHED = ("refused",)


class RecordError(ValueError):
    """A `load` record from elsewhere cannot be merged: the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request, in seconds on the run's clock; None for what did not happen.

    `reading` has what was read, with times in ns on the machine's clock.
    """

    t_intended: float
    t_started: float
    t_sent: float | None
    t_first: float | None
    t_last: float | None
    t_end: float | None
    reading: Reading

    @property
    def outcome(self) -> str:
        """One of `streams.OUTCOMES`."""
        return self.reading.outcome

    @property
    def completion_tokens(self) -> int:
        """The endpoint's own count, or the chunks with content where it gave none."""
        reported = self.reading.completion_tokens
        return self.reading.chunks if reported is None else reported

    def to_record(self) -> dict[str, Any]:
        """The request as a JSON object for the log."""
        reading = self.reading
        record: dict[str, Any] = {
            "type": "sample",
            "t_intended": _rounded(self.t_intended),
            "t_started": _rounded(self.t_started),
            "t_sent": _rounded(self.t_sent),
            "t_first": _rounded(self.t_first),
            "t_last": _rounded(self.t_last),
            "t_end": _rounded(self.t_end),
            "status": reading.status,
            "outcome": reading.outcome,
            "prompt_tokens": reading.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "chunks": reading.chunks,
        }
        if reading.detail:
            record["detail"] = reading.detail
        if reading.retry_after:
            record["retry_after"] = reading.retry_after
        return record


def sample(reading: Reading, *, epoch: int, intended: float) -> Sample:
    """A reading on the clock of a run that began at `epoch` (ns) and meant to send it `intended` seconds later."""

    def on_clock(at: int) -> float | None:
        return (at - epoch) / 1e9 if at else None

    return Sample(
        t_intended=intended,
        t_started=(reading.started - epoch) / 1e9,
        t_sent=on_clock(reading.sent),
        t_first=on_clock(reading.first),
        t_last=on_clock(reading.last),
        t_end=on_clock(reading.end),
        reading=reading,
    )


def empty() -> Any:
    """A histogram of the kind that all runs use; only such can be merged."""
    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


class Collector:
    """Counts and histograms of a run or of a part of it; two of them add up to what one would have counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.histograms: dict[str, Any] = {name: empty() for name in MEASURES}
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.uncounted = 0
        self.disagreeing = 0
        # Chunks with content and the endpoint's count of tokens, of the streams that have such a count.
        self.chunks = 0
        self.chunk_tokens = 0
        self.examples: dict[str, list[str]] = {}

    def add(self, one: Sample) -> None:
        """Count one request, and its latencies if its stream was complete."""
        reading = one.reading
        self.counts[reading.outcome] += 1
        self.prompt_tokens += reading.prompt_tokens or 0
        self.completion_tokens += one.completion_tokens
        self._record("lateness", one.t_started - one.t_intended)
        if reading.sent and not reading.reused:
            self._record("connect", (reading.sent - reading.started) / 1e9)
        if reading.outcome != "ok":
            self._example(reading.outcome, reading.detail)
            return
        if reading.completion_tokens is None:
            self.uncounted += 1
        else:
            # More chunks with content than tokens cannot be: one of the two counts is wrong.
            self.disagreeing += reading.completion_tokens < reading.chunks
            self.chunks += reading.chunks
            self.chunk_tokens += reading.completion_tokens
        self._latencies(one)

    def _example(self, outcome: str, detail: str) -> None:
        kept = self.examples.setdefault(outcome, [])
        if detail and detail not in kept and len(kept) < MOST_EXAMPLES:
            kept.append(detail)

    def _latencies(self, one: Sample) -> None:
        reading = one.reading
        if one.t_sent is None or one.t_end is None:
            return
        self._record("e2e", one.t_end - one.t_sent)
        self._record("e2e_intended", one.t_end - one.t_intended)
        if one.t_first is None:
            return
        self._record("ttft", one.t_first - one.t_sent)
        self._record("ttft_intended", one.t_first - one.t_intended)
        itl = self.histograms["itl"]
        for gap in reading.gaps:
            itl.record_value(min(gap // 1000, HIGHEST))
        if reading.gaps and one.completion_tokens > 1:
            self._record("tpot", (reading.last - reading.first) / 1e9 / (one.completion_tokens - 1))

    def lagged(self, seconds: float) -> None:
        """Record that the load generator woke up that much too late."""
        self._record("loop_lag", seconds)

    def _record(self, name: str, seconds: float) -> None:
        self.histograms[name].record_value(min(max(0, round(seconds * 1e6)), HIGHEST))

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add what another collector counted, given as its `to_record`; `RecordError` for anything else."""
        try:
            counts = {str(name): int(count) for name, count in record["counts"].items()}
            theirs = {name: HdrHistogram.decode(record["histograms"][name]["encoded"]) for name in self.histograms}
            tokens = {
                name: int(record["tokens"][name]) for name in ("prompt", "completion", "uncounted", "disagreeing")
            }
            chunks, chunk_tokens = int(record["chunks"]["count"]), int(record["chunks"]["tokens"])
            examples = [(str(name), str(one)) for name, kept in record["examples"].items() for one in kept]
        except (*_NOT_A_RECORD, HdrCookieException, HdrLengthException) as error:
            raise RecordError(f"no record of load figures: {error!r}") from None
        for name, histogram in self.histograms.items():
            histogram.add(theirs[name])
        self.counts.update(counts)
        self.prompt_tokens += tokens["prompt"]
        self.completion_tokens += tokens["completion"]
        self.uncounted += tokens["uncounted"]
        self.disagreeing += tokens["disagreeing"]
        self.chunks += chunks
        self.chunk_tokens += chunk_tokens
        for name, detail in examples:
            self._example(name, detail)

    def to_record(self) -> dict[str, Any]:
        """Counts, histograms and tokens as the log's `load` record has them."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "histograms": {
                name: {"unit": "us", "encoded": histogram.encode().decode("ascii")}
                for name, histogram in self.histograms.items()
            },
            "tokens": {
                "prompt": self.prompt_tokens,
                "completion": self.completion_tokens,
                "uncounted": self.uncounted,
                "disagreeing": self.disagreeing,
            },
            "chunks": {"count": self.chunks, "tokens": self.chunk_tokens},
            "examples": {name: list(kept) for name, kept in sorted(self.examples.items())},
        }

    def percentile(self, name: str, percent: float) -> float:
        """That percentile of a measure in milliseconds; 0 where nothing was recorded."""
        histogram = self.histograms[name]
        return histogram.get_value_at_percentile(percent) / 1000 if histogram.get_total_count() else 0.0

    def summary(self) -> dict[str, dict[str, float]]:
        """For each measure with values: how many, and their percentiles in milliseconds."""
        return {
            name: {
                "count": histogram.get_total_count(),
                **{f"p{percent:g}": self.percentile(name, percent) for percent in PERCENTILES},
                "max": histogram.get_max_value() / 1000,
            }
            for name, histogram in self.histograms.items()
            if histogram.get_total_count()
        }


def _rounded(seconds: float | None) -> float | None:
    """To the microsecond, which is more than the clock is good for."""
    return None if seconds is None else round(seconds, 6)

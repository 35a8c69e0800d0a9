"""What a load is judged by beside its latencies: goodput, its course over time, and each kind of request by itself.

Law: all of it merges exactly, so that workers together record what one would have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from loadtests.collect import HIGHEST, RecordError, Sample, empty
from loadtests.goodput import Goodput
from loadtests.plans import Plan
from loadtests.timeline import Timeline
from loadtests.workload import Asked

# What reading a record raises when it is none, the decoder's struct and zlib included.
NOT_A_RECORD = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error, zlib.error)


class Kinds:
    """Counts and whole-answer times of each kind of request in a mix."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._requests = dict.fromkeys(names, 0)
        self._ok = dict.fromkeys(names, 0)
        self._e2e: dict[str, Any] = {name: empty() for name in names}

    def add(self, name: str, one: Sample) -> None:
        """Count one request of that kind."""
        self._requests[name] += 1
        if one.outcome == "ok" and one.t_end is not None:
            self._ok[name] += 1
            self._e2e[name].record_value(min(HIGHEST, max(0, round((one.t_end - one.t_intended) * 1e6))))

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add what another counted, given as its `to_record`; `RecordError` for anything else."""
        try:
            rows = {name: (int(record[name]["requests"]), int(record[name]["ok"])) for name in self._requests}
            histograms = {name: HdrHistogram.decode(record[name]["encoded"]) for name in self._requests}
        except (*NOT_A_RECORD, HdrCookieException, HdrLengthException) as error:
            raise RecordError(f"no record of kinds: {error!r}") from None
        for name, (requests, ok) in rows.items():
            self._requests[name] += requests
            self._ok[name] += ok
            self._e2e[name].add(histograms[name])

    def to_record(self) -> dict[str, Any]:
        """The kinds as a JSON object for the log, times as encoded histograms in microseconds."""
        return {
            name: {
                "requests": self._requests[name],
                "ok": self._ok[name],
                "unit": "us",
                "encoded": self._e2e[name].encode().decode("ascii"),
            }
            for name in self._requests
        }


class Gauges:
    """The gauges of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.goodput = Goodput(plan.bounds)
        self.timeline = Timeline(plan.seconds)
        kinds = plan.workload.kinds
        self.kinds = Kinds(tuple(kind.name for kind in kinds) if len(kinds) > 1 else ())

    def add(self, one: Sample, asked: Asked) -> bool:
        """Count one request; returns whether it was good from the moment at which it was due."""
        good = self.goodput.add(one).good_intended
        self.timeline.add(one, good=good)
        if asked.kind.name in self.kinds.names:
            self.kinds.add(asked.kind.name, one)
        return good

    def merge(self, record: Mapping[str, Any]) -> None:
        """Add what another part of the run counted, given as its load record; `RecordError` for anything else."""
        try:
            self.goodput.merge(record["goodput"])
            self.timeline.merge(record["timeline"])
            self.kinds.merge(record["kinds"])
        except KeyError as error:
            raise RecordError(f"no record of gauges: it has no {error}") from None

    @classmethod
    def beside(cls, record: Mapping[str, Any]) -> Gauges:
        """Gauges that are still empty and can take in that load record; `RecordError` for what is none."""
        made = cls.__new__(cls)
        try:
            made.goodput = Goodput({str(name): float(bound) for name, bound in record["goodput"]["bounds"].items()})
            made.timeline = Timeline(0.0, window=float(record["timeline"]["window"]))
            made.kinds = Kinds(tuple(map(str, record["kinds"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"no record of gauges: {error!r}") from None
        return made

    def to_record(self) -> dict[str, Any]:
        """The gauges as parts of the load record."""
        return {
            "goodput": self.goodput.to_record(),
            "timeline": self.timeline.to_record(),
            "kinds": self.kinds.to_record(),
        }


def merged_gauges(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The gauges of several load records, at least one, of one run together; `RecordError` where they do not match."""
    gauges = Gauges.beside(records[0])
    for record in records:
        gauges.merge(record)
    return gauges.to_record()

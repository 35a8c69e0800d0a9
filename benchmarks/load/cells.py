"""What has to be shown, cell by cell: each is one run of a load against a server of known timing, and its figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from benchmarks.host import stolen
from benchmarks.load.servers import Asked, Running, Setting, calibrated, certificate, floor, own
from loadtests.launch import run_load

WARMUP = 2
# Numbers by name, and why a run is not valid, where it is not.
Figures = dict[str, float | str]


@dataclass(frozen=True)
class Bench:
    """The calibrated server, its CPU and how large the cells are (1.0: as published)."""

    server: Path
    pin: str | None
    size: float = 1.0


@dataclass(frozen=True)
class Aim:
    """What a figure has to keep: at most, or at least."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        return f"at most {self.most:g}" if self.most is not None else f"at least {self.least:g}"

    def kept(self, value: float) -> bool:
        return value <= self.most if self.most is not None else value >= (self.least or 0)


@dataclass(frozen=True)
class Cell:
    """One line of the table: `run` measures, `aims` are for the figures that have one, `cores` is what it takes."""

    name: str
    run: Callable[[Bench], Figures]
    aims: dict[str, Aim]
    cores: int = 2


class Load:
    """A load that has run: its records, and when it was started."""

    def __init__(self, running: Running, setting: Setting, overrides: dict[str, Any], **orders: Any) -> None:
        self.records: list[dict[str, Any]] = []
        self.begun, taken = time.perf_counter_ns(), stolen()
        run_load(
            {
                "target": running.url,
                "overrides": {"max_tokens": setting.tokens, "warmup": WARMUP, **overrides},
                "parameters": {"stream_options": {"include_usage": True}},
                "self_check": False,
                **orders,
            },
            "no-key",
            self.records.append,
        )
        # In percent of one processor, all of them together.
        self.stolen = 100e9 * (stolen() - taken) / (time.perf_counter_ns() - self.begun)

    @property
    def load(self) -> dict[str, Any]:
        return self.records[-1]

    @property
    def samples(self) -> list[dict[str, Any]]:
        found = [record for record in self.records if record["type"] == "sample"]
        return sorted(found, key=lambda record: record["t_sent"] or 0)

    def percentile(self, name: str, percent: float) -> float:
        histogram = HdrHistogram.decode(self.load["histograms"][name]["encoded"])
        return float(histogram.get_value_at_percentile(percent)) / 1000


def open_loop(streams: int, setting: Setting, waves: float) -> dict[str, Any]:
    """Arrivals at the rate at which so many streams are open at once, on average."""
    return {
        "rate": streams / setting.seconds,
        "duration": max(waves, 20 / streams) * setting.seconds,
        "streams": 4 * streams + 16,
    }


def compared(ran: Load, asked: list[Asked]) -> Figures:
    """Reported minus true, in ms. TTFT request by request in order of arrival; of ITL the percentiles of all gaps."""
    measured = [one for one in asked[WARMUP:] if one.sent]
    samples = ran.samples
    if len(samples) != len(measured):
        raise SystemExit(f"{ran.load['counts']} do not match the {len(measured)} requests that the server saw")
    errors = [
        (sample["t_first"] - sample["t_sent"]) * 1000 - true.ttft_ms
        for sample, true in zip(samples, measured, strict=True)
        if sample["t_first"] is not None
    ]
    gaps = [gap for one in measured for gap in one.gaps_ms]
    # Of these errors the part that is in reading the first token; the other is in how soon the server saw the request.
    # The two clocks begin at different moments: told is how much later than the promptest.
    arrivals = [
        1000 * sample["t_first"] - true.sent[0] / 1e6
        for sample, true in zip(samples, measured, strict=True)
        if sample["t_first"] is not None
    ]
    figures: Figures = {
        "ttft_p50": quantile(errors, 50),
        "ttft_p99": quantile(errors, 99),
        "arrival_p99": quantile(arrivals, 99) - min(arrivals, default=0.0),
        "itl_p50": ran.percentile("itl", 50) - quantile(gaps, 50),
        "itl_p99": ran.percentile("itl", 99) - quantile(gaps, 99),
        "lateness_p50": ran.percentile("lateness", 50),
        "lateness_p99": ran.percentile("lateness", 99),
        "cpu": 100 * ran.load["client"]["cpu"],
        "rss_mb": ran.load["client"]["peak_rss_mb"],
        "stolen_pct": ran.stolen,
        "start_s": (asked[0].came - ran.begun) / 1e9,
        "valid": float(ran.load["valid"]),
    }
    return figures if ran.load["valid"] else {**figures, "reason": str(ran.load["reason"])}


def number(figures: Figures, name: str) -> float | None:
    """A figure that is a number; None where there is none."""
    value = figures.get(name)
    return None if value is None or isinstance(value, str) else value


def spread(runs: list[Figures], name: str) -> str:
    """The best and the worst of the runs."""
    values = sorted(value for run in runs if (value := number(run, name)) is not None)
    if not values:
        return "-"
    shown = [f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for value in (values[0], values[-1])]
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def bare(bench: Bench, setting: Setting, streams: int, requests: int) -> Figures:
    """Reported minus true of bare sockets, in ms, percentile by percentile."""
    with calibrated(bench.server, setting, bench.pin) as running:
        reported = floor(running, setting, streams, requests)
    true = [one.ttft_ms for one in running.asked if one.sent]
    return {f"bare_p{percent}": quantile(reported, percent) - quantile(true, percent) for percent in (50, 99)}


def quantile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(percent * len(ordered)) // 100) - 1))] if ordered else 0.0


def fidelity(streams: int) -> Callable[[Bench], Figures]:
    """So many streams at once, and then what bare sockets make of the same, for what the machine itself adds."""

    def run(bench: Bench) -> Figures:
        setting = Setting()
        with calibrated(bench.server, setting, bench.pin) as running:
            ran = Load(running, setting, open_loop(streams, setting, 5 * bench.size))
        figures = compared(ran, running.asked)
        return {**figures, **bare(bench, setting, streams, len(ran.samples))}

    return run


def tls(streams: int) -> Callable[[Bench], Figures]:
    def run(bench: Bench) -> Figures:
        setting = Setting()
        with certificate() as (crt, key):
            with own(setting, bench.pin, certificate=crt, key=key) as running:
                ran = Load(running, setting, open_loop(streams, setting, 5 * bench.size), ca_file=crt)
            return compared(ran, running.asked)

    return run


def capacity(itl_ms: float, processes: int = 1) -> Callable[[Bench], Figures]:
    """128 streams for each process, begun in the first tenth; `chunks_s` is what was sent while all were open."""

    def run(bench: Bench) -> Figures:
        streams = 128 * processes
        setting = Setting(200, itl_ms, max(64, int(3000 * bench.size / itl_ms)))
        overrides = {
            "rate": streams / (0.1 * setting.seconds),
            "duration": 0.1 * setting.seconds,
            "streams": 4 * streams,
            "token_cap": 10**9,
        }
        with calibrated(bench.server, setting, bench.pin) as running:
            ran = Load(running, setting, overrides, processes=processes)
        figures = compared(ran, running.asked)
        measured = running.asked[WARMUP:]
        begin, end = max(one.sent[0] for one in measured), min(one.sent[-1] for one in measured)
        return {**figures, "chunks_s": chunks_per_second(measured, begin, end)}

    return run


def chunks_per_second(measured: list[Asked], begin: int, end: int) -> float:
    """What the server sent each second from `begin` to `end`, in ns of its clock."""
    chunks = sum(1 for one in measured for at in one.sent if begin <= at <= end)
    return chunks / max(1e-9, (end - begin) / 1e9)


def steady(bench: Bench) -> Figures:
    """200 requests per second for a minute: does it drift, and are they all sent?"""
    setting = Setting(50, 5, 8)
    seconds = max(2.0, 60 * bench.size)
    with calibrated(bench.server, setting, bench.pin) as running:
        ran = Load(running, setting, {"rate": 200, "duration": seconds, "streams": 200})
    figures = compared(ran, running.asked)
    late = [1000 * (sample["t_started"] - sample["t_intended"]) for sample in ran.samples]
    tenth = max(1, len(late) // 10)
    count = 200 * seconds
    return {
        **figures,
        "drift_ms": abs(sum(late[-tenth:]) - sum(late[:tenth])) / tenth,
        "count_off_pct": 100 * abs(len(running.asked) - WARMUP - count) / count,
    }


def cut(bench: Bench) -> Figures:
    """A hundred streams, each eighth of which the server cuts after five tokens."""
    setting = Setting(50, 5, 16)
    with calibrated(bench.server, setting, bench.pin) as running:
        running_at = f"127.0.0.1:{running.port}"
        _get(running_at, "/__set?abort_every=8&abort_after=5")
        ran = Load(running, setting, {"rate": 50, "duration": 2, "warmup": 0})
    return {"cut": ran.load["counts"].get("cut", 0), "ok": ran.load["counts"].get("ok", 0)}


def tail(bench: Bench) -> Figures:
    """One request in ninety has ten times the TTFT."""
    setting = Setting(40, 5, 8)
    with own(setting, bench.pin, slow_every=90) as running:
        ran = Load(running, setting, {"rate": 180, "duration": 4})
    return {**compared(ran, running.asked), "p99_ms": ran.percentile("ttft", 99)}


def grouped(bench: Bench) -> Figures:
    """Eight tokens a chunk, a token each 10 ms: chunks are 80 ms apart."""
    setting = Setting(100, 10, 64, ("--tpc", "8"))
    with calibrated(bench.server, setting, bench.pin) as running:
        ran = Load(running, setting, {"rate": 20, "duration": 2})
    chunks = ran.load["chunks"]
    return {
        "itl_p50_ms": ran.percentile("itl", 50),
        "itl_p99": ran.percentile("itl", 99) - quantile([g for one in running.asked for g in one.gaps_ms], 99),
        "tokens_per_chunk": chunks["tokens"] / max(1, chunks["count"]),
    }


def _get(where: str, path: str) -> None:
    import http.client  # noqa: PLC0415

    connection = http.client.HTTPConnection(where, timeout=5)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


_TRUE = {"ttft_p99": Aim(most=1.0), "itl_p99": Aim(most=1.0)}
_QUICK = {"start_s": Aim(most=1.5)}
_FAST = {"ttft_p99": Aim(most=10.0), "chunks_s": Aim(least=60_000)}

CELLS = (
    *(
        Cell(f"{n} streams", fidelity(n), {**_TRUE, **_QUICK, **({"rss_mb": Aim(most=120)} if n == 256 else {})})
        for n in (1, 16, 64, 128, 256)
    ),
    Cell("128 streams over TLS", tls(128), {"ttft_p99": Aim(most=3.0)}),
    *(Cell(f"capacity, a token each {itl:g} ms", capacity(itl), _FAST) for itl in (2.0, 1.7, 1.4)),
    Cell("capacity of two processes", capacity(1.7, 2), {**_FAST, "chunks_s": Aim(least=108_000)}, cores=3),
    Cell(
        "200 requests per second",
        steady,
        {"lateness_p99": Aim(most=5.0), "drift_ms": Aim(most=1.0), "count_off_pct": Aim(most=0.5)},
    ),
    Cell("cut streams", cut, {"cut": Aim(least=12), "ok": Aim(least=88)}),
    Cell("a tail of ten times TTFT", tail, {"p99_ms": Aim(least=390.0)}),
    Cell("eight tokens a chunk", grouped, {"itl_p99": Aim(most=1.0), "tokens_per_chunk": Aim(least=8.0)}),
)

"""Compares reported TTFT and ITL with what the server knows that it did: `python -m benchmarks.load --server PATH`.

PATH is a calibrated server: it takes --port, --ttft-ms, --itl-ms, --tokens, --log-tokens and --log FILE, and logs for
each request, as CSV with a head, when it came (t_req_ns), its true ttft_ms and the true times of its tokens
(offsets_us, separated by semicolons). Without PATH the stand-in serves, whose times are known only as ordered.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from loadtests.launch import run_load
from reference_server.serve import serving, standin_app
from reference_server.standin import StandinOptions
from schemas.contracts import get

WARMUP = 2


@dataclass(frozen=True)
class Truth:
    """What the server did, in milliseconds: the TTFT of each request in order of arrival, and all gaps."""

    ttft: list[float]
    itl: list[float]


@dataclass(frozen=True)
class Setting:
    ttft_ms: float
    itl_ms: float
    tokens: int

    @property
    def seconds(self) -> float:
        return (self.ttft_ms + self.itl_ms * (self.tokens - 1)) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--server", type=Path, help="a calibrated server's binary")
    parser.add_argument("--ttft-ms", type=float, default=200.0)
    parser.add_argument("--itl-ms", type=float, default=20.0)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--concurrency", default="1,16,64", help="streams open at once, on average")
    parser.add_argument("--waves", type=int, default=8, help="requests per cell, in multiples of the concurrency")
    parser.add_argument("--pin", action="store_true", help="the server on CPU 0, the client on the others")
    options = parser.parse_args()
    setting = Setting(options.ttft_ms, options.itl_ms, options.tokens)
    if options.pin:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0} or {0})
    print(f"TTFT {setting.ttft_ms:g} ms, ITL {setting.itl_ms:g} ms, {setting.tokens} tokens; reported minus true, ms")
    print(
        "| streams | requests | TTFT p50/p99 | ITL p50/p99 | TPOT p50 | lateness p50/p99 | loop lag p99 | CPU | valid |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for streams in (int(text) for text in options.concurrency.split(",")):
        print(cell(options.server, setting, streams, options.waves, pin=options.pin), flush=True)


def cell(server: Path | None, setting: Setting, streams: int, waves: int, *, pin: bool) -> str:
    """One row: a run with that many streams open at once."""
    records: list[dict[str, Any]] = []
    overrides = {
        "rate": streams / setting.seconds,
        "duration": waves * setting.seconds,
        "max_tokens": setting.tokens,
        "warmup": WARMUP,
        "streams": 4 * streams + 16,
    }
    orders = {
        "overrides": overrides,
        "parameters": {"stream_options": {"include_usage": True}} if server else {"ignore_eos": True},
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "truth.csv"
        with calibrated(server, setting, log, pin=pin) if server else standin(setting) as url:
            run_load({"target": url, **orders}, "no-key", records.append)
        samples = sorted((r for r in records if r["type"] == "sample"), key=lambda r: r["t_sent"] or 0)
        truth = read_truth(log) if server else ordered(setting, len(samples))
    return row(setting, streams, samples, records[-1], truth)


def row(setting: Setting, streams: int, samples: list[dict[str, Any]], load: dict[str, Any], truth: Truth) -> str:
    if [sample["outcome"] for sample in samples] != ["ok"] * len(truth.ttft):
        raise SystemExit(f"{load['counts']} do not match the {len(truth.ttft)} requests of the server's log")
    errors = [
        (sample["t_first"] - sample["t_sent"]) * 1000 - true for sample, true in zip(samples, truth.ttft, strict=True)
    ]
    itl = [quantile_of(load, "itl", q) - quantile(truth.itl, q) for q in (50, 99)]
    cells = [
        str(streams),
        str(len(samples)),
        f"{quantile(errors, 50):+.2f} / {quantile(errors, 99):+.2f}",
        f"{itl[0]:+.2f} / {itl[1]:+.2f}",
        f"{quantile_of(load, 'tpot', 50) - setting.itl_ms:+.2f}",
        f"{quantile_of(load, 'lateness', 50):.1f} / {quantile_of(load, 'lateness', 99):.1f}",
        f"{quantile_of(load, 'loop_lag', 99):.1f}",
        f"{100 * load['client']['cpu']:.0f} %",
        "yes" if load["valid"] else load["reason"],
    ]
    return f"| {' | '.join(cells)} |"


def quantile(values: list[float], percent: float) -> float:
    ordered_values = sorted(values)
    return ordered_values[min(len(ordered_values) - 1, int(percent / 100 * len(ordered_values)))]


def quantile_of(load: dict[str, Any], name: str, percent: float) -> float:
    return float(HdrHistogram.decode(load["histograms"][name]["encoded"]).get_value_at_percentile(percent)) / 1000


def read_truth(log: Path) -> Truth:
    """The truth of the requests after the warm-up, which came one by one before them."""
    with log.open(newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda line: int(line["t_req_ns"]))[WARMUP:]
    gaps: list[float] = []
    for line in rows:
        times = [int(offset) for offset in line["offsets_us"].split(";")]
        gaps += [(later - earlier) / 1000 for earlier, later in pairwise(times)]
    return Truth([float(line["ttft_ms"]) for line in rows], gaps)


def ordered(setting: Setting, count: int) -> Truth:
    """What the stand-in was told to do: the lateness of its own timers counts as our error."""
    return Truth([setting.ttft_ms] * count, [setting.itl_ms])


@contextmanager
def calibrated(binary: Path, setting: Setting, log: Path, *, pin: bool) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [str(binary), "--port", str(port), "--ttft-ms", f"{setting.ttft_ms:g}", "--log", str(log)]
    command += ["--itl-ms", f"{setting.itl_ms:g}", "--tokens", str(setting.tokens), "--log-tokens"]
    taskset = shutil.which("taskset")
    process = subprocess.Popen(
        [taskset, "-c", "0", *command] if pin and taskset else command, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        # It writes its log when it is told to end.
        process.terminate()
        process.wait(timeout=5)


@contextmanager
def standin(setting: Setting) -> Iterator[str]:
    options = StandinOptions(ttft_s=setting.ttft_ms / 1000, itl_s=setting.itl_ms / 1000)
    with serving(standin_app(get("azure-llama"), options=options, limits=None)) as server:
        yield server.url


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise SystemExit(f"the calibrated server ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the calibrated server did not start")


if __name__ == "__main__":
    main()

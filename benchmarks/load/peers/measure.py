"""Ours and each peer in turn, with as many streams, by the figures that each reports itself.

What a peer reports is compared with what the server knows percentile by percentile, since a peer need not say which
request was which; ours request by request, as everywhere here. Law: a peer that failed is in the table with the reason.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.load.cells import WARMUP, Bench, Figures, Load, bare, compared, open_loop, quantile
from benchmarks.load.peers.genai_bench import GENAI_BENCH
from benchmarks.load.peers.guidellm import GUIDELLM
from benchmarks.load.peers.inference_perf import INFERENCE_PERF
from benchmarks.load.peers.peer import Order, Peer, Reported
from benchmarks.load.peers.processes import ended
from benchmarks.load.peers.servebench import SERVEBENCH
from benchmarks.load.servers import Asked, Setting, calibrated

PEERS = {peer.program: peer for peer in (SERVEBENCH, INFERENCE_PERF, GUIDELLM, GENAI_BENCH)}
OURS = "seatrial"
OPEN = "seatrial, open loop"
BARE = "bare sockets"
WAVES = 4
_MOST_SECONDS = 150


def measured(bench: Bench, folders: dict[str, Path], streams: int, runs: int) -> dict[str, list[Figures]]:
    """`runs` of each, with so many streams open at once. Ours as the peers do it, and with arrivals of their own."""
    rows: dict[str, list[Figures]] = {name: [] for name in (OURS, OPEN, BARE, *folders)}
    setting = Setting()
    requests = max(20, WAVES * streams)
    closed = {"concurrency": streams, "requests": requests, "duration": 4 * WAVES * setting.seconds}
    for _ in range(runs):
        rows[OURS].append(ours(bench, setting, closed, requests)[0])
        rows[OPEN].append(ours(bench, setting, open_loop(streams, setting, WAVES))[0])
        found = bare(bench, setting, streams, requests)
        rows[BARE].append({f"ttft_{name.partition('_')[2]}": value for name, value in found.items()})
        for name, folder in folders.items():
            rows[name].append(theirs(bench, PEERS[name], folder, Order(setting, streams, requests))[0])
    return rows


def ours(bench: Bench, setting: Setting, overrides: dict[str, Any], requests: int = 0) -> tuple[Figures, list[Asked]]:
    """What we report beside what is true, and what the server knows; `requests` where 0: as many as the server saw."""
    begun = time.monotonic()
    with calibrated(bench.server, setting, bench.pin) as running:
        ran = Load(running, setting, overrides)
    true = running.asked[WARMUP:]
    figures = {
        **compared(ran, running.asked),
        "reported": float(sum(1 for sample in ran.samples if sample["t_first"] is not None)),
        "asked": float(requests or len(true)),
        "seconds": time.monotonic() - begun,
    }
    return figures, true


def theirs(bench: Bench, peer: Peer, folder: Path, order: Order) -> tuple[Figures, list[Asked]]:
    """What a peer installed in `folder` reports beside what is true, and what the server knows."""
    # None of them is to ask anybody but the server.
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OPENAI_API_KEY": "no-key"}
    env |= {"COLUMNS": "120", "ENABLE_UI": "false"}
    env.pop("PYTHONPATH", None)
    begun = time.monotonic()
    reported, failures = Reported([], []), []
    with tempfile.TemporaryDirectory() as made, calibrated(bench.server, order.setting, bench.pin) as running:
        place = Path(made)
        arguments = peer.command(replace(order, url=running.url), place)
        status, said = ended([str(folder.resolve() / "bin" / peer.program), *arguments], env, place, _MOST_SECONDS)
        if status != 0:
            failures = [f"not over after {_MOST_SECONDS} s" if status is None else f"status {status}", said]
        # One may well have measured and then failed to draw its picture.
        try:
            reported = peer.read(place)
        except (OSError, ValueError, LookupError, TypeError) as error:
            failures = [f"no report ({error!r})", *failures]
    # What a peer asks before it measures comes first: to warm up, to see who answers.
    true = [one for one in running.asked if one.sent][-max(order.requests, len(reported.ttft)) :]
    figures = {
        **beside(reported, true),
        "reported": float(len(reported.ttft)),
        "asked": float(order.requests),
        "seconds": time.monotonic() - begun,
    }
    return ({**figures, "failure": "; ".join(filter(None, failures))} if failures else figures), true


def beside(reported: Reported, true: list[Asked]) -> Figures:
    """Reported minus true, in ms; what was not reported has no figure."""
    figures: Figures = {}
    for percent in (50, 99):
        if reported.ttft:
            ttft = [one.ttft_ms for one in true]
            figures[f"ttft_p{percent}"] = quantile(reported.ttft, percent) - quantile(ttft, percent)
        if reported.gaps:
            gaps = [gap for one in true for gap in one.gaps_ms]
            figures[f"itl_p{percent}"] = quantile(reported.gaps, percent) - quantile(gaps, percent)
    return figures

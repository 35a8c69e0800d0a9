"""Ours and each peer in turn, with as many streams, by the figures that each reports itself.

What a peer reports is compared with what the server knows percentile by percentile, since a peer need not say which
request was which; ours request by request, as everywhere here. Law: a peer that failed is in the table with the reason.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load.cells import Bench, Figures, Load, compared, open_loop, quantile
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
WAVES = 4
_MOST_SECONDS = 150


def measured(bench: Bench, folders: dict[str, Path], streams: int, runs: int) -> dict[str, list[Figures]]:
    """`runs` of each, with so many streams open at once. Ours as the peers do it, and with arrivals of their own."""
    rows: dict[str, list[Figures]] = {name: [] for name in (OURS, OPEN, *folders)}
    setting = Setting()
    requests = max(20, WAVES * streams)
    closed = {"concurrency": streams, "requests": requests, "duration": 4 * WAVES * setting.seconds}
    for _ in range(runs):
        rows[OURS].append(_ours(bench, setting, closed, requests))
        rows[OPEN].append(_ours(bench, setting, open_loop(streams, setting, WAVES), None))
        for name, folder in folders.items():
            rows[name].append(_theirs(bench, PEERS[name], folder, setting, streams, requests))
    return rows


def _ours(bench: Bench, setting: Setting, overrides: dict[str, Any], requests: int | None) -> Figures:
    begun = time.monotonic()
    with calibrated(bench.server, setting, bench.pin) as running:
        ran = Load(running, setting, overrides)
    reported = float(len(ran.samples))
    return {
        **compared(ran, running.asked),
        "reported": reported,
        "asked": float(requests or reported),
        "seconds": time.monotonic() - begun,
    }


def _theirs(bench: Bench, peer: Peer, folder: Path, setting: Setting, streams: int, requests: int) -> Figures:
    # None of them is to ask anybody but the server.
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OPENAI_API_KEY": "no-key"}
    env |= {"COLUMNS": "120", "ENABLE_UI": "false"}
    env.pop("PYTHONPATH", None)
    begun = time.monotonic()
    reported, failures = Reported([], []), []
    with tempfile.TemporaryDirectory() as made, calibrated(bench.server, setting, bench.pin) as running:
        place = Path(made)
        order = Order(running.url, setting, streams, requests)
        command = [str(folder.resolve() / "bin" / peer.program), *peer.command(order, place)]
        status, said = ended(command, env, place, _MOST_SECONDS)
        if status != 0:
            failures = [f"not over after {_MOST_SECONDS} s" if status is None else f"status {status}", said]
        # One may well have measured and then failed to draw its picture.
        try:
            reported = peer.read(place)
        except (OSError, ValueError, LookupError, TypeError) as error:
            failures = [f"no report ({error!r})", *failures]
    figures = {
        **beside(reported, running.asked),
        "reported": float(len(reported.ttft)),
        "asked": float(requests),
        "seconds": time.monotonic() - begun,
    }
    return {**figures, "failure": "; ".join(filter(None, failures))} if failures else figures


def beside(reported: Reported, asked: list[Asked]) -> Figures:
    """Reported minus true, in ms; what was not reported has no figure."""
    if not reported.ttft:
        return {}
    # What a peer asks before it measures comes first: to warm up, to see who answers.
    true = [one for one in asked if one.sent][-len(reported.ttft) :]
    ttft = [one.ttft_ms for one in true]
    figures: Figures = {
        f"ttft_p{percent}": quantile(reported.ttft, percent) - quantile(ttft, percent) for percent in (50, 99)
    }
    if reported.gaps:
        gaps = [gap for one in true for gap in one.gaps_ms]
        figures |= {
            f"itl_p{percent}": quantile(reported.gaps, percent) - quantile(gaps, percent) for percent in (50, 99)
        }
    return figures

"""genai-bench: it writes each request's TTFT, and of what came after it only the mean.

It looks once a second whether it has had enough, so it often reports more requests than it was asked for.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load.peers.peer import MODEL, Order, Peer, Reported, tokenizer


def _command(order: Order, place: Path) -> list[str]:
    return [
        *("benchmark", "--api-backend", "openai", "--api-base", order.url, "--api-key", "no-key"),
        *("--api-model-name", MODEL, "--model", MODEL, "--model-tokenizer", tokenizer(place)),
        *("--task", "text-to-text", "--traffic-scenario", f"D(20,{order.setting.tokens})"),
        *("--num-concurrency", str(order.streams), "--max-requests-per-run", str(order.requests)),
        *("--max-time-per-run", "1", "--experiment-base-dir", str(place), "--experiment-folder-name", "out"),
    ]


def _read(place: Path) -> Reported:
    # Named after the scenario and the seconds that it took.
    runs = [json.loads(path.read_text()) for path in sorted((place / "out").glob("D*.json"))]
    if not runs:
        raise ValueError("it wrote no run")
    whole = [one for run in runs for one in run["individual_request_metrics"] if not one["error_code"]]
    return Reported([1000 * one["ttft"] for one in whole], [])


GENAI_BENCH = Peer("genai-bench", _command, _read)

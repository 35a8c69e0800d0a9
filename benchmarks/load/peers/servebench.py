"""servebench: it writes when each chunk came."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load.cells import WARMUP
from benchmarks.load.peers.peer import MODEL, Order, Peer, Reported, gaps_ms


def _command(order: Order, place: Path) -> list[str]:
    load = ("--rate", f"{order.rate:g}") if order.rate else ("--concurrency", str(order.streams))
    return [
        *("run", "--url", f"{order.url}/v1", "--model", MODEL, "--no-gpu"),
        *(*load, "--num-requests", str(order.requests), "--warmup", str(WARMUP)),
        *("--input-len", "20", "--output-len", str(order.setting.tokens), "--out", str(place / "run.json")),
    ]


def _read(place: Path) -> Reported:
    levels = json.loads((place / "run.json").read_text())["levels"]
    whole = [one for level in levels for one in level["requests"] if one["ok"] and one["ttft"] is not None]
    return Reported(
        [1000 * one["ttft"] for one in whole], [gap for one in whole for gap in gaps_ms(one["chunk_times"])]
    )


SERVEBENCH = Peer("servebench", _command, _read, rates=True)

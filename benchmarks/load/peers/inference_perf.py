"""inference-perf: it writes when each token came, and asks for a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load.peers.peer import MODEL, Order, Peer, Reported, gaps_ms, tokenizer


def _command(order: Order, place: Path) -> list[str]:
    # Its made-up prompts leave the length of an answer to the server.
    settings = {
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": order.requests, "concurrency_level": order.streams}],
            "num_workers": 1,
            "worker_max_concurrency": order.streams,
        },
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": MODEL, "base_url": order.url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": tokenizer(place)},
        "data": {"type": "mock"},
        "report": {"request_lifecycle": {"summary": False, "per_stage": False, "per_request": True}},
        "storage": {"local_storage": {"path": str(place / "out")}},
    }
    # JSON is YAML as well.
    (place / "settings.yml").write_text(json.dumps(settings))
    return ["--config_file", str(place / "settings.yml")]


def _read(place: Path) -> Reported:
    ttft, gaps = [], []
    for one in json.loads((place / "out" / "per_request_lifecycle_metrics.json").read_text()):
        times = one["info"]["response_metrics"]["output_token_times"] if one["error"] is None else []
        if times:
            ttft.append(1000 * (times[0] - one["start_time"]))
            gaps += gaps_ms(times)
    return Reported(ttft, gaps)


INFERENCE_PERF = Peer("inference-perf", _command, _read)

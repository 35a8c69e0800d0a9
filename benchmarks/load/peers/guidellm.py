"""guidellm: it writes each request's TTFT, and of what came after it only the mean."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load.peers.peer import MODEL, Order, Peer, Reported, tokenizer


def _command(order: Order, place: Path) -> list[str]:
    return [
        *("run", "--backend", f"kind=openai_http,target={order.url},model={MODEL}"),
        *("--profile", f"kind=concurrent,streams={order.streams}"),
        *("--constraint", f"kind=max_requests,count={order.requests}"),
        *("--tokenizer", f"kind=huggingface_auto,model={tokenizer(place)}"),
        *("--data", f"kind=synthetic_text,prompt_tokens=20,output_tokens={order.setting.tokens}"),
        *("--output", f"kind=json,path={place / 'run.json'}", "--disable-console-interactive"),
    ]


def _read(place: Path) -> Reported:
    runs = json.loads((place / "run.json").read_text())["benchmarks"]
    whole = [one["time_to_first_token_ms"] for run in runs for one in run["requests"]["successful"]]
    return Reported([float(ttft) for ttft in whole if ttft is not None], [])


GUIDELLM = Peer("guidellm", _command, _read)

"""The layer's own CPU time, without sockets: the same app called bare and layered in one process, by turns."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator

from benchmarks.layer.inner import fixed, layered
from benchmarks.layer.pairs import by_turns, median_difference, of_pairs
from loadtests.prompts import prompt
from reference_server import asgi

KEY = "benchmark-key"
_HEADERS = (
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"a-client"),
    (b"accept", b"*/*"),
    (b"content-type", b"application/json"),
    (b"authorization", f"Bearer {KEY}".encode()),
)


def measured(rounds: int, chunks: int, requests: int = 100) -> Iterator[str]:
    """The lines of the report."""
    one = _costs(rounds, 0, requests)
    stream = _costs(rounds, chunks, max(1, requests // 20))
    yield "| what | the layer's CPU, us |"
    yield "|---|---|"
    yield f"| a request | {of_pairs(one, median_difference).shown('.0f')} |"
    # A stream is one request as well, which the row above has.
    request = median_difference(one)
    per_chunk = [(first / chunks, (second - request) / chunks) for first, second in stream]
    yield f"| a chunk of a stream | {of_pairs(per_chunk, median_difference).shown('.2f')} |"


def _costs(rounds: int, chunks: int, requests: int) -> list[tuple[float, float]]:
    """Microseconds of CPU for each answer, bare and layered, of each round; the first round is left out."""
    apps = (fixed, layered(KEY))
    text = prompt(1, 1, 64)
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0.7, "top_p": 0.9}
    raw = json.dumps({**body, "max_tokens": chunks or 64, "stream": bool(chunks)}).encode()
    pairs = []
    for order in [(0, 1), *by_turns(rounds)]:
        took = {which: asyncio.run(_timed(apps[which], raw, requests)) for which in order}
        pairs.append((took[0], took[1]))
    return pairs[1:]


async def _timed(app: asgi.App, raw: bytes, requests: int) -> float:
    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: asgi.Message) -> None:
        assert message.get("status", 200) == 200, "the layer refused"

    headers = [*_HEADERS, (b"content-length", str(len(raw)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": headers}
    times = []
    for _ in range(requests):
        begun = time.process_time()
        await app(dict(scope), receive, send)
        times.append(time.process_time() - begun)
    return statistics.median(times) * 1e6

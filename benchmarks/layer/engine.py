"""A server that keeps vLLM's time without a model: `python -m benchmarks.layer.engine [--layered]`.

One event loop serves HTTP, as vLLM's does, and spends fixed CPU time on each request and each token; an engine beside
it moves in steps, a longer one when new prompts are in it. What the layer adds is told from noise here, which a real
model hides. The layered one has the whole of what `seatrial serve --engine vllm` puts in front. It ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.layer.inner import end_with_stdin
from reference_server import asgi
from reference_server.limits import UNLIMITED
from reference_server.serve import run
from reference_server.vllm.entry import layered
from reference_server.vllm.settings import LayerSettings

KEY = "benchmark-key"
# Seconds: an engine's step and one with a prompt in it, the loop's own CPU for a request and for a token. Those of a
# model of a thousand million parameters on an H100, roughly.
STEP, PREFILL, REQUEST, TOKEN = 0.0024, 0.010, 0.001, 0.00005

_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "llama"}
_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]


@dataclass
class Generation:
    """One request in the engine: tokens still to come, and where they are put."""

    left: int
    tokens: asyncio.Queue[int] = field(default_factory=asyncio.Queue)


class Engine:
    """Steps as long as there is something to generate; every running request gets a token of each."""

    def __init__(self) -> None:
        self._waiting: list[Generation] = []
        self._running: list[Generation] = []
        self._task: asyncio.Task[None] | None = None

    def begin(self, count: int) -> Generation:
        """Take in a request for that many tokens."""
        made = Generation(count)
        self._waiting.append(made)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return made

    async def _run(self) -> None:
        while self._waiting or self._running:
            new, self._waiting = self._waiting, []
            await asyncio.sleep(PREFILL if new else STEP)
            self._running += new
            for one in self._running:
                one.left -= 1
                one.tokens.put_nowait(one.left)
            self._running = [one for one in self._running if one.left > 0]


def simulated(engine: Engine) -> asgi.App:
    """An app that streams as vLLM does, whatever it is asked."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http":
            return
        body = json.loads(await asgi.read_body(receive, 1 << 20))
        _busy(REQUEST)
        made = engine.begin(int(body["max_tokens"]))
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        delta: dict[str, Any] = {"role": "assistant", "content": ""}
        left = made.left
        while left > 0:
            left = await made.tokens.get()
            _busy(TOKEN)
            if delta.get("role"):
                await send(_chunk([_choice(delta, None)]))
            delta = {"content": " calm"}
            await send(_chunk([_choice(delta, None if left else "length")]))
        if (body.get("stream_options") or {}).get("include_usage"):
            count = int(body["max_tokens"])
            usage = {"prompt_tokens": 64, "completion_tokens": count, "total_tokens": 64 + count}
            await send(_chunk([], usage=usage))
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    return app


def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _chunk(choices: list[dict[str, Any]], **more: Any) -> asgi.Message:
    raw = json.dumps({**_HEAD, "choices": choices, **more}, separators=(",", ":")).encode()
    return {"type": "http.response.body", "body": b"data: " + raw + b"\n\n", "more_body": True}


def _busy(seconds: float) -> None:
    """Spend CPU time, as parsing and detokenizing do."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer.engine", description=__doc__)
    parser.add_argument("--layered", action="store_true")
    app = simulated(Engine())
    if parser.parse_args().layered:
        app = layered(app, LayerSettings(contract="azure-llama", model="llama", key=KEY, limits=UNLIMITED))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    run(app, port=0, on_started=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()

"""Serves an app that answers at once, bare or under the layer: `python -m benchmarks.layer.inner [--layered]`.

It answers with a fixed document, or, when the body asks for it, with a stream of as many equal chunks as `max_tokens`
says. The URL is printed once it serves; it ends with SIGTERM or with its standard input, so that none is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading

from reference_server import asgi
from reference_server.layer import ContractLayer
from reference_server.limits import Limits
from reference_server.serve import run
from schemas.contracts import get

_USAGE = {"prompt_tokens": 20, "completion_tokens": 64, "total_tokens": 84}
_FIXED = {"id": "chatcmpl-5f1c0b6a9d2e4f7", "created": 1_700_000_000, "model": "fixed"}
_MESSAGE = {"role": "assistant", "content": "The sea was calm and the pilot came aboard. " * 6}
_DOCUMENT = json.dumps(
    {
        **_FIXED,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "length"}],
        "usage": _USAGE,
    }
).encode()
_CHUNK = {**_FIXED, "object": "chat.completion.chunk"}
_DELTA = {"index": 0, "delta": {"content": " calm"}, "logprobs": None, "finish_reason": None}
_EVENT = b"data: " + json.dumps({**_CHUNK, "choices": [_DELTA]}).encode() + b"\n\n"
_LAST = b"data: " + json.dumps({**_CHUNK, "choices": [], "usage": _USAGE}).encode() + b"\n\ndata: [DONE]\n\n"
_DOCUMENT_HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(_DOCUMENT)).encode())]
_STREAM_HEAD = [(b"content-type", b"text/event-stream; charset=utf-8")]


async def fixed(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:  # noqa: ARG001 - an ASGI app
    """Answer the same whatever is asked; the body is read, as every server must."""
    raw = await asgi.read_body(receive, 1 << 20)
    if b'"stream": true' not in raw:
        await send({"type": "http.response.start", "status": 200, "headers": _DOCUMENT_HEAD})
        await send({"type": "http.response.body", "body": _DOCUMENT})
        return
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEAD})
    for _ in range(json.loads(raw)["max_tokens"]):
        await send({"type": "http.response.body", "body": _EVENT, "more_body": True})
    await send({"type": "http.response.body", "body": _LAST})


def layered(key: str) -> ContractLayer:
    """The app under a layer that counts but never refuses."""
    limits = Limits(requests_per_minute=10**9, tokens_per_minute=10**12)
    return ContractLayer(fixed, contract=get("azure-llama"), key=key, limits=limits)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer.inner", description=__doc__)
    parser.add_argument("--layered", action="store_true")
    app = layered("benchmark-key") if parser.parse_args().layered else fixed
    threading.Thread(target=end_with_stdin, daemon=True).start()
    run(app, port=0, on_started=lambda url: print(url, flush=True))


def end_with_stdin() -> None:
    """End this process with its standard input."""
    # Not through `sys.stdin`, whose lock a thread may not hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

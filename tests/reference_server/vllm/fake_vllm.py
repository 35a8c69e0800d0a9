"""A `vllm` for tests: logs, loads the middleware and serves as vLLM does, or fails as FAKE_VLLM says.

It is copied to a file named `vllm` behind a line with the interpreter; what it was given lands in FAKE_VLLM_FOLDER.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FAKE_VLLM_FOLDER"])
MODE = os.environ.get("FAKE_VLLM", "")
# A process that a signal does not end, like an engine that is busy.
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def say(line: str) -> None:
    sys.stdout.write(f"(APIServer pid={os.getpid()}) INFO {line}\n")
    sys.stdout.flush()


def option(name: str) -> str | None:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def engine() -> None:
    """A process of its own, which does not want to end."""
    deaf = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    FOLDER.joinpath("engine").write_text(str(deaf.pid))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What plain vLLM answers, as far as a start needs it."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/tokenize":
        say("ERROR vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.")
        os._exit(9)
    body = b"" if scope["path"] == "/health" else json.dumps({"path": scope["path"]}).encode()
    status = 500 if MODE == "broken" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def serve() -> None:
    uvicorn = importlib.import_module("uvicorn")
    layered: Any = app
    named = option("--middleware")
    if named and MODE != "unlayered":
        module, _, attribute = named.rpartition(".")
        layered = getattr(importlib.import_module(module), attribute)(app)
    say("Application startup complete.")
    port = int(option("--port") or 0)
    uvicorn.run(layered, host=option("--host"), port=port, log_level="critical", timeout_graceful_shutdown=1)


def main() -> None:
    tries = FOLDER / "tries"
    tries.write_text(str(int(tries.read_text()) + 1 if tries.exists() else 1))
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    FOLDER.joinpath("pid").write_text(str(os.getpid()))
    FOLDER.joinpath("given").write_text(json.dumps({"argv": sys.argv, "environ": dict(os.environ)}))
    say("vLLM API server version 0.0.1")
    if MODE in ("engine", "engine-then-fail"):
        engine()
    say("Starting to load model")
    if MODE == "taken" and tries.read_text() == "1":
        sys.exit("OSError: [Errno 98] Address already in use")
    if MODE in ("fail", "engine-then-fail"):
        sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    FOLDER.joinpath("loading").write_text("yes")
    if MODE in ("hang", "deaf"):
        time.sleep(60)
    serve()


if __name__ == "__main__":
    main()

"""The reference server as a process of its own, for a trial without an endpoint.

Law: the server ends with its user, however that ends: by its pid, and by the end of its standard input.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from loadtests.launch import end
from seatrial.errors import NoJudgement
from seatrial.keys import VARIABLE

_TO_START = 30.0
# -P keeps the user's folder off the path: our packages have everyday names that a folder there may have as well.
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from seatrial.cli.main import main; main()"


@contextlib.contextmanager
def embedded_server(key: str, *, contract: str | None = None, seed: int = 0) -> Iterator[str]:
    """The URL of a reference server that lives as long as the context; `NoJudgement` when it does not start."""
    # Limits could only slow down a trial of our own server, since nothing in it is there to find them.
    words = ["serve", "--announce", "--port", "0", "--rpm", "0", "--tpm", "0", "--seed", str(seed)]
    words += ["--contract", contract] if contract else []
    process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).parents[1]), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, VARIABLE: key},
        # A Ctrl-C at the terminal is for us: the run ends before its server does.
        start_new_session=True,
    )
    try:
        yield _announced(process)
    finally:
        end(process)


def _announced(process: subprocess.Popen[bytes]) -> str:
    """The URL that the server prints as its first line."""
    first: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_line, args=(process.stdout, first), daemon=True).start()
    try:
        url = first.get(timeout=_TO_START).decode("utf-8", "replace").strip()
    except queue.Empty:
        raise NoJudgement(f"the embedded reference server did not start within {_TO_START:g} s") from None
    if url.startswith("http"):
        # Whatever it says from now on must not fill a pipe that nobody reads.
        for pipe in (process.stdout, process.stderr):
            threading.Thread(target=_drain, args=(pipe,), daemon=True).start()
        return url
    said = process.stderr.read(4096).decode("utf-8", "replace").strip() if process.stderr else ""
    raise NoJudgement(
        f"the embedded reference server did not start: {said.splitlines()[-1] if said else 'it said nothing'}"
    )


def _read_line(pipe: IO[bytes] | None, found: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):
        found.put(pipe.readline(4096) if pipe else b"")


def _drain(pipe: IO[bytes] | None) -> None:
    with contextlib.suppress(OSError, ValueError):
        while pipe is not None and pipe.read1(4096):  # type: ignore[attr-defined]
            pass

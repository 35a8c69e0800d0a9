"""Stands between Seatrial and a server that it started, so that nothing of the server outlives Seatrial.

Law: run as a file, with the standard library alone; once its standard input ends or it is told to stop, the server and
whatever the server started are gone within the bound, whatever they make of signals.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_REST_SECONDS = 4.0  # at most, and no more than a fourth of what the server itself gets
_POLL = 0.02


def main(arguments: list[str]) -> int:
    """Run `SECONDS COMMAND...` and return its exit status, or 0 when it was told to stop; SECONDS bound the stop."""
    patience, command = float(arguments[0]), arguments[1:]
    # A queue, since putting into it is safe in a signal handler and in any thread.
    news: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: news.put("stop"))
    _adopt_orphans()
    # What Seatrial made inheritable, such as the pipe with the layer's settings, is for the server.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)  # noqa: S603 - our caller's command
    waiting = threading.Thread(target=lambda: news.put(f"ended {server.wait()}"), daemon=True)
    waiting.start()
    threading.Thread(target=_watch_stdin, args=(news,), daemon=True).start()
    asked = news.get() == "stop"
    if asked:
        with contextlib.suppress(ProcessLookupError):
            server.send_signal(signal.SIGTERM)
        waiting.join(patience)
    _end_rest(min(_REST_SECONDS, patience / 4))
    code = server.poll() or 0
    return 0 if asked else code if code >= 0 else 128 - code


def _watch_stdin(news: queue.SimpleQueue[str]) -> None:
    """Say so when nobody holds the other end any more."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    news.put("stop")


def _adopt_orphans() -> None:
    """Become the parent of descendants whose parents end, so that they can be found; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_rest(patience: float) -> None:
    """End what is left of the process group and of our descendants, first politely."""
    if not _any_left():
        return
    leads = os.getpgrp() == os.getpid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if leads:
        os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while _any_left():
        if time.monotonic() > deadline + _REST_SECONDS:
            # The last resort takes us along.
            os.killpg(0, signal.SIGKILL) if leads else os.abort()
        if time.monotonic() > deadline:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL)


def _any_left() -> bool:
    """Whether a descendant lives; those that have ended are collected."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _children() -> list[int]:
    """Our children by the kernel's account, adopted ones included."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

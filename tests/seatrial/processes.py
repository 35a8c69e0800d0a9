"""Commands as processes of their own, where signals and standard streams matter; every wait is bounded."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from tests.seatrial.servers import KEY

# Where the project is installed its entry point loads the plugin, and pytest refuses to load it twice.
PLUGIN: tuple[str, ...] = () if entry_points(group="pytest11", name="seatrial") else ("-p", "seatrial.plugin")
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Process:
    """A running command; its two streams are read as they come."""

    def __init__(self, words: Sequence[str], folder: Path, environ: dict[str, str]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "SEATRIAL_API_KEY": KEY, **environ},
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        pairs = ((self.popen.stdout, self.out), (self.popen.stderr, self.err))
        self._threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def _read(self, pipe: Iterator[str], lines: list[str]) -> None:
        for line in pipe:
            lines.append(line)
            self._news.put(None)

    def until(self, text: str) -> None:
        """Wait until either stream has a line with that text."""
        self._until(lambda: any(text in line for line in (*self.out, *self.err)))

    def until_written(self, path: Path) -> None:
        """Wait until that file has something in it."""
        self._until(lambda: path.exists() and path.stat().st_size > 0)

    def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.popen.poll() is None or any(thread.is_alive() for thread in self._threads), self.said
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=0.05)
            assert time.monotonic() < deadline, self.said

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        """The exit code, once the process has ended by itself."""
        code = self.popen.wait(timeout=seconds)
        for thread in self._threads:
            thread.join(timeout=5)
        return code

    @property
    def said(self) -> str:
        return "".join(self.out) + "".join(self.err)


@contextlib.contextmanager
def process(*words: str, folder: Path, **environ: str) -> Iterator[Process]:
    """A Python command line as a process, which does not outlive the context."""
    running = Process(words, folder, environ)
    try:
        yield running
    finally:
        if running.popen.poll() is None:
            running.popen.kill()
            running.popen.wait(timeout=10)
        running.end(10)
        for pipe in (running.popen.stdout, running.popen.stderr):
            if pipe is not None:
                pipe.close()


def seatrial(*words: str, folder: Path, **environ: str) -> contextlib.AbstractContextManager[Process]:
    return process("-m", "seatrial", *words, folder=folder, **environ)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

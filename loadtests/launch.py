"""Starts a load run as a process of its own, since locust patches the sockets of the one that it is imported in.

Law: the process is always ended, by its pid, and every wait has a bound.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from loadtests.orders import Orders
from loadtests.run import KEY_VARIABLE, USAGE
from loadtests.selfcheck import LONGEST_CHECK

# -P keeps the user's folder off the path: our packages have everyday names that a folder there may have as well.
_BOOT = "import sys; sys.path.append(sys.argv.pop()); from loadtests.run import main; sys.exit(main())"

_POLL = 0.1
_TO_START = 60.0
_TO_STOP = 5.0
_MOST_LINE = 1 << 24
_SILENT = "the load process ended without a record (exit status {})"


class LoadError(Exception):
    """The load process failed for a reason of ours or was given orders that are wrong; `usage` says which."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


class Remarks(NamedTuple):
    """The threads that read a process's two pipes, and the end of what it said on stderr."""

    threads: tuple[threading.Thread, threading.Thread]
    lines: deque[bytes]


class Stop(Protocol):
    """What ends a run early: a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether the run is to end."""


def run_load(
    settings: Mapping[str, Any],
    key: str,
    on_record: Callable[[dict[str, Any]], None],
    stop: Stop | None = None,
    web: Mapping[str, Any] | None = None,
) -> int:
    """Run the orders in `settings` and hand each record to `on_record`; returns 0 (valid) or 3 (not valid).

    The records are of types `progress`, `sample` and, last, one `load` or `limit`. When `stop` is set the run ends
    within a second or two, its record included. With `web` a page begins the runs, a `web` record says where it is, and
    the process serves it until `stop` is set. Raises `LoadError` in one line; `PlanError` for senseless orders.
    """
    orders = Orders.from_json(settings)
    plan = orders.plan()
    bound = _TO_START + plan.longest + (LONGEST_CHECK if orders.self_check else 0.0)
    if orders.processes > 1:
        from loadtests.crew import run_crew  # noqa: PLC0415 - it is made of what is here

        return run_crew(orders, key, on_record, stop or threading.Event(), bound)
    told = orders.to_json() if web is None else {**orders.to_json(), "web": dict(web)}
    # Nobody can tell when somebody will press a button: a page is served until it is stopped.
    until = time.monotonic() + bound if web is None else math.inf
    process = start(json.dumps(told), key)
    try:
        return _follow(process, on_record, stop or threading.Event(), until)
    finally:
        end(process)


def start(orders: str, key: str, *, keep_stdin: bool = False) -> subprocess.Popen[bytes]:
    """A load process with its orders in hand; its stdin is kept open for what it is told later, if there is such."""
    process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # The key goes by the environment, since other users can read a command line.
        env={**os.environ, KEY_VARIABLE: key},
        # A Ctrl-C at the terminal is for us: we pass it on once and in order.
        start_new_session=True,
    )
    if process.stdin is None:  # pragma: no cover - a pipe was asked for
        raise LoadError("the load process has no stdin")
    with contextlib.suppress(OSError):
        process.stdin.write(orders.encode() + b"\n")
        process.stdin.flush()
    if not keep_stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    return process


def _follow(
    process: subprocess.Popen[bytes], on_record: Callable[[dict[str, Any]], None], stop: Stop, until: float
) -> int:
    """Hand on the records until the process ends."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    remarks = follow_up(process, lines.put)
    complete = stopping = False
    while True:
        try:
            line = lines.get(timeout=_POLL)
        except queue.Empty:
            pass
        else:
            if not line:
                break
            record = record_of(line)
            complete = complete or record.get("type") in {"load", "limit", "web"}
            on_record(record)
        if not stopping and stop.is_set():
            stopping = True
            until = time.monotonic() + _TO_STOP
            process.terminate()
        if time.monotonic() > until:
            raise LoadError("the load process did not end in time and was killed")
    try:
        code = process.wait(timeout=_TO_STOP)
    except subprocess.TimeoutExpired:
        raise LoadError("the load process did not end in time and was killed") from None
    if not complete:
        raise LoadError(last_words(remarks, code) or _SILENT.format(code), usage=code == USAGE)
    return code


def follow_up(process: subprocess.Popen[bytes], take: Callable[[bytes], None]) -> Remarks:
    """Read both of its pipes in threads: `take` gets each line of its stdout, and nothing (b"") at its end."""
    said: deque[bytes] = deque(maxlen=20)
    return Remarks((_reading(process.stdout, take, last=True), _reading(process.stderr, said.append)), said)


def _reading(pipe: IO[bytes] | None, take: Callable[[bytes], None], *, last: bool = False) -> threading.Thread:
    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while pipe is not None and (line := pipe.readline(_MOST_LINE)):
                take(line)
        if last:
            take(b"")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def record_of(line: bytes) -> dict[str, Any]:
    """The record in a line that a load process wrote; raises `LoadError` for anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise LoadError(f"the load process wrote what is no record: {line[:100]!r}")
    return record


def last_words(remarks: Remarks, code: int | None) -> str:
    """Why a process ended without a record: its last remark that says something; empty when it ended well."""
    remarks.threads[1].join(timeout=1)
    said = [line for raw in remarks.lines if (line := raw.decode("utf-8", "replace").strip())]
    return said[-1] if said and code else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that a process of ours is gone, and its pipes with it; takes a few seconds at the most."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=_TO_STOP)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

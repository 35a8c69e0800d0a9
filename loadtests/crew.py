"""Several load processes on one machine that share one schedule and begin it at the same moment.

Law: a process that is lost ends the run, which is then not valid; none is left behind.
"""

from __future__ import annotations

import contextlib
import json
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from subprocess import Popen
from typing import Any

from loadtests.collect import RecordError
from loadtests.launch import LoadError, Remarks, Stop, end, follow_up, last_words, record_of, start
from loadtests.leader import BEGIN, Leader
from loadtests.merge import merged
from loadtests.orders import Orders
from loadtests.run import COULD_NOT_JUDGE, USAGE

_POLL = 0.1
_TO_STOP = 5.0
# From the word to begin until the first request: what the slowest needs to hear it and to freeze its memory.
LEAD_SECONDS = 0.15

Record = dict[str, Any]


class Crew:
    """The processes of one run, their records as they come, and what has become of each."""

    def __init__(self, orders: Orders, key: str, on_record: Callable[[Record], None]) -> None:
        self._count = orders.processes
        self._on_record = on_record
        self._lines: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._progress: dict[int, Record] = {}
        self._ready: set[int] = set()
        self._over: set[int] = set()
        self._loads: dict[int, Record] = {}
        self._begun = False
        plan = orders.plan()
        led = bool(plan.profile.search)
        self._leader = Leader(plan, orders.seed, self._count, self._tell, lambda: None) if led else None
        self.lost: list[str] = []
        self.processes: list[Popen[bytes]] = []
        self._remarks: list[Remarks] = []
        try:
            for index in range(self._count):
                share = replace(orders, processes=1, index=index, workers=self._count)
                self.processes.append(start(json.dumps(share.to_json()), key, keep_stdin=True))
                self._remarks.append(follow_up(self.processes[index], self._taker(index)))
        except BaseException:
            self.close()
            raise

    @property
    def found(self) -> bool:
        """Whether a search is over, so that its processes have nothing left to do."""
        return self._leader is not None and self._leader.over

    @property
    def over(self) -> bool:
        """Whether every process has ended."""
        return len(self._over) == self._count

    def step(self) -> None:
        """Take the next record, if one comes soon, and do what follows from it."""
        try:
            index, line = self._lines.get(timeout=_POLL)
        except queue.Empty:
            return
        if not line:
            self._ended(index)
            return
        record = record_of(line)
        kind = record.get("type")
        if kind == "ready":
            self._ready.add(index)
            self._begin_when_all_are_ready()
        elif kind == "member" and self._leader is not None:
            self._leader.hear(index, record["said"])
        elif kind == "progress":
            self._progress[index] = record
            self._on_record(_summed(list(self._progress.values())))
        elif kind == "load":
            self._loads[index] = record
        else:
            self._on_record(record)

    def stop(self) -> None:
        """Have each process end early, with its record."""
        if self._leader is not None:
            self._leader.stop("interrupted")
        for process in self.processes:
            with contextlib.suppress(OSError):
                process.terminate()

    def close(self) -> None:
        """Make sure that none is left."""
        for process in self.processes:
            end(process)

    def load(self) -> Record:
        """The record of all; raises `LoadError` when none of them has written one."""
        if self._leader is not None:
            return self._led(self._leader)
        try:
            return merged([self._loads[index] for index in sorted(self._loads)], self._count, self.lost)
        except RecordError as error:
            raise self._error(str(error)) from None

    def _led(self, leader: Leader) -> Record:
        """The record of a search."""
        if self.lost and not leader.begun:
            raise self._error(self.lost[0])
        for index, progress in self._progress.items():
            leader.note(index, {name: value for name, value in progress.items() if name != "type"})
        return leader.to_record()

    def _error(self, otherwise: str) -> LoadError:
        """Why there is no load: what a process said last, or else that."""
        codes = [process.returncode for process in self.processes]
        words = (last_words(one, code) for one, code in zip(self._remarks, codes, strict=True))
        return LoadError(next(filter(None, words), "") or otherwise, usage=USAGE in codes)

    def _taker(self, index: int) -> Callable[[bytes], None]:
        return lambda line: self._lines.put((index, line))

    def _ended(self, index: int) -> None:
        self._over.add(index)
        reported = index in self._loads if self._leader is None else self._leader.over
        if not reported:
            if not self.lost:
                self.lost.append(f"process {index + 1} of the load's {self._count} was lost")
                if self._leader is not None:
                    self._leader.stop(self.lost[0])
            self.stop()
        elif self._leader is None and not self._begun:
            # It gave up before the load, and says why in its record.
            self.stop()

    def _begin_when_all_are_ready(self) -> None:
        if len(self._ready) < self._count:
            return
        self._begun = True
        self._tell({"word": BEGIN})

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Write a message to each; with the word to begin goes the moment."""
        if message["word"] == BEGIN:
            # One clock for all processes of a machine.
            message = {**message, "epoch": time.perf_counter_ns() + int(LEAD_SECONDS * 1e9)}
        word = json.dumps(message).encode() + b"\n"
        for process in self.processes:
            with contextlib.suppress(OSError, ValueError):
                if process.stdin is not None:
                    process.stdin.write(word)
                    process.stdin.flush()


def run_crew(orders: Orders, key: str, on_record: Callable[[Record], None], stop: Stop, seconds: float) -> int:
    """Run the orders in several processes for `seconds` at most; as `launch.run_load`, which calls it."""
    crew = Crew(orders, key, on_record)
    until = time.monotonic() + seconds
    stopping = False
    try:
        while not crew.over:
            crew.step()
            if not stopping and (stop.is_set() or crew.lost):
                stopping = True
                until = time.monotonic() + _TO_STOP
                crew.stop()
            if not stopping and crew.found:
                stopping = True
                until = time.monotonic() + 2 * _TO_STOP
            if time.monotonic() > until:
                raise LoadError("the load processes did not end in time and were killed")
        load = crew.load()
    finally:
        crew.close()
    on_record(load)
    return 0 if load["valid"] else COULD_NOT_JUDGE


def _summed(parts: list[Record]) -> Record:
    """The progress of all."""
    names = ("sent", "done", "ok", "tokens", "planned")
    return {
        "type": "progress",
        **{name: sum(part[name] for part in parts) for name in names},
        "seconds": max(part["seconds"] for part in parts),
    }

"""Locust's master and workers sharing one schedule: who sends what, since when, and what becomes of a lost one.

It sees locust's runners and never imports them. Law: a worker that is lost makes the run not valid, and is noticed
while the run goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import gevent.event
import gevent.queue

from loadtests.collect import RecordError
from loadtests.leader import BEGIN as BEGIN_TRIAL
from loadtests.leader import Leader
from loadtests.merge import merged
from loadtests.orders import Orders

SHARE, READY, BEGIN, HALT = "seatrial", "seatrial-ready", "seatrial-begin", "seatrial-halt"
# What the members of a search say, and what they are told.
SAID, TOLD = "seatrial-said", "seatrial-told"
# From the word to begin until the first request, counted from when a worker hears it: machines have no common clock,
# so what workers differ by is what the word takes to reach them.
LEAD_SECONDS = 0.15
# What the other workers have for their last report once one is lost; locust has them report every three seconds.
LAST_REPORTS_SECONDS = 8.0

_LOOK = 0.25
_GONE = "missing"

log = logging.getLogger("seatrial.load")


class Master:
    """The master's side of one run after another; `finish` gets the record of all, or why there is none."""

    def __init__(self, runner: Any, finish: Callable[[dict[str, Any] | None, str], None]) -> None:
        self._runner = runner
        self._finish = finish
        self._names: list[str] = []
        self._waiting_for: set[str] = set()
        self._ready: set[str] = set()
        self._records: dict[str, Mapping[str, Any]] = {}
        self._lost: list[str] = []
        self._greenlet: Any = None
        self._leader: Leader | None = None
        runner.register_message(READY, self._is_ready)
        runner.register_message(SAID, self._said)

    @property
    def under_way(self) -> bool:
        """Whether somebody has still to report."""
        return bool(self._waiting_for)

    @property
    def size(self) -> int:
        """How many workers would share a load that begins now."""
        return len(self._runner.clients.ready)

    def begin(self, orders: Orders) -> Leader | None:
        """Tell each worker its share before locust tells it to start; returns who leads them, if it is a search."""
        self._names = [node.id for node in self._runner.clients.ready]
        self._waiting_for, self._ready = set(self._names), set()
        self._records, self._lost = {}, []
        for index, name in enumerate(self._names):
            share = {"orders": orders.to_json(), "index": index, "workers": len(self._names)}
            self._runner.send_message(SHARE, share, client_id=name)
        plan = orders.plan()
        led = bool(plan.profile.search)
        self._leader = Leader(plan, orders.seed, len(self._names), self._tell, self._found) if led else None
        self._greenlet = gevent.spawn(self._look_after)
        return self._leader

    def take(self, name: str, record: Mapping[str, Any] | None) -> None:
        """What a worker reports, if it is what we wait for."""
        if record is None or name not in self._waiting_for or self._leader is not None:
            return
        self._waiting_for.discard(name)
        self._records[name] = record
        if not self._waiting_for:
            self._end()

    def _is_ready(self, msg: Any, **_: Any) -> None:
        self._ready.add(msg.node_id)
        if self._names and self._ready >= set(self._names):
            for name in self._names:
                self._runner.send_message(BEGIN, {"seconds": LEAD_SECONDS}, client_id=name)

    def _said(self, msg: Any, **_: Any) -> None:
        """What a member of a search says."""
        if self._leader is not None and msg.node_id in self._waiting_for:
            self._leader.hear(self._names.index(msg.node_id), msg.data)

    def _tell(self, message: Mapping[str, Any]) -> None:
        told = {**message, "seconds": LEAD_SECONDS} if message["word"] == BEGIN_TRIAL else dict(message)
        for name in self._names:
            self._runner.send_message(TOLD, told, client_id=name)

    def _found(self) -> None:
        """The end of a search, of which the leader has the record."""
        self._waiting_for.clear()
        self._end()

    def _look_after(self) -> None:
        """Watch over the workers until each has reported or is lost."""
        until = None
        while self._waiting_for:
            gevent.sleep(_LOOK)
            for name in sorted(self._waiting_for):
                node = self._runner.clients.get(name)
                if node is None or node.state == _GONE:
                    self._lose(name)
            if self._lost and until is None:
                until = time.monotonic() + LAST_REPORTS_SECONDS
            if until is not None and time.monotonic() > until:
                self._waiting_for.clear()
        if self._greenlet is gevent.getcurrent() and self._lost:
            self._end()

    def _lose(self, name: str) -> None:
        self._waiting_for.discard(name)
        self._lost.append(f"worker {self._names.index(name) + 1} of the load's {len(self._names)} was lost")
        log.warning("%s", self._lost[-1])
        if self._leader is not None:
            self._leader.stop(self._lost[-1])
            return
        for other in self._waiting_for:
            self._runner.send_message(HALT, None, client_id=other)

    def _end(self) -> None:
        self._greenlet, over = None, self._greenlet
        if over is None:
            return
        if self._leader is not None:
            self._finish(self._leader.to_record(), "")
            return
        try:
            self._finish(merged(list(self._records.values()), len(self._names), self._lost), "")
        except RecordError as error:
            self._finish(None, "; ".join(self._lost) or f"a worker reported nonsense: {error}")


class Worker:
    """A worker's side: its share, and the moment at which all begin."""

    def __init__(self, runner: Any, halt: Callable[[str], None]) -> None:
        self.orders: Orders | None = None
        self.share = (0, 1)
        self.ordered = False
        self._runner = runner
        self._halt = halt
        self._begins = gevent.event.AsyncResult()
        runner.register_message(SHARE, self._take)
        self._told: gevent.queue.Queue[Mapping[str, Any]] = gevent.queue.Queue()
        runner.register_message(BEGIN, self._begin)
        runner.register_message(TOLD, self._hear)
        runner.register_message(HALT, lambda **_: halt("another worker was lost"))

    def begin_at(self) -> int:
        """Wait for the others; the moment (ns) from which the schedule counts."""
        self._runner.send_message(READY, None)
        return int(self._begins.get())

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the leader of a search."""
        self._runner.send_message(SAID, dict(message))

    def hear(self) -> Mapping[str, Any]:
        """Wait for what the leader of a search says next."""
        message: Mapping[str, Any] = self._told.get()
        return message

    def _hear(self, msg: Any, **_: Any) -> None:
        message = dict(msg.data)
        if "seconds" in message:
            message["epoch"] = _in(message["seconds"])
        self._told.put(message)

    def _take(self, msg: Any, **_: Any) -> None:
        self._told = gevent.queue.Queue()
        self.orders = Orders.from_json(msg.data["orders"])
        self.share = int(msg.data["index"]), int(msg.data["workers"])
        self._begins = gevent.event.AsyncResult()
        self.ordered = True

    def _begin(self, msg: Any, **_: Any) -> None:
        self._begins.set(_in(msg.data["seconds"]))


def _in(seconds: float) -> int:
    """The moment (ns) that is so many seconds from now."""
    return time.perf_counter_ns() + int(float(seconds) * 1e9)

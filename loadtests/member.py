"""One of several processes that carry out the trials of a search together, as their leader tells them.

Law: it sends nothing that it was not told to send, and ends when the leader says so or is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import gevent
import gevent.event
import gevent.queue

from loadtests.attempt import Attempt
from loadtests.campaign import Start
from loadtests.collect import Collector, Sample
from loadtests.leader import BEGIN, CHECKED, COUNTED, ENOUGH, OVER, READY, TRIED, TRY
from loadtests.plans import Plan
from loadtests.pool import Pool
from loadtests.progress import Progress, after
from loadtests.selfcheck import CalibratedServer, check_self
from loadtests.target import Target
from loadtests.trials import BETWEEN, Order, Trials

# How often the leader is told what was counted (s).
_TELL = 0.25


class Channel(Protocol):
    """The way to the leader and back."""

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the leader."""

    def hear(self) -> Mapping[str, Any] | None:
        """Wait for what the leader says next; None when it is gone. `begin` comes with its moment, `epoch` (ns)."""


class Member:
    """The share of worker `index` of `workers` in each trial; `run` blocks its greenlet until the search is over."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        pool: Pool,
        *,
        share: tuple[int, int],
        channel: Channel,
        on_sample: Callable[[Sample], None] | None = None,
        start: Start | None = None,
    ) -> None:
        self.plan = plan
        self.collector = Collector()
        self._target = target
        self._pool = pool
        self._share = share
        self._channel = channel
        self._on_sample = on_sample
        self._checked = start is not None and start.self_check
        self._orders: gevent.queue.Queue[Order | None] = gevent.queue.Queue()
        self._epoch = gevent.event.AsyncResult()
        self._stop = gevent.event.Event()
        self._reason = ""
        self._decided = 0
        self._now: Attempt | None = None
        planned = len(range(plan.requests)[share[0] :: share[1]])
        self._before = Progress(sent=0, done=0, ok=0, tokens=0, seconds=0.0, planned=planned)

    def run(self) -> None:
        """Do what the leader says until it has said all; never raises for what the endpoint does."""
        listening = gevent.spawn(self._listen)
        try:
            self._say(CHECKED, **self._check_self())
            first = True
            while (order := self._orders.get()) is not None and not self._stop.is_set():
                if not first:
                    self._stop.wait(BETWEEN)
                first = False
                self._try(order)
        finally:
            listening.kill()
            self._pool.close()

    def stop(self, reason: str) -> None:
        """Give up."""
        self._reason = self._reason or reason
        self._stop.set()
        self._orders.put(None)
        if self._now is not None:
            self._now.stop(reason)

    def progress(self) -> Progress:
        """How far this share is now."""
        return self._before if self._now is None else after(self._before, self._now.progress())

    def why_invalid(self) -> str:
        """Why this share was given up; the leader says whether the search is valid."""
        return self._reason

    def to_record(self) -> None:
        """Nothing: the leader has the record of all."""
        return

    def _check_self(self) -> dict[str, Any]:
        if not self._checked:
            return {"bias": {"skipped": True}, "why": ""}
        bias = check_self(Trials(self.plan, 0).streams // self._share[1], CalibratedServer())
        return {"bias": bias.to_record(), "why": bias.why_invalid()}

    def _try(self, order: Order) -> None:
        if self._stop.is_set():
            return

        def begin_at() -> int:
            self._epoch = gevent.event.AsyncResult()
            self._say(READY, number=order.number)
            return int(self._epoch.get())

        attempt = self._now = Attempt(
            self.plan,
            order,
            self._target,
            self._pool,
            share=self._share,
            on_sample=self._on_sample,
            begin_at=begin_at,
        )
        if self._decided == order.number:
            # Somebody who shares it was quicker, before this one began.
            attempt.stop()
        telling = gevent.spawn(self._tell, attempt)
        try:
            tried = attempt.run()
        finally:
            telling.kill()
        self._now, self._before = None, after(self._before, attempt.progress())
        self._say(TRIED, number=order.number, tried=tried.to_json())

    def _tell(self, attempt: Attempt) -> None:
        """Say how many answers were bad, so that a trial which is surely bad for all together ends."""
        while True:
            gevent.sleep(_TELL)
            self._say(COUNTED, number=attempt.order.number, bad=attempt.bad)

    def _say(self, word: str, **rest: Any) -> None:
        self._channel.say({"word": word, **rest, "progress": asdict(self.progress())})

    def _listen(self) -> None:
        while (message := self._channel.hear()) is not None:
            word = message["word"]
            if word == TRY:
                self._orders.put(Order.from_json(message["order"]))
            elif word == BEGIN:
                self._epoch.set(message["epoch"])
            elif word == ENOUGH:
                self._decided = message["number"]
                if self._now is not None and self._now.order.number == self._decided:
                    self._now.stop()
            elif word == OVER:
                break
        # Nothing more is wanted, or nobody is left who wants it.
        self._stop.set()
        self._orders.put(None)
        if self._now is not None:
            self._now.stop("the search is over")

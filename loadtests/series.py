"""A search for a capacity in one process: its trials, one after another.

It runs and reports as one campaign does. Law: a search that was stopped is not valid and keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent.event

from loadtests.attempt import Attempt
from loadtests.campaign import Start
from loadtests.collect import Collector, Sample
from loadtests.plans import Plan
from loadtests.pool import Pool
from loadtests.progress import Progress, after
from loadtests.selfcheck import Bias, CalibratedServer, check_self
from loadtests.target import Target
from loadtests.trials import BETWEEN, Trials


class Series:
    """One search; `run` blocks its greenlet until it is over."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        pool: Pool,
        *,
        seed: int,
        on_sample: Callable[[Sample], None] | None = None,
        start: Start | None = None,
    ) -> None:
        self.plan = plan
        self.trials = Trials(plan, seed)
        self.bias: Bias | None = None
        self._checked = start is not None and start.self_check
        self._target = target
        self._pool = pool
        self._on_sample = on_sample
        self._stop = gevent.event.Event()
        self._now: Attempt | None = None
        self._before = Progress(sent=0, done=0, ok=0, tokens=0, seconds=0.0, planned=plan.requests)

    @property
    def collector(self) -> Collector:
        """What the last trial counted."""
        return self.trials.collector

    def run(self) -> None:
        """The whole search; never raises for what the endpoint does."""
        if self._checked:
            self._check_self()
        while not self._stop.is_set() and (order := self.trials.next(self._before)) is not None:
            attempt = self._now = Attempt(self.plan, order, self._target, self._pool, on_sample=self._on_sample)
            tried = attempt.run()
            self._now, self._before = None, after(self._before, attempt.progress())
            if not self._stop.is_set():
                self.trials.take(order.trial, tried)
                self._stop.wait(BETWEEN)
        self._pool.close()

    def _check_self(self) -> None:
        """Once, for all trials."""
        self.bias = check_self(self.trials.streams, CalibratedServer())
        if why := self.bias.why_invalid():
            self.stop(why)

    def stop(self, reason: str) -> None:
        """End the search; it is not valid, for that reason."""
        self.trials.reason = self.trials.reason or reason
        self._stop.set()
        if self._now is not None:
            self._now.stop(reason)

    def progress(self) -> Progress:
        """How far the search is now; `planned` is the most that it may send."""
        return self._before if self._now is None else after(self._before, self._now.progress())

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        return self.trials.why_invalid()

    def to_record(self) -> dict[str, Any]:
        """The search as the log's `load` record."""
        checked = {"skipped": True} if self.bias is None else self.bias.to_record()
        return self.trials.to_record(self.progress(), checked)

"""Leads a search for a capacity whose trials several processes or machines carry out together.

It is told what comes in and tells all of them what to do; whether by pipes or by locust's messages is not its business.
Law: a trial counts when every share of it was reported, and a process that is lost ends the search, which is then not
valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loadtests.collect import Collector, RecordError
from loadtests.merge import merged_self_checks
from loadtests.plans import Plan
from loadtests.progress import Progress, summed
from loadtests.search import surely_bad
from loadtests.trials import Order, Trials, Tried, joined

Message = Mapping[str, Any]
# What members say, and what they are told, by the `word` of a message.
CHECKED, READY, COUNTED, TRIED = "checked", "ready", "counted", "tried"
TRY, BEGIN, ENOUGH, OVER = "try", "begin", "enough", "over"


class Leader:
    """One search in so many shares: `tell` sends a message to every member, `ended` is called once, at the end."""

    def __init__(
        self, plan: Plan, seed: int, shares: int, tell: Callable[[Message], None], ended: Callable[[], None]
    ) -> None:
        self.trials = Trials(plan, seed)
        self.over = False
        self._shares = shares
        self._tell = tell
        self._ended = ended
        self._order: Order | None = None
        self._checks: dict[int, Message] = {}
        self._ready: set[int] = set()
        self._bad: dict[int, int] = {}
        self._parts: dict[int, Tried] = {}
        self._progress: dict[int, Progress] = {}
        self._told_enough = False

    @property
    def begun(self) -> bool:
        """Whether every member was there to begin."""
        return len(self._checks) == self._shares

    @property
    def collector(self) -> Collector:
        """What the last trial counted."""
        return self.trials.collector

    def hear(self, index: int, message: Message) -> None:
        """What the member `index` says; nonsense ends the search."""
        try:
            self.note(index, message["progress"])
            if not self.over:
                self._take(index, message)
        except (RecordError, KeyError, TypeError, ValueError) as error:
            self.stop(f"a part of the search reported nonsense: {error}")

    def note(self, index: int, progress: Mapping[str, Any]) -> None:
        """How far a member is; `TypeError` for nonsense."""
        self._progress[index] = Progress(**progress)

    def stop(self, reason: str) -> None:
        """End the search; it is not valid, for that reason."""
        if not self.over:
            self.trials.reason = self.trials.reason or reason
            self._end()

    def progress(self) -> Progress:
        """How far the search is now; `planned` is the most that it may send."""
        return summed(list(self._progress.values()))

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        return self.trials.why_invalid()

    def to_record(self) -> dict[str, Any]:
        """The search as the log's `load` record."""
        checks = [check["bias"] for check in self._checks.values()]
        return self.trials.to_record(self.progress(), merged_self_checks(checks) if checks else {"skipped": True})

    def _take(self, index: int, message: Message) -> None:
        if message["word"] == CHECKED:
            self._checks[index] = message
            if why := str(message["why"]):
                self.stop(why)
            elif self.begun:
                self._next()
        elif self._order is not None and message["number"] == self._order.number:
            self._take_of_trial(index, message, self._order)

    def _take_of_trial(self, index: int, message: Message, order: Order) -> None:
        word = message["word"]
        if word == READY:
            self._ready.add(index)
            if len(self._ready) == self._shares:
                self._tell({"word": BEGIN, "number": order.number})
        elif word == COUNTED:
            self._bad[index] = int(message["bad"])
            if sum(self._bad.values()) >= surely_bad(order.trial, self.trials.plan.profile.share):
                self._enough()
        elif word == TRIED:
            self._parts[index] = Tried.from_json(message["tried"])
            if len(self._parts) == self._shares:
                self.trials.take(order.trial, joined([self._parts[share] for share in sorted(self._parts)]))
                self._next()
            elif self._parts[index].reason:
                # It gave up, before the others began or after; they need not go on.
                self._enough()

    def _enough(self) -> None:
        if not self._told_enough and self._order is not None:
            self._told_enough = True
            self._tell({"word": ENOUGH, "number": self._order.number})

    def _next(self) -> None:
        self._ready, self._bad, self._parts, self._told_enough = set(), {}, {}, False
        self._order = self.trials.next(self.progress())
        if self._order is None:
            self._end()
        else:
            self._tell({"word": TRY, "order": self._order.to_json()})

    def _end(self) -> None:
        self.over = True
        self._tell({"word": OVER})
        self._ended()

"""One trial of a search for a capacity, or a share in it, carried out in this process.

Law: a trial that is surely bad ends at once, and what it showed until then counts, unless this process may be to blame.
"""

from __future__ import annotations

from collections.abc import Callable

from loadtests.campaign import Campaign, Start
from loadtests.collect import Sample
from loadtests.goodput import judged
from loadtests.plans import Plan
from loadtests.pool import Pool
from loadtests.progress import Progress
from loadtests.search import SETTLING, surely_bad
from loadtests.target import Target
from loadtests.trials import ENOUGH, Order, Tried


class Attempt:
    """The trial that an order asks for; `share` is this process's index and how many there are."""

    def __init__(
        self,
        whole: Plan,
        order: Order,
        target: Target,
        pool: Pool,
        *,
        share: tuple[int, int] = (0, 1),
        on_sample: Callable[[Sample], None] | None = None,
        begin_at: Callable[[], int] | None = None,
    ) -> None:
        self.order = order
        self.bad = self._failed = 0
        self._shares = share[1]
        self._bounds = whole.bounds
        self._on_sample = on_sample
        self._from_then = order.trial.seconds * SETTLING
        self._enough = surely_bad(order.trial, whole.profile.share)
        self._kept: list[tuple[float, bool]] = []
        self._campaign = Campaign(
            order.plan(whole),
            target,
            pool.again(),
            seed=order.seed,
            index=share[0],
            workers=share[1],
            on_sample=self._take,
            start=Start(begin_at=begin_at),
        )

    def run(self) -> Tried:
        """Carry it out; never raises for what the endpoint does."""
        self._campaign.run()
        reason = self._campaign.why_invalid()
        if reason == ENOUGH and self._failed < self._enough / self._shares and (fault := self._campaign.own_fault()):
            # Answers that seemed slow may have been read late.
            reason = fault
        record = {**self._campaign.to_record(), "valid": not reason, "reason": reason}
        return Tried(record, tuple(self._kept), reason)

    def stop(self, reason: str = ENOUGH) -> None:
        """Send nothing more and give up what is under way."""
        self._campaign.stop(reason)

    def progress(self) -> Progress:
        """How far it is now."""
        return self._campaign.progress()

    def _take(self, one: Sample) -> None:
        if self._on_sample is not None:
            self._on_sample(one)
        if one.t_intended < self._from_then or one.outcome == "abandoned":
            return
        self._kept.append((one.t_intended, judged(one, self._bounds).good_intended))
        self.bad += not self._kept[-1][1]
        self._failed += one.outcome != "ok"
        if self.bad >= self._enough:
            self.stop()

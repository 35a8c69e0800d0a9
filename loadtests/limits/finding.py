"""What a search found, as the log's `limit` record: the limit with its bounds, the kind, the evidence, what was told.

Law: where nothing was refused no limit is named, only how much was let pass; where observations contradict every kind
of limiter, that is said and the bounds are given up.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from loadtests.limits.charging import agreed
from loadtests.limits.hints import Told, limits_told, promises, remaining_told
from loadtests.limits.limiters import Bucket, Fixed, clocked
from loadtests.limits.observed import Observation, Price, one_each
from loadtests.limits.opinion import MINUTE, Opinion
from loadtests.limits.others import Others
from loadtests.limits.prober import Prober
from loadtests.limits.tariff import Tariff

_PHASES = 120
_LONG = 3
DOCUMENTED = {"requests": 1_000.0, "tokens": 200_000.0}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One search: `opinion` is of the window that limits a minute, `short` of a shorter one beside it.

    `unseen` is the smallest limit a minute of a larger bucket behind a small one that would not have shown; 0: none.
    `others` is what others use of the quota; None where that did not show.
    """

    quota: str
    opinion: Opinion
    short: Opinion | None
    low: float
    high: float
    passed_in_minute: float
    unseen: float
    others: Others | None
    retry_after: Told
    told_limit: Told
    told_remaining: Told
    ended: str
    charge: str = ""
    tariff: Tariff = field(default_factory=Tariff)

    @property
    def found(self) -> bool:
        """Whether there is a limit."""
        return self.opinion.best is not None

    def to_record(self) -> dict[str, Any]:
        """The verdict as the log has it; `low` and `high` are of the limit a minute, `high` None where unbounded."""
        best = self.opinion.best
        return {
            "quota": self.quota,
            "found": self.found,
            "low": round(self.low, 3),
            "high": None if math.isinf(self.high) else round(self.high, 3),
            "passed_in_minute": round(self.passed_in_minute, 3),
            "unseen": round(self.unseen, 3),
            "others": None if self.others is None else asdict(self.others),
            "documented": DOCUMENTED[self.quota],
            "kind": self.opinion.family,
            "rivals": sorted({fit.kind for fit in self.opinion.rivals}),
            "meters": [_meter(one) for one in (self.opinion, self.short) if one is not None and one.best is not None],
            "refused_count": None if best is None else _counts(self.opinion),
            "failed_count": None if best is None else self.opinion.failed_count,
            "fresh": best is None or best.fresh,
            "contradictions": 0 if best is None else best.contradictions,
            "checked": 0 if best is None else best.checked,
            "charge": self.charge,
            "tariff": self.tariff.to_record() if self.quota == "tokens" else None,
            "retry_after": self.retry_after.to_record(),
            "told_limit": self.told_limit.to_record(),
            "told_remaining": self.told_remaining.to_record(),
            "open": self.opinion.open if self.found else "",
            "ended": self.ended,
        }


def finding(prober: Prober, quota: str, price: Price = one_each) -> Finding:
    """What a search that is over has found."""
    seen = sorted(prober.seen, key=lambda one: one.sent)
    opinion, short = prober.opinion, prober.behind
    if opinion.best is None and short is not None:
        opinion, short = short, None
    passed = most_in(seen, MINUTE, price)
    low, high = opinion.low, opinion.high
    unseen = 0.0
    best = opinion.best
    if best is None:
        # Two fixed windows may have shared what passed.
        low, high = passed // 2, math.inf
    elif short is not None:
        low, high = min(low, short.low), min(high, short.high)
    elif opinion.period < prober.bounds.longest / 2 and prober.phase == "over":
        # A longer window behind it was looked for up to what passed.
        longest = prober.bounds.longest
        within = most_in_any(seen, longest) if "fixed" in best.kind else most_in(seen, longest, price)
        low = min(low, max(within, 1.0) * MINUTE / longest)
        unseen = bucket_unseen(seen, longest) if opinion.is_bucket else 0.0
    if best is not None and opinion.rivals:
        # Undecided: what passed was let pass by some kind of limiter, of which a minute may have seen two windows.
        low, high = passed // 2, short.high if short is not None else math.inf
    if opinion.is_bucket and opinion.period > _LONG * prober.bounds.longest:
        # It would take so long to fill that it was not seen to: what passed is certain, no more.
        high = math.inf
    # What an endpoint reckons for a prompt differs from what it counts in the end.
    if best is not None and best.contradictions > max(1, best.checked // (10 if quota == "tokens" else 50)):
        # Something else uses the same quota, or it is no limiter that is known: what passed is certain, no more.
        high = math.inf
    charge, tariff = agreed("" if best is None else best.price, prober.tariff)
    return Finding(
        quota=quota,
        opinion=opinion,
        short=short,
        low=low,
        high=high,
        passed_in_minute=passed,
        unseen=unseen * MINUTE / prober.bounds.longest,
        others=prober.others,
        retry_after=promises(seen, opinion.slack),
        told_limit=limits_told(seen, replace(opinion, low=low, high=high)),
        told_remaining=remaining_told(seen, opinion, price),
        ended=prober.ended,
        charge=charge,
        tariff=tariff,
    )


def most_in(seen: Sequence[Observation], span: float, price: Price = one_each) -> float:
    """The most that passed within any `span` seconds."""
    passed = [(one.sent, price(one)[1]) for one in seen if one.passed and not one.failed]
    best = amount = 0.0
    start = 0
    for at, cost in passed:
        amount += cost
        while at - passed[start][0] > span:
            amount -= passed[start][1]
            start += 1
        best = max(best, amount)
    return best


def most_in_any(seen: Sequence[Observation], span: float) -> float:
    """What passed at least in the fullest window of the clock of that span (s), wherever those windows begin."""
    times = [one.sent for one in seen if one.passed and not one.failed]
    if not times:
        return 0.0
    found = math.inf
    for part in range(_PHASES):
        starts = clocked(span, span * part / _PHASES, times[0], times[-1])
        # Half a step further it may begin as well.
        within = span * (1 - 1 / _PHASES)
        counts = (bisect_left(times, at + span) - bisect_left(times, at + span - within) for at in starts)
        found = min(found, max(counts))
    return found


def bucket_unseen(seen: Sequence[Observation], span: float) -> float:
    """The largest bucket, refilled in `span` seconds, that what passed would have emptied."""
    times = [one.sent for one in seen if one.passed and not one.failed]
    return max(((place + 1) / (1 + (at - times[0]) / span) for place, at in enumerate(times)), default=0.0)


def _meter(opinion: Opinion) -> dict[str, Any]:
    """One limiter in a few words and numbers."""
    best = opinion.best
    assert best is not None
    limiter = best.limiter
    meter: dict[str, Any] = {
        "kind": best.kind,
        "holds": [None if math.isinf(one) else round(one, 3) for one in opinion.holds],
        "a_minute": [None if math.isinf(one) else round(one, 3) for one in (opinion.low, opinion.high)],
        "contradictions": best.contradictions,
    }
    if isinstance(limiter, Bucket):
        meter["rate"] = round(limiter.rate, 6)
    else:
        meter["window"] = opinion.spans[0] if len(opinion.spans) == 1 else round(limiter.span, 3)
        meter["windows"] = [round(one, 3) for one in opinion.spans]
    if isinstance(limiter, Fixed):
        meter["begins"] = "with a request" if limiter.anchored else "by the clock"
    return meter


def _counts(opinion: Opinion) -> bool | None:
    """Whether refused requests count; None where it makes no difference or did not show."""
    return None if opinion.refused_unknown or opinion.best is None else opinion.best.refused_count


def tally(seen: Sequence[Observation]) -> dict[str, int]:
    """How many requests there were, by what became of them."""
    counts: Counter[str] = Counter()
    for one in seen:
        status = one.status
        if one.passed is None:
            name = "no answer" if status is None else f"{status // 100}xx"
        else:
            name = "429" if one.passed is False else "ok" if status in (None, 200) else "4xx"
        counts[name] += 1
    return dict(sorted(counts.items()))

"""What the observations of a probe mean: the kind of limiter, its limit a minute with bounds, and what is still open.

Law: a kind is named only when every other kind is contradicted; a limit is given only with the bounds that the
observations leave it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loadtests.limits.fitting import CUSTOMARY, Fit, infer, rates_of, telling
from loadtests.limits.limiters import GRAIN, Bucket
from loadtests.limits.observed import Observation, Price, Timeline, one_each, slack_of

FAMILIES = {
    "fixed": "fixed window",
    "fixed-from-first": "fixed window",
    "sliding": "sliding window",
    "sliding-weighted": "sliding window, weighted",
    "bucket": "token bucket",
}
MINUTE = 60.0

# How near bounds have to be before a search may end, as a share of the limit.
NARROW = 0.02
_MARGIN = 3


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What is known; bounds are of the limit a minute, `low` <= limit <= `high`.

    `rivals` are the fits of other families that are not contradicted enough; `open` says why more should be asked, and
    is empty where nothing more is needed. `refill` is how full a bucket would be: (time, amount, amount a second).
    `failed_count` says whether requests count that the endpoint refuses for themselves (None: did not show), and
    `refused_unknown` that it did not show whether refused ones do.
    """

    best: Fit | None = None
    rivals: tuple[Fit, ...] = ()
    low: float = 0.0
    high: float = math.inf
    holds: tuple[float, float] = (0.0, math.inf)
    open: str = "nothing was refused"
    slack: float = 0.0
    refill: tuple[float, float, float] | None = None
    failed_count: bool | None = None
    refused_unknown: bool = True

    @property
    def enough(self) -> bool:
        """Whether nothing more has to be asked."""
        return not self.open

    @property
    def family(self) -> str:
        """The kind, in words; empty where it is not known."""
        return FAMILIES[self.best.kind] if self.best is not None and not self.rivals else ""

    @property
    def is_bucket(self) -> bool:
        """Whether a bucket fits best."""
        return self.best is not None and self.best.kind == "bucket"

    @property
    def spans(self) -> tuple[float, ...]:
        """The windows that fit; those that somebody would choose, if any of them does."""
        if self.best is None or self.is_bucket:
            return ()
        usual = tuple(span for span in self.best.spans if span in CUSTOMARY)
        return usual or self.best.spans

    @property
    def limit(self) -> float:
        """The best estimate of the limit a minute."""
        return self.low if math.isinf(self.high) else (self.low + self.high) / 2

    @property
    def rate(self) -> float:
        """The same a second."""
        return self.limit / MINUTE

    @property
    def limit_known(self) -> bool:
        """Whether how much a window or a bucket holds is known well, even if its length is not."""
        low, high = self.holds
        return self.best is not None and high <= max(low + 1, low * (1 + NARROW)) and self.best.contradictions == 0

    @property
    def period(self) -> float:
        """Seconds after which a limiter of this kind has forgotten everything."""
        if self.best is None:
            return 0.0
        if isinstance(self.best.limiter, Bucket):
            return self.holds[0] / max(1e-9, self.best.limiter.rate)
        return self.best.limiter.span


class Judge(Protocol):
    """Says what observations mean."""

    def __call__(self, seen: Sequence[Observation], *, beyond: float = 0.0) -> Opinion:
        """What they mean, if every limiter's window is longer than `beyond` seconds."""


def judged(
    seen: Sequence[Observation], *, price: Price = one_each, label: str = "each", beyond: float = 0.0
) -> Opinion:
    """What those observations mean, if a request counts what `price` says; `label` is that price's name.

    Only windows of more than `beyond` seconds are looked at.
    """
    seen = sorted(seen, key=lambda one: one.sent)
    slack = slack_of(seen)
    fits, slack = _fits(seen, price, label, slack, beyond)
    if not fits:
        return Opinion()
    best = fits[0]
    rivals = tuple(fit for fit in fits[1:] if _rivals(fit, best))
    alike = [fit for fit in fits if _same(fit, best) and fit.contradictions <= best.contradictions]
    if isinstance(best.limiter, Bucket):
        alike = [best]
    low, high = min(fit.low for fit in alike), max(fit.high for fit in alike)
    if price is one_each:
        low, high = (
            math.ceil(low - 1e-9),
            max(math.ceil(low - 1e-9), math.ceil(high - 1e-9) - 1 if high < math.inf else high),
        )
    holds = (low, high)
    if isinstance(best.limiter, Bucket):
        timeline = Timeline(seen, slack=slack, price=price, refused=best.refused_count, failed=best.failed_count)
        rates = rates_of(best, timeline, telling(timeline))
        low, high = rates[0] * MINUTE, rates[1] * MINUTE
    best = replace(best, spans=tuple(sorted({span for fit in alike for span in fit.spans})))
    made = Opinion(best=best, rivals=rivals, holds=holds, slack=slack, open="")
    if not made.is_bucket:
        spans = made.spans
        # A length that nobody would choose was read off the clock.
        doubt = 0.0 if best.customary else slack / best.limiter.span + GRAIN
        low, high = low * MINUTE / max(spans) * (1 - doubt), high * MINUTE / min(spans) * (1 + doubt)
    return Opinion(
        best=best,
        rivals=rivals,
        holds=holds,
        slack=slack,
        low=low,
        high=high,
        open=_open(made, low, high),
        refill=_refill(fits, seen, price, slack),
        failed_count=_failed_count(fits, best, seen),
        refused_unknown=best.kind.startswith("fixed")
        or any(
            fit.kind == best.kind
            and fit.refused_count is not best.refused_count
            and fit.contradictions < best.contradictions + _MARGIN
            for fit in fits
        ),
    )


def _fits(
    seen: Sequence[Observation], price: Price, label: str, slack: float, beyond: float
) -> tuple[list[Fit], float]:
    """The fits, best first, and the slack with which they fit; with what else may have been going on allowed for."""
    fits = infer(seen, price=price, label=label, slack=slack, beyond=beyond)
    if fits and fits[0].contradictions:
        # Some requests may have been on their way for longer than most refusals were.
        longest = max(one.answered - one.sent for one in seen if one.passed is False)
        slower = infer(seen, price=price, label=label, slack=max(longest, 1.5 * slack), beyond=beyond)
        if slower and slower[0].contradictions < fits[0].contradictions:
            fits, slack = slower, max(longest, 1.5 * slack)
    if fits and _doubtful(fits[0]):
        later = infer(seen, price=price, label=label, fresh=False, beyond=beyond)
        if later and later[0].contradictions + _MARGIN <= fits[0].contradictions:
            fits = later
    return fits, slack


def _failed_count(fits: Sequence[Fit], best: Fit, seen: Sequence[Observation]) -> bool | None:
    """Whether failed requests count; None where there were none, or where it would be the same."""
    if not any(one.failed for one in seen):
        return None
    other = [fit for fit in fits if _same(fit, best) and fit.failed_count is not best.failed_count]
    return best.failed_count if all(fit.contradictions > best.contradictions for fit in other) else None


def _same(fit: Fit, other: Fit) -> bool:
    return FAMILIES[fit.kind] == FAMILIES[other.kind]


def _rivals(fit: Fit, best: Fit) -> bool:
    """Whether another family is not contradicted enough."""
    if _same(fit, best):
        return False
    # An estimated window can be bent to much; it has to fit as well as the best does.
    return fit.contradictions < best.contradictions + (1 if fit.kind == "sliding-weighted" else _MARGIN)


def _refill(
    fits: Sequence[Fit], seen: Sequence[Observation], price: Price, slack: float
) -> tuple[float, float, float] | None:
    """How full the bucket is that fits best; None where none fits."""
    fit = next((one for one in fits if isinstance(one.limiter, Bucket)), None)
    if fit is None or fit.contradictions >= fits[0].contradictions + _MARGIN or not isinstance(fit.limiter, Bucket):
        return None
    timeline = Timeline(seen, slack=slack, price=price, refused=fit.refused_count, failed=fit.failed_count)
    least, most = fit.limiter.counted(timeline)(len(seen) - 1)
    holds = (fit.low + fit.high) / 2 if fit.high < math.inf else fit.low
    return seen[-1].sent, holds - (least + most) / 2 - timeline.settled[-1], fit.limiter.rate


def _doubtful(fit: Fit) -> bool:
    return fit.contradictions > max(1, fit.checked // 50)


def _open(opinion: Opinion, low: float, high: float) -> str:
    """Why more should be asked."""
    if opinion.rivals:
        kinds = {FAMILIES[fit.kind] for fit in opinion.rivals}
        return f"a {' or '.join(sorted(kinds))} would fit as well"
    if not opinion.is_bucket and len(opinion.spans) > 1 and max(opinion.spans) > min(opinion.spans) * (1 + NARROW):
        return f"the window may have {min(opinion.spans):g} to {max(opinion.spans):g} s"
    exact = not opinion.is_bucket and opinion.holds[1] <= opinion.holds[0]
    if not exact and high > low * (1 + NARROW):
        return f"the limit lies between {low:,.0f} and {high:,.0f} a minute"
    return ""

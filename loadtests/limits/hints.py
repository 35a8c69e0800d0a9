"""What an endpoint says about its limits in headers, and whether it was true.

Law: a promise is judged by the first request that tested it, and only where nothing of ours came in between.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from loadtests.limits.observed import Observation, Price, Timeline, one_each
from loadtests.limits.opinion import Opinion

# Retry-After is in whole seconds, so an honest one may be up to a second too long.
_ROUNDED = 1.0
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class Told:
    """One kind of header: in how many of the answers it could have been in, and what came of it, by word."""

    present: int
    of: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    values: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """`absent`, `untested`, `true`, or what is wrong with it most often."""
        if not self.present:
            return "absent"
        wrong = {name: count for name, count in self.outcomes.items() if name != "true"}
        total = sum(self.outcomes.values())
        if not total:
            return "untested"
        # One in ten may have been bad luck at a border.
        return max(wrong, key=lambda name: wrong[name]) if sum(wrong.values()) > total / 10 else "true"

    def to_record(self) -> dict[str, Any]:
        """The header's story for the log."""
        return {
            "verdict": self.verdict,
            "present": self.present,
            "of": self.of,
            "outcomes": dict(self.outcomes),
            "values": list(self.values),
        }


def seconds_of(text: str, now: datetime | None = None) -> float | None:
    """The seconds that a header names: a number, `1m30s`, or a date; None for anything else."""
    text = text.strip().lower()
    try:
        value = float(text)
    except ValueError:
        pass
    else:
        return value if 0 <= value < 1e7 else None
    parts = _PARTS.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())


def promises(seen: Sequence[Observation], slack: float) -> Told:
    """Whether service came back when `Retry-After` said: not later, and not much sooner."""
    ordered = sorted(seen, key=lambda one: one.sent)
    refusals = [one for one in ordered if one.passed is False]
    outcomes: Counter[str] = Counter()
    promise = 0.0
    for one in ordered:
        if one.passed is False:
            # It was promised when the refusal was written, so by then it was due.
            if promise and one.sent >= promise:
                outcomes["too short"] += 1
            promise = one.answered + one.retry_after if one.retry_after is not None else 0.0
        elif one.passed:
            if promise and one.sent < promise - _ROUNDED - slack:
                outcomes["too long"] += 1
            elif promise:
                outcomes["true"] += 1
            promise = 0.0
    values = sorted({one.retry_after for one in refusals if one.retry_after is not None})
    return Told(
        present=sum(one.retry_after is not None for one in refusals),
        of=len(refusals),
        outcomes=dict(outcomes),
        values=tuple(values[:8]),
    )


def limits_told(seen: Sequence[Observation], opinion: Opinion) -> Told:
    """Whether `x-ratelimit-limit-*` names the limit that was found, of a minute or of its window."""
    told = Counter(one.limit for one in seen if one.limit is not None)
    answers = [one for one in seen if one.passed is not None and not one.failed]
    outcomes: Counter[str] = Counter()
    if opinion.best is not None:
        bounds = [(opinion.low, opinion.high), opinion.holds]
        for value, count in told.items():
            near = any(low * 0.98 - 1 <= value <= high * 1.02 + 1 for low, high in bounds)
            outcomes["true" if near else "not what was found"] += count
    return Told(present=sum(told.values()), of=len(answers), outcomes=dict(outcomes), values=tuple(sorted(told)[:8]))


def remaining_told(seen: Sequence[Observation], opinion: Opinion, price: Price = one_each) -> Told:
    """Whether `x-ratelimit-remaining-*` is what the limiter that was found had left."""
    told = [one for one in seen if one.remaining is not None]
    answers = [one for one in seen if one.passed is not None and not one.failed]
    outcomes: Counter[str] = Counter()
    best = opinion.best
    if best is not None and told:
        timeline = Timeline(
            seen, slack=opinion.slack, price=price, refused=best.refused_count, failed=best.failed_count
        )
        counted = best.limiter.counted(timeline)
        low, high = opinion.holds
        for index, one in enumerate(timeline.seen):
            if one.remaining is None:
                continue
            least, most = counted(index)
            own = timeline.prices[index][0] if one.passed else 0.0
            # It is written when the answer begins: what was sent until then counts as well.
            meanwhile = timeline.amount(one.sent, one.answered)
            room = max(2.0, 0.02 * low)
            if one.remaining < low - most - own - meanwhile - room and one.remaining > 0:
                outcomes["too low"] += 1
            elif one.remaining > max(0.0, high - least - own) + meanwhile + room:
                outcomes["too high"] += 1
            else:
                outcomes["true"] += 1
    return Told(present=len(told), of=len(answers), outcomes=dict(outcomes))

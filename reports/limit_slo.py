"""Objectives on limits: how much an endpoint has to let pass in a minute.

Law: as with every objective, it is kept or missed only where the bounds say so; until then there is not enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.limits import QUOTAS, Limit, shared
from reports.slo import SloResult, State


@dataclass(frozen=True)
class LimitObjective:
    """One objective: the quota that it is about, and an example."""

    quota: str
    example: float


LIMIT_OBJECTIVES: Mapping[str, LimitObjective] = {
    "rpm_limit_at_least": LimitObjective("requests", 1_000),
    "tpm_limit_at_least": LimitObjective("tokens", 200_000),
}


@dataclass(frozen=True, kw_only=True)
class LimitResult(SloResult):
    """An objective on a limit: all figures are a minute's."""

    @property
    def is_share(self) -> bool:
        """Never."""
        return False

    @property
    def text(self) -> str:
        """What the objective bounds, in words."""
        return f"the limit in {QUOTAS[LIMIT_OBJECTIVES[self.name].quota]}"

    def figure(self, value: float | None) -> str:
        """A value with its unit; a dash for None."""
        return "-" if value is None else f"{value:,.0f} {QUOTAS[LIMIT_OBJECTIVES[self.name].quota]}"


@dataclass(frozen=True, kw_only=True)
class LimitSummary:
    """One search with its objectives, and why it is in doubt (empty when it is not)."""

    limit: Limit
    slos: tuple[SloResult, ...]
    doubt: str = ""

    @property
    def profile(self) -> str:
        """The name of its profile."""
        return self.limit.profile


def summarize_limit(limit: Limit, slo: Mapping[str, float]) -> LimitSummary:
    """Judge a search by those of the gate's objectives that are about its quota."""
    results = tuple(
        judge_limit(name, least, limit)
        for name, least in slo.items()
        if name in LIMIT_OBJECTIVES and LIMIT_OBJECTIVES[name].quota == limit.quota
    )
    return LimitSummary(
        limit=limit, slos=results, doubt="" if limit.valid else f"its search is not valid: {limit.reason}"
    )


def _explained(limit: Limit, least: float) -> bool:
    """Whether what others use may be what is lacking."""
    if limit.others is None or limit.high is None:
        return False
    most = limit.others.get("high")
    return most is None or limit.high + most >= least


def judge_limit(name: str, least: float, limit: Limit) -> LimitResult:
    """Judge one objective on one search."""
    state: State = "not-enough"
    message = ""
    if not limit.valid:
        state, message = "not-judged", f"the search is not valid: {limit.reason}"
    elif limit.low >= least:
        state = "pass"
    elif limit.found and limit.high is not None and limit.high < least and not limit.rivals:
        state, message = ("not-enough", shared(limit)) if _explained(limit, least) else ("fail", "")
    else:
        message = limit.open or (
            "the bounds leave it open on which side it lies" if limit.found else "nothing was refused up to there"
        )
    return LimitResult(
        name=name,
        profile=limit.profile,
        limit=least,
        state=state,
        value=limit.low if limit.high is None else (limit.low + limit.high) / 2,
        low=limit.low,
        high=limit.high,
        samples=limit.requests,
        message=message,
    )

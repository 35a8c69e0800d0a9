"""The two profiles that look for limits, and what they may cost: known before their first request.

Law: a plan's bounds are the prober's; what it may cost is what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from loadtests.arrivals import Schedule
from loadtests.limits.finding import DOCUMENTED
from loadtests.limits.steps import Bounds
from loadtests.limits.tariff import tokens_of_trial
from loadtests.plans import Plan
from loadtests.profiles import PlanError, Profile
from loadtests.prompts import most_tokens
from schemas.model import ROUTES

# A prompt of a few words, and one token of an answer: what a request costs is not what is looked for.
_SHORT = 12
# Requests that may be sent and refused, as shares of what is looked up to in a minute.
_SENT = 6.0
_REFUSED = 1.3
_LEAST_REFUSED = 60


@dataclass(frozen=True, kw_only=True)
class LimitProfile:
    """One search. `up_to` is the limit a minute up to which is looked; `longest` the longest window (s).

    `rate` is the most requests a second, `seconds` the most time; `prompt_tokens` is about what a prompt has.
    """

    name: str
    title: str
    quota: str
    up_to: float
    rate: float
    prompt_tokens: int
    longest: float = 60.0
    seconds: float = 480.0
    max_tokens: int = 1
    deadline: float = 30.0
    route: str = "chat"


LIMIT_PROFILES: Mapping[str, LimitProfile] = {
    row.name: row
    for row in (
        LimitProfile(
            name="request-limit",
            title="Finds the requests-per-minute limit: its size, its kind, and whether what is said of it is true",
            quota="requests",
            up_to=2 * DOCUMENTED["requests"],
            rate=100.0,
            prompt_tokens=_SHORT,
        ),
        LimitProfile(
            name="token-limit",
            title="Finds the tokens-per-minute limit, and what a request counts",
            quota="tokens",
            up_to=1.2 * DOCUMENTED["tokens"],
            rate=20.0,
            prompt_tokens=500,
        ),
    )
}
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "up_to": (1, 10_000_000),
    "rate": (0.1, 1_000),
    "longest": (1, 3_600),
    "seconds": (1, 7_200),
    "max_tokens": (1, 100_000),
    "prompt_tokens": (1, 100_000),
    "deadline": (0.1, 600),
}


_NOTHING = Bounds(requests=0, refused=0, seconds=0.0)


@dataclass(frozen=True)
class LimitPlan(Plan):
    """A search made exact; `requests`, `tokens` and `seconds` are upper bounds, `likely` if it is as documented."""

    search: LimitProfile = LIMIT_PROFILES["request-limit"]
    limits: Bounds = _NOTHING

    def schedule(self, seed: int) -> Schedule:
        """None: what is sent depends on what came back."""
        raise PlanError(f"{self.search.name} has no schedule (seed {seed}): each answer decides what is asked next")

    @property
    def trial(self) -> int:
        """The most tokens that are used to see how a request is charged."""
        return _trial(self.search)

    def to_record(self) -> dict[str, Any]:
        """The plan as a JSON object for the log."""
        row = {field.name: getattr(self.search, field.name) for field in fields(LimitProfile)}
        own = {name: getattr(self, name) for name in ("requests", "tokens", "likely")}
        return {**row, **own, "refused": self.limits.refused, "warmup": 0}

    def __str__(self) -> str:
        row = self.search
        how = f"; at most {self.trial:,} of the tokens to see how they are charged" if self.trial else ""
        return (
            f"{row.name}: looks for a limit up to {row.up_to:,.0f} {row.quota} a minute with windows up to "
            f"{row.longest:g} s; at most {self.requests:,} {row.route} requests at {row.rate:g} per second, "
            f"{self.limits.refused:,} of them refused, about {self.likely:,} and at most {self.tokens:,} tokens, "
            f"{row.seconds:,.0f} s{how}"
        )


def limit_plan(name: str, overrides: Mapping[str, Any]) -> LimitPlan:
    """What that search does, with the user's changes (None is ignored); `PlanError` for senseless ones."""
    changes = {key: value for key, value in overrides.items() if value is not None}
    if "duration" in changes:
        changes["seconds"] = changes.pop("duration")
    row = LIMIT_PROFILES[name]
    if unknown := sorted(set(changes) - set(_BOUNDS) - {"route"}):
        raise PlanError(f"{name} has no {', '.join(unknown)}; it has {', '.join((*_BOUNDS, 'route'))}")
    row = replace(row, **{key: _checked(row, key, value) for key, value in changes.items()})
    each = row.prompt_tokens + row.max_tokens if row.quota == "tokens" else 1
    whole = max(8.0, row.up_to * max(1.0, row.longest / 60) / each)
    bounds = Bounds(
        requests=int(_SENT * whole) + 100,
        refused=max(_LEAST_REFUSED, int(_REFUSED * min(whole, DOCUMENTED[row.quota] / each))),
        seconds=row.seconds,
        rate=row.rate,
        aim=row.up_to / each,
        longest=row.longest,
    )
    likely = int(3 * min(whole, DOCUMENTED[row.quota] / each))
    profile = Profile(
        name=row.name,
        title=row.title,
        rate=row.rate,
        duration=row.seconds,
        max_tokens=str(row.max_tokens),
        prompt_tokens=str(row.prompt_tokens),
        route="completions" if row.route == "completions" else "chat",
        warmup=0,
        deadline=row.deadline,
        drain=row.deadline + 5,
    )
    return LimitPlan(
        profile,
        bounds.requests,
        bounds.requests * (most_tokens(row.prompt_tokens) + row.max_tokens) + _trial(row),
        likely * (row.prompt_tokens + row.max_tokens),
        row.seconds,
        row,
        bounds,
    )


def _trial(row: LimitProfile) -> int:
    """The most tokens that are used to see how a request is charged."""
    return tokens_of_trial(row.up_to * max(1.0, row.longest / 60)) if row.quota == "tokens" else 0


def _checked(row: LimitProfile, key: str, value: Any) -> Any:
    if key == "route":
        if value not in ROUTES:
            raise PlanError(f"route is one of {', '.join(ROUTES)}, not {value!r}")
        return value
    least, most = _BOUNDS[key]
    # A length is a text elsewhere: a search has one prompt and one answer, so it takes a number of them only.
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PlanError(f"{key} is a number from {least:g} to {most:,g}, not {value!r}")
    return int(value) if isinstance(getattr(row, key), int) else float(value)

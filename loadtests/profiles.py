"""What a load run does and what it may cost, as rows: everything about a run that is known before its first request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from loadtests.arrivals import ARRIVALS, Schedule
from loadtests.prompts import most_tokens
from schemas.model import ROUTES, Route


class PlanError(ValueError):
    """The user asked for a run that makes no sense or costs more than allowed; the message says which value and why."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of load.

    `rate` is in requests per second, `duration`, `deadline` (for one request) and `drain` (for those still under way
    when the last was sent) in seconds, `prompt_tokens` approximate. `warmup` requests go ahead of the schedule and
    count in no figure; `streams` is the most that may be open at once; `token_cap` the tokens after which nothing
    more is sent (0: the upper bound of the plan).
    """

    name: str
    title: str
    rate: float
    duration: float
    max_tokens: int
    prompt_tokens: int = 64
    route: Route = "chat"
    arrivals: str = "constant"
    warmup: int = 2
    deadline: float = 60.0
    drain: float = 65.0
    streams: int = 512
    token_cap: int = 0


PROFILES: Mapping[str, Profile] = {
    row.name: row
    for row in (
        Profile(
            name="streaming",
            title="Streams at a constant rate, whether or not earlier ones have ended",
            rate=5.0,
            duration=10.0,
            max_tokens=16,
        ),
    )
}

# What a user may change, and the bounds of it: (least, most), both allowed.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rate": (0.01, 10_000.0),
    "duration": (0.05, 86_400.0),
    "max_tokens": (1, 1_000_000),
    "prompt_tokens": (1, 1_000_000),
    "warmup": (0, 100),
    "deadline": (0.1, 600.0),
    "drain": (0.1, 3_600.0),
    "streams": (1, 20_000),
    "token_cap": (0, 10**12),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {"route": ROUTES, "arrivals": tuple(ARRIVALS)}


@dataclass(frozen=True)
class Plan:
    """A profile made exact.

    `requests` and `tokens`, an upper bound, include the warm-up; `likely` is what the run costs where a word is a
    token; `seconds` is the time until the last request is sent.
    """

    profile: Profile
    requests: int
    tokens: int
    likely: int
    seconds: float

    @property
    def scheduled(self) -> int:
        """How many requests are sent on schedule, that is, without the warm-up."""
        return self.requests - self.profile.warmup

    def schedule(self, seed: int) -> Schedule:
        """When each request is due, in seconds from the start."""
        return ARRIVALS[self.profile.arrivals](self.scheduled, self.profile.rate, seed)

    def to_record(self) -> dict[str, Any]:
        """The plan as a JSON object for the log."""
        own = {name: getattr(self, name) for name in ("requests", "tokens", "likely", "seconds")}
        return {**asdict(self.profile), **own}

    def __str__(self) -> str:
        row = self.profile
        return (
            f"{row.name}: {self.requests:,} {row.route} requests ({self.scheduled:,} at {row.rate:g} per second, "
            f"{row.warmup} to warm up), about {self.likely:,} and at most {self.tokens:,} tokens, {self.seconds:.0f} s "
            f"and up to {row.drain:.0f} s for the last answers"
        )


def profile(name: str) -> Profile:
    """The profile of that name; `PlanError` when there is none."""
    if name not in PROFILES:
        raise PlanError(f"there is no load profile {name!r}; there is {', '.join(PROFILES)}")
    return PROFILES[name]


def plan(row: Profile, overrides: Mapping[str, Any] | None = None) -> Plan:
    """What a run of that profile does, with the user's changes (those that are None are ignored).

    Raises `PlanError` for an unknown or senseless value and for a plan that is likely to cost more than its cap.
    """
    known = {field.name for field in fields(Profile)} - {"name", "title"}
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    if unknown := sorted(set(changes) - known):
        raise PlanError(f"a load profile has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    changed = replace(row, **{key: _checked(key, value) for key, value in changes.items()})
    if "drain" not in changes:
        # Whoever allows a request more time means the last one too.
        changed = replace(changed, drain=changed.deadline + 5)
    # Rounded, so that 0.1 s at 30 per second are three requests and not two by a hair.
    scheduled = max(1, math.floor(round(changed.rate * changed.duration, 6)))
    requests = scheduled + changed.warmup
    tokens = requests * (most_tokens(changed.prompt_tokens) + changed.max_tokens)
    likely = requests * (changed.prompt_tokens + changed.max_tokens)
    if 0 < changed.token_cap < likely:
        raise PlanError(
            f"{requests:,} requests are likely to cost {likely:,} tokens and the cap is {changed.token_cap:,}: "
            "lower the rate, the duration or max_tokens, or raise the cap"
        )
    return Plan(changed, requests, tokens, likely, scheduled / changed.rate)


def _checked(key: str, value: Any) -> Any:
    """The value with the type that its field has; `PlanError` when it is out of bounds."""
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise PlanError(f"{key} is one of {', '.join(_CHOICES[key])}, not {value!r}")
        return value
    least, most = _BOUNDS[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PlanError(f"{key} is a number from {least:g} to {most:,g}, not {value!r}")
    whole = isinstance(getattr(PROFILES["streaming"], key), int)
    if whole and value != int(value):
        raise PlanError(f"{key} is a whole number, not {value!r}")
    return int(value) if whole else float(value)

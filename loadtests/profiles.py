"""The kinds of load, as rows: what each sends, and between which bounds a user may change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from loadtests.arrivals import ARRIVALS
from schemas.model import ROUTES, Route


class PlanError(ValueError):
    """The user asked for a run that makes no sense or costs more than allowed; the message says which value and why."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of load.

    `rate` is in requests per second, `duration`, `deadline` (for one request) and `drain` (for those still under way
    when the last was sent) in seconds. `warmup` requests go ahead of the schedule and count in no figure; `streams` is
    the most that may be open at once; `token_cap` the tokens after which nothing more is sent (0: the upper bound of
    the plan).

    Open loop: `arrivals` of `burstiness` at `rate`, or rising from `rate_from` to it, or by `steps`, or as a `trace`
    says. Closed loop: `concurrency` users, each of whom waits `think` seconds on average after an answer; `requests`
    is then the most that they send. `prompt_tokens` (approximate) and `max_tokens` are a length or a distribution
    (`loadtests.lengths`); `prompt_file`, `prefix_share`, `prefixes`, `turns` and `mix` are those of
    `loadtests.workload`. `goodput` has the bounds that a good answer keeps (`loadtests.goodput`). `search` names what
    chooses the rate of one trial after another; then `rate_most`, `resolution` and `share` are its bounds.
    """

    name: str
    title: str
    rate: float
    duration: float
    max_tokens: int | str
    prompt_tokens: int | str = 64
    route: Route = "chat"
    arrivals: str = "constant"
    burstiness: float = 1.0
    rate_from: float = 0.0
    steps: str = ""
    trace: str = ""
    concurrency: int = 0
    think: float = 0.0
    requests: int = 0
    prompt_file: str = ""
    prefix_share: float = 0.0
    prefixes: int = 1
    turns: int = 1
    mix: str = ""
    goodput: str = ""
    search: str = ""
    rate_most: float = 0.0
    resolution: float = 0.1
    share: float = 0.95
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
        Profile(
            name="mixed",
            title="Completions and chat, streamed and whole, of varied lengths, as a Poisson process",
            rate=5.0,
            duration=20.0,
            max_tokens="lognormal:16:0.5:64",
            prompt_tokens="lognormal:64:0.8:512",
            arrivals="poisson",
            mix="chat=4,completions=2,chat-whole=2,completions-whole=1",
            # Each kind once: a route that nobody has asked yet may be cold.
            warmup=4,
        ),
        Profile(
            name="burst",
            title="A load that the endpoint bears, then five times as much, then the first again: how soon it recovers",
            rate=4.0,
            duration=60.0,
            max_tokens=16,
            steps="4:20,20:10,4:30",
            streams=2048,
        ),
        Profile(
            name="soak",
            title="The same load for long: whether latency, errors or this client's memory drift",
            rate=2.0,
            duration=3600.0,
            max_tokens=16,
            arrivals="poisson",
        ),
        Profile(
            name="capacity",
            title="The highest rate at which answers stay good, by bisection, each step with a stated confidence",
            rate=2.0,
            rate_most=64.0,
            duration=10.0,
            max_tokens=16,
            arrivals="poisson",
            search="capacity",
            goodput="ttft:1000,tpot:100",
        ),
    )
}

# What a user may change, and the bounds of it: (least, most), both allowed.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "rate": (0.01, 10_000.0),
    "duration": (0.05, 86_400.0),
    "burstiness": (0.01, 1_000.0),
    "rate_from": (0.0, 10_000.0),
    "concurrency": (0, 20_000),
    "think": (0.0, 3_600.0),
    "requests": (0, 10_000_000),
    "prefix_share": (0.0, 0.99),
    "prefixes": (1, 1_000_000),
    "turns": (1, 100),
    "rate_most": (0.01, 10_000.0),
    "resolution": (0.01, 1.0),
    "share": (0.5, 0.999),
    "warmup": (0, 100),
    "deadline": (0.1, 600.0),
    "drain": (0.1, 3_600.0),
    "streams": (1, 20_000),
    "token_cap": (0, 10**12),
}
CHOICES: Mapping[str, tuple[str, ...]] = {"route": ROUTES, "arrivals": tuple(ARRIVALS)}
TEXTS = ("prompt_tokens", "max_tokens", "steps", "trace", "prompt_file", "mix", "goodput")
FILES = ("trace", "prompt_file")
# What a profile is cannot be changed in it.
_FIXED = ("name", "title", "search")
_MOST_TEXT = 10_000


def profile(name: str) -> Profile:
    """The profile of that name; `PlanError` when there is none."""
    if name not in PROFILES:
        raise PlanError(f"there is no load profile {name!r}; there is {', '.join(PROFILES)}")
    return PROFILES[name]


def changed(row: Profile, overrides: Mapping[str, Any] | None) -> Profile:
    """The profile with the user's changes (those that are None are ignored), each checked by itself.

    Whatever asks for another shape of load takes the place of the row's: a `concurrency` that of its steps, a `rate`
    or `duration` that of its steps as well. Raises `PlanError` for an unknown or senseless value.
    """
    known = {field.name for field in fields(Profile)} - set(_FIXED)
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    if unknown := sorted(set(changes) - known):
        raise PlanError(f"a load profile has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    made = replace(row, **{key: _checked(key, value) for key, value in changes.items()})
    if (
        row.steps
        and "steps" not in changes
        and {"rate", "duration", "rate_from", "trace", "concurrency"} & set(changes)
    ):
        made = replace(made, steps="")
    if row.mix and "route" in changes and "mix" not in changes:
        made = replace(made, mix="")
    if "drain" not in changes:
        # Whoever allows a request more time means the last one too.
        made = replace(made, drain=made.deadline + 5)
    return made


def _checked(key: str, value: Any) -> Any:
    """The value with the type that its field has; `PlanError` when it is out of bounds."""
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise PlanError(f"{key} is one of {', '.join(CHOICES[key])}, not {value!r}")
        return value
    if key in TEXTS:
        return _text(key, value)
    least, most = BOUNDS[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PlanError(f"{key} is a number from {least:g} to {most:,g}, not {value!r}")
    whole = isinstance(getattr(PROFILES["streaming"], key), int)
    if whole and value != int(value):
        raise PlanError(f"{key} is a whole number, not {value!r}")
    return int(value) if whole else float(value)


def _text(key: str, value: Any) -> int | str:
    """A text, which is looked into when the plan is made; a length may be a plain number too."""
    is_length = key in ("prompt_tokens", "max_tokens")
    if is_length and isinstance(value, int | float) and not isinstance(value, bool):
        if value != value or value != int(value):  # noqa: PLR0124 - NaN is unlike itself
            raise PlanError(f"{key} is a whole number, not {value!r}")
        return int(value)
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise PlanError(f"{key} is text of at most {_MOST_TEXT:,} characters, not {str(value)[:40]!r}")
    return int(value) if is_length and value.strip().isdecimal() else value.strip()

"""A run as its log tells it: frozen values in, frozen values out.

Law: a log without `end` is not a complete run, and a damaged log is an error with its line number, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.wire.exchange import Exchange
from reports.limits import Limit
from schemas.model import Requirement

STATUSES = ("pass", "fail", "skip", "unsupported", "blocked", "inconclusive", "error")
END_STATUSES = ("complete", "interrupted", "aborted")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one check ended. `exchanges` are ids, the decisive one last; `count` is how often it was seen to fail.

    `status` is one of `STATUSES`; `readings` has the reading of each erratum that the check settled; `seconds`,
    `requests` and `tokens` (an upper bound) are what the check spent. `round` counts from 1; `rounds` has the status of
    each round where a check ran in several, and this outcome is then the worst of them.
    """

    check: str
    title: str
    area: str
    route: str | None
    cites: tuple[str, ...]
    status: str
    message: str = ""
    hint: str = ""
    exchanges: tuple[str, ...] = ()
    count: int = 0
    readings: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    requests: int = 0
    tokens: int = 0
    round: int = 1
    rounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.check}: status {self.status!r} is not one of {', '.join(STATUSES)}")

    @property
    def unstable(self) -> bool:
        """Whether its rounds did not all end alike."""
        return len(set(self.rounds)) > 1

    def to_record(self) -> dict[str, Any]:
        """The outcome as a record of the log."""
        return {
            "type": "outcome",
            "check": self.check,
            "title": self.title,
            "area": self.area,
            "route": self.route,
            "cites": list(self.cites),
            "status": self.status,
            "message": self.message,
            "hint": self.hint,
            "exchanges": list(self.exchanges),
            "count": self.count,
            "readings": dict(self.readings),
            "seconds": self.seconds,
            "requests": self.requests,
            "tokens": self.tokens,
            "round": self.round,
        }


@dataclass(frozen=True, kw_only=True)
class Capability:
    """Whether an endpoint takes a documented option at all. `requirement` is the option's row.

    `supported` is false only for one that is refused in every form asked for, and `message` says how; whether the
    answers to one that is taken are right is for the checks. `exchanges` are ids, the decisive one last.
    """

    route: str
    parameter: str
    requirement: str
    supported: bool
    message: str = ""
    exchanges: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The option as a gate and the reports name it: `chat.logprobs`."""
        return f"{self.route}.{self.parameter}"

    def to_record(self) -> dict[str, Any]:
        """The capability as a record of the log."""
        return {
            "type": "capability",
            "route": self.route,
            "parameter": self.parameter,
            "requirement": self.requirement,
            "supported": self.supported,
            "message": self.message,
            "exchanges": list(self.exchanges),
        }


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """A mergeable distribution: `encoded` is an HdrHistogram in base64, its values in `unit`."""

    unit: str
    encoded: str


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one load profile did: requests by outcome, latency histograms by measure, tokens by kind, seconds.

    `valid` is false when the figures describe the generator rather than the endpoint; `reason` says why. `examples` are
    details of failed requests by outcome; `tokens_per_chunk` is 0 where the endpoint counted none; `self_check` and
    `client` are what the generator found out about itself; `proxy` is the name of one between it and the endpoint.
    """

    profile: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    valid: bool = True
    reason: str = ""
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens_per_chunk: float = 0.0
    self_check: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    proxy: str = ""

    @property
    def requests(self) -> int:
        """How many requests ended, in whatever way."""
        return sum(self.counts.values())

    @property
    def planned(self) -> int:
        """How many requests the plan meant to send on schedule, without its warm-up; 0 when it does not say."""
        requests, warmup = self.plan.get("requests"), self.plan.get("warmup", 0)
        return max(0, requests - warmup) if isinstance(requests, int) and isinstance(warmup, int) else 0

    @property
    def generated(self) -> int:
        """How many tokens went in and came out."""
        return self.tokens.get("prompt", 0) + self.tokens.get("completion", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request of a load: seconds on the run's clock (None for what never happened), and how it ended."""

    outcome: str
    status: int | None
    t_intended: float | None
    t_sent: float | None
    t_first: float | None
    t_last: float | None
    t_end: float | None
    prompt_tokens: int
    completion_tokens: int
    chunks: int


@dataclass(frozen=True, kw_only=True)
class End:
    """How the run ended (`status` is one of `END_STATUSES`), why, and what it spent in all."""

    status: str
    reason: str = ""
    seconds: float = 0.0
    requests: int = 0
    tokens: int = 0

    def __post_init__(self) -> None:
        if self.status not in END_STATUSES:
            raise ValueError(f"end status {self.status!r} is not one of {', '.join(END_STATUSES)}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `outcomes` are in the order in which checks ended; `samples` stays empty unless asked for.

    `truncated` says that the last line of the log was cut off and left out.
    """

    id: str
    started: str
    command: str
    target: str
    contract: str
    seatrial: str = ""
    seed: int = 0
    profile: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: tuple[str, ...] = ()
    rows: tuple[Requirement, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    loads: tuple[Load, ...] = ()
    limits: tuple[Limit, ...] = ()
    samples: tuple[Sample, ...] = ()
    sample_count: int = 0
    end: End | None = None
    truncated: bool = False

    @property
    def complete(self) -> bool:
        """Whether the run went to its end."""
        return not self.incomplete

    @property
    def incomplete(self) -> str:
        """Why the run is no complete one, in one line; empty when it is."""
        if self.end is None:
            return "the log has no end: the run was cut off" + (" in the middle of a line" if self.truncated else "")
        if self.end.status == "complete":
            return "a line was cut off after the run's end" if self.truncated else ""
        return f"the run was {self.end.status}" + (f": {self.end.reason}" if self.end.reason else "")

    @property
    def partial(self) -> bool:
        """Whether a selection of the checks was asked for, by hand or by a profile: others are rightly missing."""
        return any(self.settings.get(name) for name in ("only", "skip", "left_out"))

    @property
    def not_run(self) -> tuple[str, ...]:
        """The planned checks that have no outcome."""
        ended = {outcome.check for outcome in self.outcomes}
        return tuple(check for check in self.planned if check not in ended)

    @classmethod
    def read(cls, path: Path, *, samples: bool = False) -> Run:
        """The run that a log tells of, read line by line; `LogError` when the file is no log or a line is damaged."""
        # Here, because the reader builds the values of this module.
        from reports.reader import read_run  # noqa: PLC0415

        return read_run(path, samples=samples)

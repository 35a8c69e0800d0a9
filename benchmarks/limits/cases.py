"""The limiters that the search is tried on: three kinds in five sizes, shorter windows, none, and traps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reference_server.meters import SECOND, Both, Bucket, FixedWindow, Meter, SlidingWindow

KINDS: dict[str, type[FixedWindow | SlidingWindow | Bucket]] = {
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
    "bucket": Bucket,
}
FAMILIES = {"fixed": "fixed window", "sliding": "sliding window", "bucket": "token bucket", "none": ""}
TRAPS = ("", "no retry", "retry too short", "retry too long", "limit doubled", "others")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One limiter: `limit` in `span` seconds; `part` is the span of a second window with its share (s)."""

    kind: str
    limit: int
    span: int = 60
    part: int | None = None
    trap: str = ""

    @property
    def name(self) -> str:
        """What it is called in a table."""
        if self.kind == "none":
            return "none"
        parts = [f"{self.kind} {self.limit} in {self.span} s"]
        parts += [f"also {-(-self.limit * self.part // self.span)} in {self.part} s"] if self.part else []
        return ", ".join([*parts, self.trap] if self.trap else parts)

    @property
    def a_minute(self) -> float:
        """The true limit a minute that a steady client meets; 0 without one.

        A bucket behind a smaller one that is refilled nearly as slowly is not met before it is empty: half an hour or
        more, so that until then the smaller one is the limit.
        """
        if self.kind == "bucket" and self.part is not None:
            return -(-self.limit * self.part // self.span) * 60 / self.part
        return self.limit * 60 / self.span if self.kind != "none" else 0.0

    def meter(self) -> Meter:
        """A new meter of it."""
        whole = KINDS[self.kind](self.limit, self.span * SECOND)
        if self.part is not None:
            whole_share = -(-self.limit * self.part // self.span)
            whole = Both(whole, KINDS[self.kind](whole_share, self.part * SECOND))  # type: ignore[assignment]
        return Shared(whole, self.limit / self.span / 10) if self.trap == "others" else whole


class Shared:
    """A meter that somebody else uses as well, steadily."""

    def __init__(self, meter: Meter, rate: float) -> None:
        self._meter = meter
        self._gap = round(SECOND / rate)
        self._next = 0

    def wait(self, amount: int, now: int) -> int:
        self._others(now)
        return self._meter.wait(amount, now)

    def add(self, amount: int, now: int) -> None:
        self._meter.add(amount, now)

    def settle(self, added_at: int, change: int, now: int) -> None:
        self._meter.settle(added_at, change, now)

    def remaining(self, now: int) -> int:
        self._others(now)
        return self._meter.remaining(now)

    def _others(self, now: int) -> None:
        self._next = self._next or now
        # What they would have asked for in an hour of silence is not worth the time.
        self._next = max(self._next, now - 120 * SECOND)
        while self._next <= now:
            if not self._meter.wait(1, self._next):
                self._meter.add(1, self._next)
            self._next += self._gap


def minutes(limits: tuple[int, ...] = (30, 100, 300, 1000, 3000)) -> list[Case]:
    """Limits a minute."""
    found = [Case(kind=kind, limit=limit) for kind in KINDS for limit in limits]
    found += [Case(kind=kind, limit=1000, part=part) for kind in KINDS for part in (1, 10)]
    found += [Case(kind="none", limit=0)]
    return found + [Case(kind=kind, limit=300, trap=trap) for kind in KINDS for trap in TRAPS[1:]]


def seconds(limits: tuple[int, ...] = (10, 25, 50, 100, 200), span: int = 5) -> list[Case]:
    """The same in windows of a few seconds, for real time."""
    found = [Case(kind=kind, limit=limit, span=span) for kind in KINDS for limit in limits]
    found += [Case(kind="none", limit=0, span=span)]
    return found + [replace(Case(kind="sliding", limit=50, span=span), trap=trap) for trap in TRAPS[1:]]


def lie(trap: str, wait: float) -> float | None:
    """The Retry-After of that trap, where the truth is `wait`."""
    true = float(max(1, -(-wait // 1)))
    if trap == "no retry":
        return None
    return {"retry too short": 1.0, "retry too long": true + 120}.get(trap, true)

"""Endpoints in virtual time that charge tokens, in each way there is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from loadtests.limits.charging import judged_tokens, price_of
from loadtests.limits.finding import Finding, finding
from loadtests.limits.fitting import Fit
from loadtests.limits.limiters import Bucket, Fixed, Limiter, Sliding
from loadtests.limits.observed import Asked
from loadtests.limits.opinion import Opinion
from loadtests.limits.prober import Prober
from loadtests.limits.steps import Bounds, Course
from loadtests.limits.virtual import Answer, Network, rehearse
from reference_server.meters import SECOND, Meter
from tests.loadtests.limits.worlds import NEAR, meter

Way = Literal["usage", "unsettled", "settled"]
_EACH = 0.01
BOUNDS = Bounds(requests=4000, refused=300, seconds=900, rate=20, aim=100)
Shown = Callable[[float, float], float]


@dataclass
class Till:
    """Charges requests by `way`; `shown` is what its headers make of what is left at a time, None: no headers.

    `refuses` are the names of candidates that it refuses, `late` the seconds until it settles.
    """

    counts: Meter
    way: Way
    multiplied: bool = True
    shown: Shown | None = None
    refuses: tuple[str, ...] = ()
    longest: int = 100_000
    late: float = 0.0
    at_end: bool = False

    def __call__(self, now: float, asked: Asked) -> Answer:
        at = round(now * SECOND)
        name = "n" if asked.kind == "probe-n" else "best_of"
        if (asked.candidates > 1 and name in self.refuses) or asked.max_tokens > self.longest:
            return Answer(passed=True, status=400)
        times = asked.candidates if self.multiplied else 1
        used = asked.prompt + (asked.max_tokens if asked.kind in ("plain", "probe-long") else asked.candidates)
        most = asked.prompt + asked.max_tokens * times
        charge = 1 if self.way == "usage" else most
        if wait := self.counts.wait(charge, at):
            return Answer(passed=False, retry_after=float(-(-wait // SECOND)), remaining=self._left(now))
        if self.way != "usage":
            self.counts.add(charge, at)
        answer = Answer(passed=True, used=used, remaining=self._left(now), takes=_EACH * (used - asked.prompt))

        def settle(then: float) -> None:
            moment = round(then * SECOND)
            if self.way == "usage":
                self.counts.add(used, moment)
            elif self.way == "settled":
                self.counts.settle(at, used - most, moment)

        return replace(answer, settle=settle)

    def _left(self, now: float) -> float | None:
        return None if self.shown is None else self.shown(now, float(self.counts.remaining(round(now * SECOND))))


def exact(_: float, left: float) -> float:
    return left


def tried(till: Till, *, start: float = 17.3, longest: float = 60.0, network: Network = NEAR) -> tuple[Prober, Finding]:
    """The search at that till, and what it found."""
    prober = Prober(
        replace(BOUNDS, longest=longest),
        judged_tokens,
        plain=Asked(prompt=400),
        finer=[Asked(prompt=100), Asked(prompt=25)],
        wide=Asked(kind="wide", prompt=16, max_tokens=400),
    )
    rehearse(prober, till, network, start=start)
    return prober, finding(prober, "tokens", price_of(prober.seen, prober.opinion))


class KnownLimit(Prober):
    """A search that is over but for how requests are charged."""

    def __init__(self, kind: str, limit: int) -> None:
        limiters: dict[str, Limiter] = {
            "bucket": Bucket(limit / 60),
            "sliding": Sliding(60.0),
            "fixed": Fixed(60.0, (0.0,)),
        }
        low, high = (0.995, 1.005) if kind == "bucket" else (0.999, 1.001)
        fit = Fit(limiter=limiters[kind], low=low * limit, high=high * limit, contradictions=0, checked=100)
        self.known = Opinion(
            best=replace(fit, spans=() if kind == "bucket" else (60.0,)),
            low=low * limit,
            high=high * limit,
            holds=(low * limit, high * limit),
            open="",
            slack=0.03,
        )
        plain = Asked(prompt=400)
        super().__init__(BOUNDS, judged_tokens, plain=plain, wide=Asked(kind="wide", prompt=16, max_tokens=400))
        self.opinion = self.known

    def _search(self) -> Course:
        for _ in range(3):
            yield from self.ledger.send(self.ledger.now + 0.1, self._plain)
        if self.known.family == "fixed window":
            yield from self._see_a_window_begin()
        yield from self._try_charges()

    def _see_a_window_begin(self) -> Course:
        """Use up what the window has, and ask just before and just after its end."""
        ledger = self.ledger
        for asked in (replace(self._plain, prompt=int(self.known.low / 20)), self._plain):
            refused = ledger.refused
            while ledger.refused == refused:
                yield from ledger.send(ledger.now + 0.1, asked)
                yield from ledger.settle()
        ends = 60 * math.ceil((ledger.now + 3) / 60)
        for at in (ends - 2, ends + 0.1):
            yield from ledger.until(at)
            yield from ledger.send(at, self._plain)
            yield from ledger.settle()

    def _judged(self) -> Opinion:
        return self.known


def charged(kind: str, limit: int, at: Till, *, start: float = 17.3, network: Network = NEAR) -> KnownLimit:
    """How that till charges, asked after its limit is known."""
    prober = KnownLimit(kind, limit)
    rehearse(prober, at, network, start=start)
    return prober


def till(kind: str, limit: int, way: Way, **changes: object) -> Till:
    """A till at a meter of that kind."""
    return Till(meter(kind, limit), way, **changes)  # type: ignore[arg-type]

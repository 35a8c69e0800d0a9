"""Limiters in virtual time: the reference server's own meters, and others that it has not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from loadtests.limits.finding import Finding, finding
from loadtests.limits.observed import Asked
from loadtests.limits.opinion import judged
from loadtests.limits.prober import Prober
from loadtests.limits.steps import Bounds
from loadtests.limits.virtual import Answer, Network, rehearse
from reference_server.meters import SECOND, Both, Bucket, FixedWindow, Meter, SlidingWindow

NEAR = Network(way=0.008, jitter=0.006, answer=0.04, seed=1)
KINDS: dict[str, type[FixedWindow | SlidingWindow | Bucket]] = {
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
    "bucket": Bucket,
}
Admit = Callable[[float, Asked], Answer]


def meter(kind: str, capacity: int, span: int = 60, part: int | None = None) -> Meter:
    whole = KINDS[kind](capacity, span * SECOND)
    return whole if part is None else Both(whole, KINDS[kind](-(-capacity * part // span), part * SECOND))


class Served:
    """A meter behind an endpoint."""

    def __init__(
        self,
        counts: Meter,
        *,
        told: bool = False,
        retry: Callable[[float], float | None] = lambda _: None,
        failed_count: bool = True,
        refused_count: bool = False,
    ) -> None:
        self.meter = counts
        self.told = told
        self.retry = retry
        self.failed_count = failed_count
        self.refused_count = refused_count

    def __call__(self, now: float, asked: Asked) -> Answer:
        at = round(now * SECOND)
        wait = self.meter.wait(1, at)
        if wait:
            if self.refused_count:
                self.meter.add(1, at)
            return Answer(passed=False, retry_after=self.retry(wait / SECOND))
        broken = asked.kind == "broken"
        if self.failed_count or not broken:
            self.meter.add(1, at)
        return Answer(
            passed=True,
            status=400 if broken else 200,
            remaining=float(self.meter.remaining(at)) if self.told and not broken else None,
        )


def whole_seconds(wait: float) -> float:
    return float(max(1, -(-wait // 1)))


def search(
    admit: Admit, *, longest: float = 60.0, start: float = 17.3, network: Network = NEAR, **changes: float
) -> tuple[Prober, Finding, float]:
    """The prober when it was over, what it found, and the seconds that it took."""
    settings = {"requests": 9000, "refused": 400, "seconds": 8 * longest, "aim": 2000.0} | changes
    bounds = Bounds(
        requests=int(settings["requests"]),
        refused=int(settings["refused"]),
        seconds=settings["seconds"],
        rate=settings.get("rate", 100.0),
        aim=settings["aim"],
        longest=longest,
    )
    prober = Prober(bounds, partial(judged), plain=Asked(), broken=Asked(kind="broken"))
    ended = rehearse(prober, admit, network, start=start)
    return prober, finding(prober, "requests"), ended - start

"""A load run: warm up, send on schedule, drain, and say whether the figures can be believed.

Law: never more requests than planned, none written twice, and no figure without the load generator's own faults
beside it.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.event
import gevent.pool

from loadtests.alarm import Alarm
from loadtests.arrivals import shared_out
from loadtests.budget import Budget
from loadtests.closed import ClosedLoop
from loadtests.collect import UNREACHED, Collector, Sample, sample
from loadtests.gauges import Gauges
from loadtests.plans import Plan
from loadtests.pool import Pool
from loadtests.progress import Progress
from loadtests.selfcheck import Bias, CalibratedServer, check_self
from loadtests.streams import Reading, read_stream
from loadtests.talks import Talks
from loadtests.target import Target
from loadtests.watch import MOST_LAG_MS, Watch
from loadtests.wholes import read_whole
from loadtests.workload import Asked

# Beyond these a run says nothing about the endpoint.
MOST_LATENESS_MS = 50.0
LEAST_RATE = 0.95

# How long a stop waits for streams to be given up; the answer is read no further, so this is mere tidying.
_STOP_SECONDS = 0.5
# Time between the end of the warm-up and the first arrival (s), for the pool to settle.
_LEAD = 0.02


@dataclass(frozen=True)
class Start:
    """What comes between the warm-up and the schedule.

    `self_check` measures this process's own error; `begin_at` waits for whoever shares the load and returns the moment
    (ns) at which all begin, 0 when they never will.
    """

    self_check: bool = False
    begin_at: Callable[[], int] | None = None


class Campaign:
    """One run, or the share that worker `index` of `workers` has in it; `run` blocks its greenlet until it is over."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        pool: Pool,
        *,
        seed: int,
        index: int = 0,
        workers: int = 1,
        on_sample: Callable[[Sample], None] | None = None,
        start: Start | None = None,
    ) -> None:
        self.plan = plan
        self.collector = Collector()
        self.gauges = Gauges(plan)
        self.bias: Bias | None = None
        self._watch = Watch(self.collector.lagged)
        self._start = start or Start()
        self._target = target
        self._pool = pool
        self._seed = seed
        self._on_sample = on_sample
        self._loop = ClosedLoop(plan, seed, index, workers) if plan.closed else None
        self._talks = Talks(plan.workload) if plan.closed else None
        self._numbers = range(0 if plan.closed else plan.scheduled)[index::workers]
        self._schedule = shared_out(plan.schedule(seed), index, workers)
        self._warmups = range(plan.profile.warmup)[index::workers]
        self._budget = Budget((plan.profile.token_cap or plan.tokens) // workers)
        self._streams = gevent.pool.Group()
        self._stop = gevent.event.Event()
        self._reason = ""
        self._warmed: list[Reading] = []
        self._uncounted: deque[tuple[Reading, float, Asked]] = deque()
        self._news = gevent.event.Event()
        self._begun = time.perf_counter_ns()
        self._epoch = 0
        self._last_started = 0.0
        self._sent = self._done = self._warmup_spent = self._unsent = 0
        self._seconds = 0.0

    def run(self) -> None:
        """The whole run; never raises for what the endpoint does."""
        self._begun = time.perf_counter_ns()
        server = CalibratedServer() if self._start.self_check else None
        counting = gevent.spawn(self._count_when_idle)
        try:
            if self._warm_up() and self._trusted(server) and self._agreed():
                self._watch.start()
                self._send_all()
                self._drain()
        finally:
            if server is not None:
                server.close()
            self._watch.end()
            self._streams.kill(timeout=_STOP_SECONDS)
            self._pool.close()
            counting.kill()
            while self._uncounted:
                self._count(*self._uncounted.popleft())
            self._seconds = (time.perf_counter_ns() - (self._epoch or self._begun)) / 1e9

    def _trusted(self, server: CalibratedServer | None) -> bool:
        """Whether this process reads truly what another one sends, with as many streams as are likely to be open."""
        if server is not None:
            self.bias = check_self(len(self._pool), server)
            if why := self.bias.why_invalid():
                self.stop(why)
        return not self._stop.is_set()

    def _agreed(self) -> bool:
        """Wait until all who share the load are ready, and hear from which moment the schedule counts."""
        if self._start.begin_at is None:
            return True
        waiting = gevent.spawn(self._start.begin_at)
        gevent.wait([waiting, self._stop], count=1)
        self._epoch = waiting.value or 0 if waiting.ready() else 0
        waiting.kill()
        if not self._epoch:
            self.stop("the load was not begun: a process that shares it was lost")
        return bool(self._epoch)

    def stop(self, reason: str) -> None:
        """Send nothing more and give up what is under way; the run is not valid, for that reason."""
        self._reason = self._reason or reason
        self._stop.set()

    def progress(self) -> Progress:
        """How far the run is now."""
        return Progress(
            sent=self._sent,
            done=self._done,
            ok=self.collector.counts["ok"],
            tokens=self._budget.spent,
            seconds=(time.perf_counter_ns() - self._begun) / 1e9,
            planned=(self._loop.requests if self._loop else len(self._numbers)) + len(self._warmups),
        )

    def to_record(self) -> dict[str, Any]:
        """The run as the log's `load` record."""
        reason = self.why_invalid()
        return {
            "type": "load",
            "profile": self.plan.profile.name,
            "plan": self.plan.to_record(),
            **self.collector.to_record(),
            **self.gauges.to_record(),
            "seconds": round(self._seconds, 6),
            "valid": not reason,
            "reason": reason,
            "rate": {"planned": round(self._rate(), 4), "achieved": round(self._achieved() * self._rate(), 4)},
            "unsent": self._unsent,
            "warmup": {
                "counts": dict(Counter(reading.outcome for reading in self._warmed)),
                "tokens": self._warmup_spent,
            },
            "client": self._watch.to_record(),
            "proxy": self._target.proxy.name if self._target.proxy else "",
            "self_check": {"skipped": True} if self.bias is None else self.bias.to_record(),
        }

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        counts = self.collector.counts
        total = counts.total()
        achieved = self._achieved()
        reasons = (
            (self._reason, self._reason),
            (total == 0, "no request was sent"),
            (sum(counts[name] for name in UNREACHED) == total, f"unreachable: none of {total} requests was connected"),
            (self._unsent, f"{self._unsent} requests were not sent: {self.plan.profile.streams} streams were open"),
            (counts["abandoned"], f"{counts['abandoned']} streams had not ended when the time to drain was over"),
            (self.own_fault(), self.own_fault()),
            (achieved < LEAST_RATE, f"the load generator reached only {100 * achieved:.0f} % of the planned rate"),
        )
        return next((text for holds, text in reasons if holds), "")

    def own_fault(self) -> str:
        """What this process itself did wrong, whatever the endpoint did; empty when nothing."""
        late, late_share = self._worst("lateness")
        lag, lag_share = self._worst("loop_lag")
        if late > MOST_LATENESS_MS:
            return (
                f"the load generator was late: {late:.0f} ms at p{late_share:.0f}, where {MOST_LATENESS_MS:.0f} may be"
            )
        if lag > MOST_LAG_MS:
            return f"the load generator woke up {lag:.0f} ms late at p{lag_share:.0f}, where {MOST_LAG_MS:.0f} may be"
        return self._watch.why_invalid()

    def _worst(self, measure: str) -> tuple[float, float]:
        """A fault of ours in ms at p99, and that percentile."""
        # One in a hundred may be worse, and one in a shorter run: there the p99 is the maximum, a single hiccup.
        share = 100.0 - max(1.0, 100.0 / max(2, self.collector.histograms[measure].get_total_count()))
        return self.collector.percentile(measure, share), share

    def _achieved(self) -> float:
        """The share of the planned rate that was reached (1 at most)."""
        count = len(self._numbers)
        if not count:
            return 1.0
        seconds = self.plan.seconds
        begun = self.collector.counts.total() + len(self._streams)
        # A single late request at the end of a short run is lateness, which has its own bound, and no lower rate.
        return (begun / count) * (seconds / max(seconds, self._last_started - MOST_LATENESS_MS / 1000))

    def _rate(self) -> float:
        """The mean rate of this share of the plan, per second; that which came about where answers decide."""
        if self._loop is not None:
            return self.collector.counts.total() / max(self._seconds, 1e-9)
        whole = self.plan.scheduled / self.plan.seconds if self.plan.seconds else self.plan.profile.rate
        return whole * len(self._numbers) / max(1, self.plan.scheduled)

    def _warm_up(self) -> bool:
        """Send what counts in no figure and open connections; whether the run can go on."""
        jobs = []
        for number in self._warmups:
            jobs.append(self._streams.spawn(self._one, None, *self._request(-1 - number)))
            self._wait_for(jobs[-1:], self.plan.profile.deadline + 1)
            if self._stop.is_set():
                return False
        readings = self._warmed
        if readings and all(reading.outcome in UNREACHED for reading in readings):
            self.stop(f"unreachable: {readings[-1].detail}")
        elif readings and all(reading.outcome == "4xx" for reading in readings):
            self.stop(f"the endpoint refuses this load's requests: {readings[-1].detail}")
        if self._stop.is_set():
            self.collector.counts.update(reading.outcome for reading in readings)
            return False
        self._pool.warm(self._likely_streams(readings))
        return not self._stop.is_set()

    def _likely_streams(self, readings: list[Reading]) -> int:
        """How many streams will be open at once if the endpoint goes on as in the warm-up (Little's law)."""
        if self._loop is not None:
            return min(len(self._loop.users), self._loop.requests)
        seconds = max((reading.end - reading.started for reading in readings), default=0) / 1e9
        share = len(self._numbers) / max(1, self.plan.scheduled)
        wanted = 2 + int(1.5 * seconds * self.plan.shape.highest * share)
        return min(wanted, self.plan.profile.streams, len(self._numbers), 256)

    def _send_all(self) -> None:
        """Begin each request when it is due. The next body is made before waiting, so that making it delays nothing."""
        self._epoch = self._epoch or time.perf_counter_ns() + int(_LEAD * 1e9)
        alarm = Alarm(self._stop)
        try:
            if self._loop is None:
                self._send_each(alarm)
            else:
                self._send_as_answered(self._loop, alarm)
        finally:
            alarm.close()

    def _send_each(self, alarm: Alarm) -> None:
        for number, due in zip(self._numbers, self._schedule, strict=True):
            asked, request = self._request(number)
            if alarm.wait(due - self._now()):
                return
            held = self._hold(asked)
            if not held:
                return
            if len(self._streams) >= self.plan.profile.streams:
                self._unsent += 1
                self._budget.release(held)
                continue
            self._streams.spawn(self._one, due, asked, request, held)

    def _send_as_answered(self, loop: ClosedLoop, alarm: Alarm) -> None:
        alarm.wait(-self._now())
        users = [self._streams.spawn(loop.live, user, self._next, self._pause, self._now) for user in loop.users]
        self._wait_for(users, self.plan.seconds)

    def _drain(self) -> None:
        """Wait for the streams under way, until the time for that is over or the run is stopped."""
        self._wait_for(list(self._streams), self.plan.profile.drain)

    def _wait_for(self, jobs: list[Any], seconds: float) -> None:
        ended = gevent.spawn(gevent.joinall, jobs)
        gevent.wait([ended, self._stop], timeout=seconds, count=1)
        ended.kill()

    def _next(self, number: int) -> bool:
        """Send one request of a user and wait for its end; whether the user goes on."""
        asked, request = self._request(number)
        if self._stop.is_set() or not (held := self._hold(asked)):
            return False
        reading = self._one(max(0.0, self._now()), asked, request, held)
        if self._talks is not None:
            self._talks.heard(number, asked, reading)
        return reading.outcome != "abandoned"

    def _pause(self, seconds: float) -> bool:
        return bool(self._stop.wait(seconds))

    def _one(self, due: float | None, asked: Asked, request: bytes, held: int = 0) -> Reading:
        """Send one request and read its answer; `due` is None in the warm-up, `held` what `_hold` took."""
        self._sent += 1
        if due is not None:
            self._last_started = max(self._last_started, self._now())
        read = read_stream if asked.kind.stream else read_whole
        keep = 0 if self._talks is None else self._talks.keep
        reading = read(self._pool, request, deadline=self.plan.profile.deadline, keep=keep)
        self._done += 1
        cost = self._budget.settle(reading, asked, held)
        if due is None:
            self._warmed.append(reading)
            self._warmup_spent += cost
        else:
            self._uncounted.append((reading, due, asked))
            self._news.set()
        return reading

    def _count_when_idle(self) -> None:
        """Count what was read when no stream has anything to say: nobody waits for that, nor a user for the next."""
        while True:
            self._news.wait()
            self._news.clear()
            while self._uncounted:
                gevent.idle()
                self._count(*self._uncounted.popleft())

    def _count(self, reading: Reading, due: float, asked: Asked) -> None:
        measured = sample(reading, epoch=self._epoch, intended=due)
        self.collector.add(measured)
        self.gauges.add(measured, asked)
        if self._on_sample is not None:
            self._on_sample(measured)

    def _request(self, number: int) -> tuple[Asked, bytes]:
        """What the `number`-th request asks, and its bytes."""
        asked = (self._talks or self.plan.workload).asked(self._seed, number)
        return asked, self._target.letter(asked)

    def _hold(self, asked: Asked) -> int:
        """What the budget sets aside for one request more; 0 ends the run."""
        held = self._budget.hold(asked)
        if not held:
            # What is under way is paid for, so it is read to its end.
            self._reason = self._reason or f"the cap of {self._budget.room:,} tokens left no room for more requests"
        return held

    def _now(self) -> float:
        """Seconds on the run's clock."""
        return (time.perf_counter_ns() - self._epoch) / 1e9

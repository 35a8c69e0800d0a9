"""A load run in open loop: warm up, send on schedule, drain, and say whether the figures can be believed.

Law: never more requests than planned, none written twice, and no figure without the load generator's own faults
beside it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.event
import gevent.pool

from loadtests.alarm import Alarm
from loadtests.arrivals import shared_out
from loadtests.collect import UNREACHED, Collector, Sample, sample
from loadtests.pool import Pool
from loadtests.profiles import Plan
from loadtests.prompts import most_tokens
from loadtests.selfcheck import Bias, CalibratedServer, check_self
from loadtests.streams import Reading, read_stream
from loadtests.target import Target
from loadtests.watch import MOST_LAG_MS, Watch

# Beyond these a run says nothing about the endpoint.
MOST_LATENESS_MS = 50.0
LEAST_RATE = 0.95

# How long a stop waits for streams to be given up; the answer is read no further, so this is mere tidying.
_STOP_SECONDS = 0.5
# Time between the end of the warm-up and the first arrival (s), for the pool to settle.
_LEAD = 0.02


@dataclass(frozen=True)
class Progress:
    """How far a run is. Requests and tokens include the warm-up, for they are paid for."""

    sent: int
    done: int
    ok: int
    tokens: int
    seconds: float
    planned: int


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
        self.bias: Bias | None = None
        self._watch = Watch(self.collector.lagged)
        self._start = start or Start()
        self._target = target
        self._pool = pool
        self._seed = seed
        self._on_sample = on_sample
        self._numbers = range(plan.scheduled)[index::workers]
        self._schedule = shared_out(plan.schedule(seed), index, workers)
        self._warmups = range(plan.profile.warmup)[index::workers]
        self._room = (plan.profile.token_cap or plan.tokens) // workers
        self._streams = gevent.pool.Group()
        self._stop = gevent.event.Event()
        self._reason = ""
        self._warmed: list[Reading] = []
        self._begun = time.perf_counter_ns()
        self._epoch = 0
        self._last_started = 0.0
        self._begun_streams = self._sent = self._done = self._spent = self._unsent = self._dearest = 0
        self._seconds = 0.0

    def run(self) -> None:
        """The whole run; never raises for what the endpoint does."""
        self._begun = time.perf_counter_ns()
        server = CalibratedServer() if self._start.self_check else None
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
            tokens=self._spent,
            seconds=(time.perf_counter_ns() - self._begun) / 1e9,
            planned=len(self._numbers) + len(self._warmups),
        )

    def to_record(self) -> dict[str, Any]:
        """The run as the log's `load` record."""
        reason = self.why_invalid()
        return {
            "type": "load",
            "profile": self.plan.profile.name,
            "plan": self.plan.to_record(),
            **self.collector.to_record(),
            "seconds": round(self._seconds, 6),
            "valid": not reason,
            "reason": reason,
            "rate": {"planned": round(self._rate(), 4), "achieved": round(self._achieved() * self._rate(), 4)},
            "unsent": self._unsent,
            "warmup": {
                "counts": dict(Counter(reading.outcome for reading in self._warmed)),
                "tokens": sum(self._cost(reading) for reading in self._warmed),
            },
            "client": self._watch.to_record(),
            "proxy": self._target.proxy.name if self._target.proxy else "",
            "self_check": {"skipped": True} if self.bias is None else self.bias.to_record(),
        }

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        counts = self.collector.counts
        total = counts.total()
        late, late_share = self._worst("lateness")
        lag, lag_share = self._worst("loop_lag")
        achieved = self._achieved()
        reasons = (
            (self._reason, self._reason),
            (total == 0, "no request was sent"),
            (sum(counts[name] for name in UNREACHED) == total, f"unreachable: none of {total} requests was connected"),
            (self._unsent, f"{self._unsent} requests were not sent: {self.plan.profile.streams} streams were open"),
            (counts["abandoned"], f"{counts['abandoned']} streams had not ended when the time to drain was over"),
            (
                late > MOST_LATENESS_MS,
                f"the load generator was late: {late:.0f} ms at p{late_share:.0f}, where {MOST_LATENESS_MS:.0f} may be",
            ),
            (
                lag > MOST_LAG_MS,
                f"the load generator woke up {lag:.0f} ms late at p{lag_share:.0f}, where {MOST_LAG_MS:.0f} may be",
            ),
            (self._watch.why_invalid(), self._watch.why_invalid()),
            (achieved < LEAST_RATE, f"the load generator reached only {100 * achieved:.0f} % of the planned rate"),
        )
        return next((text for holds, text in reasons if holds), "")

    def _worst(self, measure: str) -> tuple[float, float]:
        """A fault of ours in ms at p99, and that percentile."""
        # One in a hundred may be worse, and one in a shorter run: there the p99 is the maximum, a single hiccup.
        share = 100.0 - max(1.0, 100.0 / max(2, self.collector.histograms[measure].get_total_count()))
        return self.collector.percentile(measure, share), share

    def _rate(self) -> float:
        """What this share of the load was to send per second."""
        return self.plan.profile.rate * len(self._numbers) / max(1, self.plan.scheduled)

    def _achieved(self) -> float:
        """The share of the planned rate that was reached (1 at most)."""
        count = len(self._numbers)
        if not count:
            return 1.0
        seconds = self.plan.seconds
        begun = self.collector.counts.total() + len(self._streams)
        # A single late request at the end of a short run is lateness, which has its own bound, and no lower rate.
        return (begun / count) * (seconds / max(seconds, self._last_started - MOST_LATENESS_MS / 1000))

    def _warm_up(self) -> bool:
        """Send what counts in no figure and open connections; whether the run can go on."""
        jobs = []
        for number in self._warmups:
            self._begun_streams += 1
            jobs.append(self._streams.spawn(self._one, -1 - number, None))
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
        seconds = max((reading.end - reading.started for reading in readings), default=0) / 1e9
        share = len(self._numbers) / max(1, self.plan.scheduled)
        wanted = 2 + int(1.5 * seconds * self.plan.profile.rate * share)
        return min(wanted, self.plan.profile.streams, len(self._numbers), 256)

    def _send_all(self) -> None:
        """Begin each request when it is due. The next body is made before waiting, so that making it delays nothing."""
        self._epoch = self._epoch or time.perf_counter_ns() + int(_LEAD * 1e9)
        alarm = Alarm(self._stop)
        try:
            self._send_each(alarm)
        finally:
            alarm.close()

    def _send_each(self, alarm: Alarm) -> None:
        for number, due in zip(self._numbers, self._schedule, strict=True):
            request = self._request(number)
            if alarm.wait(due - self._now()):
                return
            # Not the greenlets that live: one that has counted its cost lives a moment longer.
            if self._spent + (self._begun_streams - self._done + 1) * self._reserve() > self._room:
                # What is under way is paid for, so it is read to its end.
                self._reason = f"the cap of {self._room:,} tokens left no room for more requests"
                return
            if len(self._streams) >= self.plan.profile.streams:
                self._unsent += 1
                continue
            self._begun_streams += 1
            self._streams.spawn(self._one, number, due, request)

    def _drain(self) -> None:
        """Wait for the streams under way, until the time for that is over or the run is stopped."""
        self._wait_for(list(self._streams), self.plan.profile.drain)

    def _wait_for(self, jobs: list[Any], seconds: float) -> None:
        ended = gevent.spawn(gevent.joinall, jobs)
        gevent.wait([ended, self._stop], timeout=seconds, count=1)
        ended.kill()

    def _one(self, number: int, due: float | None, request: bytes | None = None) -> None:
        """Send one request, read its stream and count it; `due` is None in the warm-up."""
        request = request or self._request(number)
        self._sent += 1
        if due is not None:
            self._last_started = max(self._last_started, self._now())
        reading = read_stream(self._pool, request, deadline=self.plan.profile.deadline)
        self._done += 1
        self._spent += self._cost(reading)
        self._dearest = max(self._dearest, reading.prompt_tokens or 0)
        if due is None:
            self._warmed.append(reading)
            return
        measured = sample(reading, epoch=self._epoch, intended=due)
        self.collector.add(measured)
        if self._on_sample is not None:
            self._on_sample(measured)

    def _request(self, number: int) -> bytes:
        row = self.plan.profile
        body = self._target.body(
            seed=self._seed, number=number, prompt_tokens=row.prompt_tokens, max_tokens=row.max_tokens
        )
        return self._target.request(body)

    def _reserve(self) -> int:
        """The most that one request more may cost, as far as the endpoint's own counts have shown."""
        row = self.plan.profile
        # Prompts are of one length in words; what they cost differs by a few tokens.
        prompt = self._dearest + self._dearest // 4 + 4 if self._dearest else most_tokens(row.prompt_tokens)
        return prompt + row.max_tokens

    def _cost(self, reading: Reading) -> int:
        """The tokens that a request has cost: what the endpoint says, or else what it may have charged."""
        if reading.status != 200 and reading.outcome not in {"timeout", "abandoned"}:
            return 0
        prompt = reading.prompt_tokens
        completion = reading.completion_tokens
        return (most_tokens(self.plan.profile.prompt_tokens) if prompt is None else prompt) + (
            reading.chunks if completion is None else completion
        )

    def _now(self) -> float:
        """Seconds on the run's clock."""
        return (time.perf_counter_ns() - self._epoch) / 1e9

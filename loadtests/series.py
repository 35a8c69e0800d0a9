"""Several campaigns, one after another, each at the rate that a search chooses by what the ones before have shown.

It runs and reports as one campaign does. Law: the plan's requests are never exceeded, and the figures of the record are
those of the highest rate that was proven good; what the other trials showed is in its curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import gevent.event

from loadtests.campaign import Campaign, Progress, Start
from loadtests.collect import Collector, Sample
from loadtests.goodput import judged
from loadtests.plans import Plan, plan
from loadtests.pool import Pool
from loadtests.search import CONFIDENCE, MOST_HICCUPS, SETTLING, Result, Search, Trial, batched, surely_bad
from loadtests.selfcheck import Bias, CalibratedServer, check_self
from loadtests.target import Target

# Time for an endpoint to get rid of what a trial left behind (s); the next one's warm-up then waits for its turn too.
_BETWEEN = 1.0
_ENOUGH = "a verdict was certain"


class Series:
    """One search; `run` blocks its greenlet until it is over."""

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
        self._checked = start is not None and start.self_check
        self._target = target
        self._pool = pool
        self._seed = seed
        self._split = (index, workers) != (0, 1)
        self._on_sample = on_sample
        self._search = Search(plan.profile, max(plan.bounds.values()) / 1e3)
        self._results: list[Result] = []
        self._curve: list[dict[str, Any]] = []
        self._records: dict[float, dict[str, Any]] = {}
        self._stop = gevent.event.Event()
        self._reason = self._ended = ""
        self._hiccups = 0
        self._now: Campaign | None = None
        self._before = Progress(sent=0, done=0, ok=0, tokens=0, seconds=0.0, planned=plan.requests)

    def run(self) -> None:
        """The whole search; never raises for what the endpoint does."""
        if self._split:
            self.stop("a search chooses by what it measures, so it runs in one process and not in several")
        elif self._checked:
            self._check_self()
        while not self._stop.is_set() and (trial := self._search.next(self._results)) is not None:
            if self._before.sent + trial.requests + self.plan.profile.warmup > self.plan.requests:
                self._ended = "the plan has no requests left for another trial"
                break
            if not self._try(trial, (self.plan.profile.token_cap or self.plan.tokens) - self._before.tokens):
                break
            self._stop.wait(_BETWEEN)
        self._pool.close()

    def _check_self(self) -> None:
        """Once, for all trials, with as many streams as the first may have open while its answers are good."""
        streams = round(self.plan.profile.rate * max(self.plan.bounds.values()) / 1e3)
        self.bias = check_self(streams, CalibratedServer())
        if why := self.bias.why_invalid():
            self.stop(why)

    def stop(self, reason: str) -> None:
        """End the search; it is not valid, for that reason."""
        self._reason = self._reason or reason
        self._stop.set()
        if self._now is not None:
            self._now.stop(reason)

    def progress(self) -> Progress:
        """How far the search is now; `planned` is the most that it may send."""
        if self._now is None:
            return self._before
        return _sum(self._before, self._now.progress())

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        if self._reason:
            return self._reason
        found = self._search.found(self._results)
        if found.low is None and found.high is None:
            return found.why or self._ended or "no trial came to a verdict"
        return ""

    def to_record(self) -> dict[str, Any]:
        """The search as the log's `load` record: the best good trial's figures, and the curve of all trials."""
        found = self._search.found(self._results)
        if found.low is not None:
            figures = self._records[found.low]
        elif self._curve:
            figures = self._records[self._curve[0]["rate"]]
        else:
            figures = {"type": "load", **self.collector.to_record(), "seconds": 0.0}
        reason = self.why_invalid()
        spent = self.progress()
        return {
            **figures,
            "profile": self.plan.profile.name,
            "plan": self.plan.to_record(),
            "valid": not reason,
            "reason": reason,
            "self_check": {"skipped": True} if self.bias is None else self.bias.to_record(),
            "spent": {"requests": spent.sent, "tokens": spent.tokens, "seconds": round(spent.seconds, 3)},
            "capacity": {
                **asdict(found),
                "why": found.why or self._ended,
                "confidence": CONFIDENCE,
                "trial_s": self._search.seconds,
                "share": self.plan.profile.share,
                "bounds": self.plan.bounds,
                "at": self._curve and found.low,
                "curve": sorted(self._curve, key=lambda row: float(row["rate"])),
            },
        }

    def _try(self, trial: Trial, tokens: int) -> bool:
        """Run one trial and note what it showed; whether the search can go on."""
        made = _trial_plan(self.plan, trial, tokens)
        from_then = trial.seconds * SETTLING
        enough, bad, kept = surely_bad(trial, self.plan.profile.share), 0, list[tuple[float, bool]]()
        # Each trial has prompts of its own: those of an earlier one may be cached by now.
        seed = self._seed + len(self._curve)

        def take(one: Sample) -> None:
            nonlocal bad
            if self._on_sample is not None:
                self._on_sample(one)
            if one.t_intended < from_then or one.outcome == "abandoned":
                return
            kept.append((one.t_intended, judged(one, self.plan.bounds).good_intended))
            bad += not kept[-1][1]
            if bad >= enough:
                campaign.stop(_ENOUGH)

        campaign = self._now = Campaign(made, self._target, self._pool.again(), seed=seed, on_sample=take)
        campaign.run()
        self._now, self._before = None, _sum(self._before, campaign.progress())
        reason = campaign.why_invalid()
        if self._stop.is_set():
            return False
        decided = reason == _ENOUGH
        result = Result(trial.rate, batched([good for _, good in sorted(kept)]), trial.proves, cut=decided)
        if reason and not decided:
            # A hiccup of this client's says nothing about the endpoint: the search asks for the same trial again. A
            # rate that is too fast for it stays so: then nothing above can be tried, and what is below stands.
            if self._hiccups < MOST_HICCUPS and campaign.collector.counts["ok"]:
                self._hiccups += 1
                return True
            self._ended = f"at {trial.rate:g} per second {reason}"
            if not self._results:
                self._reason, self.collector = self._ended, campaign.collector
            return False
        self._results.append(result)
        self._note(campaign, result)
        return True

    def _note(self, campaign: Campaign, result: Result) -> None:
        """Keep the trial for the record."""
        counts, summary = campaign.collector.counts, campaign.collector.summary()
        record = campaign.to_record()
        seconds = record["seconds"] or 1e-9
        self._records[result.rate] = record
        self.collector = campaign.collector
        self._curve.append(
            {
                "rate": result.rate,
                "proves": result.proves,
                "judged": result.judged,
                "good": result.good,
                "cut_short": result.cut,
                "requests": counts.total(),
                "ok": counts["ok"],
                "seconds": round(seconds, 3),
                "answers_per_s": round(counts["ok"] / seconds, 3),
                "tokens_per_s": round(campaign.collector.completion_tokens / seconds, 1),
                "latencies_ms": {
                    name: {key: row[key] for key in ("p50", "p95", "p99")}
                    for name, row in summary.items()
                    if name in ("ttft_intended", "itl", "tpot", "e2e_intended")
                },
            }
        )


def _trial_plan(whole: Plan, trial: Trial, tokens: int) -> Plan:
    """The plan of one trial: a plain one at its rate."""
    row = replace(
        whole.profile,
        search="",
        rate_most=0.0,
        rate=trial.rate,
        duration=trial.requests / trial.rate,
        token_cap=0,
        streams=max(whole.profile.streams, 4096),
    )
    made = plan(row)
    return replace(made, tokens=min(made.tokens, max(1, tokens)))


def _sum(first: Progress, then: Progress) -> Progress:
    return Progress(
        sent=first.sent + then.sent,
        done=first.done + then.done,
        ok=first.ok + then.ok,
        tokens=first.tokens + then.tokens,
        seconds=first.seconds + then.seconds,
        planned=first.planned,
    )

"""The trials of one search for a capacity: which comes next, what became of each, and the record of all.

It sends nothing, so one process can lead a search whose trials others carry out together. Law: the plan's requests are
never exceeded, and the figures of the record are those of the highest rate that was proven good; what the other trials
showed is in its curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from loadtests.collect import Collector, RecordError
from loadtests.merge import merged
from loadtests.plans import Plan, plan
from loadtests.progress import Progress
from loadtests.search import CONFIDENCE, MOST_HICCUPS, Result, Search, Trial, batched

# Time for an endpoint to get rid of what a trial left behind (s); the next one's warm-up then waits for its turn too.
BETWEEN = 1.0
ENOUGH = "a verdict was certain"


@dataclass(frozen=True)
class Order:
    """A trial, the seed of its prompts and arrivals, and the most tokens that it may cost. `number` counts from 1."""

    trial: Trial
    number: int
    seed: int
    tokens: int

    def to_json(self) -> dict[str, Any]:
        """The order as one process tells another; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Order:
        """The order that `to_json` gave."""
        return cls(Trial(**value["trial"]), int(value["number"]), int(value["seed"]), int(value["tokens"]))

    def plan(self, whole: Plan) -> Plan:
        """The plan of this trial: a plain one at its rate."""
        trial = self.trial
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
        return replace(made, tokens=min(made.tokens, max(1, self.tokens)))


@dataclass(frozen=True)
class Tried:
    """What became of a trial, or of a share in it: its `load` record, and of each judged request when it was due.

    Beside that stands whether it was good. `reason` says why the trial shows nothing; it is `ENOUGH` where it was ended
    because far too few were good.
    """

    record: Mapping[str, Any]
    kept: tuple[tuple[float, bool], ...]
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same as one process tells another; `from_json` is its inverse."""
        return {
            "record": dict(self.record),
            "kept": [[due, int(good)] for due, good in self.kept],
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, value: Any) -> Tried:
        """What `to_json` gave; `RecordError` for anything else."""
        try:
            kept = tuple((float(due), bool(good)) for due, good in value["kept"])
            return cls(dict(value["record"]), kept, str(value["reason"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"no record of a trial: {error!r}") from None


def joined(parts: Sequence[Tried]) -> Tried:
    """A trial that was shared, exactly as one process would have seen it; `RecordError` where they do not match."""
    if len(parts) == 1:
        return parts[0]
    # Whatever else is said outranks a verdict: those who were told to end because of it may have been at fault before.
    reason = min((part.reason for part in parts), key=lambda text: (text == "", text == ENOUGH))
    record = merged([{**part.record, "valid": True} for part in parts], len(parts))
    return Tried(
        {**record, "valid": not reason, "reason": reason}, tuple(pair for part in parts for pair in part.kept), reason
    )


class Trials:
    """One search by a plan, whose trials are `taken` one by one; `reason` says why all of it is worth nothing."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.collector = Collector()
        self.reason = ""
        self.search = Search(plan.profile, max(plan.bounds.values()) / 1e3)
        self._seed = seed
        self._count = 0
        self._results: list[Result] = []
        self._curve: list[dict[str, Any]] = []
        self._records: dict[float, Mapping[str, Any]] = {}
        self._ended = ""
        self.hiccups = 0

    @property
    def streams(self) -> int:
        """How many streams the first trial may have open while its answers are good."""
        return round(self.plan.profile.rate * max(self.plan.bounds.values()) / 1e3)

    def next(self, spent: Progress) -> Order | None:
        """The next trial, given what was spent until now; None when the search is over."""
        if self.reason or self._ended or (trial := self.search.next(self._results)) is None:
            return None
        if spent.sent + trial.requests + self.plan.profile.warmup > self.plan.requests:
            self._ended = "the plan has no requests left for another trial"
            return None
        self._count += 1
        room = (self.plan.profile.token_cap or self.plan.tokens) - spent.tokens
        # Each trial has prompts of its own: those of an earlier one may be cached by now.
        return Order(trial, self._count, self._seed + self._count - 1, room)

    def take(self, trial: Trial, tried: Tried) -> None:
        """Note what a trial showed."""
        collector = Collector()
        collector.merge(tried.record)
        if tried.reason and tried.reason != ENOUGH:
            # A hiccup of this client's says nothing about the endpoint: the search asks for the same trial again. A
            # rate that is too fast for it stays so: then nothing above can be tried, and what is below stands.
            if self.hiccups < MOST_HICCUPS and collector.counts["ok"]:
                self.hiccups += 1
                return
            self._ended = f"at {trial.rate:g} per second {tried.reason}"
            if not self._results:
                self.reason, self.collector = self._ended, collector
            return
        kept = [good for _, good in sorted(tried.kept)]
        result = Result(trial.rate, batched(kept), trial.proves, cut=tried.reason == ENOUGH)
        self._results.append(result)
        self._records[trial.rate] = tried.record
        self.collector = collector
        self._curve.append(_point(result, collector, float(tried.record["seconds"]) or 1e-9))

    def why_invalid(self) -> str:
        """Why the figures say nothing about the endpoint; empty when they do."""
        if self.reason:
            return self.reason
        found = self.search.found(self._results)
        if found.low is None and found.high is None:
            return found.why or self._ended or "no trial came to a verdict"
        return ""

    def to_record(self, spent: Progress, self_check: Mapping[str, Any]) -> dict[str, Any]:
        """The search as the log's `load` record: the best good trial's figures, and the curve of all trials."""
        found = self.search.found(self._results)
        if found.low is not None:
            figures = self._records[found.low]
        elif self._curve:
            figures = self._records[self._curve[0]["rate"]]
        else:
            figures = {"type": "load", **self.collector.to_record(), "seconds": 0.0}
        reason = self.why_invalid()
        return {
            **figures,
            "profile": self.plan.profile.name,
            "plan": self.plan.to_record(),
            "valid": not reason,
            "reason": reason,
            "self_check": dict(self_check),
            "spent": {"requests": spent.sent, "tokens": spent.tokens, "seconds": round(spent.seconds, 3)},
            "capacity": {
                **asdict(found),
                "why": found.why or self._ended,
                "confidence": CONFIDENCE,
                "trial_s": self.search.seconds,
                "share": self.plan.profile.share,
                "bounds": self.plan.bounds,
                "at": self._curve and found.low,
                "curve": sorted(self._curve, key=lambda row: float(row["rate"])),
            },
        }


def _point(result: Result, collector: Collector, seconds: float) -> dict[str, Any]:
    """One trial as a point of the curve."""
    return {
        "rate": result.rate,
        "proves": result.proves,
        "judged": result.judged,
        "good": result.good,
        "cut_short": result.cut,
        "requests": collector.counts.total(),
        "ok": collector.counts["ok"],
        "seconds": round(seconds, 3),
        "answers_per_s": round(collector.counts["ok"] / seconds, 3),
        "tokens_per_s": round(collector.completion_tokens / seconds, 1),
        "latencies_ms": {
            name: {key: row[key] for key in ("p50", "p95", "p99")}
            for name, row in collector.summary().items()
            if name in ("ttft_intended", "itl", "tpot", "e2e_intended")
        },
    }

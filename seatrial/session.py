"""One conformance run against a live endpoint, with its log: what the command line and the pytest plugin share.

Law: every exchange is in the log before its check ends, and whatever ends the run, the log says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from conformance.budget import Budget, Spent
from conformance.capabilities import probe, unsupported
from conformance.endpoint import Bounds, Endpoint, cost
from conformance.models import Named
from conformance.pace import Pacer
from conformance.preflight import CannotJudge, preflight
from conformance.rounds import in_round, seed_of_round
from conformance.runner import Runner
from conformance.settings import Settings
from reports.log import EndStatus, LogError, LogWriter
from reports.model import Outcome
from schemas.model import Route
from seatrial.errors import NoJudgement, UserError
from seatrial.options import Options, Plan
from seatrial.signals import Terminated

# What an interrupted run may still take until its threads are gone; they are daemons, so they cannot hold it longer.
STOP_SECONDS = 1.0


@dataclass(frozen=True)
class Ending:
    """How a run ended, for its last record."""

    status: EndStatus
    reason: str = ""


class Session:
    """A run under way. As a context manager it stops the workers and closes the connections, whatever happened.

    `log` is open and has its `run` record; the session writes exchanges and outcomes to it, and `finish` its end.
    `fault` is what the log said when it took nothing more; `model` is the one that the endpoint wants where nobody
    named one.
    """

    def __init__(
        self,
        options: Options,
        plan: Plan,
        log: LogWriter,
        *,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self.options = options
        self.plan = plan
        self.budget = Budget(options.budget_requests, options.budget_tokens)
        self.fault: LogError | None = None
        self.model: Named | None = None
        self._log = log
        self._on_outcome = on_outcome
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._settings = settings_of(options)
        self._endpoint = Endpoint(
            options.target,
            pacer=Pacer(options.rpm, options.tpm),
            budget=self.budget,
            # Whoever is patient with one answer is patient with a stream.
            bounds=Bounds(stream_seconds=max(Bounds.stream_seconds, options.timeout)),
            log=lambda exchange: self._write(exchange.to_record()),
            stop=self._stop,
        )
        self.runner = self._round(1)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def preflight(self) -> tuple[Route, ...]:
        """The routes that answer; raises `CannotJudge` when there is no point in going on.

        The documented options of the routes that the plan is about are asked for as well; the checks of one that is not
        supported end as that.
        """
        for exchange in self.options.recognised.exchanges if self.options.recognised else ():
            self.budget.reserve(0)
            self.budget.settle(0, cost(exchange) or 0)
            self._write(exchange.to_record())
        contract = self.options.contract
        ready = preflight(self._endpoint, contract, self._settings)
        served = ready.served
        if ready.model is not None:
            self.model = ready.model
            self._write({"type": "model", "name": ready.model.name, "line": ready.model.line})
            self._settings = replace(self._settings, model=ready.model.name)
        planned = {check.route or contract.operations[0].route for check in self.plan.checks}
        capabilities = probe(self._endpoint, contract, self._settings, [route for route in served if route in planned])
        for capability in capabilities:
            self._write(capability.to_record())
        # For this round and those after it.
        self._settings = replace(self._settings, unsupported=unsupported(capabilities))
        self.runner.settings = self._settings
        return served

    def run(self) -> Ending:
        """Run the planned checks to the end, round by round; raises `LogError` when the log takes no outcomes."""
        for number in range(1, self.options.repeat + 1):
            if number > 1:
                self.runner = self._round(number)
            self.runner.run()
            if self.fault is not None:
                raise self.fault
            if self.ending().status != "complete":
                break
        return self.ending()

    def ending(self) -> Ending:
        """How the run ended, as far as the runner knows."""
        if self.runner.abort_reason:
            return Ending("aborted", self.runner.abort_reason)
        if any(check.id not in self.runner.outcomes for check in self.plan.checks):
            return Ending("interrupted", "stopped before its last check")
        return Ending("complete")

    def finish(self, ending: Ending) -> None:
        """Write the last record, with what was really spent."""
        spent = self.spent
        self._log.end(
            ending.status,
            ending.reason,
            seconds=time.monotonic() - self._started,
            requests=spent.requests,
            tokens=spent.tokens + spent.reserved,
        )

    @property
    def spent(self) -> Spent:
        """Requests and tokens until now, the preflight's included."""
        return self.budget.spent

    def stop(self) -> None:
        """End everything under way within a second or so; safe to call twice."""
        self._endpoint.close_now()
        self.runner.halt(STOP_SECONDS)

    def _round(self, number: int) -> Runner:
        options = self.options
        seed = seed_of_round(options.seed, number, same=options.same_seed)
        return Runner(
            self.plan.checks,
            in_round(self._endpoint, number),
            options.contract,
            replace(self._settings, seed=seed),
            jobs=options.jobs,
            on_outcome=lambda outcome: self._record(replace(outcome, round=number)),
            stop=self._stop,
        )

    def _record(self, outcome: Outcome) -> None:
        self._write(outcome.to_record())
        self._on_outcome(outcome)

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self._log.write(record)
        except LogError as error:
            # A check would take it for a fault of its own; the run as a whole has nowhere to go any more.
            self.fault = error
            self._stop.set()
            raise


def settings_of(options: Options) -> Settings:
    """What the checks see of the options."""
    return Settings(
        seed=options.seed,
        examples=options.examples,
        depth=options.profile.name,
        shrink=options.shrink,
        request_timeout=options.timeout,
        key=options.key,
        model=options.model,
        filter_prompts=options.filter_prompts,
        request_schemas=dict(options.schemas),
    )


def ending_of(error: BaseException) -> Ending:
    """How an exception ends a run."""
    if isinstance(error, Terminated):
        return Ending("interrupted", "stopped by a signal (SIGTERM)")
    if isinstance(error, KeyboardInterrupt):
        return Ending("interrupted", "stopped from the keyboard")
    if isinstance(error, CannotJudge | NoJudgement | UserError):
        return Ending("aborted", str(error))
    return Ending("aborted", f"{type(error).__name__}: {error}")

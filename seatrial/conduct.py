"""A run from its first record to its last: preflight, checks, load, in one log, whatever happens in between.

Law: an exception that leaves here has already been written into the log as the run's end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from loadtests.orders import Orders
from reports.log import LogError, LogWriter
from seatrial.loading import LoadRun, Web
from seatrial.options import Options, Plan
from seatrial.progress import Progress
from seatrial.recording import run_record
from seatrial.session import Ending, Session, ending_of
from seatrial.signals import interruptible


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a run consists of: checks, a load (its orders and its plan as the log has it), or both in that order.

    With `web` the load is begun in a page.
    """

    command: str
    options: Options
    checks: Plan | None = None
    load: Orders | None = None
    load_plan: dict[str, Any] | None = None
    web: Web | None = None


def conduct(course: Course, log: LogWriter, progress: Progress) -> Ending:
    """Carry the course out into an open log and end the log; returns how it ended.

    An interrupt is an ending like others. Raises, once the log is ended, `CannotJudge`, `NoJudgement`, `UserError` and
    `LogError`.
    """
    conductor = _Conductor(course, log, progress)
    try:
        with interruptible():
            log.write(
                run_record(course.command, course.options, course.checks or Plan(checks=()), load=course.load_plan)
            )
            ending = conductor.carry_out()
    except KeyboardInterrupt as interrupt:
        ending = ending_of(interrupt)
    except LogError:
        # The log takes nothing more; what it has stays as it is.
        raise
    except BaseException as error:
        conductor.finish(ending_of(error))
        raise
    finally:
        progress.end()
    conductor.finish(ending)
    return ending


def prepare(session: Session, progress: Progress, *, side: str = "", shown: bool = True) -> None:
    """Ask whether the endpoint answers at all, and tell which model it wants; `CannotJudge` when there is no point.

    `side` is put in front of what is told; the progress of the checks is `shown` of one session only.
    """
    session.preflight()
    if session.model is not None:
        progress.note(f"{side}{session.model.line}")
    if shown:
        options = session.options
        caps = (options.budget_requests, options.budget_tokens)
        progress.checks(len(session.plan.checks) * options.repeat, lambda: session.spent, caps)


class _Conductor:
    def __init__(self, course: Course, log: LogWriter, progress: Progress) -> None:
        self._course = course
        self._log = log
        self._progress = progress
        self._started = time.monotonic()
        self._session: Session | None = None
        self._load: LoadRun | None = None

    def carry_out(self) -> Ending:
        course, ending = self._course, Ending("complete")
        if course.checks is not None:
            ending = self._check(course.checks)
        if course.load is not None and ending.status == "complete":
            self._load = LoadRun(
                self._addressed(course.load),
                course.options.key,
                self._log,
                self._progress.load,
                web=course.web,
                on_note=self._progress.note,
            )
            self._load.run()
        return ending

    def _addressed(self, orders: Orders) -> Orders:
        """The orders with the model that the checks found the endpoint to want, if they did."""
        found = self._session.model if self._session else None
        return orders if found is None else replace(orders, parameters={**orders.parameters, "model": found.name})

    def _check(self, plan: Plan) -> Ending:
        session = Session(self._course.options, plan, self._log, on_outcome=self._progress.outcome)
        self._session = session
        with session:
            prepare(session, self._progress)
            return session.run()

    def finish(self, ending: Ending) -> None:
        """Write the last record with what checks and load have spent together."""
        requests = tokens = 0
        if self._session is not None:
            spent = self._session.spent
            requests, tokens = spent.requests, spent.tokens + spent.reserved
        if self._load is not None:
            requests += self._load.requests
            tokens += self._load.tokens
        self._log.end(
            ending.status, ending.reason, seconds=time.monotonic() - self._started, requests=requests, tokens=tokens
        )

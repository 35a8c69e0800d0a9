"""The same checks against two endpoints, in step: what `check --baseline` runs.

Law: the baseline is asked first whether it answers at all, before the candidate costs anything; neither endpoint ever
sees the other one's key; each has a budget and a log of its own, and each log says how its run ended.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass

from conformance.preflight import CannotJudge
from reports.log import LogError, LogWriter
from reports.model import Outcome
from seatrial.conduct import prepare
from seatrial.errors import NoJudgement
from seatrial.options import Options, Plan
from seatrial.progress import Progress
from seatrial.recording import run_record
from seatrial.session import Ending, Session, ending_of
from seatrial.signals import interruptible

# How many checks one side may be ahead of the other: both meet the same minutes of network and machine.
LEAD = 8
_WAIT = 0.2
# The candidate's variable is none of the baseline's.
_HINT = "set SEATRIAL_API_KEY, or "


@dataclass(frozen=True, kw_only=True)
class Part:
    """One side of a pair: what to run, and the open log to record it in."""

    options: Options
    plan: Plan
    log: LogWriter


@dataclass(frozen=True)
class Endings:
    """How the two runs of a pair ended."""

    candidate: Ending
    baseline: Ending


class Steps:
    """Keeps two runs in step: who is `lead` checks ahead waits for the other, unless that has ended."""

    def __init__(self, lead: int = LEAD) -> None:
        self._lead = lead
        self._done = [0, 0]
        self._over = False
        self._changed = threading.Condition()

    def took(self, side: int) -> None:
        """Count a check of one side (0 or 1), and wait there while it is too far ahead."""
        with self._changed:
            self._done[side] += 1
            self._changed.notify_all()
            while not self._over and self._done[side] - self._done[1 - side] >= self._lead:
                self._changed.wait(timeout=_WAIT)

    def release(self) -> None:
        """Let both run on: one of them has ended."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


def conduct_pair(candidate: Part, baseline: Part, progress: Progress) -> Endings:
    """Run the checks against both endpoints and end both logs; returns how each run ended.

    An interrupt is an ending like others. Raises, once both logs are ended, `NoJudgement` when the baseline cannot be
    asked, and what a run of the candidate alone would raise.
    """
    pair = _Pair(candidate, baseline, progress)
    try:
        with interruptible():
            endings = pair.carry_out()
    except KeyboardInterrupt as interrupt:
        endings = Endings(ending_of(interrupt), ending_of(interrupt))
    except BaseException as error:
        pair.finish(Endings(ending_of(error), ending_of(error)))
        raise
    finally:
        pair.stop()
        progress.end()
    pair.finish(endings)
    return endings


class _Pair:
    def __init__(self, candidate: Part, baseline: Part, progress: Progress) -> None:
        self._candidate, self._baseline = candidate, baseline
        self._progress = progress
        self._steps = Steps()
        self._started = time.monotonic()
        self._sessions: dict[str, Session] = {}
        self._ended = Ending("interrupted", "stopped with the candidate's run")

    def carry_out(self) -> Endings:
        for part in (self._candidate, self._baseline):
            part.log.write(run_record("check", part.options, part.plan))
        theirs = self._sessions["baseline"] = self._session(self._baseline, 1)
        try:
            prepare(theirs, self._progress, side="baseline: ", shown=False)
        except CannotJudge as error:
            hint = re.sub(r"--(key|model)\b", r"--baseline-\1", error.hint.replace(_HINT, ""))
            raise NoJudgement(f"the baseline cannot be asked, so no check was begun: {error.message}; {hint}") from None
        ours = self._sessions["candidate"] = self._session(self._candidate, 0)
        prepare(ours, self._progress)
        other = threading.Thread(target=self._run_baseline, args=(theirs,), name="seatrial-baseline", daemon=True)
        other.start()
        ending = ours.run()
        self._steps.release()
        if ending.status != "complete":
            # Without a candidate there is nothing left to compare, and the baseline costs as well.
            theirs.stop()
        while other.is_alive():
            other.join(timeout=_WAIT)
        return Endings(ending, self._ended)

    def _run_baseline(self, session: Session) -> None:
        try:
            self._ended = session.run()
        except BaseException as error:  # noqa: BLE001 - it must not end the candidate's run; its log says how it ended
            self._ended = ending_of(error)
        finally:
            self._steps.release()

    def _session(self, part: Part, side: int) -> Session:
        def ended(outcome: Outcome) -> None:
            if side == 0:
                self._progress.outcome(outcome)
            self._steps.took(side)

        return Session(part.options, part.plan, part.log, on_outcome=ended)

    def stop(self) -> None:
        self._steps.release()
        for session in self._sessions.values():
            session.stop()

    def finish(self, endings: Endings) -> None:
        """Write the last records, with what each side has spent."""
        self.stop()
        parts = (("candidate", self._candidate, endings.candidate), ("baseline", self._baseline, endings.baseline))
        for name, part, ending in parts:
            session = self._sessions.get(name)
            try:
                if session is not None:
                    session.finish(ending)
                else:
                    part.log.end(ending.status, ending.reason, seconds=time.monotonic() - self._started)
            except LogError as error:
                # What the log has stays as it is; a log that takes nothing more has said so already.
                if session is None or session.fault is None:
                    raise error from None

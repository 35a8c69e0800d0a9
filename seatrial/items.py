"""The checks as pytest items, fed by one run: an item waits for its check's outcome and says it in pytest's terms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import MODULES
from conformance.check import Check
from conformance.preflight import CannotJudge
from conformance.rows import answers, requests
from conformance.runner import with_needs
from reports.evidence import evidence
from reports.judge import Finding, judge
from reports.log import LogError, LogWriter
from reports.model import Outcome, Run
from reports.visible import one_line, visible
from seatrial.errors import CONFORMS, NO_JUDGEMENT, UserError
from seatrial.options import Asked, Options, Plan, planned, resolve
from seatrial.plugin import TRIAL
from seatrial.recording import open_log, run_record
from seatrial.session import Ending, Session, ending_of
from seatrial.verdicts import find_gate, verdict_on

_INTERRUPTED = int(pytest.ExitCode.INTERRUPTED)


class CheckFailed(Exception):
    """The endpoint broke its contract; pytest shows it as a failure."""


class NotJudged(Exception):
    """A check came to no judgement; pytest shows it as an error."""


class Trial:
    """The run behind the items of one pytest session: made at the first file, started at the first item."""

    def __init__(self, config: pytest.Config) -> None:
        self._lines: list[str] = []
        self.options = _options(config, self._lines.append)
        self.plan = planned(self.options)
        self._checks = {check.id: check for check in self.plan.checks}
        self._gate = find_gate(_path(config, "gate"), config.invocation_params.dir)
        self._log_path = _path(config, "log")
        self._force = bool(config.getoption("seatrial_force"))
        self._folder = config.invocation_params.dir
        self._log: LogWriter | None = None
        self._session: Session | None = None

    def checks_in(self, module: str) -> Iterator[Check]:
        """The checks that a module declares, or builds from rows."""
        return (check for check in self._checks.values() if check.run.__module__ == module)

    def outcome(self, check_id: str, items: Iterable[pytest.Item]) -> Outcome | None:
        """The outcome of a check, which starts the run when it is the first; None when the run ended before it."""
        if self._session is None:
            self._start([item.check.id for item in items if isinstance(item, CheckItem)])
        if self._session is None:
            return None
        return self._session.runner.wait(check_id)

    def finding(self, outcome: Outcome) -> Finding:
        """What the gate makes of a failing check."""
        run = Run(
            id="", started="", command="pytest", target=self.options.target.url, contract=self.options.contract.name,
            rows=self.plan.rows, outcomes=(outcome,),
        )  # fmt: skip
        return judge(run, self._gate, date.today()).findings[0]

    def told(self, finding: Finding) -> str:
        """A failure as text: what is wrong, the requirement's own words, and the request to send again."""
        outcome = finding.outcome
        # pytest's short summary shows the first line alone.
        lines = [one_line(outcome.message), "", f"{outcome.check}: {outcome.title}"]
        lines += [visible(outcome.hint)] if outcome.hint else []
        row = finding.requirement
        if row is not None:
            place = f"{row.source}, line {row.line}" if row.line else row.source
            lines.append(f"{row.level} {row.id}: “{row.quote}” ({place})")
        for one in self._evidence(outcome)[:1]:
            lines += ["", one.curl, "", one.request, "", one.answer]
        return "\n".join(lines)

    def why_ended(self) -> str:
        """Why the run ended before a check."""
        if self._session is None:
            return "the run did not start"
        return str(self._session.fault or "") or self._session.ending().reason or "the run was stopped"

    def close(self, exitstatus: int) -> int:
        """End the run and its log, and return the exit status: never success for what was not judged."""
        if self._session is None or self._log is None:
            return exitstatus
        self._session.stop()
        if self._session.fault is not None:
            self._log.close()
            self._lines.append(str(self._session.fault))
            return exitstatus or NO_JUDGEMENT
        ending = self._session.ending()
        if exitstatus == _INTERRUPTED and ending.status != "aborted":
            ending = Ending("interrupted", "stopped from the keyboard")
        try:
            self._session.finish(ending)
        except LogError as error:
            self._lines.append(str(error))
            return exitstatus or NO_JUDGEMENT
        finally:
            self._log.close()
        spent = self._session.spent
        self._lines.append(f"{spent.requests:,} requests, {spent.tokens:,} tokens at most, seed {self.options.seed}")
        self._lines.append(f"log: {self._log.path}")
        return exitstatus or self._verdict()

    def summary(self) -> list[str]:
        """The lines under pytest's own summary."""
        return self._lines

    def _verdict(self) -> int:
        if self._log is None or not self._log.path.is_file():
            return CONFORMS
        try:
            _, verdict = verdict_on(self._log.path, self._gate)
        except LogError as error:
            self._lines.append(str(error))
            return NO_JUDGEMENT
        if verdict.exit_code != CONFORMS:
            self._lines += [f"{verdict.status}: {reason}" for reason in verdict.reasons]
        return verdict.exit_code

    def _start(self, wanted: list[str]) -> None:
        plan = Plan(checks=tuple(with_needs(self._checks, wanted)), rows=self.plan.rows, left_out=self.plan.left_out)
        # What pytest left out was not asked for, and is no gap in the run.
        only = () if len(plan.checks) == len(self._checks) else tuple(wanted)
        try:
            self._log = open_log(self._log_path, self.options, folder=self._folder, force=self._force)
            self._log.write(run_record("pytest", self.options, plan, only=only))
            self._session = Session(self.options, plan, self._log)
            self._session.preflight()
            if self._session.model is not None:
                self._lines.append(self._session.model.line)
            self._session.runner.start()
        except UserError as error:
            pytest.exit(f"seatrial: {error}", returncode=int(pytest.ExitCode.USAGE_ERROR))
        except (CannotJudge, LogError) as error:
            self._give_up(error)
            pytest.exit(f"seatrial: {error}", returncode=NO_JUDGEMENT)

    def _give_up(self, error: Exception) -> None:
        if self._session is not None:
            self._session.stop()
            if isinstance(error, CannotJudge):
                self._session.finish(ending_of(error))
            self._session = None
        if self._log is not None:
            self._log.close()

    def _evidence(self, outcome: Outcome) -> tuple[Any, ...]:
        if self._log is None or not self._log.path.is_file():
            return ()
        # Out of the log, so that what is shown went through the redaction.
        return evidence(Run.read(self._log.path), outcome, most=1_000)


class CheckFile(pytest.File):
    """One module of the catalogue."""

    module_name = ""

    def collect(self) -> Iterator[CheckItem]:
        """Yield an item for each check that the module declares."""
        for check in self.config.stash[TRIAL].checks_in(self.module_name):
            yield CheckItem.from_parent(self, name=check.id, check=check)


class CheckItem(pytest.Item):
    """One check."""

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self._outcome: Outcome | None = None

    def setup(self) -> None:
        """Wait for the outcome; no judgement is an error of the setup, and not a failure of the endpoint."""
        trial = self.config.stash[TRIAL]
        self._outcome = trial.outcome(self.check.id, self.session.items)
        if self._outcome is None:
            raise NotJudged(f"{self.check.id}: the run ended before this check: {trial.why_ended()}")
        if self._outcome.status in {"inconclusive", "error"}:
            hint = f"\n{self._outcome.hint}" if self._outcome.hint else ""
            raise NotJudged(visible(f"{self.check.id}: {self._outcome.status}: {self._outcome.message}{hint}"))

    def runtest(self) -> None:
        """Say the outcome in pytest's terms."""
        outcome = self._outcome
        if outcome is None or outcome.status == "pass":
            return
        if outcome.status != "fail":
            word = "unsupported: " if outcome.status == "unsupported" else ""
            pytest.skip(visible(f"{word}{outcome.message}"))
        trial = self.config.stash[TRIAL]
        finding = trial.finding(outcome)
        if finding.grade != "fail":
            why = finding.waiver.reason if finding.waiver else f"{finding.level}, which this gate lets pass"
            pytest.xfail(visible(f"{outcome.message} ({why})"))
        raise CheckFailed(trial.told(finding))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what is to be known and no traceback, which would be ours."""
        if isinstance(excinfo.value, CheckFailed | NotJudged):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the check stands, and its id."""
        code = getattr(self.check.run, "__code__", None)
        return self.path, code.co_firstlineno - 1 if code else None, self.check.id


def prepare(config: pytest.Config) -> None:
    """Make the session's trial out of its options; nothing is sent yet. Raises `pytest.UsageError`."""
    try:
        config.stash[TRIAL] = Trial(config)
    except (UserError, CannotJudge) as error:
        raise pytest.UsageError(str(error)) from None


def collector(path: Path, package: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The file of a module that has checks; None for any other of the package."""
    module = ".".join((package.name, *path.resolve().relative_to(package).with_suffix("").parts))
    if module not in {one.__name__ for one in (*MODULES, requests, answers)}:
        return None
    file: CheckFile = CheckFile.from_parent(parent, path=path)
    file.module_name = module
    return file


def _options(config: pytest.Config, warn: Callable[[str], None]) -> Options:
    names = (
        "contract", "key_env", "model", "rpm", "tpm", "timeout", "jobs", "budget_requests", "budget_tokens", "seed",
        "examples", "check_profile",
    )  # fmt: skip
    given = {name: config.getoption(f"seatrial_{name}") for name in names}
    given |= {name: _path(config, name) for name in ("config", "key_file", "ca_file")}
    asked = Asked(
        target=config.getoption("endpoint_url"),
        no_key=bool(config.getoption("seatrial_no_key")),
        shrink=not config.getoption("seatrial_no_shrink"),
        schema=tuple(config.getoption("seatrial_schema") or ()),
        filter_prompt=tuple(config.getoption("seatrial_filter_prompt") or ()),
        **{name: value for name, value in given.items() if value is not None},
    )
    return resolve(asked, environ=os.environ, folder=config.invocation_params.dir, warn=warn)


def _path(config: pytest.Config, name: str) -> Path | None:
    value = config.getoption(f"seatrial_{name}")
    return None if value is None else config.invocation_params.dir / value

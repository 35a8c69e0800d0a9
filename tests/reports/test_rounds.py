"""A verdict that changes from round to round is told in every format, and never passes for a pass."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from reports.formats import FORMATS
from reports.gate import Gate
from reports.judge import Verdict, judge
from reports.model import End, Outcome, Run
from reports.rounds import merged

TODAY = date(2030, 1, 1)


def ended(status: str, number: int, cites: tuple[str, ...] = ("chat.stream.done",), **more: Any) -> Outcome:
    return Outcome(
        check="chat.stream.done",
        title="t",
        area="stream",
        route="chat",
        cites=cites,
        status=status,
        round=number,
        **more,
    )


def verdict_on(*statuses: str, cites: tuple[str, ...] = ("chat.stream.done",)) -> tuple[Run, Verdict]:
    rounds = [ended(status, number, cites) for number, status in enumerate(statuses, 1)]
    run = Run(
        id="1", started="2030-01-01T00:00:00+00:00", command="check", target="http://127.0.0.1:1",
        contract="azure-llama", outcomes=merged(rounds), planned=("chat.stream.done",), end=End(status="complete"),
    )  # fmt: skip
    return run, judge(run, Gate(), TODAY)


def test_rounds_of_one_check_are_one_outcome_that_spent_what_all_did() -> None:
    (one,) = merged([ended("pass", 1, requests=2, tokens=9), ended("fail", 2, requests=3, tokens=1)])
    assert (one.status, one.rounds, one.requests, one.tokens, one.unstable) == ("fail", ("pass", "fail"), 5, 10, True)


def test_running_again_in_one_round_is_no_instability() -> None:
    (one,) = merged([ended("fail", 1), ended("pass", 1)])
    assert (one.status, one.rounds, one.unstable) == ("fail", (), False)


def test_equal_rounds_are_stable() -> None:
    _, verdict = verdict_on("pass", "pass", "pass")
    assert verdict.status == "conforms"
    assert "3 rounds of the checks changed no verdict" in verdict.notes


@pytest.mark.parametrize("statuses", [("pass", "skip"), ("skip", "pass"), ("pass", "inconclusive")])
def test_a_must_that_changes_cannot_be_judged(statuses: tuple[str, ...]) -> None:
    _, verdict = verdict_on(*statuses)
    assert verdict.exit_code == 3
    assert any("changed from round to round: chat.stream.done" in reason for reason in verdict.reasons)


def test_a_failure_in_any_round_is_a_failure() -> None:
    _, verdict = verdict_on("pass", "fail", "pass")
    assert verdict.exit_code == 1
    assert verdict.failing == ("chat.stream.done",)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_tells_how_the_rounds_ended(name: str) -> None:
    run, verdict = verdict_on("pass", "fail", "pass")
    assert "pass, fail, pass" in FORMATS[name](run, verdict)
    steady, kept = verdict_on("pass", "pass")
    assert "nstable" not in FORMATS[name](steady, kept)

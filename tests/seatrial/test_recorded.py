"""`seatrial replay` and `seatrial report`: a log is judged again, without a network."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.seatrial.conftest import Command
from tests.seatrial.servers import KEY, endpoint, standin
from tests.seatrial.test_check import mutant


@pytest.fixture
def log(seatrial: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a run in which one check fails; from then on nothing can be sent."""
    words = ("--only", "chat.stream.*", "--only", "auth", "--only", "chat.request.temperature.*", "--log", "run.jsonl")
    with endpoint(standin(mutant=mutant("chat.stream.done/drops_done"))) as url:
        assert seatrial("check", url, *words).code == 1

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a replay opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("SEATRIAL_API_KEY")
    return tmp_path / "run.jsonl"


def changed(log: Path, change: Callable[[dict[str, Any]], None]) -> None:
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for record in records:
        change(record)
    log.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_replay_comes_to_the_same_judgement(seatrial: Command, log: Path) -> None:
    before = log.read_bytes()
    result = seatrial("replay", log)
    assert result.code == 1
    assert "chat.stream.done" in result.out
    assert "; 0 differ" in result.err
    assert log.read_bytes() == before


def test_what_a_replay_judges_otherwise_is_listed(seatrial: Command, log: Path) -> None:
    def mend(record: dict[str, Any]) -> None:
        response = record.get("response", {})
        if response.get("text", "").startswith("data:") and "[DONE]" not in response["text"]:
            response["text"] += "data: [DONE]\n\n"

    changed(log, mend)
    result = seatrial("replay", log)
    assert "differs: chat.stream.done: recorded fail, replayed pass" in result.err


def test_an_answer_that_is_not_in_the_log_is_no_judgement(seatrial: Command, log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"scope":"shared:chat.auth.none"' not in line))
    result = seatrial("replay", log)
    assert "chat.auth.none: recorded pass, replayed inconclusive" in result.err


def test_a_replay_uses_the_gate_of_today(seatrial: Command, log: Path, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("[levels]\nfail = []\nwarn = ['MUST', 'SHOULD']\n")
    assert seatrial("replay", log).code == 0


def test_a_log_cut_off_is_never_a_pass(seatrial: Command, log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"status":"fail"' not in line]
    log.write_text("".join(kept[:-1]) + kept[-1][:20])
    for command in (("replay", log), ("report", log, "--exit-code")):
        result = seatrial(*command)
        assert result.code == 3, result
        assert "cut off" in result.out


def test_a_report_exits_with_the_verdict_only_when_asked(seatrial: Command, log: Path) -> None:
    assert seatrial("report", log).code == 0
    assert seatrial("report", log, "--exit-code").code == 1


@pytest.mark.parametrize(
    ("kind", "begins"), [("html", "<!doctype html"), ("junit", "<?xml"), ("markdown", "#"), ("terminal", "does not")]
)
def test_a_report_goes_to_stdout_or_to_a_file(
    seatrial: Command, log: Path, tmp_path: Path, kind: str, begins: str
) -> None:
    shown = seatrial("report", log, "--format", kind)
    assert shown.code == 0
    assert shown.err == ""
    assert shown.out.lstrip().lower().startswith(begins)
    assert "chat.stream.done" in shown.out
    assert seatrial("report", log, "--format", kind, "--output", "out.file").out == ""
    assert (tmp_path / "out.file").read_text() == shown.out
    assert KEY not in shown.out


def test_a_report_that_cannot_be_written_is_one_line(seatrial: Command, log: Path) -> None:
    assert "none/out" in seatrial("report", log, "--output", "none/out").line
    full = seatrial("report", log, "--output", "/dev/full")
    assert full.code == 3
    assert "/dev/full" in full.line


def test_a_log_of_another_contract_is_not_replayed(seatrial: Command, log: Path) -> None:
    def rename(record: dict[str, Any]) -> None:
        if record["type"] == "run":
            record["contract"] = "a-contract-of-tomorrow"

    changed(log, rename)
    result = seatrial("replay", log)
    assert result.code == 2
    assert "a-contract-of-tomorrow" in result.line

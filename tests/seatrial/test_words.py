"""`list`, `explain`, `--help`, `--version` and what is said while a run is under way."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from conformance.budget import Spent
from conformance.catalogue import checks_of
from reports.model import Outcome
from schemas.contracts import get
from seatrial.cli.main import COMMANDS
from seatrial.explaining import explained
from seatrial.progress import LiveProgress, PlainProgress, progress_on
from tests.seatrial.conftest import Command
from tests.seatrial.processes import ROOT

CONTRACT = get("azure-llama")


def outcome(status: str = "pass", message: str = "") -> Outcome:
    return Outcome(check="chat.one", title="t", area="a", route="chat", cites=("r",), status=status, message=message)


def test_help_and_version(seatrial: Command) -> None:
    told = seatrial("--help")
    assert told.code == 0
    assert all(name in told.out for name in COMMANDS)
    assert seatrial("--version").out.startswith("seatrial ")
    for name in COMMANDS:
        one = seatrial(name, "--help")
        assert one.code == 0
        assert "Usage: seatrial" in one.out
    nothing = seatrial()
    assert nothing.code == 2
    assert "Usage: seatrial" in nothing.err


@pytest.mark.parametrize("kind", ["checks", "requirements", "errata", "profiles", "mutants"])
def test_everything_that_has_an_id_is_listed_and_explained(seatrial: Command, kind: str) -> None:
    listed = seatrial("list", f"--{kind}")
    assert listed.code == 0
    ids = [line.split()[0] for line in listed.out.splitlines()]
    assert len(ids) == len(set(ids)) > 0
    if kind != "profiles":
        told = seatrial("explain", ids[len(ids) // 2])
        assert told.code == 0
        assert ids[len(ids) // 2] in told.out


def test_a_requirement_is_explained_in_the_pages_words(seatrial: Command) -> None:
    row = CONTRACT.row("chat.stream.done")
    told = seatrial("explain", "chat.stream.done").out
    assert row.quote in told
    assert f"line {row.line}" in told
    assert row.level in told
    assert "chat.stream.done/drops_done" in told


def test_an_unknown_id_gets_suggestions(seatrial: Command) -> None:
    result = seatrial("explain", "chat.stream.dome")
    assert result.code == 2
    assert "chat.stream.done" in result.line


def test_help_loads_neither_http_client_nor_test_engine() -> None:
    program = (
        "import sys\n"
        "from seatrial.cli.main import run\n"
        "run(['--help'])\n"
        "heavy = {'httpx', 'hypothesis', 'locust', 'gevent', 'uvicorn', 'jinja2', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_plain_progress_is_a_line_now_and_then_and_one_for_each_failure() -> None:
    now = 0.0
    stream = io.StringIO()
    progress = PlainProgress(stream, clock=lambda: now)
    progress.checks(100, lambda: Spent(7, 30, 5), (1_500, 80_000))
    for _ in range(20):
        progress.outcome(outcome())
    now = 5.0
    for _ in range(20):
        progress.outcome(outcome())
    progress.outcome(outcome("fail", "it says \x1b[31mred"))
    progress.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert "21 of 100 checks, 0 failed, 7 of 1,500 requests, 35 of 80,000 tokens" in lines[1]
    assert "FAIL chat.one: it says \\x1b[31mred" in lines[2]


def test_plain_progress_of_a_load() -> None:
    now = 10.0
    stream = io.StringIO()
    progress = PlainProgress(stream, clock=lambda: now)
    record = {"sent": 3, "planned": 1_000, "ok": 2, "tokens": 48}
    progress.load(record)
    now = 15.0
    progress.load(record)
    assert stream.getvalue() == "seatrial: load: 3 of 1,000 sent, 2 ok, 48 tokens\n"


def test_live_progress_shows_counts_and_leaves_no_bar_behind() -> None:
    stream = io.StringIO()
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=120, _environ={}))
    progress.checks(10, lambda: Spent(7, 30, 5), (1_500, 80_000))
    progress.outcome(outcome("fail", "\x1b]0;title\x07 [bold]not markup"))
    progress.load({"sent": 1, "done": 1, "planned": 4, "ok": 1, "tokens": 9})
    progress.end()
    progress.end()
    shown = stream.getvalue()
    assert "FAIL chat.one" in shown
    assert "[bold]not markup" in shown
    assert "\x1b]0;" not in shown
    assert "1 of 4 sent" in shown


def test_a_pipe_gets_plain_lines_and_a_terminal_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(progress_on(io.StringIO()), PlainProgress)
    monkeypatch.setenv("TERM", "xterm")
    control, terminal = pty.openpty()
    try:
        with os.fdopen(terminal, "w") as stream:
            assert isinstance(progress_on(stream), LiveProgress)
            monkeypatch.setenv("TERM", "dumb")
            assert isinstance(progress_on(stream), PlainProgress)
    finally:
        os.close(control)


def test_every_check_and_mutant_can_be_explained() -> None:
    checks = checks_of(CONTRACT)
    for name in [*checks, *(mutant.id for check in checks.values() for mutant in check.mutants)]:
        assert name in explained(name, CONTRACT, checks)


def test_the_module_can_be_run(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "seatrial", "--version"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""`--contract auto` on the command line: the line that it prints, what the log keeps, and when it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_server.serve import standin_app
from reports.model import Run
from schemas.contracts import get, names
from tests.seatrial.conftest import Command
from tests.seatrial.servers import KEY, answering, endpoint

ONE = ("--only", "chat.answers", "--log", "run.jsonl")


@pytest.mark.parametrize("name", names())
def test_the_contract_is_found_told_and_recorded(seatrial: Command, tmp_path: Path, name: str) -> None:
    with endpoint(standin_app(get(name), key=KEY, limits=None)) as url:
        result = seatrial("check", url, "--contract", "auto", *ONE)
    assert result.code == 0
    assert f"seatrial: contract: {name}, because " in result.err
    run = Run.read(tmp_path / "run.jsonl")
    assert run.contract == name
    assert str(run.settings["recognised"]).startswith(f"contract: {name}, because ")
    assert run.end is not None
    assert run.end.requests == len(run.exchanges)
    assert seatrial("replay", "run.jsonl").code == 0


def test_a_target_of_the_file_may_leave_it_open(seatrial: Command, server: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text(f'[targets.here]\nurl = "{server}"\ncontract = "auto"\n')
    assert "contract: azure-llama" in seatrial("check", "here", *ONE).err


def test_a_dry_run_sends_nothing(seatrial: Command, server: str) -> None:
    result = seatrial("check", server, "--contract", "auto", "--dry-run")
    assert result.code == 2
    assert "name a contract" in result.line


def test_nothing_that_fits_is_one_line(seatrial: Command) -> None:
    with endpoint(answering(404, "application/json", b"{}")) as url:
        result = seatrial("check", url, "--contract", "auto", *ONE)
    assert result.code == 3
    assert "no contract fits" in result.line

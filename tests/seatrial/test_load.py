"""`seatrial load`: the plan is said first, the run is recorded, the gate judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests.launch import LoadError
from reports.model import Run
from tests.seatrial.conftest import Command
from tests.seatrial.servers import closed_port


def test_the_plan_is_shown_and_nothing_sent_on_a_dry_run(seatrial: Command, tmp_path: Path) -> None:
    result = seatrial("load", "http://127.0.0.1:1", "--rate", 3, "--duration", 4, "--dry-run")
    assert result.code == 0
    assert "12 at 3 per second" in result.out
    assert list(tmp_path.iterdir()) == []


def test_a_load_is_recorded_with_its_samples(seatrial: Command, server: str, tmp_path: Path) -> None:
    words = (
        "--rate",
        10,
        "--duration",
        1,
        "--max-tokens",
        4,
        "--route",
        "completions",
        "--no-self-check",
        "--log",
        "run.jsonl",
    )
    result = seatrial("load", server, *words)
    run = Run.read(tmp_path / "run.jsonl", samples=True)
    assert (run.command, run.profile, run.complete) == ("load", "streaming", True)
    assert len(run.loads) == 1
    assert run.loads[0].plan["route"] == "completions"
    assert run.sample_count == len(run.samples) > 0
    assert result.err.startswith("seatrial: streaming: ")
    assert result.code == 0 or not run.loads[0].valid


def test_a_load_that_nothing_answers_is_no_judgement(seatrial: Command, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result = seatrial("load", url, "--rate", 5, "--duration", 1, "--log", "run.jsonl")
    assert result.code == 3
    assert "Traceback" not in result.err
    assert Run.read(tmp_path / "run.jsonl").end is not None


@pytest.mark.parametrize(("usage", "code"), [(True, 2), (False, 3)])
def test_a_load_process_that_fails_is_one_line(
    seatrial: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, usage: bool, code: int
) -> None:
    def fail(*_: Any) -> int:
        raise LoadError("the generator sank", usage=usage)

    monkeypatch.setattr("seatrial.loading.run_load", fail)
    result = seatrial("load", "http://127.0.0.1:1", "--log", "run.jsonl")
    assert result.code == code
    assert "the generator sank" in result.err
    end = Run.read(tmp_path / "run.jsonl").end
    assert end is not None
    assert "the generator sank" in end.reason


def test_a_load_in_two_processes_is_one_load(seatrial: Command, server: str, tmp_path: Path) -> None:
    words = ("--rate", 20, "--duration", 1, "--max-tokens", 4, "--no-self-check", "--processes", 2)
    result = seatrial("load", server, *words, "--log", "run.jsonl")
    run = Run.read(tmp_path / "run.jsonl")
    assert (len(run.loads), run.loads[0].requests) == (1, 20)
    assert run.loads[0].client["processes"] == 2
    assert result.code == 0 or not run.loads[0].valid
    assert "was not checked against streams of known timing" in result.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--proxy", "http://user:a-password@proxy:1"), "--proxy env"),
        (("--proxy", "socks5://proxy:1"), "socks5"),
        (("--processes", 0), "processes"),
        (("--processes", 2, "--profile", "request-limit"), "one process only"),
    ],
)
def test_a_generator_that_makes_no_sense_is_refused(seatrial: Command, words: tuple[Any, ...], why: str) -> None:
    result = seatrial("load", "http://127.0.0.1:1", *words)
    assert result.code == 2
    assert why in result.err
    assert "a-password" not in result.err


def test_a_load_takes_its_proxy_from_the_environment_when_told_to(
    seatrial: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Any] = []

    def remember(settings: Any, *_: Any) -> int:
        orders.append(settings)
        raise LoadError("the generator sank")

    monkeypatch.setattr("seatrial.loading.run_load", remember)
    monkeypatch.setenv("http_proxy", "http://user:a-password@proxy:1")
    for words in ((), ("--proxy", "env"), ("--proxy", "http://other:2")):
        seatrial("load", "http://endpoint.test", *words, "--no-key", "--log", "run.jsonl", "--force")
    assert [order["proxy"] for order in orders] == [None, "http://user:a-password@proxy:1", "http://other:2"]
    assert "a-password" not in (tmp_path / "run.jsonl").read_text()

"""`seatrial load` in all its shapes: what is said before, what is refused, what is recorded and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests.profiles import PROFILES
from reports.model import Run
from tests.reports import samples
from tests.reports.samples import Story
from tests.seatrial.conftest import Command

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_says_its_plan_and_is_listed(seatrial: Command, name: str) -> None:
    told = seatrial("load", NOWHERE, "--profile", name, "--dry-run")
    assert told.code == 0
    assert told.out.startswith(f"{name}: ")
    assert any(line.startswith(f"{name} ") for line in seatrial("list", "--profiles").out.splitlines())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--concurrency", 4, "--think", 0.5), "4 users, each sending after its last answer and 0.5 s of thought"),
        (("--arrivals", "gamma", "--burstiness", 0.25), "as a gamma process"),
        (("--rate-from", 1, "--rate", 9), "1 rising to 9 per second"),
        (("--steps", "5:2,20:1"), "in steps 5:2,20:1"),
        (("--mix", "chat=3,completions-whole"), "chat and completions-whole"),
        (("--prompt-tokens", "uniform:16-64", "--max-tokens", "lognormal:8:0.5"), "52 chat requests"),
        (("--turns", 3, "--prefix-share", 0.5, "--prefixes", 4), "52 chat requests"),
        (("--trace", "trace.csv"), "2 as in"),
        (("--prompt-file", "prompts.txt"), "52 chat requests"),
    ],
)
def test_a_shape_is_in_the_plan(seatrial: Command, tmp_path: Path, words: tuple[Any, ...], told: str) -> None:
    (tmp_path / "trace.csv").write_text("offset,max_tokens\n0,4\n0.5,8\n")
    (tmp_path / "prompts.txt").write_text("The sea was calm.\nThe ship was not.\n")
    result = seatrial("load", NOWHERE, *words, "--dry-run")
    assert result.code == 0, result.err
    assert told in result.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--trace", "none.csv"), "cannot read"),
        (("--prompt-file", "none.txt"), "cannot read"),
        (("--steps", "5"), "steps is RATE:SECONDS"),
        (("--mix", "talk"), "mix is KIND=WEIGHT"),
        (("--think", "1"), "give a concurrency"),
        (("--concurrency", "2", "--steps", "1:1"), "cannot be had together"),
        (("--goodput", "ttft"), "goodput is NAME:MILLISECONDS"),
        (("--max-tokens", "many"), "max_tokens is a number"),
        (("--burstiness", "0"), "burstiness is a number"),
        (("--profile", "capacity", "--rate-most", "1"), "is above rate_most"),
        (("--baseline", "none.jsonl"), "the baseline cannot be used"),
        (("--baseline", "checks.jsonl"), "has no load"),
        (("--gate", "other.toml"), "the baseline cannot be used"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_nothing_is_sent(
    seatrial: Command, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    Story(outcomes=[samples.outcome("chat.answers")]).write(tmp_path / "checks.jsonl")
    (tmp_path / "other.toml").write_text('[slo]\nbaseline = "none.jsonl"\n')
    result = seatrial("load", NOWHERE, *words)
    assert result.code == 2
    assert told in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "trials").exists()


def test_a_closed_loop_is_recorded_with_its_goodput_by_the_gates_bounds(
    seatrial: Command, server: str, tmp_path: Path
) -> None:
    (tmp_path / "gate.toml").write_text("[slo]\ngoodput_e2e_ms = 60000\ngoodput_at_least = 0.5\n")
    words = ("--concurrency", 2, "--requests", 12, "--duration", 30, "--max-tokens", 4, "--log", "run.jsonl")
    result = seatrial("load", server, *words)
    (load,) = Run.read(tmp_path / "run.jsonl").loads
    assert load.goodput is not None
    assert load.goodput.bounds == {"e2e": 60000.0}
    assert (load.requests, load.goodput.requests) == (12, 12)
    assert load.course is not None
    assert "goodput_at_least" in result.out
    assert result.code == 0 or not load.valid


def test_a_mix_is_sent_to_both_routes(seatrial: Command, server: str, tmp_path: Path) -> None:
    words = ("--profile", "mixed", "--rate", 20, "--duration", 1, "--max-tokens", 4, "--log", "run.jsonl")
    result = seatrial("load", server, *words)
    (load,) = Run.read(tmp_path / "run.jsonl").loads
    assert load.counts.get("ok") == 20, load.counts
    assert {kind.name for kind in load.kinds} == {"chat", "completions", "chat-whole", "completions-whole"}
    assert "completions-whole" in result.out


def test_a_load_is_held_against_an_earlier_one(seatrial: Command, tmp_path: Path) -> None:
    for name, scale in (("before", 1.0), ("same", 1.0), ("slower", 2.0)):
        Story(loads=[samples.load_record(scale=scale)], command="load").write(tmp_path / f"{name}.jsonl")
    (tmp_path / "gate.toml").write_text('[slo]\nttft_p95_regression = 0.3\nbaseline = "before.jsonl"\n')
    assert seatrial("report", "same.jsonl", "--exit-code").code == 0
    result = seatrial("report", "slower.jsonl", "--exit-code")
    assert result.code == 1
    assert "ttft_p95_regression" in result.out
    assert "+100 %" in result.out
    assert seatrial("report", "slower.jsonl", "--exit-code", "--baseline", "slower.jsonl").code == 0

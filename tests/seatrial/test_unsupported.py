"""Options that an endpoint does not have, from the probing to the exit code: told apart from what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_server.standin import StandinOptions
from reports.formats import FORMATS
from reports.model import Run
from tests.seatrial.conftest import Command
from tests.seatrial.servers import KEY, endpoint, only_chat, standin
from tests.seatrial.test_plugin import OURS

pytest_plugins = ("pytester",)

FEW = ("--only", "chat.n.*", "--only", "chat.request.n.*", "--only", "chat.answers", "--examples", "1")
LINE = "unsupported: chat.n (its plainest use is refused with status 400 (tried 2 and 3)"


@pytest.fixture(scope="module")
def without_n() -> Iterator[str]:
    with endpoint(standin(options=StandinOptions(unsupported=frozenset({"chat.n"})))) as url:
        yield url


def test_an_unsupported_option_fails_the_gate_and_no_check(seatrial: Command, without_n: str, tmp_path: Path) -> None:
    result = seatrial("check", without_n, *FEW, "--log", "run.jsonl")
    assert result.code == 1
    assert LINE in result.out
    assert "0 failed" in result.out
    assert '"n": 2' in result.out
    run = Run.read(tmp_path / "run.jsonl")
    by_status: dict[str, set[str]] = {}
    for one in run.outcomes:
        by_status.setdefault(one.status, set()).add(one.check)
    assert by_status.keys() == {"pass", "unsupported"}
    assert {"chat.n.count", "chat.n.indices", "chat.request.n.accepted"} <= by_status["unsupported"]
    assert [one.name for one in run.capabilities if not one.supported] == ["chat.n"]
    # Of the route that no check was about nothing was asked.
    assert {one.route for one in run.capabilities} == {"chat"}
    assert all(run.exchanges[name].scope == "capability:chat" for name in run.capabilities[0].exchanges)


def test_a_gate_that_accepts_it_lets_it_pass_and_says_so(seatrial: Command, without_n: str, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text('[accept]\nunsupported = ["n", "best_of"]\n')
    result = seatrial("check", without_n, *FEW, "--log", "run.jsonl")
    assert result.code == 0
    assert "unsupported, and accepted by this gate: chat.n" in result.out
    assert " unsupported, " in result.out


def test_a_replay_and_every_format_tell_the_same(seatrial: Command, without_n: str, tmp_path: Path) -> None:
    assert seatrial("check", without_n, *FEW, "--log", "run.jsonl").code == 1
    again = seatrial("replay", "run.jsonl")
    assert again.code == 1
    assert "; 0 differ" in again.err
    assert LINE in again.out
    for name in FORMATS:
        told = seatrial("report", "run.jsonl", "--format", name)
        assert "chat.n" in told.out, name
        assert "its plainest use is refused with status 400" in told.out, name
    assert KEY not in (tmp_path / "run.jsonl").read_text()


def test_a_log_from_before_options_were_asked_for_can_be_replayed(
    seatrial: Command, server: str, tmp_path: Path
) -> None:
    assert seatrial("check", server, *FEW, "--log", "run.jsonl").code == 0
    lines = (tmp_path / "run.jsonl").read_text().splitlines(keepends=True)
    old = [line for line in lines if json.loads(line)["type"] != "capability" and '"capability:' not in line]
    assert len(old) < len(lines)
    (tmp_path / "old.jsonl").write_text("".join(old))
    result = seatrial("replay", "old.jsonl")
    assert (result.code, "; 0 differ" in result.err) == (0, True)


def test_a_required_route_that_is_not_served_fails(seatrial: Command, tmp_path: Path) -> None:
    words = ("--only", "*.answers")
    with endpoint(only_chat(standin())) as url:
        assert seatrial("check", url, *words).code == 0
        (tmp_path / "gate.toml").write_text('[routes]\nrequire = ["chat"]\n')
        assert seatrial("check", url, *words).code == 0
        (tmp_path / "gate.toml").write_text('[routes]\nrequire = ["chat", "completions"]\n')
        result = seatrial("check", url, *words)
    assert result.code == 1
    assert "the route completions is required and not served" in result.out


def test_as_pytest_items_they_are_skipped_with_the_reason(
    pytester: pytest.Pytester, without_n: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_API_KEY", KEY)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    words = ("--endpoint-url", without_n, "-k", "chat.n.count or (chat.answers and not type)", "-rs")
    result = pytester.runpytest(*OURS, *words)
    assert result.ret == 1
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines_random(["SKIPPED*unsupported: `n` is not supported*", f"does-not-conform: {LINE}*"])
    pytester.makefile(".toml", gate='[accept]\nunsupported = ["chat.n"]\n')
    assert pytester.runpytest(*OURS, *words).ret == 0

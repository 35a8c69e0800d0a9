"""`seatrial check` against a real server on loopback: what it prints, records and returns."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conformance.catalogue import checks_of
from reference_server import asgi
from reports.model import Run
from schemas.contracts import get
from tests.seatrial.conftest import Command
from tests.seatrial.servers import KEY, answering, endpoint, only_chat, standin

FEW = ("--only", "chat.answers", "--only", "chat.stream.*")


def mutant(name: str) -> object:
    every = (one for check in checks_of(get("azure-llama")).values() for one in check.mutants)
    return next(one for one in every if one.id == name)


def test_a_good_endpoint_conforms(seatrial: Command, server: str, tmp_path: Path) -> None:
    result = seatrial("check", server, *FEW, "--log", "run.jsonl")
    assert result.code == 0
    assert result.out.startswith("CONFORMS")
    run = Run.read(tmp_path / "run.jsonl")
    assert run.complete
    assert run.command == "check"
    assert {one.status for one in run.outcomes} == {"pass"}
    assert run.end is not None
    assert run.end.requests == len(run.exchanges)
    assert (tmp_path / "run.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert "report: run.html" in result.err
    assert "log: run.jsonl" in result.err


def test_the_key_is_in_no_file_and_on_no_stream(seatrial: Command, server: str, tmp_path: Path) -> None:
    result = seatrial("check", server, "--only", "auth", "--log", "run.jsonl")
    assert result.code == 0
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert KEY not in written + result.out + result.err


def test_a_breach_is_shown_with_words_and_curl_line(seatrial: Command) -> None:
    with endpoint(standin(mutant=mutant("chat.stream.done/drops_done"))) as url:
        result = seatrial("check", url, *FEW)
    assert result.code == 1
    assert result.out.startswith("DOES NOT CONFORM")
    assert "terminated by a payload" in result.out
    assert "curl -sS" in result.out
    assert "FAIL chat.stream.done" in result.err


def test_a_log_has_a_name_of_its_own_by_default(seatrial: Command, server: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert seatrial("check", server, "--only", "chat.answers").code == 0
    logs = sorted((tmp_path / "trials").glob("*-127.0.0.1-*.jsonl"))
    assert len(logs) == 2
    latest = max(logs, key=lambda log: log.stat().st_mtime_ns)
    assert (tmp_path / "trials" / "latest.jsonl").resolve() == latest.resolve()
    assert all(Run.read(log).complete for log in logs)


def test_a_log_is_only_overwritten_with_force(seatrial: Command, server: str, tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    log.write_text("precious")
    refused = seatrial("check", server, "--only", "chat.answers", "--log", log)
    assert (refused.code, log.read_text()) == (2, "precious")
    assert "--force" in refused.line
    assert seatrial("check", server, "--only", "chat.answers", "--log", log, "--force").code == 0
    assert Run.read(log).complete


def test_a_dry_run_sends_nothing_and_tells_the_cost(seatrial: Command, tmp_path: Path) -> None:
    prices = ("--price-input", 2, "--price-output", 4, "--currency", "EUR")
    seen: list[object] = []
    with endpoint(never(seen)) as url:
        result = seatrial("check", url, "--dry-run", *FEW, "--budget-tokens", 123, "--rpm", 2, *prices)
    assert (result.code, seen) == (0, [])
    assert "chat.stream.done" in result.out
    assert "123 tokens" in result.out
    assert "nothing was sent to the target" in result.out
    assert "raise --budget-requests or --budget-tokens" in result.out
    total = next(line for line in result.out.splitlines() if line.startswith("total"))
    checks, requests, tokens = (int(word) for word in total.split()[-3:])
    assert 5 < checks < 30
    assert 3 < requests < 40
    went_in, out = re.findall(r"at most ([\d,]+) in and ([\d,]+) out", result.out)[0]
    assert int(went_in) + int(out) == tokens
    assert f"price: at most {(2 * int(went_in) + 4 * int(out)) / 1e6:.4f}".rstrip("0") in result.out
    assert f"at least {-(-requests // 2) - 1} minute" in result.out
    assert list(tmp_path.iterdir()) == []


def never(seen: list[object]) -> asgi.App:
    """An app that notes whatever reaches it."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        seen.append(scope)
        await answering(500, "text/plain", b"")(scope, receive, send)

    return app


def test_a_rehearsal_counts_what_the_run_then_spends(seatrial: Command, server: str, tmp_path: Path) -> None:
    plan = seatrial("check", server, "--dry-run", *FEW)
    assert seatrial("check", server, *FEW, "--log", "run.jsonl").code == 0
    end = Run.read(tmp_path / "run.jsonl").end
    assert end is not None
    total = next(line for line in plan.out.splitlines() if line.startswith("total"))
    requests, bound = (int(word) for word in total.split()[-2:])
    assert requests == end.requests
    # The log has what answers said that they used.
    assert 0 < end.tokens <= bound


def test_a_trial_has_a_dry_run_as_well(seatrial: Command) -> None:
    result = seatrial("trial", "http://127.0.0.1:1", "--dry-run", "--check-profile", "quick", *FEW)
    assert result.code == 0
    assert "profile quick" in result.out
    assert "Then a load" in result.out


def test_the_quick_profile_asks_little_and_says_so(seatrial: Command, server: str, tmp_path: Path) -> None:
    words = ("--only", "chat.request.t*", "--only", "chat.sampling.*", "--log", "run.jsonl")
    assert seatrial("check", server, "--profile", "quick", *words).code == 0
    run = Run.read(tmp_path / "run.jsonl")
    assert run.settings["check_profile"] == "quick"
    assert "chat.sampling.greedy" in run.planned
    assert "chat.sampling.presence" not in run.planned
    assert len(run.exchanges) < 25
    replayed = seatrial("replay", "run.jsonl")
    assert (replayed.code, "; 0 differ" in replayed.err) == (0, True)


def test_a_check_named_in_full_is_planned_in_any_profile(seatrial: Command, server: str) -> None:
    few = ("check", server, "--profile", "quick", "--dry-run", "--only")
    assert "chat.sampling.presence" in seatrial(*few, "chat.sampling.presence").out
    refused = seatrial(*few, "chat.sampling.pres*")
    assert (refused.code, "choose a larger --profile" in refused.line) == (2, True)


def test_rounds_are_told_and_replayed(seatrial: Command, server: str, tmp_path: Path) -> None:
    result = seatrial("check", server, *FEW, "--repeat", 3, "--log", "run.jsonl")
    assert result.code == 0
    assert "3 times, at most 4,500 requests and 240,000 tokens" in result.err
    assert "changed no verdict" in result.out
    run = Run.read(tmp_path / "run.jsonl")
    assert {one.rounds for one in run.outcomes} == {("pass",) * 3}
    again = seatrial("replay", "run.jsonl")
    assert (again.code, "; 0 differ" in again.err) == (0, True)


def test_a_check_whose_verdict_changes_is_listed(seatrial: Command, tmp_path: Path) -> None:
    class Wavering:
        """A server that forgets `[DONE]` once the first round is over."""

        def __init__(self) -> None:
            self.inner = standin()
            self.streams = 0

        async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            self.streams += 1
            late = self.streams > 16
            self.inner.mutant = mutant("chat.stream.done/drops_done") if late else None  # type: ignore[assignment]
            await self.inner(scope, receive, send)

    words = ("--only", "chat.stream.done", "--repeat", 4, "--jobs", 1, "--log", "run.jsonl")
    with endpoint(Wavering()) as url:
        result = seatrial("check", url, *words)
    assert result.code == 1
    assert "Unstable: the verdict changed from round to round" in result.out
    (done,) = [one for one in Run.read(tmp_path / "run.jsonl").outcomes if one.check == "chat.stream.done"]
    assert done.rounds[0] == "pass"
    assert done.rounds[-1] == "fail"
    assert "; 0 differ" in seatrial("replay", "run.jsonl").err


def test_the_seed_the_settings_and_the_model_are_recorded(seatrial: Command, server: str, tmp_path: Path) -> None:
    words = ("--seed", 42, "--model", "tiny", "--examples", 1, "--no-shrink", "--rpm", 0)
    assert seatrial("check", server, "--only", "chat.answers", "--log", "run.jsonl", *words).code == 0
    run = Run.read(tmp_path / "run.jsonl")
    assert run.seed == 42
    assert run.settings["examples"] == 1
    assert run.settings["shrink"] is False
    assert run.settings["rpm"] is None
    checks = [exchange for exchange in run.exchanges.values() if exchange.sent.body.startswith(b"{")]
    assert checks
    assert all(exchange.sent.json["model"] == "tiny" for exchange in checks)


def test_a_schema_of_ones_own_drives_the_checks(seatrial: Command, server: str, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {"type": "array", "minItems": 1},
            "temperature": {"type": "number", "maximum": 0.5, "description": "How hot it may get."},
        },
    }
    (tmp_path / "own.json").write_text(json.dumps(schema))
    result = seatrial(
        "check", server, "--schema", "own.json", "--only", "chat.request.temperature.*", "--log", "run.jsonl"
    )
    # The server takes 2 as the contract says, and the user's schema says 0.5.
    assert result.code == 1
    run = Run.read(tmp_path / "run.jsonl")
    assert run.settings["schemas"] == {"chat": schema}
    assert any(row.id.startswith("schema.chat.") for row in run.rows)
    assert {one.check for one in run.outcomes if one.status == "fail"} <= set(run.planned)


def test_the_gate_decides_and_a_report_has_the_format_of_its_name(
    seatrial: Command, server: str, tmp_path: Path
) -> None:
    (tmp_path / "gate.toml").write_text('[[waiver]]\ncheck = "chat.answers"\nreason = "slow"\nuntil = 2001-01-01\n')
    result = seatrial("check", server, "--only", "chat.answers", "--report", "run.xml", "--format", "markdown")
    assert result.code == 1
    assert "stale" in result.out
    assert (tmp_path / "run.xml").read_text().startswith("<?xml")
    (tmp_path / "mild.toml").write_text("")
    assert seatrial("check", server, "--only", "chat.answers", "--gate", "mild.toml").code == 0


def test_a_spent_budget_is_no_judgement_and_says_what_to_raise(seatrial: Command, server: str) -> None:
    result = seatrial("check", server, "--only", "chat.request.*", "--budget-requests", 10)
    assert result.code == 3
    assert "--budget-requests" in result.err
    assert result.err.count("is spent") == 1


@pytest.mark.parametrize("spared", [True, False])
def test_one_of_two_routes_is_judged_and_the_other_skipped(seatrial: Command, tmp_path: Path, *, spared: bool) -> None:
    (tmp_path / "gate.toml").write_text(f"[accept]\nskip = {str(spared).lower()}\n")
    with endpoint(only_chat(standin())) as url:
        result = seatrial("check", url, "--only", "*.answers", "--only", "*.stream.opens", "--log", "run.jsonl")
    assert result.code == (0 if spared else 3)
    statuses = {one.check: one.status for one in Run.read(tmp_path / "run.jsonl").outcomes}
    assert statuses["chat.stream.opens"] == "pass"
    assert statuses["completions.answers"] == statuses["completions.stream.opens"] == "skip"


def test_a_target_of_the_file_is_used_by_its_name(seatrial: Command, server: str, tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text(f'[targets.lab]\nurl = "{server}"\nkey_env = "SEATRIAL_API_KEY"\n')
    assert seatrial("check", "lab", "--only", "chat.answers").code == 0


def test_prompts_for_the_content_filter_are_the_users(seatrial: Command, server: str, tmp_path: Path) -> None:
    only = ("--only", "chat.filter.acts", "--log", "run.jsonl", "--force")
    assert seatrial("check", server, *only, "--filter-prompt", "seatrial-filter-prompt").code == 0
    run = Run.read(tmp_path / "run.jsonl")
    assert {one.check: one.status for one in run.outcomes}["chat.filter.acts"] == "pass"
    assert seatrial("replay", "run.jsonl").code == 0
    result = seatrial("check", server, *only, "--filter-prompt", "Is the sea calm today?")
    assert result.code == 1
    assert "the filter did not act" in result.out

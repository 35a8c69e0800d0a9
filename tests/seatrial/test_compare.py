"""`seatrial compare`, and `seatrial check --baseline` against two real servers on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.catalogue import checks_of
from conformance.check import Mutant
from reference_server import asgi
from reports.compare.build import compare
from reports.compare.model import Comparison
from reports.gate import Gate
from reports.model import Run
from schemas.contracts import get
from seatrial.paired import Steps
from tests.reports.samples import TODAY
from tests.seatrial.conftest import Command
from tests.seatrial.servers import KEY, answering, closed_port, endpoint, mortal, standin, wanting_model

# What the variations below differ in, each by itself, and little else.
FEW = (
    "--only",
    "chat.answers",
    "--only",
    "chat.stream.usage",
    "--only",
    "chat.stream.finish",
    "--only",
    "chat.error.*",
)
OTHER = "the-baselines-own-key"
PAIR = ("--baseline-key-env", "BASE_KEY", "--log", "run.jsonl", "--force")


def mutant(name: str) -> Mutant:
    every = (one for check in checks_of(get("azure-llama")).values() for one in check.mutants)
    return next(one for one in every if one.id == name)


def watched(inner: asgi.App, seen: list[bytes]) -> asgi.App:
    """An app that remembers the `Authorization` of every request."""

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]).get(b"authorization", b""))
        await inner(scope, receive, send)

    return app


@pytest.fixture(scope="module")
def baseline() -> Iterator[str]:
    with endpoint(standin(key=OTHER)) as url:
        yield url


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_KEY", OTHER)


def logs(folder: Path) -> tuple[Run, Run]:
    return Run.read(folder / "run.baseline.jsonl"), Run.read(folder / "run.jsonl")


def comparison(folder: Path) -> Comparison:
    return compare(*logs(folder), Gate(), TODAY)


def untimed(found: Comparison) -> list[str]:
    """The differences but those of time: two servers on a busy machine may well be unlike in that."""
    return [one.subject for one in found.differences if one.area != "latency"]


def test_the_same_server_twice_has_no_difference(seatrial: Command, server: str, baseline: str, tmp_path: Path) -> None:
    result = seatrial("check", server, "--baseline", baseline, *PAIR, *FEW)
    assert result.code == 0, result.err
    assert "NO BREAKING DIFFERENCE" in result.out
    found = comparison(tmp_path)
    assert untimed(found) == []
    before, after = logs(tmp_path)
    assert (before.target, after.target) == (baseline, server)
    assert before.planned == after.planned
    assert len(before.exchanges) == len(after.exchanges) == len(found.same)
    first = result.err.splitlines()[0]
    assert "twice" in first
    assert "1,500 requests and 80,000 tokens, each" in first
    assert (tmp_path / "run.compare.html").read_text().startswith("<!doctype html")


def test_a_mutant_breaks_exactly_its_check(seatrial: Command, baseline: str, tmp_path: Path) -> None:
    with endpoint(standin(mutant=mutant("chat.usage.sum/miscounts_the_total"))) as url:
        result = seatrial("check", url, "--baseline", baseline, *PAIR, *FEW, "--only", "chat.usage.*")
    assert result.code == 1
    found = comparison(tmp_path)
    assert found.breaking == ("chat.usage.sum",)
    assert untimed(found) == ["chat.usage.sum"]
    again = seatrial("compare", "run.baseline.jsonl", "run.jsonl", "--report", "c.md")
    assert again.code == 1
    assert again.out.startswith("BREAKING DIFFERENCES")
    assert "chat.usage.sum" in (tmp_path / "c.md").read_text()
    assert seatrial("compare", "run.jsonl", "run.baseline.jsonl").code == 0


@pytest.mark.parametrize("variation", ["extra-fields", "error-detail", "status-422", "usage-apart", "no-model"])
def test_a_legal_variation_breaks_nothing(variation: str, seatrial: Command, baseline: str, tmp_path: Path) -> None:
    with endpoint(standin(variation=variation)) as url:
        result = seatrial("check", url, "--baseline", baseline, *PAIR, *FEW, "--fail-on-regression")
    assert result.code == 0, result.out + result.err
    found = comparison(tmp_path)
    assert not found.breaking
    assert untimed(found), "a variation is a difference all the same"


def test_neither_endpoint_sees_the_other_s_key(seatrial: Command, tmp_path: Path) -> None:
    ours: list[bytes] = []
    theirs: list[bytes] = []
    with (
        endpoint(watched(standin(), ours)) as url,
        endpoint(watched(standin(key=OTHER), theirs)) as other,
    ):
        assert seatrial("check", url, "--baseline", other, *PAIR, *FEW).code == 0
    assert f"Bearer {KEY}".encode() in ours
    assert f"Bearer {OTHER}".encode() in theirs
    assert not any(OTHER.encode() in one for one in ours)
    assert not any(KEY.encode() in one for one in theirs)
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert KEY not in written
    assert OTHER not in written


def test_without_a_key_of_its_own_the_baseline_gets_none(seatrial: Command, server: str) -> None:
    theirs: list[bytes] = []
    with endpoint(watched(standin(key=OTHER), theirs)) as other:
        result = seatrial("check", server, "--baseline", other, *FEW)
    assert result.code == 3
    assert set(theirs) == {b""}
    assert "--baseline-key-env" in result.err.splitlines()[-1]
    assert "SEATRIAL_API_KEY" not in result.err


def test_a_baseline_that_does_not_answer_ends_it_before_the_candidate_is_asked(
    seatrial: Command, tmp_path: Path
) -> None:
    ours: list[bytes] = []
    with endpoint(watched(standin(), ours)) as url:
        result = seatrial("check", url, "--baseline", f"http://127.0.0.1:{closed_port()}", *PAIR, *FEW)
    assert result.code == 3
    assert "the baseline cannot be asked, so no check was begun" in result.err
    assert ours == []
    assert {run.incomplete.split(":")[0] for run in logs(tmp_path)} == {"the run was aborted"}


# Cut off it has failed, and the candidate is better; refused it ends its run, and there is nothing to compare.
@pytest.mark.parametrize(("more", "codes"), [((), {0}), (("--fail-on-regression",), {0, 3})])
def test_a_baseline_that_dies_leaves_the_verdict_and_takes_the_comparison(
    more: tuple[str, ...], codes: set[int], seatrial: Command, server: str, tmp_path: Path
) -> None:
    # It lives until its check begins.
    with mortal(standin(key=OTHER), 4) as other:
        result = seatrial("check", server, "--baseline", other, *PAIR, "--only", "chat.answers", *more)
    assert result.code in codes, result.out + result.err
    assert "comparison: run.compare.html" in result.err
    before, after = logs(tmp_path)
    assert [one.status for one in after.outcomes] == ["pass"]
    assert [one.status for one in before.outcomes] != ["pass"]


def test_a_regression_that_the_verdict_lets_pass_fails_only_when_asked(seatrial: Command, baseline: str) -> None:
    def only_chat(inner: asgi.App) -> asgi.App:
        missing = answering(404, "application/json", b'{"error":{"message":"no such route"}}')

        async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            await (missing if scope["path"].endswith("/v1/completions") else inner)(scope, receive, send)

        return app

    with endpoint(only_chat(standin())) as url:
        words = ("check", url, "--baseline", baseline, *PAIR, "--only", "*.answers")
        assert seatrial(*words).code == 0
        strict = seatrial(*words, "--fail-on-regression")
    assert strict.code == 1
    assert "because of the comparison" in strict.err


def test_a_model_of_its_own_goes_to_the_baseline(seatrial: Command, server: str, baseline: str, tmp_path: Path) -> None:
    seatrial("check", server, "--baseline", baseline, *PAIR, "--only", "chat.answers", "--baseline-model", "other")
    before, after = logs(tmp_path)
    assert {json.loads(one.sent.body).get("model") for one in before.exchanges.values()} == {"other"}
    assert not any(b'"model"' in one.sent.body for one in after.exchanges.values())
    assert len(compare(before, after, Gate(), TODAY).same) == len(after.exchanges)


def test_a_baseline_may_be_a_target_with_a_key_of_its_own(
    seatrial: Command, server: str, baseline: str, tmp_path: Path
) -> None:
    (tmp_path / "seatrial.toml").write_text(f'[targets.base]\nurl = "{baseline}"\nkey_env = "BASE_KEY"\n')
    result = seatrial("check", server, "--baseline", "base", "--only", "chat.answers", "--log", "run.jsonl")
    assert result.code == 0, result.err


def test_a_dry_run_tells_the_double_cost_and_sends_nothing(seatrial: Command, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result = seatrial("check", url, "--baseline", url, "--only", "chat.answers", "--dry-run")
    assert result.code == 0
    assert "twice the requests and tokens" in result.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fail-on-regression",), "--fail-on-regression is for a --baseline"),
        (("--baseline-model", "m"), "--baseline-model is for a --baseline"),
        (("--baseline", "nothing"), "baseline: 'nothing' is no URL"),
        (("--baseline", "http://127.0.0.1:1", "--baseline-key-env", "NOT_SET"), "no variable NOT_SET"),
        (("--baseline", "http://127.0.0.1:1", "--slower", "0.5"), "--slower is a ratio from 1 to 100"),
        (("--baseline", "http://127.0.0.1:1", "--compare-report", "c.xml"), "not as JUnit"),
        (("--baseline", "http://127.0.0.1:1", "--log", "/dev/null"), "is no file"),
    ],
)
def test_what_makes_no_sense_is_one_line(words: tuple[str, ...], said: str, seatrial: Command) -> None:
    result = seatrial("check", "http://127.0.0.1:1", *words)
    assert result.code == 2
    assert said in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_a_log_of_the_baseline_that_is_there_is_kept(seatrial: Command, server: str, tmp_path: Path) -> None:
    (tmp_path / "run.baseline.jsonl").write_text("precious")
    result = seatrial("check", server, "--baseline", server, "--log", "run.jsonl")
    assert result.code == 2
    assert (tmp_path / "run.baseline.jsonl").read_text() == "precious"
    assert not (tmp_path / "run.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("", 3, "is empty"),
        ('{"a": 1}\n', 3, "the first record of a log is a `run`"),
        ("not json\n", 3, "its first line is not JSON"),
        (None, 2, "does not exist"),
    ],
)
def test_a_file_that_is_no_log_is_one_line(
    content: str | None, code: int, said: str, seatrial: Command, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "x.jsonl").write_text(content)
    result = seatrial("compare", "x.jsonl", "x.jsonl")
    assert result.code == code
    assert said in result.line


def test_compare_renders_every_format_and_a_cut_log_is_not_judged(
    seatrial: Command, server: str, tmp_path: Path
) -> None:
    seatrial("check", server, *FEW, "--log", "a.jsonl")
    for kind, start in (("terminal", "NO BREAKING"), ("markdown", "## ✅"), ("html", "<!doctype html")):
        result = seatrial("compare", "a.jsonl", "a.jsonl", "--format", kind)
        assert result.code == 0
        assert result.out.startswith(start)
    whole = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[: len(whole) * 2 // 3])
    cut = seatrial("compare", "a.jsonl", "cut.jsonl", "--report", "cut.html")
    assert cut.code == 3
    assert "the candidate is no complete run" in cut.out
    assert (tmp_path / "cut.html").exists()


def test_steps_keep_two_runs_together_until_one_has_ended() -> None:
    steps = Steps(lead=2)
    ahead = threading.Event()

    def run() -> None:
        for _ in range(3):
            steps.took(0)
        ahead.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert not ahead.wait(0.05)
    steps.took(1)
    assert not ahead.wait(0.05)
    steps.release()
    assert ahead.wait(5)
    thread.join()
    steps.took(0)


def test_a_baseline_that_wants_a_model_is_asked_the_same_under_its_name(
    seatrial: Command, server: str, tmp_path: Path
) -> None:
    with endpoint(wanting_model(standin(key=OTHER), "tiny")) as other:
        result = seatrial("check", server, "--baseline", other, *PAIR, "--only", "chat.answers")
    assert result.code == 0, result.err
    assert any("baseline: " in line and "tiny" in line for line in result.err.splitlines())
    before, after = logs(tmp_path)
    answers = [one for one in before.exchanges.values() if one.scope == "chat.answers"]
    assert {json.loads(one.sent.body)["model"] for one in answers} <= {"tiny"}
    assert len(compare(before, after, Gate(), TODAY).same) >= len(after.exchanges) - 2
    with endpoint(wanting_model(standin(key=OTHER), "a", "b")) as several:
        refused = seatrial("check", server, "--baseline", several, *PAIR, "--only", "chat.answers")
    assert refused.code == 3
    assert "name one with --baseline-model" in refused.err

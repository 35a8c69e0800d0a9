"""The pytest plugin, driven through pytester: the checks as items, and nothing at all for everybody else."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from reports.model import Run
from tests.seatrial.processes import PLUGIN, ROOT
from tests.seatrial.servers import KEY, closed_port, endpoint, standin
from tests.seatrial.test_check import mutant

pytest_plugins = ("pytester",)

OURS = (*PLUGIN, "-p", "no:cacheprovider", "-W", "error", "--pyargs", "conformance")


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("SEATRIAL_API_KEY", KEY)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def test_a_good_endpoint_passes_and_the_log_says_so(inner: pytest.Pytester, server: str) -> None:
    result = inner.runpytest(*OURS, "--endpoint-url", server, "-k", "chat.stream", "--jobs", "4", "--examples", "1")
    outcomes = result.parseoutcomes()
    assert result.ret == 0
    assert outcomes["passed"] > 5
    assert set(outcomes) == {"passed", "deselected"}
    result.stdout.fnmatch_lines(["*requests, * tokens at most, seed 0", "log: *.jsonl"])
    (log,) = (inner.path / "trials").glob("*-127.0.0.1-*.jsonl")
    run = Run.read(log)
    assert run.complete
    assert run.command == "pytest"
    # Needs of the selected checks run too, but they are nobody's items.
    assert {"chat.answers"} < {one.check for one in run.outcomes}
    assert len(run.outcomes) > outcomes["passed"]
    assert run.settings["only"]
    assert run.settings["examples"] == 1


@pytest.mark.parametrize("option", ["--check-profile", "--seatrial-check-profile"])
def test_a_check_profile_selects_the_items(inner: pytest.Pytester, option: str) -> None:
    words = ("--endpoint-url", "http://127.0.0.1:1", "--collect-only", "-q", option, "quick")
    result = inner.runpytest(*OURS, *words)
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(["*::chat.sampling.greedy"])
    result.stdout.no_fnmatch_line("*::chat.sampling.presence")


def test_items_have_the_ids_of_checks_under_their_modules(inner: pytest.Pytester) -> None:
    result = inner.runpytest(*OURS, "--endpoint-url", "http://127.0.0.1:1", "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        ["*streaming.py::chat.stream.done", "*requests.py::chat.request.temperature.accepted"]
    )
    assert not (inner.path / "trials").exists()


def test_a_breach_is_shown_with_words_and_curl_line_and_without_traceback(inner: pytest.Pytester) -> None:
    with endpoint(standin(mutant=mutant("chat.stream.done/drops_done"))) as url:
        words = ("--endpoint-url", url, "-k", "chat.stream.done or chat.reading", "--junitxml", "junit.xml")
        result = inner.runpytest(*OURS, *words)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*MUST chat.stream.done: *terminated by a payload*", "curl -sS *$SEATRIAL_API_KEY*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*items.py*")
    result.stdout.no_fnmatch_line(f"*{KEY}*")
    failures = ET.parse(inner.path / "junit.xml").getroot().findall(".//testcase[failure]")
    assert "chat.stream.done" in [case.get("name") for case in failures]


def test_x_stops_the_run(inner: pytest.Pytester) -> None:
    with endpoint(standin(mutant=mutant("chat.answers/refuses_everything"))) as url:
        result = inner.runpytest(*OURS, "--endpoint-url", url, "-x", "--seatrial-log", "run.jsonl")
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1
    assert Run.read(inner.path / "run.jsonl").end is not None


def test_blocked_checks_are_skipped_with_the_reason(inner: pytest.Pytester) -> None:
    with endpoint(standin(mutant=mutant("chat.stream.opens/opens_and_says_nothing"))) as url:
        result = inner.runpytest(*OURS, "--endpoint-url", url, "-k", "chat.stream.opens or chat.stream.done", "-rs")
    assert result.ret == 1
    outcomes = result.parseoutcomes()
    assert (outcomes["failed"], outcomes["skipped"]) == (1, 1)
    result.stdout.fnmatch_lines(["SKIPPED*chat.stream.opens*"])


def test_what_was_not_judged_is_an_error_and_no_success(inner: pytest.Pytester, server: str) -> None:
    words = (
        "--endpoint-url",
        server,
        "--budget-requests",
        "8",
        "-k",
        "chat.request.temperature",
        "--junitxml",
        "j.xml",
    )
    result = inner.runpytest(*OURS, *words)
    assert result.ret != 0
    assert result.parseoutcomes()["errors"] > 0
    assert ET.parse(inner.path / "j.xml").getroot().findall(".//testcase[error]")


def test_a_waived_failure_is_expected_and_a_stale_waiver_is_not(inner: pytest.Pytester, server: str) -> None:
    waiver = '[[waiver]]\ncheck = "chat.stream.done"\nreason = "ships in March"\nuntil = 2999-01-01\n'
    inner.path.joinpath("gate.toml").write_text(waiver)
    words = ("-k", "chat.stream.done", "-rx")
    with endpoint(standin(mutant=mutant("chat.stream.done/drops_done"))) as url:
        result = inner.runpytest(*OURS, "--endpoint-url", url, *words)
    assert result.ret == 0
    assert result.parseoutcomes()["xfailed"] == 1
    result.stdout.fnmatch_lines(["XFAIL*ships in March*"])
    stale = inner.runpytest(*OURS, "--endpoint-url", server, *words)
    assert stale.ret == 1
    stale.stdout.fnmatch_lines(["*stale*"])


def test_an_endpoint_that_cannot_be_judged_ends_the_session(inner: pytest.Pytester, server: str) -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    result = inner.runpytest(*OURS, "--endpoint-url", dead, "--seatrial-log", "run.jsonl")
    assert result.ret == 3
    result.stdout.fnmatch_lines(["*check host and port*"])
    end = Run.read(inner.path / "run.jsonl").end
    assert end is not None
    assert end.status == "aborted"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "*add --endpoint-url*"),
        (("--endpoint-url", "prod"), "*seatrial.toml*"),
        (("--endpoint-url", "http://x", "--jobs", "0"), "*--jobs*"),
        (("--endpoint-url", "http://x", "--contract", "nope"), "*azure-llama*"),
        (("--endpoint-url", "http://x", "--key-env", "NOT_SET"), "*NOT_SET*"),
        (("--endpoint-url", "http://x", "--schema", "none.json"), "*none.json*"),
        (("--endpoint-url", "http://x", "--seatrial-gate", "none.toml"), "*none.toml*"),
    ],
)
def test_wrong_usage_is_one_line(inner: pytest.Pytester, words: tuple[str, ...], says: str) -> None:
    result = inner.runpytest(*OURS, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        line for line in result.errlines if line.startswith("ERROR: ")
    ]
    result.stderr.fnmatch_lines([says])


def test_other_tests_are_left_alone(inner: pytest.Pytester) -> None:
    inner.makeconftest("def pytest_addoption(parser): parser.addoption('--model'); parser.addoption('--jobs')")
    inner.makepyfile(
        test_other="def test_it(request): assert request.config.getoption('model') == 'mine'\n",
        conformance="def test_never(): raise AssertionError\n",
    )
    result = inner.runpytest(*PLUGIN, "-W", "error", "--model", "mine", "--jobs", "3")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*seatrial*requests*")


def test_a_project_may_have_a_folder_of_that_name(inner: pytest.Pytester) -> None:
    inner.mkdir("conformance").joinpath("test_mine.py").write_text("def test_it(): pass\n")
    result = inner.runpytest(*PLUGIN, "conformance")
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy() -> None:
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import seatrial.plugin\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "sys.exit(0 if new == {'seatrial'} else f'loaded {new}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_checks_of_the_clone_are_found_by_their_path(server: str, tmp_path: Path) -> None:
    words = (
        *PLUGIN,
        "-p",
        "no:cacheprovider",
        "conformance/checks/auth.py",
        "-q",
        "-k",
        "chat.auth.none",
    )
    log = str(tmp_path / "run.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--endpoint-url", server, "--seatrial-log", log, "--seatrial-no-key"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # Without a key the stand-in lets nobody in.
    assert done.returncode == 3
    assert "wants a key" in done.stdout

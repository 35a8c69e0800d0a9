from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from loadtests.profiles import BOUNDS, CHOICES, TEXTS
from tests.loadtests.loopback import answer, serving, stream_of, with_status

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "loadtests"
KEY = "a-key-of-32-characters-or-so-1234"


def locust(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`locust` without its web page, on the locustfile, as a user would call it."""
    command = [sys.executable, "-m", "locust", "-f", str(FOLDER / "locustfile.py"), "--headless", "--host", url]
    run = ["--rate", "30", "--duration", "0.3", "--max-tokens", "4", "--no-self-check", *options]
    env = {**os.environ, "SEATRIAL_API_KEY": KEY}
    return subprocess.run([*command, *run], capture_output=True, text=True, timeout=90, cwd=ROOT, env=env, check=False)


def ended_with(done: subprocess.CompletedProcess[str], code: int) -> bool:
    """Whether that is the exit code, or the machine was too busy for valid figures and locust said so."""
    return done.returncode == code or (done.returncode == 3 and "the load generator" in done.stderr)


def test_locust_runs_the_schedule_and_counts_each_stream_once() -> None:
    with serving(answer(stream_of(4))) as server:
        done = locust(server.url)
    assert ended_with(done, 0), done.stderr
    assert len(server.requests) == 11
    assert "11 chat requests" in done.stderr
    # A run on a machine that was too busy has no figures.
    assert ("ttft" in done.stderr) is (done.returncode == 0)
    assert "outcomes: ok 9" in done.stderr
    row = next(line.split() for line in done.stderr.splitlines() if line.startswith("STREAM"))
    assert row[1:4] == ["/v1/chat/completions", "9", "0(0.00%)"]
    assert KEY not in done.stdout + done.stderr


def test_the_users_of_locust_do_not_change_the_schedule() -> None:
    with serving(answer(stream_of(4))) as server:
        done = locust(server.url, "--users", "5", "--route", "completions", "--arrivals", "poisson")
    assert len(server.requests) == 11, done.stderr
    assert all(request.startswith(b"POST /v1/completions ") for request in server.requests)


def test_failed_streams_and_invalid_runs_have_their_exit_codes() -> None:
    with serving(answer(with_status(503))) as server:
        failed = locust(server.url)
    assert ended_with(failed, 1), failed.stderr
    assert "StreamFailed('5xx')" in failed.stderr
    with serving(answer(with_status(401))) as server:
        refused = locust(server.url)
    assert refused.returncode == 3, refused.stderr
    assert "not valid" in refused.stderr


def test_workers_share_the_schedule_and_their_figures_are_merged() -> None:
    with serving(answer(stream_of(4))) as server:
        done = locust(server.url, "--processes", "2", "--users", "2", "--spawn-rate", "2")
    assert len(server.requests) == 11, done.stderr
    assert "outcomes: ok 9" in done.stderr
    assert ended_with(done, 0), done.stderr


def test_workers_share_a_search_for_a_capacity() -> None:
    least = ("--rate-most", "30", "--share", "0.5", "--resolution", "1", "--goodput", "ttft:100", "--duration", "0.1")
    with serving(answer(stream_of(4))) as server:
        done = locust(server.url, "--processes", "2", "--users", "2", "--profile", "capacity", *least)
    assert ended_with(done, 0), done.stderr
    assert len(server.requests) > 30
    if done.returncode == 0:
        assert "capacity per second: at least 30, below what was not found; 30 per second, the highest" in done.stderr


def test_a_terminated_run_could_not_be_judged() -> None:
    with serving(answer(stream_of(4))) as server:
        done = locust(server.url, "--duration", "60", "--run-time", "1s")
    assert done.returncode == 3, done.stderr
    assert len(server.requests) < 100


def test_a_senseless_option_is_refused() -> None:
    done = locust("http://127.0.0.1:1", "--contract", "nobody")
    assert done.returncode == 2, done.stderr
    assert "nobody" in done.stderr


def test_no_module_here_hides_another_ones() -> None:
    """Locust puts the folder of its locustfile on the path, so its modules can be imported by their bare names."""
    taken = sys.stdlib_module_names | packages_distributions().keys()
    assert {path.stem for path in FOLDER.glob("*.py")} & taken == {"__init__"} & taken


def test_only_one_module_imports_locust() -> None:
    importers = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "locust" for name in names):
                importers.add(path.stem)
    assert importers == {"users"}


def test_reading_streams_patches_nothing() -> None:
    program = (
        "import socket, ssl, loadtests.campaign, loadtests.launch, gevent.monkey as m;"
        "assert not m.saved, m.saved; assert 'locust' not in __import__('sys').modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=60)


def test_the_example_for_kubernetes_uses_options_that_there_are() -> None:
    lines = (ROOT / "docs" / "kubernetes.yaml").read_text().splitlines()
    used = {
        word
        for line in lines
        if not line.startswith("#")
        for word in line.split()
        if word.startswith("--") and word[2:].replace("-", "").isalpha()
    }
    shown = subprocess.run(
        [sys.executable, "-m", "locust", "--help"], capture_output=True, text=True, timeout=90, cwd=ROOT, check=True
    ).stdout
    known = {word.strip(",") for word in shown.split() if word.startswith("--")}
    # Locust's help does not load the locustfile, whose options are its own.
    known |= set(re.findall(r'"(--[a-z-]+)"', (FOLDER / "users.py").read_text()))
    known |= {f"--{name.replace('_', '-')}" for name in (*BOUNDS, *TEXTS, *CHOICES)}
    assert {"--master", "--worker", "--expect-workers", "--rate"} <= used
    assert used - known == set()

"""The commands of the README run as they stand, against a stand-in in place of the endpoint; links point at files."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reference_server.serve import serving, standin_app
from schemas.contracts import get

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
KEY = "the-key-of-your-endpoint"
PAGES = (
    "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md",
    "benchmarks/detection/README.md", "benchmarks/limits/README.md", "benchmarks/field/README.md",
    "benchmarks/layer/README.md",
)  # fmt: skip


def commands(kind: str) -> list[str]:
    """The lines of the code blocks between `<!-- kind -->` and `<!-- end -->`."""
    found: list[str] = []
    for block in re.findall(rf"<!-- {kind} -->\n```bash\n(.*?)```\n<!-- end -->", README, re.DOTALL):
        found += [line for line in block.splitlines() if line and not line.startswith("export ")]
    assert found, f"the README has no block {kind!r}"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone to the commands, without one run's leftovers in the real one."""
    place = tmp_path_factory.mktemp("clone")
    for name in ("conformance", "loadtests", "gate.toml"):
        (place / name).symlink_to(ROOT / name)
    return place


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(standin_app(contract=get("azure-llama"), key=KEY, limits=None)) as server:
        yield server.url


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "SEATRIAL_API_KEY": KEY, "PATH": path, "NO_COLOR": "1"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("command", [line for line in commands("run") if not line.startswith("locust")])
def test_a_command_runs_as_it_stands(command: str, folder: Path, url: str) -> None:
    words = shlex.split(command.replace("http://127.0.0.1:8000", url))
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    for _ in range(300):
        assert process.poll() is None, process.communicate()
        try:
            httpx.get(url, timeout=1)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nothing answers at {url}")


def ended(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode


@pytest.mark.parametrize("command", commands("serve"))
def test_a_server_starts_and_stops(command: str, folder: Path) -> None:
    port = free_port()
    words = shlex.split(command.replace("8000", str(port)))
    process = subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
    finally:
        assert ended(process) == 0


def test_locust_opens_its_web_ui(folder: Path, url: str) -> None:
    (command,) = [line for line in commands("run") if line.startswith("locust")]
    port = free_port()
    words = [*shlex.split(command.replace("http://127.0.0.1:8000", url)), "--web-port", str(port)]
    process = subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        # Another address of this machine, in place of another machine: the page is not for everybody.
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{port}/", timeout=5)
    finally:
        ended(process)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = commands("tests")
    assert command.startswith("python3 -m venv .venv && ")
    script = (ROOT / ".ci" / "run").read_text()
    assert "<!-- tests -->" in script, "CI takes the command out of the README"
    assert len(commands("main job")) == 1


@pytest.mark.parametrize("page", PAGES)
def test_links_point_at_files(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert (ROOT / Path(page).parent / target).exists(), f"{page} points at {target}"


@pytest.mark.parametrize("path", re.findall(r"`(tests/laws/[\w.]+)`", (ROOT / "ARCHITECTURE.md").read_text()))
def test_the_laws_are_where_the_page_says(path: str) -> None:
    assert (ROOT / path).exists()

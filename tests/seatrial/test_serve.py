"""`seatrial serve`, and the server that a trial brings along."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from reports.model import Run
from seatrial.embedded import embedded_server
from seatrial.errors import NoJudgement
from tests.seatrial.conftest import Command
from tests.seatrial.processes import alive, process, seatrial
from tests.seatrial.servers import KEY


def status(url: str, key: str | None) -> int:
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps({"prompt": "Ahoy"}).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    with seatrial("serve", "--port", "0", folder=tmp_path) as server:
        server.until("curl -sS")
        url = server.out[0].split(" at ")[1].split(",")[0]
        assert status(url, KEY) == 200
        assert status(url, "another-key") == 401
        assert KEY not in server.said
        line = server.out[1].strip()
        done = subprocess.run(
            ["bash", "-c", line], env={"PATH": "/usr/bin:/bin", "SEATRIAL_API_KEY": KEY},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "200 OK" in done.stdout, done
        server.signal(number)
        assert server.end(20) == 0
        assert "Traceback" not in server.said


def test_an_open_server_says_that_it_is_open(tmp_path: Path) -> None:
    with seatrial("serve", "--port", "0", folder=tmp_path, SEATRIAL_API_KEY="") as server:
        server.until("answers anybody")
        # The two streams are read by two threads, either of which may be first.
        server.until("curl -sS")
        assert status(server.out[0].split(" at ")[1].split(",")[0], None) == 200


def test_a_port_in_use_is_one_line(seatrial: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = seatrial("serve", "--port", taken.getsockname()[1])
    assert result.code == 2
    assert "choose another --port" in result.line


def test_an_embedded_server_lives_as_long_as_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remembering(*words: object, **rest: object) -> subprocess.Popen[bytes]:
        started.append(popen(*words, **rest))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remembering)
    with contextlib.suppress(KeyboardInterrupt), embedded_server("embedded-tests-key") as url:
        assert status(url, "embedded-tests-key") == 200
        raise KeyboardInterrupt
    assert not alive(started[0].pid)
    assert "embedded-tests-key" not in str(started[0].args)


def test_an_embedded_server_ends_when_its_user_is_killed(tmp_path: Path) -> None:
    # The user prints what the server's process is, and is gone without a word to it.
    program = (
        "import os, sys\n"
        "from seatrial.embedded import embedded_server\n"
        "import subprocess\n"
        "started = []\n"
        "popen = subprocess.Popen\n"
        "subprocess.Popen = lambda *words, **rest: started.append(popen(*words, **rest)) or started[-1]\n"
        "with embedded_server('embedded-tests-key') as url:\n"
        "    print(url, started[0].pid, flush=True)\n"
        "    os._exit(7)\n"
    )
    with process("-c", program, folder=tmp_path) as user:
        user.until("http://")
        assert user.end() == 7
    pid = int(user.out[0].split()[1])
    for _ in range(200):
        if not alive(pid):
            break
        time.sleep(0.05)
    assert not alive(pid)


def test_an_embedded_server_that_does_not_start_is_explained() -> None:
    with pytest.raises(NoJudgement, match="did not start"), embedded_server("key", contract="nope"):
        pass


def test_a_trial_without_a_target_is_judged_and_leaves_nothing_behind(tmp_path: Path) -> None:
    words = ("trial", "--only", "chat.answers", "--duration", "1", "--rate", "5")
    with seatrial(*words, "--log", "run.jsonl", folder=tmp_path) as command:
        code = command.end(90)
    run = Run.read(tmp_path / "run.jsonl")
    assert run.command == "trial"
    assert run.complete
    assert [one.status for one in run.outcomes] == ["pass"]
    assert len(run.loads) == 1
    assert run.end is not None
    assert run.end.requests == len(run.exchanges) + run.loads[0].requests
    # A machine with too much to do makes figures that are not valid, and nothing else.
    assert code == 0 or (code == 3 and not run.loads[0].valid), command.said
    with pytest.raises(urllib.error.URLError):
        status(run.target, None)

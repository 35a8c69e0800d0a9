"""A start, a stop and what may go wrong with either, on a fake `vllm` that is a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reference_server.vllm import installation
from reference_server.vllm.command import VllmOptions
from reference_server.vllm.errors import PortTakenError, SetupError, StartError
from reference_server.vllm.process import VllmServer, serving_vllm
from reference_server.vllm.settings import VARIABLE, LayerSettings
from tests.reference_server.vllm.fakes import KEY, Fake, gone
from tests.seatrial.processes import ROOT, alive
from tests.seatrial.servers import closed_port

_LOOKED: dict[tuple[str, ...], dict[str, object]] = {}


@pytest.fixture(autouse=True)
def _looked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python behind every fake is ours; to ask it what it has takes a process each time."""
    look = installation._probed

    def looked(executable: Path, environ: Mapping[str, str], modules: tuple[str, ...]) -> dict[str, object]:
        if modules not in _LOOKED:
            _LOOKED[modules] = look(executable, environ, modules)
        return _LOOKED[modules]

    monkeypatch.setattr(installation, "_probed", looked)


@contextlib.contextmanager
def started(fake: Fake, **changed: Any) -> Iterator[VllmServer]:
    options = {"model": fake.model, "executable": fake.executable, "stop_timeout": 2.0, "log": fake.folder / "log"}
    layer = LayerSettings.of_contract("azure-llama", "tiny", key=KEY)
    stages: list[str] = []

    def tell(stage: str, _: float) -> None:
        stages.append(stage)
        # However slow the machine is: the fake has begun before any bound of ours has passed.
        wait_for(fake.folder / "given")

    with serving_vllm(VllmOptions(**{**options, **changed}), layer, environ=fake.environ, tell=tell) as server:
        assert stages
        yield server


def wait_for(file: Path) -> None:
    for _ in range(3000):
        if file.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{file} was not written")


def get(url: str, path: str, key: str | None = KEY) -> tuple[int, Any]:
    head = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=head), timeout=20) as answer:
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_it_serves_under_the_layer_shows_the_key_to_nobody_and_leaves_nothing(fake: Fake) -> None:
    fake.behaves("engine")
    fake.environ |= {"SEATRIAL_API_KEY": KEY, "OTHER": f"Bearer {KEY}", "VLLM_API_KEY": "another-key"}
    with started(fake) as server:
        assert get(server.url, "/v1/models")[1]["data"][0]["id"] == "tiny"
        assert get(server.url, "/v1/models", None)[0] == 401
        # What vLLM leaves open is behind the key too.
        assert get(server.url, "/metrics", None)[0] == 401
        assert server.device == "cpu"
        assert server.status() is None
        assert all(map(alive, fake.pids))
        assert KEY not in json.dumps([fake.argv, fake.seen])
        assert fake.seen[VARIABLE].startswith("/dev/fd/")
        assert "VLLM_API_KEY" not in fake.seen
        parent = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        kept = [int(pid) for pid in parent.read_text().split()] if parent.exists() else []
        for pid in (*kept, *fake.pids):
            assert KEY not in Path(f"/proc/{pid}/cmdline").read_text()
        assert stat.S_IMODE(server.log.stat().st_mode) == 0o600
    assert KEY not in server.log.read_text()
    assert "serve" in server.log.read_text()
    assert len(fake.pids) == 2
    assert not any(map(alive, fake.pids))
    assert fake.tries == 1


def test_a_plain_server_has_no_layer(fake: Fake) -> None:
    with started(fake, plain=True) as server:
        assert get(server.url, "/v1/models", None) == (200, {"path": "/v1/models"})
        assert "--middleware" not in fake.argv
        assert VARIABLE not in fake.seen
        # vLLM's own way: not on its command line.
        assert fake.seen["VLLM_API_KEY"] == KEY
        assert KEY not in json.dumps(fake.argv)


def test_a_failed_start_shows_the_end_of_the_log(fake: Fake) -> None:
    fake.behaves("engine-then-fail")
    with pytest.raises(StartError, match=r"exit status 1.*too little memory") as failed, started(fake):
        pass
    assert "CUDA out of memory" in failed.value.last[-1]
    assert "Starting to load model" in failed.value.last[-2]
    assert len(fake.pids) == 2


@pytest.mark.parametrize("mode", ["broken", "unlayered"])
def test_a_server_that_is_not_what_was_asked_for_is_ended(fake: Fake, mode: str) -> None:
    fake.behaves(mode)
    with pytest.raises(StartError, match="vLLM has started"), started(fake, plain=mode == "broken"):
        pass


def test_a_start_has_a_bound(fake: Fake) -> None:
    fake.behaves("deaf")
    # Deaf to a request to end, it is killed after the second bound.
    with pytest.raises(StartError, match="not ready within"), started(fake, start_timeout=0.1, stop_timeout=0.1):
        pass
    assert fake.pids


def test_another_port_is_tried_when_a_free_one_is_taken(fake: Fake) -> None:
    fake.behaves("taken")
    with started(fake, plain=True) as server:
        assert get(server.url, "/health")[0] == 200
    assert fake.tries == 2


def test_a_port_of_ones_own_is_tried_once(fake: Fake) -> None:
    fake.behaves("taken")
    with pytest.raises(PortTakenError, match="--port"), started(fake, port=closed_port()):
        pass
    assert fake.tries == 1


def test_an_end_of_its_own_is_seen(fake: Fake) -> None:
    fake.behaves("engine")
    with started(fake, plain=True) as server:
        request = urllib.request.Request(f"{server.url}/tokenize", b'{"prompt": "x"}')
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=20)
        assert gone(fake.pids[0])
        # The engine that it leaves behind is ended by the keeper, whether anybody looks or not.
        assert gone(fake.pids[1])
        for _ in range(500):
            if server.status() is not None:
                break
            time.sleep(0.02)
        assert server.status() == 9


PROGRAM = """
import os, sys
from pathlib import Path
from reference_server.vllm.command import VllmOptions
from reference_server.vllm.process import serving_vllm
from reference_server.vllm.settings import LayerSettings
model, executable, log = sys.argv[1], *map(Path, sys.argv[2:])
options = VllmOptions(model=model, executable=executable, plain=True, stop_timeout=2, log=log)
with serving_vllm(options, LayerSettings(contract="openai", model="tiny"), environ=os.environ):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["engine", "hang"])
def test_it_ends_when_its_user_is_killed(fake: Fake, mode: str) -> None:
    fake.behaves(mode)
    words = [sys.executable, "-c", PROGRAM, fake.model, str(fake.executable), str(fake.folder / "log")]
    with subprocess.Popen(
        words, env=fake.environ, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        if mode == "hang":
            # Killed in the middle of a start.
            wait_for(fake.folder / "loading")
        else:
            assert user.stdout.readline() == "up\n"
        user.kill()
        user.wait(timeout=10)
    assert fake.pids
    assert all(gone(pid) for pid in fake.pids)


def test_a_model_without_a_configuration_is_refused_before_anything_is_started(fake: Fake, tmp_path: Path) -> None:
    for model in (str(tmp_path), "./not-there", "/not/there", "~nobody", "a/b/c"):
        with pytest.raises(SetupError, match=r"config\.json|no folder"), started(fake, model=model):
            pass
    assert not fake.pids

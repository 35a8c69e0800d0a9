"""`seatrial serve --engine vllm` as a process, on a fake `vllm`; and the words that it refuses."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference_server.vllm.fakes import Fake, fake_vllm, gone
from tests.seatrial.conftest import Command
from tests.seatrial.processes import Process, alive, seatrial
from tests.seatrial.servers import KEY
from tests.seatrial.test_serve import status


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    with fake_vllm(tmp_path / "fake") as one:
        yield one


def words(fake: Fake, *more: object) -> list[str]:
    given = ("serve", "--engine", "vllm", "--model", fake.model, "--vllm-bin", fake.executable, "--port", 0, *more)
    return [str(word) for word in given]


def url(server: Process) -> str:
    server.until("curl -sS")
    return server.out[0].split(" at ")[1].split(",")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(fake: Fake, tmp_path: Path, number: int) -> None:
    # An engine that is deaf takes the keeper's patience, so one of the two has none.
    fake.behaves("engine" if number == signal.SIGTERM else "")
    limits = ("--limiter", "sliding", "--rpm", 1, "--window-seconds", 3600)
    given = words(fake, "--vllm-log", tmp_path / "log", "--context-length", 512, *limits, "--", "--max-num-seqs", 4)
    with seatrial(*given, folder=tmp_path, **fake.environ) as server:
        address = url(server)
        assert server.out[0].startswith("azure-llama on vLLM (tiny, CPU) at http://127.0.0.1:")
        server.until("vLLM's log is")
        assert status(address, None) == 401
        assert [status(address, KEY), status(address, KEY)] == [200, 429]
        assert fake.argv[-2:] == ["--max-num-seqs", "4"]
        assert fake.argv[fake.argv.index("--max-model-len") + 1] == "512"
        server.signal(number)
        assert server.end() == 0
    assert not any(map(alive, fake.pids))
    assert KEY not in server.said + (tmp_path / "log").read_text() + str(fake.seen)
    assert "seatrial: vLLM: " in server.said


def test_it_can_be_stopped_while_it_starts(fake: Fake, tmp_path: Path) -> None:
    fake.behaves("hang")
    with seatrial(*words(fake), folder=tmp_path, **fake.environ) as server:
        server.until_written(fake.folder / "loading")
        server.signal(signal.SIGINT)
        assert server.end() == 3
    assert server.err[-1] == "seatrial: interrupted\n"


def test_nothing_outlives_it_when_it_is_killed(fake: Fake, tmp_path: Path) -> None:
    with seatrial(*words(fake, "--plain"), folder=tmp_path, **fake.environ) as server:
        url(server)
        assert server.out[0].startswith("vLLM alone (tiny, CPU)")
        server.signal(signal.SIGKILL)
        server.end()
    assert all(gone(pid) for pid in fake.pids)


def test_an_engine_that_dies_ends_it_with_a_line(fake: Fake, tmp_path: Path) -> None:
    with seatrial(*words(fake), folder=tmp_path, **fake.environ, SEATRIAL_API_KEY="") as server:
        with contextlib.suppress(OSError):
            status(url(server) + "/tokenize?", None)
        assert server.end() == 3
    assert "vLLM has ended by itself (exit status 9): its engine has died" in server.err[-1]


def test_a_failed_start_is_shown_and_explained(fake: Fake, tmp_path: Path) -> None:
    fake.behaves("fail")
    with seatrial(*words(fake), folder=tmp_path, **fake.environ) as server:
        assert server.end() == 3
    assert "CUDA out of memory" in server.err[-2]
    assert "--context-length" in server.err[-1]
    assert "Traceback" not in server.said


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("--engine", "vllm"), "needs --model"),
        (("--engine", "vllm", "--model", "m", "--seed", 1), "--seed is for the stand-in"),
        (("--engine", "vllm", "--model", "m", "--mutant", "x"), "--mutant is for the stand-in"),
        (("--engine", "vllm", "--model", "m", "--plain", "--rpm", 3), "--rpm is the layer's"),
        (("--engine", "vllm", "--model", "m", "--plain", "--burst-seconds", 3), "--burst-seconds is the layer's"),
        (("--engine", "vllm", "--model", "m", "--burst-seconds", 60), "a burst is shorter than the window"),
        (("--vllm-log", "x"), "--vllm-log is for --engine vllm"),
        (("--engine", "vllm", "--model", "m", "--", "--api-key", "x"), "not for vLLM to be told"),
        (("--engine", "vllm", "--model", "./nowhere"), "there is no folder ./nowhere"),
        (("--engine", "vllm", "--model", "a/b", "--vllm-bin", "./nothing"), "not an executable file"),
        (("--engine", "vllm", "--model", "a/b", "--content-filter", "what"), "module:attribute"),
        (("--model", "m"), "--model is for --engine vllm"),
        (("--", "--max-num-seqs", "4"), "say --engine vllm"),
        (("--engine", "vllm", "stray"), "unexpected extra argument"),
    ],
)
def test_words_that_make_no_sense_are_one_line(seatrial: Command, given: tuple[object, ...], line: str) -> None:
    result = seatrial("serve", *given)
    assert result.code == 2
    assert line in result.line


def test_a_folder_without_a_model_is_refused(fake: Fake, seatrial: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = seatrial(*words(fake, "--model", tmp_path / "empty"))
    assert result.code == 2
    assert "no config.json" in result.line

"""Ctrl-C and SIGTERM end a run in order: the log has an end, the report says so, and nothing reads as a pass."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from reports.model import Run
from seatrial.signals import Terminated, interruptible
from tests.seatrial.processes import PLUGIN, process, seatrial
from tests.seatrial.servers import endpoint, stalling, standin

# Signalled, a run has two seconds; the rest is for a machine with other things to do.
SOON = 15.0


@pytest.mark.parametrize(("number", "why"), [(signal.SIGINT, "keyboard"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_during_the_checks(tmp_path: Path, number: int, why: str) -> None:
    words = ("check", "--only", "chat.request.*", "--log", "run.jsonl")
    with endpoint(stalling(standin(), after=6)) as url, seatrial(*words, url, folder=tmp_path) as command:
        command.until("checks, at most")
        command.signal(number)
        assert command.end(SOON) == 3
        assert "Traceback" not in command.said
        assert "COULD NOT JUDGE" in command.said
        assert "interrupted" in "".join(command.err)
    run = Run.read(tmp_path / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "interrupted"
    assert why in run.end.reason
    assert "interrupted" in (tmp_path / "run.html").read_text()


def test_a_signal_during_the_first_request(tmp_path: Path) -> None:
    words = ("check", "--only", "chat.answers", "--log", "run.jsonl", "--debug")
    with endpoint(stalling(standin(), after=0)) as url, seatrial(*words, url, folder=tmp_path) as command:
        # Nothing is said before the first answer, so the log's first line is what there is to wait for.
        command.until_written(tmp_path / "run.jsonl")
        command.signal(signal.SIGINT)
        assert command.end(SOON) == 3
        assert "Traceback" not in command.said
    run = Run.read(tmp_path / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "interrupted"


def test_a_signal_during_a_load_keeps_its_record(tmp_path: Path) -> None:
    words = ("load", "--duration", "50", "--rate", "5", "--log", "run.jsonl")
    with endpoint() as url, seatrial(*words, url, folder=tmp_path) as command:
        command.until("load: ")
        command.signal(signal.SIGINT)
        assert command.end(SOON) == 3
        assert "Traceback" not in command.said
    run = Run.read(tmp_path / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "interrupted"
    assert [load.valid for load in run.loads] == [False]
    assert run.end.requests == run.loads[0].requests


def test_pytest_interrupted_ends_the_log(tmp_path: Path) -> None:
    words = ("-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "--pyargs", "conformance", "-v",
             "--seatrial-log", "run.jsonl", "-k", "chat.answers or chat.request")  # fmt: skip
    with (
        endpoint(stalling(standin(), after=30)) as url,
        process(*words, "--endpoint-url", url, folder=tmp_path) as command,
    ):
        command.until("PASSED")
        command.signal(signal.SIGINT)
        assert command.end(SOON) == 2
    run = Run.read(tmp_path / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "interrupted"


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from seatrial.signals import interruptible\n"
        "with interruptible():\n"
        "    try:\n"
        "        print('first', flush=True)\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('second', flush=True)\n"
        "        time.sleep(60)\n"
    )
    with process("-c", program, folder=tmp_path) as command:
        for word in ("first", "second"):
            command.until(word)
            command.signal(signal.SIGINT)
        assert command.end(SOON) == 3
        assert "Traceback" not in command.said


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before

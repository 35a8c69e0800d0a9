"""The writer: redaction at the only door, whole lines, one error, one end."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from reports.log import LogError, LogWriter


def same(record: dict[str, Any]) -> dict[str, Any]:
    return record


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_record_is_on_disk_when_write_returns(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "run.jsonl", redact=same)
    writer.write({"type": "run", "n": 1})
    assert lines(tmp_path / "run.jsonl") == [{"type": "run", "n": 1}]
    writer.close()


def test_everything_goes_through_the_redaction_the_last_line_too(tmp_path: Path) -> None:
    def redact(record: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(record).replace("sekret-key", "$SEATRIAL_API_KEY")
        changed: dict[str, Any] = json.loads(text)
        return changed

    path = tmp_path / "run.jsonl"
    with pytest.raises(RuntimeError), LogWriter(path, redact=redact) as writer:  # noqa: PT012
        writer.write({"type": "exchange", "header": "Bearer sekret-key"})
        raise RuntimeError("could not send sekret-key")
    assert b"sekret-key" not in path.read_bytes()
    assert path.read_text().count("$SEATRIAL_API_KEY") == 2


def test_what_the_redaction_refuses_is_not_written(tmp_path: Path) -> None:
    def refuse(record: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("no")

    path = tmp_path / "run.jsonl"
    writer = LogWriter(path, redact=refuse)
    with pytest.raises(ValueError, match="no"):
        writer.write({"type": "exchange", "header": "sekret"})
    assert path.read_bytes() == b""
    writer.close()


def test_a_line_is_ascii_whatever_the_model_says(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = LogWriter(path, redact=same)
    text = "a\nb\r\u2028\x00\ud83d \u05d0 \U0001f600"
    writer.write({"type": "exchange", "text": text})
    writer.close()
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == 1
    assert lines(path)[0]["text"] == text


def test_leaving_without_an_end_is_aborted(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LogWriter(path, redact=same) as writer:
        writer.write({"type": "run"})
    assert lines(path)[-1]["status"] == "aborted"
    assert "without saying" in lines(path)[-1]["reason"]


def test_an_exception_is_the_reason_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(OverflowError), LogWriter(path, redact=same):
        raise OverflowError("too much")
    assert lines(path)[-1] | {"seconds": 0} == {
        "type": "end", "status": "aborted", "reason": "OverflowError: too much",
        "seconds": 0, "requests": 0, "tokens": 0,
    }  # fmt: skip


def test_the_keyboard_interrupts(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(KeyboardInterrupt), LogWriter(path, redact=same):
        raise KeyboardInterrupt
    assert lines(path)[-1]["status"] == "interrupted"


def test_end_is_written_once_with_what_the_log_has_seen(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LogWriter(path, redact=same) as writer:
        writer.write({"type": "exchange"})
        writer.write({"type": "outcome", "tokens": 40})
        writer.write({"type": "load", "tokens": {"prompt": 5, "completion": 2}})
        writer.end()
        writer.end("aborted", "again")
    (end,) = [line for line in lines(path) if line["type"] == "end"]
    assert (end["status"], end["requests"], end["tokens"]) == ("complete", 1, 47)


def test_nothing_follows_the_end(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "run.jsonl", redact=same)
    writer.end()
    with pytest.raises(ValueError, match="after `end`"):
        writer.write({"type": "outcome"})
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_once_in_one_line() -> None:
    writer = LogWriter(Path("/dev/full"), redact=same)
    with pytest.raises(LogError) as caught:
        writer.write({"type": "run"})
    assert "free some space" in str(caught.value)
    assert "\n" not in str(caught.value)
    writer.write({"type": "run"})
    writer.end()
    writer.close()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    writer = LogWriter(path, redact=same)
    writer.write({"type": "run"})
    real = os.write
    calls = []

    def short(file: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 1:
            return real(file, data[:7])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("reports.log.os.write", short)
    with pytest.raises(LogError, match="No space left"):
        writer.write({"type": "exchange", "text": "x" * 50})
    monkeypatch.undo()
    writer.write({"type": "outcome"})
    writer.close()
    assert lines(path) == [{"type": "run"}]


def test_a_short_write_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    writer = LogWriter(path, redact=same)
    real = os.write
    monkeypatch.setattr("reports.log.os.write", lambda file, data: real(file, data[:3]))
    writer.write({"type": "exchange", "text": "whole"})
    monkeypatch.undo()
    writer.close()
    assert lines(path) == [{"type": "exchange", "text": "whole"}]


def test_a_failing_log_does_not_hide_what_ended_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OverflowError), LogWriter(tmp_path / "run.jsonl", redact=same):  # noqa: PT012
        monkeypatch.setattr("reports.log.os.write", full)
        raise OverflowError("the reason")


@pytest.mark.parametrize("name", ["missing/run.jsonl", "."])
def test_a_log_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(LogError, match="cannot make the log") as caught:
        LogWriter(tmp_path / name, redact=same)
    assert ";" in str(caught.value)


def test_a_log_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("{}\n")
    with pytest.raises(LogError, match="never overwritten"):
        LogWriter(path, redact=same)
    assert path.read_text() == "{}\n"


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = LogWriter(path, redact=same)

    def work(number: int) -> None:
        for step in range(50):
            writer.write({"type": "sample", "n": number, "step": step, "pad": "x" * 500})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    writer.end()
    writer.close()
    written = lines(path)
    assert len(written) == 401
    for number in range(8):
        assert [line["step"] for line in written if line.get("n") == number] == list(range(50))
    assert written[-1]["requests"] == 400

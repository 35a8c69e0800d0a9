"""Everything that goes wrong ends in one line and the right exit code, and what was recorded has an end."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reports.model import Run
from tests.seatrial.conftest import Command
from tests.seatrial.processes import ROOT
from tests.seatrial.servers import answering, closed_port, endpoint

PAGE = b"<!doctype html><title>Welcome</title>"
ONE = ("--only", "chat.answers", "--log", "run.jsonl")


def ended(folder: Path) -> str:
    run = Run.read(folder / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "aborted"
    return run.end.reason


def test_nothing_listens(seatrial: Command, tmp_path: Path) -> None:
    result = seatrial("check", f"http://127.0.0.1:{closed_port()}", *ONE)
    assert result.code == 3
    assert "check host and port" in result.line
    assert "check host and port" in ended(tmp_path)
    assert not (tmp_path / "run.html").exists()


def test_no_such_host(seatrial: Command, tmp_path: Path) -> None:
    result = seatrial("check", "https://nohost.invalid", *ONE)
    assert result.code == 3
    assert "nohost.invalid" in result.line
    assert ended(tmp_path)


def test_no_tls_there(seatrial: Command, server: str, tmp_path: Path) -> None:
    result = seatrial("check", server.replace("http:", "https:"), *ONE)
    assert result.code == 3
    assert "--ca-file" in result.line
    assert ended(tmp_path)


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page(seatrial: Command, status: int) -> None:
    with endpoint(answering(status, "text/html; charset=utf-8", PAGE)) as url:
        result = seatrial("check", url, *ONE)
    assert result.code == 3
    assert "a web page answers" in result.line


def test_another_api(seatrial: Command) -> None:
    with endpoint(answering(404, "application/json", b"{}")) as url:
        result = seatrial("check", url, *ONE)
    assert result.code == 3
    assert "/v1/chat/completions" in result.line


def test_a_wrong_key(seatrial: Command, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_API_KEY", "not-the-right-one")
    result = seatrial("check", server, *ONE)
    assert result.code == 3
    assert "refused the key" in result.line
    assert "not-the-right-one" not in result.line


def test_no_key(seatrial: Command, server: str) -> None:
    result = seatrial("check", server, *ONE, "--no-key")
    assert result.code == 3
    assert "SEATRIAL_API_KEY" in result.line


def test_a_ca_file_that_is_none(seatrial: Command, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    result = seatrial("check", "https://127.0.0.1:1", *ONE, "--ca-file", "ca.pem")
    assert result.code == 2
    assert "ca.pem" in result.line


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("check", "prod"),
        ("check", "http://127.0.0.1:1", "--bogus"),
        ("check", "http://127.0.0.1:1", "--contract", "nope"),
        ("check", "http://127.0.0.1:1", "--only", "nope"),
        ("check", "http://127.0.0.1:1", "--jobs", "0"),
        ("check", "http://127.0.0.1:1", "--jobs", "many"),
        ("check", "http://127.0.0.1:1", "--schema", "none.json"),
        ("check", "http://127.0.0.1:1", "--gate", "none.toml"),
        ("check", "http://127.0.0.1:1", "--report", "none/report.html"),
        ("check", "http://127.0.0.1:1", "--log", "none/run.jsonl"),
        ("check", "http://127.0.0.1:1", "--config", "none.toml", "--key-env", "NOT_SET"),
        ("check", "http://user:secret-word@127.0.0.1:1"),
        ("load", "http://127.0.0.1:1", "--profile", "nope"),
        ("load", "http://127.0.0.1:1", "--rate", "-1"),
        ("load", "http://127.0.0.1:1", "--duration", "nan"),
        ("trial", "http://127.0.0.1:1", "--embedded"),
        ("trial", "--no-key"),
        ("serve", "--mutant", "nope"),
        ("serve", "--port", "99999"),
        ("replay", "none.jsonl"),
        ("report", "none.jsonl"),
        ("explain", "chat.stream.dne"),
        ("bogus",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line(seatrial: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = seatrial(*words)
    assert result.code == 2
    assert "secret-word" not in result.line
    assert list(tmp_path.iterdir()) == []


def test_a_broken_gate_is_found_before_anything_is_sent(seatrial: Command, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("[levels]\nfial = ['MUST']\n")
    result = seatrial("check", "http://127.0.0.1:1", *ONE)
    assert result.code == 2
    assert "gate.toml" in result.line
    assert "fial" in result.line
    assert not (tmp_path / "run.jsonl").exists()


def test_a_log_that_takes_nothing(seatrial: Command, server: str) -> None:
    result = seatrial("check", server, "--only", "chat.answers", "--log", "/dev/full")
    assert result.code == 3
    assert "free some space" in result.line


def test_a_disk_that_fills_up_during_the_run(
    seatrial: Command, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    room = 20_000

    def filling(descriptor: int, data: bytes) -> int:
        nonlocal room
        # A file of ours only: pytest itself writes as well.
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and data.startswith(b'{"type"'):
            room -= len(data)
            if room < 0:
                raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", filling)
    result = seatrial("check", server, "--only", "chat.request.*", "--log", "run.jsonl")
    assert result.code == 3
    assert result.err.count("free some space") == 1
    assert "Traceback" not in result.err
    monkeypatch.undo()
    assert Run.read(tmp_path / "run.jsonl").end is None


@pytest.mark.parametrize("content", [b"", b"\n", b"not a log\n", b'{"type":"run"}\n', b"\xff\xfe\x00"])
@pytest.mark.parametrize("command", ["report", "replay"])
def test_a_file_that_is_no_log(seatrial: Command, tmp_path: Path, command: str, content: bytes) -> None:
    (tmp_path / "run.jsonl").write_bytes(content)
    result = seatrial(command, "run.jsonl")
    assert result.code == 3
    assert "run.jsonl" in result.line


def test_a_fault_of_ours_is_one_line_unless_asked_for_more(
    seatrial: Command, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the hull\nis open")

    monkeypatch.setattr("seatrial.conduct.Session.preflight", broken)
    result = seatrial("check", server, *ONE)
    assert result.code == 3
    assert "RuntimeError: the hull is open" in result.line
    assert "not of the endpoint" in result.line
    shown = seatrial("check", server, *ONE, "--force", "--debug")
    assert shown.code == 3
    assert "Traceback" in shown.err


@contextmanager
def shutting(after: int) -> Iterator[str]:
    """A server that answers so many connections with a refusal and is gone then."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
    answer = head + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"

    def serve() -> None:
        for left in range(after - 1, -1, -1):
            connection, _ = listener.accept()
            if not left:
                # Before the last answer: the next connection would else wait in the backlog and be reset, not refused.
                listener.close()
            with connection:
                connection.settimeout(5)
                received = b""
                while b"}" not in received and (part := connection.recv(65536)):
                    received += part
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join(timeout=5)


def test_an_endpoint_that_goes_away_is_not_blamed(seatrial: Command, tmp_path: Path) -> None:
    with shutting(after=2) as url:
        result = seatrial("check", url, "--only", "*.answers", "--only", "*.request.*",
                          "--log", "run.jsonl", "--jobs", 1)  # fmt: skip
    assert result.code == 3
    assert Run.read(tmp_path / "run.jsonl").end is not None


def test_nobody_reads_the_output(tmp_path: Path) -> None:
    command = f"{sys.executable} -m seatrial list --mutants | head -n 1; exit ${{PIPESTATUS[0]}}"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    # Not 1, which would be a verdict.
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.count("\n") == 1

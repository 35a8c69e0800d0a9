"""Servers of known timing as processes of their own, and what they say that they did."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What the server is to do, in ms; `more` are its further options."""

    ttft_ms: float = 200.0
    itl_ms: float = 20.0
    tokens: int = 64
    more: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return (self.ttft_ms + self.itl_ms * (self.tokens - 1)) / 1000


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it, in ns: when it came and when each chunk was sent."""

    came: int
    sent: tuple[int, ...]

    @property
    def ttft_ms(self) -> float:
        return (self.sent[0] - self.came) / 1e6

    @property
    def gaps_ms(self) -> list[float]:
        return [(later - earlier) / 1e6 for earlier, later in pairwise(self.sent) if later > earlier]


@dataclass
class Running:
    """A server: where it is, and, once it is over, what it did in order of arrival."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def calibrated(binary: Path, setting: Setting, pin: str | None = None) -> Iterator[Running]:
    """The calibrated server `binary`; its log is read when the block is left."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "truth.csv"
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        command = [str(binary), "--port", str(port), "--ttft-ms", f"{setting.ttft_ms:g}", "--log", str(log)]
        command += ["--itl-ms", f"{setting.itl_ms:g}", "--tokens", str(setting.tokens), "--log-tokens", *setting.more]
        process = subprocess.Popen([*_pinned(pin), *command], stderr=subprocess.DEVNULL)
        running = Running(port)
        try:
            _wait_for(port, process)
            yield running
        finally:
            # It writes its log when it is told to end.
            process.terminate()
            process.wait(timeout=10)
        running.asked += _read_log(log)


@contextmanager
def own(setting: Setting, pin: str | None = None, **more: Any) -> Iterator[Running]:
    """Our own server, for what the calibrated one cannot do: TLS, a slow tail."""
    settings = {"ttft": setting.ttft_ms / 1000, "itl": setting.itl_ms / 1000, "tokens": setting.tokens, **more}
    program = Path(__file__).with_name("own_server.py")
    process = subprocess.Popen(
        [*_pinned(pin), sys.executable, "-I", "-S", str(program), json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise SystemExit("the server has no pipes")
    running = Running(int(process.stdout.readline() or 0), scheme="https" if "certificate" in more else "http")
    try:
        yield running
    finally:
        process.stdin.close()
        told = process.stdout.read()
        process.stdout.close()
        process.wait(timeout=10)
    running.asked += [Asked(came, tuple(sent)) for came, *sent in json.loads(told or b"[]")]


@contextmanager
def certificate() -> Iterator[tuple[str, str]]:
    """A certificate for 127.0.0.1 and its key, as files."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SystemExit("no openssl to make a certificate with")
    with tempfile.TemporaryDirectory() as folder:
        crt, key = str(Path(folder) / "c.pem"), str(Path(folder) / "k.pem")
        subprocess.run(
            [
                *f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(),
                *f"-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {crt}".split(),
            ],
            check=True,
            capture_output=True,
        )
        yield crt, key


def floor(running: Running, setting: Setting, streams: int, requests: int) -> list[float]:
    """The ms to the first token of each request of a closed loop on bare sockets (`floor.py`)."""
    program = Path(__file__).with_name("floor.py")
    numbers = [str(number) for number in (running.port, streams, requests, setting.tokens)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program), *numbers], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise SystemExit(f"no floor: {done.stderr[-300:]}")
    found: list[float] = json.loads(done.stdout)
    return found


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _pinned(cpu: str | None) -> list[str]:
    taskset = shutil.which("taskset")
    return [taskset, "-c", cpu] if cpu is not None and taskset else []


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"the calibrated server ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("the calibrated server did not start")


def _read_log(log: Path) -> list[Asked]:
    csv.field_size_limit(1 << 24)
    with log.open(newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda line: int(line["t_req_ns"]))
    found = []
    for row in rows:
        came = int(row["t_req_ns"])
        offsets = [int(one) for one in row["offsets_us"].split(";") if one]
        sent = [came + 1000 * one for one in offsets]
        if sent:
            # The log has the first to a tenth of a microsecond, the others to a whole one.
            sent[0] = min(sent[0] + 999, came + round(float(row["ttft_ms"]) * 1e6))
        found.append(Asked(came, tuple(sent)))
    return found

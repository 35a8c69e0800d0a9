"""`python -m benchmarks.field NAME`: install and start one of the servers, check it, stop it, and say what came out."""

from __future__ import annotations

import argparse
import collections
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.field.servers import KEY, SERVERS, Server
from reports.model import Run

BOUND = 1800  # seconds; no run may take longer
COLUMNS = ("pass", "fail", "skip", "inconclusive", "unsupported", "blocked", "error")


@contextmanager
def running(server: Server, venv: Path, folder: Path) -> Iterator[str]:
    """The server on a free port, until it answers; ended with everything that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = server.setup(venv, folder, port)
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **server.environment, "PATH": path}
    environment.pop("PYTHONPATH", None)
    with (
        Path(folder, "server.log").open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            _wait(url + server.ready, process, server.start_seconds)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with code {process.returncode}; see its server.log")
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise SystemExit(f"the server did not answer within {seconds:g} s; see its server.log")


def checked(server: Server, url: str, contract: str, folder: Path, more: list[str]) -> str:
    """Run the checks once; a row of the table."""
    log = folder / f"{server.name}-{contract}.jsonl"
    command = [sys.executable, "-m", "seatrial", "check", url, "--contract", contract, "--model", server.model]
    # A server on this machine has no limits to respect.
    command += ["--log", str(log), "--force", "--rpm", "0", "--tpm", "0", *more]
    begun = time.monotonic()
    with log.with_suffix(".txt").open("wb") as output:
        code = subprocess.run(
            command, env={**os.environ, "SEATRIAL_API_KEY": KEY}, stdout=output, stderr=output,
            timeout=BOUND, check=False,
        ).returncode  # fmt: skip
    run = Run.read(log)
    counts = collections.Counter(outcome.status for outcome in run.outcomes)
    spent = f"{run.end.requests} | {run.end.tokens}" if run.end else "? | ?"
    cells = " | ".join(str(counts[status]) for status in COLUMNS)
    return f"| {server.name} | {contract} | {cells} | {spent} | {time.monotonic() - begun:.0f} | {code} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(SERVERS))
    parser.add_argument("--venv", type=Path, help="an environment that has the server; else one is made and kept there")
    parser.add_argument("--out", type=Path, help="where logs and reports go [default: a folder of its own]")
    parser.add_argument("--contract", action="append", help="repeatable [default: those that make sense]")
    parser.add_argument("more", nargs="*", help="options of `seatrial check`, after --")
    given = parser.parse_intermixed_args()
    server = SERVERS[given.name]
    out = (given.out or Path(tempfile.mkdtemp(prefix=f"field-{server.name}-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    venv = (given.venv or out / "venv").resolve()
    if not venv.exists():
        server.install(venv)
    print(f"logs and reports in {out}", flush=True)
    print(f"| server | contract | {' | '.join(COLUMNS)} | requests | tokens | wall, s | exit |")
    with tempfile.TemporaryDirectory() as folder, running(server, venv, Path(folder)) as url:
        for contract in given.contract or server.contracts:
            print(checked(server, url, contract, out, given.more), flush=True)


if __name__ == "__main__":
    main()

"""What a tool under comparison does, and how its process is run within a deadline."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Ran:
    """One run of a tool: `findings` are what it reported, `gate` whether its exit code says failed.

    `notes` are verdicts that are no findings; `cpu` is the tool's own, in seconds, `requests` is counted by the server.
    """

    findings: tuple[str, ...]
    exit_code: int
    cpu: float
    wall: float
    gate: bool = False
    notes: tuple[str, ...] = ()
    timed_out: bool = False
    requests: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


class Tool(Protocol):
    """A tool under comparison."""

    name: str

    def prepare(self, root: Path) -> None:
        """Make its environment below that folder, once."""

    def run(self, url: str, work: Path, seconds: float) -> Ran:
        """Run it against that server, with its files in `work`, for at most so long."""


def environment(root: Path, name: str, requirements: Sequence[str]) -> Path:
    """The folder of programs of a virtual environment with those requirements, made when it is not there."""
    place = root / name
    programs = place / ("Scripts" if sys.platform == "win32" else "bin")
    if not (place / "ready").exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "-q", *requirements], check=True)
        (place / "ready").touch()
    return programs


def process(
    command: Sequence[str | Path], work: Path, seconds: float, variables: Mapping[str, str] | None = None
) -> tuple[int, float, float, bool]:
    """Run it; exit code, CPU seconds with its children, wall seconds, and whether it was ended at the deadline."""
    began = time.monotonic()
    with (work / "stdout").open("wb") as out, (work / "stderr").open("wb") as err:
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(variables or {})},
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
        finally:
            timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, used.ru_utime + used.ru_stime, time.monotonic() - began, late.is_set()

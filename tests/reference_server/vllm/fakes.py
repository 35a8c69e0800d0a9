"""A fake vLLM as an executable file, and what it was given once it ran."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.seatrial.processes import ROOT, alive

SOURCE = Path(__file__).with_name("fake_vllm.py")
KEY = "the-key-of-the-vllm-tests"


@dataclass
class Fake:
    """A fake vLLM, the environment that it runs in, and what it was given once it ran."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def executable(self) -> Path:
        return self.folder / "vllm"

    @property
    def model(self) -> str:
        return str(self.folder / "tiny")

    @property
    def argv(self) -> list[str]:
        argv: list[str] = self._given["argv"]
        return argv

    @property
    def seen(self) -> dict[str, str]:
        environ: dict[str, str] = self._given["environ"]
        return environ

    @property
    def tries(self) -> int:
        return int((self.folder / "tries").read_text())

    @property
    def pids(self) -> list[int]:
        """The processes that it was: the server, and the engine where there was one."""
        return [int(one.read_text()) for one in (self.folder / "pid", self.folder / "engine") if one.exists()]

    @property
    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = json.loads((self.folder / "given").read_text())
        return given

    def behaves(self, mode: str) -> None:
        self.environ["FAKE_VLLM"] = mode


@contextlib.contextmanager
def fake_vllm(folder: Path) -> Iterator[Fake]:
    """A fake in that folder, of which nothing may be left in the end."""
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "config.json").write_text("{}")
    one = Fake(folder)
    one.executable.write_text(f"#!{sys.executable}\n{SOURCE.read_text()}")
    one.executable.chmod(0o755)
    # No GPU, whatever machine this is.
    one.environ |= {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "FAKE_VLLM_FOLDER": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
    }
    yield one
    assert not [pid for pid in one.pids if alive(pid)]


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Whether the process ends within that time."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

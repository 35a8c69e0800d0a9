"""What `seatrial check` says of one server, as a row of a table."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from reports.reader import read_run

KEY = "the-key-of-a-reference-server"
_MOST_SECONDS = 1800
_KINDS = ("pass", "fail", "skip", "inconclusive", "unsupported", "blocked", "error")


@dataclass(frozen=True)
class Judged:
    """The outcomes of one run by their kind, the seconds that it took, and its exit code."""

    contract: str
    outcomes: Counter[str]
    seconds: float
    code: int

    HEAD: ClassVar[str] = f"| contract | {' | '.join(_KINDS)} | s | exit code |\n" + "|---" * (len(_KINDS) + 3) + "|"

    def row(self) -> str:
        """The row under `HEAD`."""
        counts = " | ".join(str(self.outcomes[kind]) for kind in _KINDS)
        return f"| {self.contract} | {counts} | {self.seconds:.0f} | {self.code} |"


def judge(url: str, contract: str, folder: Path) -> Judged:
    """Let `seatrial check` judge the server at that URL; its log is kept in the folder."""
    log = folder / f"{contract}.jsonl"
    began = time.monotonic()
    code = seatrial("check", url, "--contract", contract, "--log", str(log), "--force")
    seconds = time.monotonic() - began
    outcomes = Counter(one.status for one in read_run(log, samples=False).outcomes)
    return Judged(contract, Counter({str(kind): count for kind, count in outcomes.items()}), seconds, code)


def seatrial(*words: str) -> int:
    """Run one of our own commands, which may say what it likes; its exit code."""
    command = [sys.executable, "-m", "seatrial", *words]
    environ = {**os.environ, "SEATRIAL_API_KEY": KEY}
    return subprocess.run(command, env=environ, timeout=_MOST_SECONDS, check=False).returncode

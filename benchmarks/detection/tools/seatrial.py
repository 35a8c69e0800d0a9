"""Seatrial from this tree: a finding is a check that failed, or an option that it calls unsupported."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.detection.model import KEY
from benchmarks.detection.tools.base import Ran, environment, process

TREE = Path(__file__).resolve().parents[3]


@dataclass
class Seatrial:
    """Runs `seatrial check` with its default profile; `extra` are more options of the command line."""

    extra: tuple[str, ...] = ()
    name: str = "seatrial"
    programs: Path = field(default_factory=Path)

    def prepare(self, root: Path) -> None:
        """Install this tree into an environment of its own, so that nothing else is on its path."""
        self.programs = environment(root, self.name, ["-e", str(TREE)])

    def run(self, url: str, work: Path, seconds: float) -> Ran:
        """Check the server."""
        key, log = work / "key", work / "log.jsonl"
        key.write_text(KEY)
        where = ("--log", log, "--report", work / "report.html", "--force")
        command: list[str | Path] = [
            self.programs / "seatrial",
            "check",
            url,
            "--key-file",
            key,
            "--rpm",
            "0",
            "--tpm",
            "0",
            *where,
        ]
        command += self.extra
        code, cpu, wall, late = process(command, work, seconds, {"PYTHONPATH": str(TREE)})
        findings: list[str] = []
        notes: list[str] = []
        for line in log.read_text().splitlines() if log.exists() else ():
            record = _record(line)
            if record.get("type") != "outcome" or record["status"] in ("pass", "skip"):
                continue
            if record["status"] == "fail":
                findings.append(record["check"])
            elif record["status"] == "unsupported":
                findings.append(f"unsupported:{record['check']}")
            else:
                notes.append(f"{record['status']}:{record['check']}")
        return Ran(tuple(sorted(findings)), code, cpu, wall, code == 1, tuple(sorted(notes)), late)


def _record(line: str) -> dict[str, str]:
    try:
        value = json.loads(line)
    except ValueError:
        # The last line of a run that was ended at its deadline.
        return {}
    return value if isinstance(value, dict) else {}

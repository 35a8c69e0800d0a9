"""Schemathesis with every check and the hand-made document: a finding is a kind of failure of one operation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.detection.model import KEY
from benchmarks.detection.openapi import document
from benchmarks.detection.tools.base import Ran, environment, process


@dataclass
class Schemathesis:
    """Runs `st run` with a fixed seed, `examples` a phase and operation, for at most `budget` seconds of testing."""

    examples: int = 30
    budget: int = 60
    name: str = "schemathesis"
    programs: Path = field(default_factory=Path)

    def prepare(self, root: Path) -> None:
        """Install it into an environment of its own."""
        self.programs = environment(root, self.name, ["schemathesis>=4.32.5,<4.33"])

    def run(self, url: str, work: Path, seconds: float) -> Ran:
        """Test the server."""
        schema, report = work / "openapi.json", work / "report.json"
        schema.write_text(json.dumps(document()))
        budget = max(1, min(self.budget, int(seconds) - 5))
        command: list[str | Path] = [
            self.programs / "st",
            "run",
            schema,
            "--url",
            url,
            "-H",
            f"Authorization: Bearer {KEY}",
            "--checks",
            "all",
            "--max-examples",
            str(self.examples),
            "--max-time",
            str(budget),
            "--seed",
            "1",
            "--request-timeout",
            "10",
            "--no-shrink",
            "--continue-on-failure",
            "--rate-limit",
            "auto",
            "--report",
            "json",
            "--report-json-path",
            report,
        ]
        code, cpu, wall, late = process(command, work, seconds)
        findings: set[str] = set()
        if report.exists():
            told = _told(report)
            for failure in told.get("failures", []):
                for operation in failure.get("operations") or [""]:
                    findings.add(f"{failure['type']}:{failure['code']}:{operation}")
            for error in told.get("errors", []):
                findings.add(f"error:{error.get('type') or error.get('title') or 'unknown'}")
        return Ran(tuple(sorted(findings)), code, cpu, wall, code == 1, (), late)


def _told(report: Path) -> dict[str, Any]:
    try:
        value = json.loads(report.read_text())
    except ValueError:
        # It was ended at the deadline, before its report was written.
        return {}
    return value if isinstance(value, dict) else {}

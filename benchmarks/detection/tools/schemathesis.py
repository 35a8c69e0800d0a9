"""Schemathesis with every check and the hand-made document: a finding is a kind of failure of one operation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.detection.model import KEY
from benchmarks.detection.openapi import document
from benchmarks.detection.tools.base import Ran, environment, process

_REJECTED = "ST202"
_HEADING = re.compile(r"_{3,} (\S+ \S+) _{3,}$")


@dataclass
class Schemathesis:
    """Runs `st run` with a fixed seed and that many examples of each operation.

    Its own bound on time is not used: with it, fuzzing goes on until the time is spent.
    """

    examples: int = 30
    name: str = "schemathesis"
    programs: Path = field(default_factory=Path)

    def prepare(self, root: Path) -> None:
        """Install it into an environment of its own."""
        self.programs = environment(root, self.name, ["schemathesis>=4.32.5,<4.33"])

    def run(self, url: str, work: Path, seconds: float) -> Ran:
        """Test the server."""
        schema, report = work / "openapi.json", work / "report.json"
        schema.write_text(json.dumps(document()))
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
                    if failure["code"] != _REJECTED:
                        findings.add(f"{failure['type']}:{failure['code']}:{operation}")
            for error in told.get("errors", []):
                findings.add(f"error:{error.get('type') or error.get('title') or 'unknown'}")
            findings.update(_rejected((work / "stdout").read_text(errors="replace")))
        return Ran(tuple(sorted(findings)), code, cpu, wall, code == 1, (), late)


def _rejected(text: str) -> Iterator[str]:
    """Valid data refused, by operation and by the parameter that the server blames.

    What it says of `max_tokens` is left out: that prompt and `max_tokens` must fit the context cannot be said in the
    document, and the conformant server's refusals would hide all others of the operation.
    """
    operation, waiting = "", False
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            operation, waiting = heading[1], False
        elif line.startswith("- "):
            waiting = line.startswith(f"- {_REJECTED}")
        elif waiting and line.startswith("["):
            waiting = "400" in line or "422" in line
            if not waiting:
                yield f"{_REJECTED}:{operation}:{line[:40]}"
        elif waiting and line.strip().startswith("`"):
            waiting = False
            if "max_tokens" not in line:
                yield f"{_REJECTED}:{operation}:{line.strip()[:120]}"


def _told(report: Path) -> dict[str, Any]:
    try:
        value = json.loads(report.read_text())
    except ValueError:
        # It was ended at the deadline, before its report was written.
        return {}
    return value if isinstance(value, dict) else {}

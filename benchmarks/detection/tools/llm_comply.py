"""llm-comply with its `openai-chat` tests: a finding is an error of a test, by its text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.detection.model import KEY
from benchmarks.detection.tools.base import Ran, environment, process


@dataclass
class LlmComply:
    """Runs `llm-comply run --format openai-chat`, the only one of its formats that fits."""

    name: str = "llm-comply"
    programs: Path = field(default_factory=Path)

    def prepare(self, root: Path) -> None:
        """Install it into an environment of its own."""
        self.programs = environment(root, self.name, ["llm-comply>=0.5.0,<0.6"])

    def run(self, url: str, work: Path, seconds: float) -> Ran:
        """Test the server."""
        command: list[str | Path] = [
            self.programs / "llm-comply",
            "run",
            "-u",
            f"{url}/v1",
            "-k",
            KEY,
            "-m",
            "seatrial-tiny",
            "--format",
            "openai-chat",
            "--json",
            "--timeout",
            "10",
        ]
        code, cpu, wall, late = process(command, work, seconds)
        findings: set[str] = set()
        try:
            results = json.loads((work / "stdout").read_text() or "{}").get("results", [])
        except ValueError:
            results = [{"id": "output", "status": "failed", "errors": ["not JSON"]}]
        for result in results:
            if result["status"] == "failed":
                findings.update(f"{result['id']}: {error}" for error in result.get("errors", ["failed"]))
        return Ran(tuple(sorted(findings)), code, cpu, wall, code == 1, (), late)

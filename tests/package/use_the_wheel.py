"""Use the installed wheel from an empty folder, as somebody who never saw a clone: run by `tox -e package`."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "conformance", "reports", "loadtests", "reference_server", "seatrial")
SECONDS = 300


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def run(folder: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command there without anything of the clone on the path; its output is shown when it fails."""
    say("+ " + " ".join(command))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEATRIAL"))}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def main() -> None:
    for package in PACKAGES:
        where = importlib.import_module(package).__file__ or ""
        if Path(where).is_relative_to(CLONE) and "site-packages" not in where:
            raise SystemExit(f"{package} comes from the clone ({where}), so this would prove nothing")
    python, scripts = sys.executable, Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        run(folder, str(scripts / "seatrial"), "trial", "--log", "trial.jsonl", "--report", "trial.html")
        records = [json.loads(line) for line in Path(folder, "trial.jsonl").read_text().splitlines()]
        kinds = {record["type"] for record in records}
        if not kinds >= {"run", "exchange", "outcome", "load", "end"}:
            raise SystemExit(f"the log has only {sorted(kinds)}")
        if "<html" not in Path(folder, "trial.html").read_text():
            raise SystemExit("the report is no web page")
        run(folder, str(scripts / "seatrial"), "replay", "trial.jsonl")
        run(folder, str(scripts / "seatrial"), "explain", "chat.request.stop.excluded")
        collected = run(
            folder,
            python,
            "-m",
            "pytest",
            "--pyargs",
            "conformance",
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--collect-only",
            "-q",
        )
        if "chat.stream.done" not in collected.stdout:
            raise SystemExit("pytest --pyargs conformance does not collect the checks")
    say("the wheel works from an empty folder")


if __name__ == "__main__":
    main()

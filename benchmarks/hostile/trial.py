"""One run of the command line against a hostile endpoint, and everything that has to hold of it.

Law: a verdict in time and in memory; no fault of ours; no key and no control character in anything that is written.
"""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from reports.formats import FORMATS
from reports.gate import Gate
from reports.judge import judge
from reports.log import LogError
from reports.model import Run

MOST_MB = 512
MOST_SECONDS = 120.0
# Everything a terminal may obey, and what turns text around; line feed and tab are not among them.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")
_ALIVE = {
    ".html": re.compile("<script>alert|<img src=x"),
    ".junit": re.compile("<script>alert|<img src=x"),
    ".markdown": re.compile(r"<script>alert|<img src=x|(?<!\\)!\[z\]\(http"),
}
# In a fenced block of Markdown nothing is obeyed.
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


@dataclass
class Trial:
    """What came of it; `faults` are the promises that were broken."""

    code: int
    seconds: float
    peak_mb: float
    log_mb: float
    verdict: str
    requests: int
    statuses: collections.Counter[str]
    faults: list[str] = field(default_factory=list)


def tried(
    url: str,
    folder: Path,
    *,
    key: str,
    timeout: float = 1.0,
    most_seconds: float = MOST_SECONDS,
    more: tuple[str, ...] = (),
) -> Trial:
    """Check the endpoint, render every report, and look at all that was written."""
    log = folder / "run.jsonl"
    words = ["check", url, "--log", str(log), "--report", str(folder / "check.html"), "--rpm", "0", "--tpm", "0"]
    command = [sys.executable, "-m", "seatrial", *words, "--timeout", str(timeout), *more]
    environment = {**os.environ, "SEATRIAL_API_KEY": key, "PYTHONIOENCODING": "utf-8"}
    code, seconds, peak_mb = _measured(command, folder, environment, most_seconds)
    found = _read(log)
    trial = Trial(
        code=code,
        seconds=seconds,
        peak_mb=peak_mb,
        log_mb=log.stat().st_size / 1e6 if log.exists() else 0.0,
        verdict=_verdict(folder),
        requests=found.end.requests if found and found.end else 0,
        statuses=collections.Counter(one.status for one in found.outcomes) if found else collections.Counter(),
    )
    trial.faults += _promises(trial, found, most_seconds)
    if found and found.outcomes:
        trial.faults += _rendered(found, folder)
    for path in sorted(folder.iterdir()):
        trial.faults += _looked_at(path, key)
    return trial


def _measured(command: list[str], folder: Path, environment: dict[str, str], most: float) -> tuple[int, float, float]:
    begun = time.monotonic()
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=Path.cwd())
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_mb(process.pid))
            if time.monotonic() - begun > most:
                process.kill()
            time.sleep(0.02)
    return process.returncode, time.monotonic() - begun, peak


def _peak_mb(pid: int) -> float:
    """The most memory that a process had until now; what `wait4` says has its parent's from before the exec in it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _read(log: Path) -> Run | None:
    try:
        return Run.read(log)
    except LogError:
        return None


def _verdict(folder: Path) -> str:
    lines = (folder / "stderr.txt").read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("seatrial: ").removeprefix("verdict: ")[:90].replace("|", "/") if lines else ""


def _promises(trial: Trial, run: Run | None, most_seconds: float) -> list[str]:
    faults = []
    if trial.code not in (1, 3):
        faults.append(f"exit code {trial.code}")
    if trial.seconds > most_seconds:
        faults.append(f"took more than {most_seconds:g} s")
    if trial.peak_mb > MOST_MB:
        faults.append(f"took {trial.peak_mb:.0f} MB")
    if "fault of Seatrial" in trial.verdict:
        faults.append("blames itself")
    if run is None:
        return [*faults, "the log cannot be read"]
    if run.end is None:
        faults.append("the log has no end")
    errors = [one for one in run.outcomes if one.status == "error"]
    if errors:
        faults.append(f"{len(errors)} errors of ours: {errors[0].check}: {errors[0].message[:200]} {errors[0].hint}")
    return faults


def _rendered(run: Run, folder: Path) -> list[str]:
    """What is wrong with the reports that the command itself did not write."""
    verdict = judge(run, Gate.read(None), date.today())
    for kind in ("junit", "markdown"):
        (folder / f"report.{kind}").write_text(FORMATS[kind](run, verdict), encoding="utf-8")
    try:
        ET.fromstring((folder / "report.junit").read_bytes())
    except ET.ParseError as error:
        return [f"the JUnit report is not XML: {error}"]
    return []


def _looked_at(path: Path, key: str) -> list[str]:
    data = path.read_bytes()
    faults = [f"the key is in {path.name}"] if key.encode() in data else []
    if b"Traceback" in data:
        faults.append(f"a traceback is in {path.name}")
    if path.suffix == ".jsonl":
        return faults
    text = data.decode("utf-8", "surrogateescape")
    obeyed = _OBEYED.search(text)
    if obeyed:
        faults.append(f"{obeyed[0]!r} is in {path.name}")
    if path.suffix == ".markdown":
        text = _FENCED.sub("", text)
    if path.suffix in _ALIVE and (alive := _ALIVE[path.suffix].search(text)):
        faults.append(f"{alive[0]!r} is in {path.name}")
    return faults

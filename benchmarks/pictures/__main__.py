"""Take the pictures for the README: the page of a load under way, and the report of that load.

`python -m benchmarks.pictures [--folder docs] [--seconds 40]` needs Chromium. The load goes to the stand-in of this
machine, paced like a small deployment and limited to fewer requests than are sent, so that there is something to see.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.pictures.browser import Browser
from reference_server.limits import Limits
from reference_server.serve import serving, standin_app
from reference_server.standin import StandinOptions
from schemas.contracts import get

KEY = "a-key-for-pictures"
MOST_BYTES = 200_000
# What a good answer keeps, and what is asked of the endpoint.
GATE = """
[slo]
goodput_ttft_ms = 400
goodput_itl_ms = 200
goodput_at_least = 0.95
ttft_p95_ms = 400
itl_p99_ms = 200
error_rate = 0.01
"""
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Write `load-page.png` and `load-report.png`; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    app = standin_app(
        get("azure-llama"),
        key=KEY,
        # A bucket that is empty half-way through the run.
        limits=Limits(requests_per_minute=180, tokens_per_minute=None),
        options=StandinOptions(ttft_s=0.12, itl_s=0.018),
    )
    with serving(app) as server, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gate.toml").write_text(GATE)
        words = ["load", server.url, "--web", "--web-port", "0", "--log", "run.jsonl", "--gate", "gate.toml"]
        words += ["--rate", "12", "--duration", str(given.seconds), "--max-tokens", "32"]
        running = subprocess.Popen(
            [sys.executable, "-m", "seatrial", *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SEATRIAL_API_KEY": KEY, "PYTHONPATH": str(ROOT)},
        )
        try:
            take(url_of(running), given.folder, given.seconds)
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=30)
    return 0


def url_of(running: subprocess.Popen[str]) -> str:
    """Where the page is, as the command says."""
    assert running.stderr is not None
    for line in running.stderr:
        if found := re.search(r"page is at (http://\S+)", line):
            return found[1]
    raise RuntimeError("the load said nothing of a page")


def take(url: str, folder: Path, seconds: float) -> None:
    """Begin the load in the page; one picture when most of it is over, one of its report."""
    with Browser(1200, 1500) as browser:
        browser.open(url)
        browser.run("document.querySelector('#start').click()")
        browser.wait(f"document.querySelectorAll('#answers path').length && points.size >= {0.85 * seconds:.0f}")
        save(folder / "load-page.png", browser.picture(1180))
        browser.wait("!document.querySelector('#reported').hidden")
        browser.open(browser.run("document.querySelector('#report').href"))
        browser.run("document.querySelector('#load').scrollIntoView()")
        save(folder / "load-report.png", browser.picture(1500))


def save(path: Path, picture: bytes) -> None:
    """Write a picture that is small enough for a repository."""
    assert len(picture) <= MOST_BYTES, f"{path.name} has {len(picture):,} bytes"
    path.write_bytes(picture)
    print(f"{path}: {len(picture):,} bytes")


if __name__ == "__main__":
    sys.exit(main())

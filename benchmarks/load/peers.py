"""Other load generators against the same server in the same run, by the TTFT that they themselves report.

Each is installed in a virtual environment of its own. What it reports for each request is compared with what the server
knows, percentile by percentile, since a peer need not say which request was which.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.cells import WARMUP, Bench, Figures, Load, compared, open_loop, quantile
from benchmarks.load.servers import Running, Setting, calibrated

_MOST_SECONDS = 300
WAVES = 4


@dataclass(frozen=True)
class Peer:
    """How one is called, and how the TTFT (ms) of each request is read out of the folder that it wrote to."""

    command: Callable[[Path, str, Setting, int, Path], list[str]]
    read: Callable[[Path], list[float]]


def measured(bench: Bench, folders: dict[str, Path], streams: int, runs: int) -> dict[str, list[Figures]]:
    """Ours and each peer in turn, `runs` times over, with so many streams open at once."""
    rows: dict[str, list[Figures]] = {"seatrial": [], **{name: [] for name in folders}}
    for _ in range(runs):
        rows["seatrial"].append(_ours(bench, streams))
        for name, folder in folders.items():
            with suppress(_Failed):
                rows[name].append(_theirs(bench, PEERS[name], folder, streams))
    return rows


class _Failed(Exception):
    """A peer did not do what it was asked to."""


def _ours(bench: Bench, streams: int) -> Figures:
    setting = Setting()
    with calibrated(bench.server, setting, bench.pin) as running:
        ran = Load(running, setting, open_loop(streams, setting, WAVES))
    return compared(ran, running.asked)


def _theirs(bench: Bench, peer: Peer, folder: Path, streams: int) -> Figures:
    setting = Setting()
    with tempfile.TemporaryDirectory() as place, calibrated(bench.server, setting, bench.pin) as running:
        command = peer.command(folder.resolve() / "bin", running.url, setting, streams, Path(place))
        # None of them is to ask anybody but the server.
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "no-key", "COLUMNS": "120"}
        env.pop("PYTHONPATH", None)
        try:
            done = subprocess.run(
                command, cwd=place, env=env, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False
            )
            reported = peer.read(Path(place))
        except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, IndexError, TypeError) as error:
            print(f"     {folder.name}: {error!r}")
            raise _Failed from None
        if not reported:
            print(f"     {folder.name} reported nothing: {(done.stderr or done.stdout)[-300:]}")
            raise _Failed
    return _beside(reported, running)


def _beside(reported: list[float], running: Running) -> Figures:
    # What a peer asks before it measures comes first: to warm up, to see who answers.
    true = [one.ttft_ms for one in running.asked if one.sent][-len(reported) :]
    return {f"ttft_p{percent}": quantile(reported, percent) - quantile(true, percent) for percent in (50, 99)}


def _servebench(binaries: Path, url: str, setting: Setting, streams: int, place: Path) -> list[str]:
    return [
        *(str(binaries / "servebench"), "run", "--url", f"{url}/v1", "--model", "calib", "--no-gpu"),
        *("--concurrency", str(streams), "--num-requests", str(max(20, WAVES * streams)), "--warmup", str(WARMUP)),
        *("--input-len", "20", "--output-len", str(setting.tokens)),
        *("--out", str(place / "run.json"), "--csv-requests", str(place / "requests.csv")),
    ]


def _servebench_says(place: Path) -> list[float]:
    with (place / "requests.csv").open(newline="") as lines:
        return [float(row["ttft_ms"]) for row in csv.DictReader(lines) if row["ok"] == "True"]


PEERS = {
    "servebench": Peer(_servebench, _servebench_says),
}

"""Measures how true the load's figures are, in one go: `python -m benchmarks.load --server PATH`.

PATH is a calibrated server: it takes --port, --ttft-ms, --itl-ms, --tokens, --tpc, --log-tokens and --log FILE, answers
GET /__set?abort_every=K&abort_after=N, and logs for each request, as CSV with a head, when it came (t_req_ns), its true
ttft_ms and the true times of its tokens (offsets_us, separated by semicolons). Peers are measured in the same run, cell
by cell in turn, where --peer NAME=FOLDER names the virtual environment in which one is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from benchmarks.load.cells import CELLS, Bench, Cell, Figures
from benchmarks.load.peers import PEERS, measured
from benchmarks.load.servers import cores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="a calibrated server's binary")
    parser.add_argument("--runs", type=int, default=3, help="runs of each cell")
    parser.add_argument("--size", type=float, default=1.0, help="length of the cells; 1: as published")
    parser.add_argument("--only", default="", help="only cells in whose name this occurs")
    parser.add_argument("--no-pin", action="store_true", help="do not keep server and client on CPUs of their own")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER", help=f"one of {', '.join(PEERS)}")
    parser.add_argument("--concurrency", default="16,64,128,256", help="streams of the cells with peers")
    parser.add_argument("--json", type=Path, help="where to write every figure of every run")
    options = parser.parse_args()
    available = cores()
    pin = None if options.no_pin or len(available) < 2 else str(available[0])
    if pin is not None:
        os.sched_setaffinity(0, set(available[1:]))
    bench = Bench(options.server.resolve(), pin, options.size)
    load = os.getloadavg()
    print(f"Python {platform.python_version()}, {len(available)} CPUs, load average {load[0]:.1f}, {_priority()}")
    found: dict[str, list[Figures]] = {}
    for cell in CELLS:
        if options.only in cell.name:
            if cell.cores > len(available):
                print(f"\n## {cell.name}\nnot run: it takes {cell.cores} CPUs")
                continue
            found[cell.name] = [cell.run(bench) for _ in range(options.runs)]
            print(_table(cell, found[cell.name]), flush=True)
    peers = dict(pair.split("=", 1) for pair in options.peer)
    if peers:
        print("\n## Beside peers: TTFT reported minus true, p50 / p99, ms", flush=True)
        for streams in map(int, options.concurrency.split(",")):
            rows = measured(bench, {name: Path(folder) for name, folder in peers.items()}, streams, options.runs)
            found.update({f"{name}, {streams} streams": runs for name, runs in rows.items()})
            for name, runs in rows.items():
                print(f"{streams:4} {name:16} {_range(runs, 'ttft_p50')} / {_range(runs, 'ttft_p99')}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    sys.exit(0)


def _table(cell: Cell, runs: list[Figures]) -> str:
    lines = [f"\n## {cell.name}", "", "| figure | best to worst | aim | kept in |", "|---|---|---|---|"]
    for name in runs[0]:
        aim = cell.aims.get(name)
        kept = f"{sum(aim.kept(run[name]) for run in runs)} of {len(runs)}" if aim else ""
        lines.append(f"| {name} | {_range(runs, name)} | {aim or ''} | {kept} |")
    return "\n".join(lines)


def _range(runs: list[Figures], name: str) -> str:
    values = sorted(run[name] for run in runs if name in run)
    if not values:
        return "-"
    shown = [f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for value in (values[0], values[-1])]
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def _priority() -> str:
    policy = os.sched_getscheduler(0)
    return "real-time priority" if policy == os.SCHED_FIFO else f"niceness {os.nice(0)}"


if __name__ == "__main__":
    main()

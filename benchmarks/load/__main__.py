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
from functools import partial
from pathlib import Path

from benchmarks.host import polling_ms
from benchmarks.load.cells import CELLS, Bench, Cell, Figures, number, spread
from benchmarks.load.peers.capacity import climbed
from benchmarks.load.peers.measure import PEERS, measured
from benchmarks.load.peers.table import table
from benchmarks.load.servers import cores
from benchmarks.load.undisturbed import runs_of


def main() -> None:
    options = _options()
    available = cores()
    pin = None if options.no_pin or len(available) < 2 else str(available[0])
    if pin is not None:
        os.sched_setaffinity(0, set(available[1:]))
    bench = Bench(options.server.resolve(), pin, options.size)
    polls = f"idle ones poll for {polling_ms():g} ms"
    state = f"load average {os.getloadavg()[0]:.1f}, {_priority()}"
    print(f"Python {platform.python_version()}, {len(available)} CPUs, {polls}, {state}")
    found: dict[str, list[Figures]] = {}
    for cell in CELLS:
        if options.only in cell.name:
            if cell.cores > len(available):
                print(f"\n## {cell.name}\nnot run: it takes {cell.cores} CPUs")
                continue
            found[cell.name], left_out = runs_of(partial(cell.run, bench), options.runs, options.again)
            print(_table(cell, found[cell.name]), flush=True)
            if left_out:
                found[f"{cell.name}, left out"] = left_out
                print(f"left out, since the host took {spread(left_out, 'stolen_pct')} %: {len(left_out)}", flush=True)
            _keep(options.json, found)
    for streams in options.concurrency if options.peers and options.only in ("", "peers") else ():
        print(f"\n## Beside peers, {streams} streams: reported minus true, best to worst of the runs, ms\n", flush=True)
        rows = measured(bench, options.peers, streams, options.runs)
        print(table(rows), flush=True)
        found.update({f"{name}, {streams} streams beside peers": runs for name, runs in rows.items()})
        _keep(options.json, found)
    if options.peer_capacity:
        print("\n## Capacity of one core, beside peers\n", flush=True)
        found.update(climbed(bench, options.peers, options.runs))
        _keep(options.json, found)
    sys.exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="a calibrated server's binary")
    parser.add_argument("--runs", type=int, default=3, help="runs of each cell")
    parser.add_argument(
        "--again", type=int, default=0, help="runs of a cell more, at most, in place of those that the host disturbed"
    )
    parser.add_argument("--size", type=float, default=1.0, help="length of the cells; 1: as published")
    parser.add_argument(
        "--only", default="", help="only cells in whose name this occurs; peers: only what is beside them"
    )
    parser.add_argument("--no-pin", action="store_true", help="do not keep server and client on CPUs of their own")
    parser.add_argument(
        "--peer", action="append", default=[], type=_peer, metavar="NAME=FOLDER", help=f"one of {', '.join(PEERS)}"
    )
    parser.add_argument("--concurrency", default="16,64,128,256", help="streams of the cells with peers")
    parser.add_argument("--peer-capacity", action="store_true", help="see how fast ours and the peers with a rate can")
    parser.add_argument("--json", type=Path, help="where to write every figure of every run")
    options = parser.parse_args()
    options.peers = dict(options.peer)
    options.concurrency = [int(streams) for streams in options.concurrency.split(",")]
    if options.only == "peers" and not options.peers:
        parser.error("--only peers takes a --peer")
    if options.peer and os.sched_getscheduler(0) == os.SCHED_FIFO:
        # With real-time priority one that waits by looking again and again never lets the other run.
        parser.error("peers of several processes hang under real-time priority: measure them without")
    return options


def _peer(pair: str) -> tuple[str, Path]:
    name, _, folder = pair.partition("=")
    if name not in PEERS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    program = Path(folder).resolve() / "bin" / PEERS[name].program
    if not program.is_file():
        raise argparse.ArgumentTypeError(
            f"{program} is not there: install {name} in a virtual environment at {folder!r}"
        )
    return name, Path(folder)


def _keep(path: Path | None, found: dict[str, list[Figures]]) -> None:
    # After each cell: one that fails is not to take the others with it.
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")


def _table(cell: Cell, runs: list[Figures]) -> str:
    lines = [f"\n## {cell.name}", "", "| figure | best to worst | aim | kept in |", "|---|---|---|---|"]
    for name in runs[0]:
        if number(runs[0], name) is None:
            continue
        aim = cell.aims.get(name)
        values = [value for run in runs if (value := number(run, name)) is not None]
        kept = f"{sum(map(aim.kept, values))} of {len(runs)}" if aim else ""
        lines.append(f"| {name} | {spread(runs, name)} | {aim or ''} | {kept} |")
    lines += [f"run {index} is not valid: {run['reason']}" for index, run in enumerate(runs, 1) if "reason" in run]
    return "\n".join(lines)


def _priority() -> str:
    policy = os.sched_getscheduler(0)
    return "real-time priority" if policy == os.SCHED_FIFO else f"niceness {os.nice(0)}"


if __name__ == "__main__":
    main()

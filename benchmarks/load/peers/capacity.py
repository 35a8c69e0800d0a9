"""How many chunks a second a client reads on one core with its TTFT still true, at rates that rise until it is not.

Law: the load is steady: so many requests each second, each of them a second long, so that nearly every TTFT is taken
while all the others stream. Only for peers that can send at a rate.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.load.cells import Bench, Figures, chunks_per_second, number
from benchmarks.load.peers.measure import OURS, PEERS, ours, theirs
from benchmarks.load.peers.peer import Order
from benchmarks.load.servers import Setting

RATE = 128
SECONDS = 4.0
MOST_MS = 10.0
# Chunks a second that are asked for, up to about what the server can.
STEPS = (5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 75_000, 90_000)


def climbed(bench: Bench, folders: dict[str, Path], runs: int) -> dict[str, list[Figures]]:
    """Each client's runs at each step, by name, up to two in a row at which it is not true; what it can is printed."""
    found = {}
    for name in (OURS, *(name for name in folders if PEERS[name].rates)):
        best, failed = 0.0, 0
        for step in STEPS:
            rows = [_at(bench, name, folders.get(name), step) for _ in range(runs)]
            found[f"{name}, {step} chunks per second asked for"] = rows
            if true_enough(rows):
                best, failed = statistics.median(number(row, "chunks_s") or 0.0 for row in rows), 0
                continue
            print(f"{name}: not at {step:,}: {_errors(rows)}", flush=True)
            failed += 1
            # One may be the machine's fault.
            if failed == 2:
                break
        print(f"{name}: {best:,.0f} chunks a second, TTFT at most {MOST_MS:g} ms off at p99", flush=True)
    return found


def true_enough(rows: list[Figures]) -> bool:
    """All reported, and the median of the runs is near enough at p99."""
    errors = [number(row, "ttft_p99") for row in rows]
    whole = all((number(row, "reported") or 0.0) >= (number(row, "asked") or 0.0) for row in rows)
    return whole and None not in errors and statistics.median(abs(e) for e in errors if e is not None) <= MOST_MS


def _at(bench: Bench, name: str, folder: Path | None, step: int) -> Figures:
    tokens = step // RATE
    setting = Setting(200, 1000 / tokens, tokens)
    seconds = max(2.5, SECONDS * bench.size)
    requests = int(RATE * seconds)
    if folder is None:
        overrides = {"rate": RATE, "duration": seconds, "streams": 4 * RATE, "token_cap": 10**9}
        figures, true = ours(bench, setting, overrides, requests)
    else:
        figures, true = theirs(bench, PEERS[name], folder, Order(setting, RATE, requests, rate=RATE))
    if len(true) < 2:
        return figures
    # From when the first has ended: so many are open from then on.
    return {**figures, "chunks_s": chunks_per_second(true, true[0].sent[-1], true[-1].came)}


def _errors(rows: list[Figures]) -> str:
    return "; ".join(
        str(row["failure"])
        if "failure" in row
        else f"{number(row, 'ttft_p99') or 0.0:.3g} ms off, {number(row, 'reported') or 0:.0f} reported"
        for row in rows
    )

"""Run every tool against every fault and every legal variation, and write the table.

Law: a result is on disk before the next run begins, so that a run that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.detection.catalogue import FAULTS, LEGAL
from benchmarks.detection.model import Deviation
from benchmarks.detection.server import BASES
from benchmarks.detection.table import news, render
from benchmarks.detection.tools.base import Ran, Tool
from benchmarks.detection.tools.llm_comply import LlmComply
from benchmarks.detection.tools.schemathesis import Schemathesis
from benchmarks.detection.tools.seatrial import TREE, Seatrial

TOOLS = ("seatrial", "schemathesis", "llm-comply")


@dataclass(frozen=True)
class Task:
    """One run of one tool against one server; no deviation for the control of that base."""

    tool: str
    base: str
    deviation: str = ""

    @property
    def name(self) -> str:
        """What its result is filed under."""
        return self.deviation or f"control.{self.base}"


class Server:
    """The fault server in a process of its own."""

    def __init__(self, task: Task) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.detection.server", "--base", task.base, "--deviation", task.deviation],
            cwd=TREE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._child.stdout
        self.url = self._child.stdout.readline().strip()
        self.requests = 0
        if not self.url:
            raise RuntimeError(f"the server with {task.name} did not start")

    def end(self) -> None:
        """End it; it says how many requests it had."""
        try:
            told, _ = self._child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            told, _ = self._child.communicate()
        counts = [line.removeprefix("requests ") for line in told.splitlines() if line.startswith("requests ")]
        self.requests = int(counts[0]) if counts else 0


@contextlib.contextmanager
def serving(task: Task) -> Iterator[Server]:
    """The server while the context lasts."""
    server = Server(task)
    try:
        yield server
    finally:
        server.end()


def one(task: Task, tool: Tool, seconds: float) -> Ran:
    """Run the tool once."""
    with tempfile.TemporaryDirectory() as work:
        with serving(task) as server:
            ran = tool.run(server.url, Path(work), seconds)
        return replace(ran, requests=server.requests)


class Store:
    """Results as JSON lines, one a run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.results: dict[tuple[str, str], dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                self.results[record["name"], record["tool"]] = record

    def add(self, task: Task, ran: Ran) -> None:
        """File one."""
        record = {"name": task.name, "tool": task.tool, **ran.to_json()}
        with self._lock:
            self.results[task.name, task.tool] = record
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")


def plan(only: list[str], tools: list[str], every: int) -> list[Task]:
    """The controls first, then what was asked for; `every` takes one in so many of the faults."""
    chosen = [d for d in (*LEGAL, *FAULTS) if not only or any(fnmatch.fnmatch(d.id, pattern) for pattern in only)]
    chosen = [d for d in chosen if d not in LEGAL][::every] + [d for d in chosen if d in LEGAL]
    bases = [base for base in BASES if base == "plain" or any(d.base == base for d in chosen)]
    tasks = [Task(tool, base) for tool in tools for base in bases]
    return tasks + [Task(tool, d.base, d.id) for tool in tools for d in chosen]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="faults or variations of such an id"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only one fault in N")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seconds", type=float, default=180, help="most seconds of one run")
    parser.add_argument("--examples", type=int, default=30, help="of schemathesis")
    parser.add_argument("--seatrial-option", action="append", default=[], help="more options of seatrial check")
    parser.add_argument("--environments", type=Path, default=TREE / ".detection", help="where environments are made")
    parser.add_argument("--output", type=Path, default=TREE / "trials" / "detection.md")
    asked = parser.parse_args()
    names = asked.tools.split(",")
    known: dict[str, Tool] = {
        "seatrial": Seatrial(tuple(asked.seatrial_option)),
        "schemathesis": Schemathesis(asked.examples),
        "llm-comply": LlmComply(),
    }
    for name in names:
        known[name].prepare(asked.environments.resolve())
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    store = Store(asked.output.with_suffix(".jsonl"))

    def work(task: Task) -> None:
        if (task.name, task.tool) in store.results:
            return
        store.add(task, one(task, known[task.tool], asked.seconds))

    tasks = plan(asked.only, names, asked.every)
    with ThreadPoolExecutor(asked.jobs) as pool:
        for done, _ in enumerate(pool.map(work, tasks), start=1):
            _write(asked.output, store)
            print(f"\r{done} of {len(tasks)} ", end="", file=sys.stderr, flush=True)
    _write(asked.output, store)
    print(f"\n{asked.output}")
    return 0


def _write(path: Path, store: Store) -> None:
    results = dict(store.results)
    used = [tool for tool in TOOLS if any(name == tool for _, name in results)]
    text = render(results, FAULTS, LEGAL, used)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text + "\n")
    fresh.replace(path)
    told = [_verdict(results, deviation, used) for deviation in (*FAULTS, *LEGAL)]
    path.with_suffix(".json").write_text(json.dumps(told, indent=1))


def _verdict(results: dict[tuple[str, str], dict[str, Any]], deviation: Deviation, tools: list[str]) -> dict[str, Any]:
    return {
        "id": deviation.id,
        "title": deviation.title,
        "area": deviation.area,
        "about": deviation.about,
        "legal": deviation.area == "legal",
        "new findings": {tool: news(results, deviation, tool) for tool in tools},
    }


if __name__ == "__main__":
    sys.exit(main())

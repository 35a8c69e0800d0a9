from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

import loadtests.fleet
from loadtests.fleet import BEGIN, HALT, READY, SAID, SHARE, TOLD, Master, Worker
from loadtests.orders import Orders
from tests.loadtests.loopback import answer, free_port, serving, stream_of
from tests.loadtests.test_merge import record

ROOT = Path(__file__).parents[2]


class Node:
    def __init__(self, name: str) -> None:
        self.id = name
        self.state = "ready"


class Nodes(dict[str, Node]):
    @property
    def ready(self) -> list[Node]:
        return [node for node in self.values() if node.state == "ready"]


class Message:
    def __init__(self, data: Any, sender: str) -> None:
        self.data = data
        self.node_id = sender


class Runner:
    """What a runner of locust's does for us, without a network."""

    def __init__(self, *names: str) -> None:
        self.clients = Nodes({name: Node(name) for name in names})
        self.listeners: dict[str, Any] = {}
        self.sent: list[tuple[str, Any, str | None]] = []

    def register_message(self, kind: str, listener: Any) -> None:
        self.listeners[kind] = listener

    def send_message(self, kind: str, data: Any, client_id: str | None = None) -> None:
        self.sent.append((kind, data, client_id))

    def hear(self, kind: str, data: Any = None, sender: str = "master") -> None:
        self.listeners[kind](environment=None, msg=Message(data, sender))

    def told(self, kind: str) -> list[str | None]:
        return [name for sent, _, name in self.sent if sent == kind]


Ends = list[tuple[dict[str, Any] | None, str]]


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> tuple[Runner, Master, Ends]:
    monkeypatch.setattr(loadtests.fleet, "_LOOK", 0.001)
    monkeypatch.setattr(loadtests.fleet, "LAST_REPORTS_SECONDS", 0.02)
    runner, ends = Runner("a", "b"), Ends()
    made = Master(runner, lambda record, why: ends.append((record, why)))
    made.begin(Orders(target="http://h"))
    return runner, made, ends


def until_over(ends: Ends) -> None:
    for _ in range(400):
        if ends:
            break
        gevent.sleep(0.002)


def test_each_worker_gets_its_share_and_all_begin_when_the_last_is_ready(master: tuple[Runner, Master, Ends]) -> None:
    runner, _, _ = master
    shares = [(data["index"], data["workers"], name) for kind, data, name in runner.sent if kind == SHARE]
    assert shares == [(0, 2, "a"), (1, 2, "b")]
    runner.hear(READY, sender="b")
    assert runner.told(BEGIN) == []
    runner.hear(READY, sender="a")
    assert runner.told(BEGIN) == ["a", "b"]


def test_the_run_ends_with_the_last_report(master: tuple[Runner, Master, Ends]) -> None:
    _, made, ends = master
    made.take("a", None)
    made.take("stranger", record(0))
    made.take("a", record(0))
    assert made.under_way
    assert ends == []
    made.take("b", record(1))
    ((whole, why),) = ends
    assert whole is not None
    assert (whole["valid"], whole["counts"], why) == (True, {"5xx": 2, "ok": 7}, "")
    assert not made.under_way


@pytest.mark.parametrize("how", ["missing", "gone"])
def test_a_lost_worker_halts_the_others_and_the_run_is_not_valid(master: tuple[Runner, Master, Ends], how: str) -> None:
    runner, made, ends = master
    if how == "gone":
        del runner.clients["b"]
    else:
        runner.clients["b"].state = "missing"
    for _ in range(200):
        if runner.told(HALT):
            break
        gevent.sleep(0.001)
    assert runner.told(HALT) == ["a"]
    made.take("a", record(0))
    until_over(ends)
    ((whole, _),) = ends
    assert whole is not None
    assert whole["reason"] == "worker 2 of the load's 2 was lost"
    assert not whole["valid"]


def test_the_master_does_not_wait_for_ever_for_those_who_are_left(master: tuple[Runner, Master, Ends]) -> None:
    runner, _, ends = master
    runner.clients["b"].state = "missing"
    until_over(ends)
    assert ends == [(None, "worker 2 of the load's 2 was lost")]


def test_nonsense_from_a_worker_is_no_figure(master: tuple[Runner, Master, Ends]) -> None:
    _, made, ends = master
    made.take("a", record(0))
    made.take("b", {"counts": "many"})
    ((whole, why),) = ends
    assert whole is None
    assert "nonsense" in why


def test_a_worker_waits_for_the_word() -> None:
    runner, halted = Runner(), list[str]()
    worker = Worker(runner, halted.append)
    runner.hear(SHARE, {"orders": Orders(target="http://h").to_json(), "index": 1, "workers": 2})
    assert (worker.share, worker.ordered, worker.orders) == ((1, 2), True, Orders(target="http://h"))
    waiting = gevent.spawn(worker.begin_at)
    gevent.sleep(0)
    assert runner.told(READY) == [None]
    assert not waiting.ready()
    runner.hear(BEGIN, {"seconds": 0.1})
    assert waiting.get(timeout=5) > 0
    runner.hear(HALT)
    assert halted == ["another worker was lost"]


def _progress() -> dict[str, Any]:
    return {"sent": 1, "done": 1, "ok": 1, "tokens": 5, "seconds": 0.5, "planned": 10}


def test_the_members_of_a_search_are_led_by_their_messages(master: tuple[Runner, Master, Ends]) -> None:
    runner, made, ends = master
    leader = made.begin(Orders(target="http://h", profile="capacity"))
    assert leader is not None
    for name in ("a", "stranger", "b"):
        runner.hear(SAID, {"word": "checked", "bias": {"skipped": True}, "why": "", "progress": _progress()}, name)
        assert runner.told(TOLD) == ([] if name != "b" else ["a", "b"])
    # The report that locust sends of a worker is none of a search.
    made.take("a", record(0))
    for name in ("a", "b"):
        runner.hear(SAID, {"word": "ready", "number": 1, "progress": _progress()}, name)
    told = [data for kind, data, _ in runner.sent if kind == TOLD]
    assert [message["word"] for message in told] == ["try", "try", "begin", "begin"]
    assert told[-1]["seconds"] > 0
    assert leader.progress().sent == 2
    assert ends == []
    leader.stop("stopped before its end")
    ((whole, why),) = ends
    assert whole is not None
    assert (whole["valid"], whole["reason"], why) == (False, "stopped before its end", "")
    assert not made.under_way
    # A load that follows is none of the leader's.
    assert made.begin(Orders(target="http://h")) is None


def test_a_worker_that_is_lost_ends_a_search(master: tuple[Runner, Master, Ends]) -> None:
    runner, made, ends = master
    made.begin(Orders(target="http://h", profile="capacity"))
    del runner.clients["b"]
    until_over(ends)
    ((whole, _),) = ends
    assert whole is not None
    assert (whole["valid"], whole["reason"]) == (False, "worker 2 of the load's 2 was lost")
    assert [data["word"] for kind, data, _ in runner.sent if kind == TOLD] == ["over", "over"]


def test_a_worker_hears_from_its_leader_and_answers() -> None:
    runner = Runner()
    worker = Worker(runner, lambda _: None)
    runner.hear(SHARE, {"orders": Orders(target="http://h").to_json(), "index": 1, "workers": 2})
    runner.hear(TOLD, {"word": "try"})
    runner.hear(TOLD, {"word": "begin", "seconds": 0.1})
    assert worker.hear() == {"word": "try"}
    assert worker.hear()["epoch"] > time.perf_counter_ns()
    worker.say({"word": "ready"})
    assert runner.sent[-1] == (SAID, {"word": "ready"}, None)


@contextmanager
def locust(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), *options]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_master_and_two_workers_one_of_which_is_killed() -> None:
    port = str(free_port())
    with serving(answer(stream_of(4))) as server, ExitStack() as stack:
        run = ("--headless", "--host", server.url, "--users", "2", "--spawn-rate", "2", "--expect-workers", "2")
        load = ("--rate", "40", "--duration", "40", "--max-tokens", "4", "--no-self-check")
        master = stack.enter_context(
            locust("--master", "--master-bind-port", port, "--master-bind-host", "127.0.0.1", *run, *load)
        )
        workers = [
            stack.enter_context(locust("--worker", "--master-host", "127.0.0.1", "--master-port", port))
            for _ in range(2)
        ]
        for _ in range(3000):
            if len(server.requests) > 6 or master.poll() is not None:
                break
            gevent.sleep(0.02)
        workers[0].kill()
        _, said = master.communicate(timeout=60)
        sent = len(server.requests)
    assert master.returncode == 3, said
    assert "was lost" in said
    assert "not valid" in said
    assert 6 < sent < 1600

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

import loadtests.crew
from loadtests.launch import LoadError, run_load
from loadtests.orders import Orders
from tests.loadtests.loopback import HEAD, answer, free_port, serving, stream_of, with_status
from tests.loadtests.test_run import KEY, orders

THREE = {"processes": 3}


def test_processes_share_the_load_and_are_recorded_as_one() -> None:
    records: list[dict[str, Any]] = []
    with serving(answer(stream_of(4))) as server:
        code = run_load({**orders(server.url, rate=60), **THREE}, KEY, records.append)
    load = records[-1]
    assert [record["type"] for record in records].count("load") == 1
    assert load["counts"] == {"ok": 30}
    assert len(server.requests) == 32
    assert load["client"]["processes"] == 3
    assert (code == 0) is load["valid"]
    assert code == 0 or "the load generator" in load["reason"]
    samples = [record for record in records if record["type"] == "sample"]
    # Each due moment of the schedule once, whoever sent it: the distribution is that of one process.
    assert sorted(round(sample["t_intended"] * 60) for sample in samples) == list(range(30))
    assert HdrHistogram.decode(load["histograms"]["ttft"]["encoded"]).get_total_count() == 30
    progress = [record for record in records if record["type"] == "progress"]
    assert (progress[-1]["sent"], progress[-1]["planned"]) == (32, 32)


def killing(
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[loadtests.crew.Crew], list[dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """The crews that are made, what they record, and a taker that kills the second process at the first sample."""
    crews: list[loadtests.crew.Crew] = []
    made = loadtests.crew.Crew

    def remembered(*given: Any) -> loadtests.crew.Crew:
        crews.append(made(*given))
        return crews[-1]

    monkeypatch.setattr(loadtests.crew, "Crew", remembered)
    records: list[dict[str, Any]] = []
    killed = threading.Event()

    def take(record: dict[str, Any]) -> None:
        records.append(record)
        if record["type"] == "sample" and not killed.is_set():
            killed.set()
            os.kill(crews[0].processes[1].pid, signal.SIGKILL)

    return crews, records, take


def test_a_killed_process_is_noticed_and_ends_a_run_that_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    crews, records, take = killing(monkeypatch)
    begun = time.monotonic()
    with serving(answer(stream_of(4))) as server:
        code = run_load({**orders(server.url, duration=60), **THREE}, KEY, take)
    assert code == 3
    assert records[-1]["reason"] == "process 2 of the load's 3 was lost"
    assert not records[-1]["valid"]
    assert time.monotonic() - begun < 45
    assert all(process.poll() is not None for process in crews[0].processes)


def test_a_stop_ends_them_all_with_one_record() -> None:
    records: list[dict[str, Any]] = []
    stop = threading.Event()

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD)
        if len(server.requests) > 4:
            stop.set()

    with serving(script) as server:
        assert run_load({**orders(server.url, duration=60, warmup=0), **THREE}, KEY, records.append, stop) == 3
    assert records[-1]["reason"] == "interrupted"
    assert records[-1]["counts"]["abandoned"] >= 4


def search_on(url: str, **changes: Any) -> dict[str, Any]:
    """A search for a capacity in two processes, as small as can be."""
    least = {
        "rate": 40, "rate_most": 40, "share": 0.5, "resolution": 1.0, "duration": 0.1, "max_tokens": 2, "warmup": 2,
        "goodput": "ttft:100", "deadline": 5,
    }  # fmt: skip
    return {**orders(url), "profile": "capacity", "overrides": {**least, **changes}, "processes": 2}


def test_a_search_for_a_capacity_is_shared_and_recorded_as_one() -> None:
    records: list[dict[str, Any]] = []
    with serving(answer(stream_of(2))) as server:
        code = run_load(search_on(server.url), KEY, records.append)
    load = records[-1]
    assert [record["type"] for record in records].count("load") == 1
    assert {record["type"] for record in records} == {"load", "progress", "sample"}
    assert (code, load["profile"]) == (0 if load["valid"] else 3, "capacity")
    # Requests count whatever a busy machine made of their times.
    assert load["spent"]["requests"] == len(server.requests) <= load["plan"]["requests"]
    samples = [record for record in records if record["type"] == "sample"]
    assert len({request.partition(b"\r\n\r\n")[2] for request in server.requests}) == len(server.requests)
    if load["valid"]:
        curve = load["capacity"]["curve"]
        assert (load["capacity"]["low"], load["capacity"]["high"]) == (40.0, None), load["capacity"]
        assert load["client"]["processes"] == 2
        assert load["counts"] == {"ok": curve[-1]["requests"]}
        assert HdrHistogram.decode(load["histograms"]["ttft"]["encoded"]).get_total_count() == curve[-1]["requests"]
        assert len(samples) >= sum(row["requests"] for row in curve)
    else:
        assert "the load generator" in load["reason"]


def test_a_search_that_is_surely_bad_for_all_ends_with_its_verdict() -> None:
    records: list[dict[str, Any]] = []
    with serving(answer(with_status(429))) as server:
        code = run_load(search_on(server.url), KEY, records.append)
    capacity = records[-1]["capacity"]
    assert (code, capacity["low"], capacity["high"]) == (0, None, 40.0), records[-1]["reason"]
    assert all(row["cut_short"] for row in capacity["curve"])


def test_a_process_that_is_lost_in_a_search_ends_it_as_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    crews, records, take = killing(monkeypatch)
    with serving(answer(stream_of(2))) as server:
        code = run_load(search_on(server.url, duration=30), KEY, take)
    assert (code, records[-1]["valid"]) == (3, False)
    assert records[-1]["reason"] == "process 2 of the load's 2 was lost"
    assert all(process.poll() is not None for process in crews[0].processes)


def test_a_stop_ends_a_shared_search_with_what_it_has() -> None:
    records: list[dict[str, Any]] = []
    stop = threading.Event()

    def take(record: dict[str, Any]) -> None:
        records.append(record)
        if record["type"] == "sample":
            stop.set()

    with serving(answer(stream_of(2))) as server:
        assert run_load(search_on(server.url, duration=30), KEY, take, stop) == 3
    assert records[-1]["reason"] == "interrupted"
    assert records[-1]["spent"]["requests"] == len(server.requests)


def test_an_endpoint_that_is_not_there_is_found_before_the_load() -> None:
    records: list[dict[str, Any]] = []
    assert run_load({**orders(f"http://127.0.0.1:{free_port()}"), **THREE}, KEY, records.append) == 3
    assert not records[-1]["valid"]


def test_orders_that_the_processes_refuse_are_the_users_mistake() -> None:
    with pytest.raises(LoadError, match="no http") as refused:
        run_load({"target": "gopher://h", **THREE}, KEY, lambda _: None)
    assert refused.value.usage


def test_shares_know_their_place() -> None:
    assert Orders.from_json({"target": "http://h", "index": 1, "workers": 2}).index == 1
    for wrong in ({"index": 2, "workers": 2}, {"processes": 0}, {"index": -1}):
        with pytest.raises(ValueError, match="no worker"):
            Orders.from_json({"target": "http://h", **wrong})

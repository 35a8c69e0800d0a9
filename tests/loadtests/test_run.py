from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from loadtests.launch import LoadError, run_load
from loadtests.profiles import PlanError
from tests.loadtests.loopback import HEAD, answer, free_port, serving, stream_of, with_status

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-32-characters-or-so-1234"


def orders(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "target": url,
        "overrides": {"rate": 30, "duration": 0.5, "max_tokens": 4, "deadline": 5, **changes},
        "seed": 3,
        "self_check": False,
    }


def started(told: dict[str, Any] | str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "SEATRIAL_API_KEY": KEY},
    )
    assert process.stdin is not None
    process.stdin.write((told if isinstance(told, str) else json.dumps(told)).encode())
    process.stdin.close()
    process.stdin = None
    return process


def test_a_run_writes_progress_samples_and_its_load_record_and_nothing_else() -> None:
    with serving(answer(stream_of(4))) as server:
        out, remarks = started(orders(server.url)).communicate(timeout=60)
    records = [json.loads(line) for line in out.splitlines()]
    assert {record["type"] for record in records} == {"progress", "sample", "load"}
    assert [record["type"] for record in records].count("load") == 1
    load = records[-1]
    assert load["type"] == "load"
    samples = [record for record in records if record["type"] == "sample"]
    assert len(samples) == 15
    assert load["counts"] == {"ok": 15}
    assert len(server.requests) == 17
    assert HdrHistogram.decode(load["histograms"]["itl"]["encoded"]).get_total_count() == 45
    assert records[-2] == {**records[-2], "sent": 17, "done": 17, "ok": 15, "planned": 17}
    assert all(f"Authorization: Bearer {KEY}".encode() in request for request in server.requests)
    assert KEY.encode() not in out + remarks


def test_a_load_process_checks_itself_first_and_says_what_it_found() -> None:
    records: list[dict[str, Any]] = []
    with serving(answer(stream_of(4))) as server:
        run_load({**orders(server.url), "self_check": True}, KEY, records.append)
    check = records[-1]["self_check"]
    assert "fault" not in check
    assert check["streams"] >= 8
    assert check["ttft_p99_ms"] > 0
    # Either it was found to be true enough and the load was sent, or it says why it was not.
    assert records[-1]["counts"] == {"ok": 15} or "the load generator" in records[-1]["reason"]


def test_a_key_that_an_endpoint_repeats_is_not_written() -> None:
    refusal = with_status(403, body=json.dumps({"message": f"the key {KEY} is wrong"}).encode())
    with serving(answer(refusal)) as server:
        out, remarks = started(orders(server.url, warmup=0)).communicate(timeout=60)
    assert b"$SEATRIAL_API_KEY is wrong" in out
    assert KEY.encode() not in out + remarks


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_once_and_its_record_says_so(number: signal.Signals) -> None:
    with serving(answer(HEAD)) as server:
        process = started(orders(server.url, duration=60, warmup=0, deadline=60))
        until = time.monotonic() + 30
        while len(server.requests) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(number)
        begun = time.monotonic()
        out, _ = process.communicate(timeout=30)
        took = time.monotonic() - begun
    load = json.loads(out.splitlines()[-1])
    assert (load["type"], load["valid"], load["reason"]) == ("load", False, "interrupted")
    assert load["counts"]["abandoned"] >= 3
    assert process.returncode == 3
    # Within a second where the machine has nothing else to do; the run itself would have taken sixty.
    assert took < 10


@pytest.mark.parametrize(
    ("told", "remark"),
    [
        ("not json", "Expecting value"),
        ({"target": "ftp://h"}, "no http"),
        ({"target": "https://h", "ca_file": "/nowhere.pem"}, "nowhere.pem"),
    ],
)
def test_wrong_orders_are_refused_in_one_line(told: dict[str, Any] | str, remark: str) -> None:
    process = started(told)
    out, remarks = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == b""
    assert remark in remarks.decode()
    assert len(remarks.splitlines()) == 1


def test_a_run_ends_when_nobody_reads_it_any_more() -> None:
    with serving(answer(stream_of(1))) as server:
        process = started(orders(server.url, duration=60, rate=20))
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "progress"
        process.stdout.close()
        process.stdout = None
        try:
            assert process.wait(timeout=20) == 3
        finally:
            process.kill()
            process.communicate(timeout=10)
    assert len(server.requests) < 300


def test_a_launched_run_hands_on_its_records_and_status() -> None:
    records: list[dict[str, Any]] = []
    with serving(answer(stream_of(4))) as server:
        status = run_load(orders(server.url), KEY, records.append, threading.Event())
    assert [record["type"] for record in records].count("sample") == 15
    assert records[-1]["type"] == "load"
    assert status == (0 if records[-1]["valid"] else 3)


def test_a_launched_run_is_stopped_with_its_record() -> None:
    records: list[dict[str, Any]] = []
    stop = threading.Event()

    def take(record: dict[str, Any]) -> None:
        records.append(record)
        if record["type"] == "sample":
            stop.set()

    with serving(answer(stream_of(4))) as server:
        assert run_load(orders(server.url, duration=60), KEY, take, stop) == 3
    assert records[-1]["reason"] == "interrupted"


def test_an_unreachable_endpoint_is_a_record_and_no_exception() -> None:
    records: list[dict[str, Any]] = []
    assert run_load(orders(f"http://127.0.0.1:{free_port()}"), KEY, records.append) == 3
    assert records[-1]["reason"].startswith("unreachable")


def test_a_launched_run_ends_when_its_record_cannot_be_taken() -> None:
    class FullError(Exception):
        pass

    def take(record: dict[str, Any]) -> None:
        raise FullError

    with serving(answer(stream_of(4))) as server:
        with pytest.raises(FullError):
            run_load(orders(server.url, duration=60), KEY, take)
        sent = len(server.requests)
        time.sleep(0.05)
        assert len(server.requests) == sent


def test_orders_that_make_no_sense_start_no_process() -> None:
    with pytest.raises(PlanError, match="rate is a number"):
        run_load({"target": "http://h", "overrides": {"rate": 0}}, KEY, lambda _: None)


def test_orders_that_the_process_refuses_are_the_users_mistake() -> None:
    with pytest.raises(LoadError, match="no http") as refused:
        run_load({"target": "gopher://h"}, KEY, lambda _: None)
    assert refused.value.usage


def test_a_server_that_never_answers_costs_no_more_than_its_deadlines() -> None:
    def script(connection: socket.socket, request: bytes) -> None:
        return

    records: list[dict[str, Any]] = []
    with serving(script) as server:
        status = run_load(orders(server.url, deadline=0.3, warmup=1), KEY, records.append)
    assert records[-1]["counts"] == {"timeout": 15}
    assert status in (0, 3)

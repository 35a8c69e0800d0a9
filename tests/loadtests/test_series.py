from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from loadtests import search
from loadtests.campaign import Start
from loadtests.plans import plan
from loadtests.pool import Pool
from loadtests.profiles import PROFILES, PlanError
from loadtests.selfcheck import Bias
from loadtests.series import Series
from loadtests.target import target
from schemas.contracts import get
from tests.loadtests.loopback import Script, answer, serving, stream_of, with_status


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.series.BETWEEN", 0.0)
    monkeypatch.setattr(search, "_EXPLORE", 6)
    # A generator on a busy machine is late, which is not what these tests are about.
    monkeypatch.setattr("loadtests.campaign.MOST_LATENESS_MS", 2_000.0)
    monkeypatch.setattr("loadtests.campaign.MOST_LAG_MS", 2_000.0)
    monkeypatch.setattr("loadtests.campaign.LEAST_RATE", 0.1)


def series_on(port: int, *, start: Start | None = None, **changes: Any) -> Series:
    wanted = {
        "rate": 150, "rate_most": 600, "share": 0.5, "resolution": 1.0, "duration": 0.05, "max_tokens": 2, "warmup": 1,
        "goodput": "ttft:60", "deadline": 5,
    }  # fmt: skip
    made = plan(PROFILES["capacity"], {**wanted, **changes})
    where = target(f"http://127.0.0.1:{port}", get("azure-llama").operation("chat"), "key")
    return Series(made, where, Pool(where.host, where.port), seed=1, start=start)


def busy(slots: int, seconds: float) -> Script:
    """A server that answers so many at a time, each in that time."""
    free = threading.Semaphore(slots)

    def script(connection: Any, request: bytes) -> None:
        with free:
            time.sleep(seconds)
        connection.sendall(stream_of(2))

    return script


def test_the_capacity_of_a_server_that_has_one_is_found() -> None:
    with serving(busy(2, 0.008)) as server:
        series = series_on(server.port, goodput="ttft:80")
        series.run()
    record = json.loads(json.dumps(series.to_record()))
    capacity = record["capacity"]
    assert (record["valid"], record["profile"]) == (True, "capacity"), record["reason"]
    # Two at a time in eight milliseconds are 250 per second; a busy machine bears less.
    assert capacity["high"] is not None
    assert capacity["low"] is None or capacity["low"] <= 400
    assert [row["rate"] for row in capacity["curve"]] == sorted(row["rate"] for row in capacity["curve"])
    assert len(server.requests) == series.progress().sent == record["spent"]["requests"] <= series.plan.requests


def test_an_endpoint_that_bears_everything_is_said_to() -> None:
    with serving(answer(stream_of(2))) as server:
        series = series_on(server.port, rate_most=150, goodput="ttft:5000")
        series.trials.search = search.Search(series.plan.profile, 0.05)
        series.run()
    found = series.to_record()["capacity"]
    assert (found["low"], found["high"]) == (150.0, None)
    assert series.to_record()["counts"]["ok"] > 0


def test_an_endpoint_that_answers_429_at_once_has_no_capacity_there() -> None:
    with serving(answer(with_status(429))) as server:
        series = series_on(server.port)
        series.run()
    record = series.to_record()
    assert (record["capacity"]["low"], record["capacity"]["high"]) == (None, 150.0)
    # A verdict that is certain ends a trial.
    assert all(row["cut_short"] for row in record["capacity"]["curve"])


def test_an_unreachable_endpoint_is_no_capacity() -> None:
    with serving(answer()) as server:
        port = server.port
    series = series_on(port)
    series.run()
    assert "unreachable" in series.why_invalid()
    assert json.dumps(series.to_record())


def test_a_search_that_was_stopped_is_not_valid_and_keeps_what_it_has() -> None:
    with serving(answer(stream_of(2))) as server:
        series = series_on(server.port)
        series._on_sample = lambda _: series.stop("interrupted")
        series.run()
    assert series.why_invalid() == "interrupted"
    assert series.to_record()["valid"] is False


def test_a_search_checks_itself_once_before_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def check(streams: int, _: object) -> Bias:
        asked.append(streams)
        return Bias(streams=streams)

    monkeypatch.setattr("loadtests.series.CalibratedServer", lambda: None)
    monkeypatch.setattr("loadtests.series.check_self", check)
    with serving(answer(with_status(429))) as server:
        series = series_on(server.port, start=Start(self_check=True))
        series.run()
        assert len(server.requests) > 0
    # 150 per second, each good for at most 60 ms.
    assert asked == [9]
    assert series.to_record()["self_check"]["streams"] == 9
    unchecked = series_on(server.port)
    assert unchecked.to_record()["self_check"] == {"skipped": True}


def test_a_search_that_cannot_trust_itself_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.series.CalibratedServer", lambda: None)
    monkeypatch.setattr("loadtests.series.check_self", lambda streams, _: Bias(streams=2, arrival_p95_ms=33.0))
    with serving(answer(stream_of(2))) as server:
        series = series_on(server.port, start=Start(self_check=True))
        series.run()
        assert server.requests == []
    assert "33.0 ms late" in series.why_invalid()
    assert json.loads(json.dumps(series.to_record()))["valid"] is False


def test_a_search_without_a_good_answer_is_refused() -> None:
    with pytest.raises(PlanError, match="needs goodput"):
        plan(PROFILES["capacity"], {"goodput": ""})
    with pytest.raises(PlanError, match="rate_most"):
        plan(PROFILES["capacity"], {"rate": 100})


def test_a_trial_in_which_this_client_was_late_is_taken_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.campaign.MOST_LATENESS_MS", -1.0)
    with serving(answer(stream_of(2))) as server:
        series = series_on(server.port, goodput="ttft:5000")
        series.trials.search = search.Search(series.plan.profile, 0.05)
        series.run()
    assert "the load generator was late" in series.why_invalid()
    assert series.trials.hiccups == 2
    # Three trials of six requests that are looked at, two that fill the queue and one to warm up.
    assert series.progress().sent == len(server.requests) == 27


def test_slow_answers_are_no_verdict_where_this_client_was_slow_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.campaign.MOST_LAG_MS", -1.0)
    with serving(answer(stream_of(2))) as server:
        # No answer is that quick, so every trial ends early as one that is surely bad.
        series = series_on(server.port, goodput="ttft:0.001")
        series.run()
    assert "the load generator woke up" in series.why_invalid()
    # A refusal is one however late it is read.
    with serving(answer(with_status(429))) as server:
        series = series_on(server.port)
        series.run()
    assert (series.why_invalid(), series.to_record()["capacity"]["high"]) == ("", 150.0)

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from loadtests.collect import RecordError
from loadtests.web.live import Live
from loadtests.web.sketch import Sketch
from tests.loadtests.made import sample


class Clock:
    now = 1_000.5

    def __call__(self) -> float:
        return self.now


def test_a_sketch_is_within_half_a_percent_and_adds_up() -> None:
    draw = random.Random(4)
    values = [draw.lognormvariate(3, 1.5) for _ in range(5_000)]
    one, two, both = Sketch(), Sketch(), Sketch()
    for number, value in enumerate(values):
        (one if number % 3 else two).add(value)
        both.add(value)
    one.merge(Sketch.from_json(json.loads(json.dumps(two.to_json()))))
    assert one.to_json() == both.to_json()
    ranked = sorted(values)
    for percent, found in zip((1.0, 50.0, 95.0, 99.0, 100.0), one.percentiles((1, 50, 95, 99, 100)), strict=True):
        assert found == pytest.approx(ranked[math.ceil(percent / 100 * len(ranked)) - 1], rel=0.0051)


def test_a_sketch_of_nothing_and_of_nonsense() -> None:
    assert Sketch().percentiles((50, 99)) == [0.0, 0.0]
    tiny = Sketch()
    tiny.add(0.0)
    assert tiny.percentiles((50,))[0] < 0.0011
    for nonsense in ([[0, 0]], [[-1, 1]], [[10**9, 1]], [["x", 1]]):
        with pytest.raises(ValueError, match=r"."):
            Sketch.from_json(nonsense)  # type: ignore[arg-type]


def test_seconds_that_workers_have_not_all_reported_are_not_drawn_yet() -> None:
    clock = Clock()
    live = Live(clock)
    live.behind = 2
    live.add(sample())
    clock.now += 2
    assert live.points() == []
    clock.now += 1
    assert [point["t"] for point in live.points()] == [0]
    assert live.totals()["counts"] == {"ok": 1}
    live.add(sample())
    assert [point["t"] for point in live.points()] == [0]
    # Once the run is over nothing more can come, not even for the present second.
    live.end()
    assert [point["t"] for point in live.points()] == [0, 3]
    live.begin({})
    live.add(sample())
    assert live.points() == []


def test_a_request_counts_in_the_second_in_which_it_ended() -> None:
    clock = Clock()
    live = Live(clock)
    live.add(sample(ttft=0.2, gaps=(0.02,) * 9, tokens=10))
    clock.now += 1
    live.add(sample(outcome="429"))
    live.add(sample(outcome="5xx"))
    # The second under way is not whole yet.
    assert [point["t"] for point in live.points()] == [0]
    clock.now += 1
    first, second = live.points()
    assert (first["ok"], first["limited"], first["failed"], first["tokens"]) == (1, 0, 0, 10)
    assert first["ttft"] == pytest.approx([200] * 3, rel=0.006)
    assert first["itl"] == pytest.approx([20] * 3, rel=0.006)
    assert (second["ok"], second["limited"], second["failed"], second["ttft"]) == (0, 1, 1, None)
    assert live.points(since=1) == [second]
    totals = live.totals()
    assert totals["counts"] == {"429": 1, "5xx": 1, "ok": 1}
    assert totals["latencies"]["itl"]["count"] == 9
    assert totals["latencies"]["tpot"]["ms"] == pytest.approx([20] * 3, rel=0.006)


def test_latency_counts_from_the_intended_send_too() -> None:
    live = Live(Clock())
    live.add(sample(late=0.3, ttft=0.1))
    latencies = live.totals()["latencies"]
    assert latencies["ttft"]["ms"][0] == pytest.approx(100, rel=0.006)
    assert latencies["ttft_intended"]["ms"][0] == pytest.approx(400, rel=0.006)


def test_good_answers_keep_every_bound() -> None:
    live = Live(Clock())
    live.begin({"ttft": 150.0})
    live.add(sample(ttft=0.1))
    live.add(sample(ttft=0.2))
    live.add(sample(outcome="cut"))
    totals = live.totals()
    assert (totals["good"], totals["bounds"]) == (1, {"ttft": 150.0})


def test_old_seconds_are_drawn_though_they_are_settled_and_late_ones_are_counted() -> None:
    clock = Clock()
    live = Live(clock)
    live.add(sample())
    clock.now += 60
    live.add(sample())
    clock.now += 1
    assert [(point["t"], point["ok"]) for point in live.points()] == [(0, 1), (60, 1)]
    late = Live(Clock(), keeps=math.inf)
    late.add(sample())
    live.merge(late.take())
    assert live.totals()["counts"] == {"ok": 3}
    assert [(point["t"], point["ok"]) for point in live.points()] == [(0, 1), (60, 1)]


def test_what_workers_report_adds_up_to_what_one_would_have_measured() -> None:
    clock = Clock()
    alone, master = Live(clock), Live(clock)
    workers = [Live(clock, keeps=math.inf) for _ in range(3)]
    for number in range(30):
        one = sample(ttft=0.01 * (number + 1)) if number % 5 else sample(outcome="reset")
        for live in (alone, workers[number % 3]):
            live.add(one)
        clock.now += 0.2
    clock.now += 2
    for worker in workers:
        master.merge(json.loads(json.dumps(worker.take())))
        assert worker.take()["seconds"] == {}
    assert master.points() == alone.points()
    assert master.totals() == alone.totals()
    others: list[dict[str, Any]] = [{}, {"seconds": {"x": 1}, "examples": {}}, {"seconds": {"1": {}}, "examples": {}}]
    for nonsense in others:
        with pytest.raises(RecordError):
            master.merge(nonsense)


def test_a_long_run_is_kept_within_bounds() -> None:
    clock = Clock()
    live = Live(clock)
    for _ in range(1_200):
        live.add(sample())
        clock.now += 1
    points = live.points()
    assert len(points) <= 912
    assert points[-1]["t"] == 1_199
    assert live.totals()["counts"] == {"ok": 1_200}

"""The benchmark of the layer's cost counts what was answered, and its bounds hold what they should."""

from __future__ import annotations

import random
import re
import statistics

import pytest

from benchmarks.layer import alone, direct, inner, served
from benchmarks.layer.client import Lines, Slice
from benchmarks.layer.pairs import by_turns, median_difference, median_ratio, of_pairs
from reference_server import asgi
from reference_server.serve import serving, standin_app
from schemas.contracts import get


def test_bounds_hold_the_true_ratio_and_grow_narrow() -> None:
    draw = random.Random(3)
    many = [(100 * draw.uniform(0.9, 1.1), 97 * draw.uniform(0.9, 1.1)) for _ in range(200)]
    wide, narrow = of_pairs(many[:10], median_ratio), of_pairs(many, median_ratio)
    assert wide.low < 0.97 < wide.high
    assert narrow.low < 0.97 < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert of_pairs([(1.0, 3.0)], median_difference).shown("+.1f", " ms") == "+2.0 ms (+2.0 to +2.0)"


def test_both_begin_equally_often() -> None:
    assert by_turns(4) == [(0, 1), (1, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("case", [alone.Case(0), alone.Case(7)])
@pytest.mark.parametrize("app", [inner.fixed, inner.layered("benchmark-key")], ids=["bare", "layered"])
def test_every_answer_is_counted(case: alone.Case, app: asgi.App) -> None:
    asked = 0

    async def counting(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        nonlocal asked
        asked += 1
        await app(scope, receive, send)

    with serving(counting) as server:
        lines = Lines(("127.0.0.1", server.port), 3)
        done = lines.run(case.request(server.port), 0.02)
        again = lines.run(case.request(server.port), 0.0)
        lines.close()
    assert again.requests == 3
    assert done.requests + again.requests == asked
    assert len(done.first_ms) == done.requests
    assert statistics.median(done.first_ms) < done.wall * 1000


def test_an_answer_that_is_none_ends_the_benchmark() -> None:
    with serving(inner.layered("another-key")) as server:
        lines = Lines(("127.0.0.1", server.port), 1)
        with pytest.raises(SystemExit, match="401"):
            lines.run(alone.Case(0).request(server.port), 0.0)
        lines.close()


def test_a_row_tells_rates_ratio_and_cost() -> None:
    slices = [Slice(requests=count, wall=1.0, cpu=0.1, first_ms=[1.0, 2.0]) for count in (1_000, 800)]
    pairs = [((slices[0], 0.5), (slices[1], 0.8))] * 4
    cost = of_pairs(pairs, alone._cpu_per_request)
    row = alone._row(alone.Case(0), 8, pairs, cost)
    assert "1,000, 2,000 | 800, 1,000 | 0.800 (0.800 to 0.800) | 500 (500 to 500) | +0.00" in row
    assert row.endswith("| 10% |")


def test_two_servers_are_compared() -> None:
    plan = served.Plan(rounds=2, waves=1, max_tokens=4, pass_on=(("ignore_eos", True), ("temperature", 0.5)))
    with (
        serving(standin_app(get("azure-llama"), limits=None)) as plain,
        serving(standin_app(get("azure-llama"), limits=None)) as layered,
    ):
        lines = list(served.measured([plain.url, layered.url], "", plan, [2]))
    assert len(lines) == 3
    assert re.fullmatch(r"\| 2 \| [\d.,]+ \| [\d.,]+ \| [\d.]+ \([\d. to]+\) \| [\d.,]+ \| [\d.,]+ \| .*", lines[2])


def test_a_refusal_ends_the_comparison() -> None:
    with (
        serving(standin_app(get("azure-llama"), key="another", limits=None)) as server,
        pytest.raises(SystemExit, match="1 of 1 answers were no good: 4xx status 401"),
    ):
        list(served.measured([server.url] * 2, "", served.Plan(rounds=1, waves=1), [1]))


def test_the_cpu_time_is_told_for_a_request_and_a_chunk() -> None:
    lines = list(direct.measured(2, 5, requests=3))
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["a request", "a chunk of a stream"]

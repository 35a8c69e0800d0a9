"""The benchmark of the layer's cost counts what was answered, and its bounds hold what they should."""

from __future__ import annotations

import importlib
import random
import re
import statistics
from pathlib import Path

import httpx
import pytest

from benchmarks.layer import alone, direct, inner, served, switch, twins
from benchmarks.layer.client import Lines, Slice
from benchmarks.layer.engine import Engine, simulated
from benchmarks.layer.pairs import by_turns, median_difference, median_ratio, of_pairs
from reference_server import asgi
from reference_server.limits import UNLIMITED
from reference_server.serve import serving, standin_app
from reference_server.vllm.settings import VARIABLE, LayerSettings
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


def test_one_server_is_compared_with_itself_without_its_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_bytes(LayerSettings(contract="azure-llama", model="llama", key="k" * 8, limits=UNLIMITED).to_json())
    monkeypatch.setenv(VARIABLE, str(settings))
    seen: list[tuple[str, bytes]] = []

    async def inside(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "http":
            seen.append((scope["path"], scope["raw_path"]))
        await simulated(Engine())(scope, receive, send)

    module, _, name = switch.NAME.rpartition(".")
    both = getattr(importlib.import_module(module), name)(inside)
    path, body = "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2}
    with serving(both) as server:
        urls, plan = [server.url + switch.PLAIN, server.url], served.Plan(rounds=1, max_tokens=4)
        lines = [*served.measured(urls, "k" * 8, plan, [2]), *twins.measured(urls, "k" * 8, plan, [4])]
        answers = [httpx.post(server.url + where, json=body).status_code for where in (switch.PLAIN + path, path)]
    assert lines[2].startswith("| 2 | ")
    assert lines[5].startswith("| 4 | 4 | "), "two pairs, two waves, the first round left out"
    assert set(seen) == {(path, path.encode())}
    assert answers == [200, 401], "only the layer asks for a key"


def test_twins_tell_what_is_later_whoever_goes_first() -> None:
    # Who goes second waits 5 ms, and the layer takes 0.4; one in ten misses a step of 40.
    draw = random.Random(5)
    many = []
    for number in range(2_000):
        first, wait, miss = number % 2, draw.uniform(20, 200), 40 * (number % 10 == 3)
        many.append(twins.Twins(first, wait + 5 * (first == 1), wait + 0.4 + 5 * (first == 0) + miss))
    assert twins.later(many) == pytest.approx(0.4)
    assert twins.later_on_average(many) == pytest.approx(4.4)
    assert twins.later(many[:1]) == pytest.approx(5.4), "all that is known of one"


def test_a_refusal_ends_the_comparison() -> None:
    with (
        serving(standin_app(get("azure-llama"), key="another", limits=None)) as server,
        pytest.raises(SystemExit, match="an answer was no good: 4xx status 401"),
    ):
        list(served.measured([server.url] * 2, "", served.Plan(rounds=1, waves=1), [1]))


def test_the_cpu_time_is_told_for_a_request_and_a_chunk() -> None:
    lines = list(direct.measured(2, 5, requests=3))
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["a request", "a chunk of a stream"]

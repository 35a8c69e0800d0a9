from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.host import polling_ms, stolen
from benchmarks.load.cells import CELLS, Aim, compared, quantile
from benchmarks.load.servers import Asked, Setting, certificate, floor, own
from benchmarks.load.undisturbed import runs_of
from loadtests.pool import Pool
from loadtests.streams import read_stream

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [quantile(values, percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert quantile([3.0], 99) == 3.0
    assert quantile([], 50) == 0.0


def test_runs_that_the_host_disturbed_are_left_out_and_a_bound_holds() -> None:
    def runs(*taken: float) -> tuple[list[float], list[float]]:
        left = iter(taken)
        kept, out = runs_of(lambda: {"stolen_pct": next(left), "ttft_p99": 1.0}, 2, 3)
        return [float(one["stolen_pct"]) for one in kept], [float(one["stolen_pct"]) for one in out]

    assert runs(0.0, 0.5) == ([0.0, 0.5], [])
    assert runs(0.4, 9.0, 0.6, 0.2) == ([0.4, 0.2], [9.0, 0.6])
    assert runs(9.0, 3.0, 5.0, 2.0, 4.0) == ([3.0, 2.0], [9.0, 5.0, 4.0]), (
        "the least disturbed, where there is no peace"
    )


def test_what_the_host_took_is_read_from_the_kernel(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  1 2 3 4 5 6 7 1234 9 10\ncpu0 0\n")
    assert stolen(stat) == pytest.approx(1234 / os.sysconf("SC_CLK_TCK"))
    stat.write_text("cpu  1 2\n")
    assert stolen(stat) == stolen(tmp_path / "none") == 0.0
    stat.write_text("200000\n")
    assert polling_ms(stat) == pytest.approx(0.2)
    assert polling_ms(tmp_path / "none") == 0.0


def test_an_aim_is_a_bound_above_or_below() -> None:
    assert [Aim(most=1.0).kept(value) for value in (0.9, 1.0, 1.1)] == [True, True, False]
    assert [Aim(least=1.0).kept(value) for value in (0.9, 1.0, 1.1)] == [False, True, True]


def test_the_figures_are_what_was_reported_minus_what_is_true() -> None:
    class Ran:
        begun = 0
        stolen = 0.3

        def __init__(self) -> None:
            self.load = {"counts": {}, "client": {"cpu": 0.5, "peak_rss_mb": 50.0}, "valid": True}
            self.samples = [{"t_sent": 1.0, "t_first": 1.202}, {"t_sent": 2.0, "t_first": 2.205}]

        def percentile(self, name: str, percent: float) -> float:
            return 21.0

    warmup = [Asked(5_000_000, (6_000_000,)), Asked(7_000_000, (8_000_000,))]
    asked = [Asked(0, (200_000_000, 220_000_000)), Asked(0, (201_000_000, 221_000_000))]
    figures = compared(Ran(), [*warmup, *asked])  # type: ignore[arg-type]
    assert figures["ttft_p50"] == pytest.approx(2.0)
    assert figures["ttft_p99"] == pytest.approx(4.0)
    assert figures["arrival_p99"] == pytest.approx(1_002.0), "1,202 and 2,205 ms, sent at 200 and 201"
    assert figures["itl_p50"] == pytest.approx(1.0)
    assert figures["start_s"] == pytest.approx(0.005)
    assert "reason" not in figures
    unfit = Ran()
    unfit.load |= {"valid": False, "reason": "it sent late"}
    assert compared(unfit, [*warmup, *asked])["reason"] == "it sent late"  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        compared(Ran(), asked)  # type: ignore[arg-type]


def test_our_own_server_tells_the_truth_over_tls_and_has_a_tail() -> None:
    with certificate() as (crt, key), own(Setting(10, 2, 4), certificate=crt, key=key, slow_every=3) as running:
        pool = Pool("127.0.0.1", running.port, tls=True, ca_file=crt)
        readings = [read_stream(pool, REQUEST, deadline=10) for _ in range(3)]
        pool.close()
    assert [reading.outcome for reading in readings] == ["ok"] * 3
    for reading, asked in zip(readings, running.asked, strict=True):
        assert reading.chunks == len(asked.sent) == 4
        assert reading.sent < asked.came < asked.sent[0] <= reading.first
    slow = [asked.ttft_ms >= 100 for asked in running.asked]
    assert slow == [False, True, False]


def test_cells_have_names_of_their_own() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_bare_sockets_ask_as_often_as_they_are_told_and_wait_for_the_first_token() -> None:
    setting = Setting(20, 1, 4)
    with own(setting) as running:
        reported = floor(running, setting, 3, 7)
    assert len(reported) == len(running.asked) == 7
    # A server that answers after 20 ms is not answered sooner.
    assert min(reported) >= 20
    with own(setting) as running:
        assert len(floor(running, setting, 5, 2)) == 2

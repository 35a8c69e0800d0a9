from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.load.cells import Bench, Figures, number, spread
from benchmarks.load.peers import capacity, measure
from benchmarks.load.peers.capacity import true_enough
from benchmarks.load.peers.genai_bench import GENAI_BENCH
from benchmarks.load.peers.guidellm import GUIDELLM
from benchmarks.load.peers.inference_perf import INFERENCE_PERF
from benchmarks.load.peers.measure import OURS, PEERS, beside
from benchmarks.load.peers.peer import Order, Peer, Reported
from benchmarks.load.peers.processes import ended
from benchmarks.load.peers.servebench import SERVEBENCH
from benchmarks.load.peers.table import ratio, table
from benchmarks.load.servers import Asked, Running, Setting

ORDER = Order(Setting(), 16, 64, "http://127.0.0.1:1")


@pytest.mark.parametrize("peer", PEERS.values(), ids=list(PEERS))
def test_a_peer_is_told_where_the_server_is_how_many_streams_and_how_many_requests(peer: Peer, tmp_path: Path) -> None:
    told = " ".join(peer.command(ORDER, tmp_path))
    told += "".join(path.read_text() for path in tmp_path.glob("settings.yml"))
    assert all(value in told for value in (ORDER.url, "16", "64"))


def _written(place: Path, name: str, document: object) -> Path:
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(json.dumps(document))
    return place


def test_what_servebench_wrote_is_read_without_the_requests_that_failed(tmp_path: Path) -> None:
    whole = {"ok": True, "ttft": 0.25, "chunk_times": [0.25, 0.5, 0.5]}
    failed: dict[str, object] = {"ok": False, "ttft": None, "chunk_times": []}
    document = {"levels": [{"requests": [whole, failed]}]}
    assert SERVEBENCH.read(_written(tmp_path, "run.json", document)) == Reported([250.0], [250.0])


def test_what_inference_perf_wrote_is_read_from_the_time_of_each_token(tmp_path: Path) -> None:
    metrics = {"output_token_times": [1.25, 1.5]}
    whole = {"error": None, "start_time": 1.0, "info": {"response_metrics": metrics}}
    document = [whole, {**whole, "error": {"error_type": "X"}}]
    place = _written(tmp_path, "out/per_request_lifecycle_metrics.json", document)
    assert INFERENCE_PERF.read(place) == Reported([250.0], [250.0])


def test_what_guidellm_wrote_is_read_without_what_did_not_end(tmp_path: Path) -> None:
    requests = {"successful": [{"time_to_first_token_ms": 250}], "incomplete": [{"time_to_first_token_ms": 9}]}
    place = _written(tmp_path, "run.json", {"benchmarks": [{"requests": requests}]})
    assert GUIDELLM.read(place) == Reported([250.0], [])


def test_what_genai_bench_wrote_is_read_without_the_requests_that_failed(tmp_path: Path) -> None:
    document = {"individual_request_metrics": [{"ttft": 0.25, "error_code": None}, {"ttft": 0, "error_code": 503}]}
    assert GENAI_BENCH.read(_written(tmp_path, "out/D20_64_1s.json", document)) == Reported([250.0], [])
    with pytest.raises(ValueError, match="no run"):
        GENAI_BENCH.read(tmp_path / "elsewhere")


def test_a_peers_figures_are_percentiles_reported_minus_true() -> None:
    true = [Asked(0, (200_000_000, 220_000_000)), Asked(0, (200_000_000, 221_000_000))]
    figures = beside(Reported([202.0, 205.0], [25.0]), true)
    assert [figures[name] for name in ("ttft_p50", "ttft_p99", "itl_p99")] == pytest.approx([2.0, 5.0, 4.0])
    assert "itl_p99" not in beside(Reported([202.0], []), true)
    assert beside(Reported([], []), true) == {}


def test_a_ratio_is_of_the_same_run_and_no_smaller_error_than_can_be_told_counts() -> None:
    ours: list[Figures] = [{"ttft_p99": 0.5}, {"ttft_p99": 0.01}, {"ttft_p99": 4.0}]
    assert ratio(ours, [{"ttft_p99": 5.0}, {"ttft_p99": 10.0}, {"ttft_p99": -8.0}], "ttft_p99") == pytest.approx(10.0)
    # A run that has no figure takes no other run's place.
    assert ratio(ours, [{"failure": "x"}, {"ttft_p99": 10.0}], "ttft_p99") == pytest.approx(100.0)
    assert ratio(ours, [{"failure": "x"}], "ttft_p99") is None


def test_a_table_says_who_reported_too_little_and_why() -> None:
    rows: dict[str, list[Figures]] = {
        OURS: [{"ttft_p99": 0.5, "reported": 64.0, "asked": 64.0, "reason": "late"}],
        "other": [{"ttft_p99": 5.0, "reported": 60.0, "asked": 64.0, "failure": "status 3; oh"}],
    }
    text = table(rows)
    assert "| other | - | 5 | 10 | - | - | 60 | 64 | - |" in text
    assert text.splitlines()[-3:] == [
        "seatrial, run 1: late",
        "other, run 1: reported 60 of 64 requests",
        "other, run 1: status 3; oh",
    ]


def test_a_peer_keeps_up_where_all_is_reported_and_the_median_run_is_near_enough() -> None:
    near: Figures = {"ttft_p99": 2.0, "reported": 128.0, "asked": 128.0}
    far: Figures = {**near, "ttft_p99": 30.0}
    assert true_enough([near, far, near])
    assert not true_enough([near, far, far])
    assert not true_enough([near, near, {**near, "reported": 127.0}])
    assert not true_enough([near, near, {"failure": "x"}])
    told = SERVEBENCH.command(Order(Setting(), 128, 128, "http://h", rate=400.0), Path("x"))
    assert "--concurrency" not in told
    assert told[told.index("--rate") + 1] == "400"


def test_a_capacity_is_looked_for_until_two_steps_in_a_row_are_too_fast(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def at(_: object, name: str, folder: Path | None, step: int) -> Figures:
        slow = folder is not None and (step == 10_000 or step > 20_000)
        return {"ttft_p99": 30.0 if slow else 1.0, "reported": 1.0, "asked": 1.0, "chunks_s": step - 1.0}

    monkeypatch.setattr(capacity, "_at", at)
    found = capacity.climbed(Bench(Path("x"), None), {"servebench": Path("x"), "guidellm": Path("x")}, 1)
    said = capsys.readouterr().out
    assert "seatrial: 89,999 chunks a second" in said
    assert "servebench: 19,999 chunks a second" in said
    assert "guidellm" not in said
    assert [name for name in found if name.startswith("servebench")][-1].startswith("servebench, 40000 ")


def test_what_is_no_number_is_in_no_spread() -> None:
    assert spread([{"a": 3.0}, {"a": "x"}, {}, {"a": 1.0}], "a") == "1 to 3"
    assert spread([{}], "a") == "-"
    assert number({"a": "x"}, "a") is None


def test_no_process_of_a_peer_is_left_however_it_ends(tmp_path: Path) -> None:
    # One that leaves a child in a group of its own, and one that does not end.
    leaving = "import subprocess; print(subprocess.Popen(['sleep', '60'], process_group=0).pid, flush=True)"
    lasting = "sleep 60 & echo $!; wait"
    for command, seconds, expected in (
        ([sys.executable, "-c", leaving], 20.0, 0),
        (["/bin/sh", "-c", lasting], 0.2, None),
    ):
        status, said = ended(command, {"PATH": "/usr/bin:/bin"}, tmp_path, seconds)
        assert status == expected
        stat = Path(f"/proc/{int(said)}/stat")
        for _ in range(100):
            # Nobody may be there to take its status.
            if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.02)
        else:
            subprocess.run(["kill", said], check=True)
            pytest.fail("it is still there")


def test_a_peer_that_fails_is_in_the_figures_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "servebench"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    program.chmod(0o700)

    @contextmanager
    def server(*_: object) -> Iterator[Running]:
        yield Running(1)

    monkeypatch.setattr(measure, "calibrated", server)
    figures, _ = measure.theirs(Bench(Path("x"), None), SERVEBENCH, tmp_path, ORDER)
    assert figures["reported"] == 0.0
    assert figures["asked"] == 64.0
    assert "ttft_p99" not in figures
    assert "status 3; it is broken" in str(figures["failure"])

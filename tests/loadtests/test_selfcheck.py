from __future__ import annotations

import dataclasses
import itertools

import pytest

import loadtests.selfcheck
from loadtests.pool import Pool
from loadtests.selfcheck import MOST_BIAS_MS, Bias, CalibratedServer, bias_of, check_self
from loadtests.streams import Reading, read_stream

MS = 1_000_000


def reading(*times: int, outcome: str = "ok") -> Reading:
    gaps = tuple(after - before for before, after in itertools.pairwise(times))
    return Reading(outcome=outcome, first=times[0], last=times[-1], chunks=len(times), gaps=gaps)


def test_the_bias_is_what_was_stamped_minus_what_was_sent() -> None:
    sent = {"/0": [100 * MS, 120 * MS, 140 * MS], "/1": [200 * MS, 220 * MS, 240 * MS]}
    readings = {
        "/0": reading(101 * MS, 123 * MS, 141 * MS),
        "/1": reading(204 * MS, 224 * MS, 244 * MS),
    }
    bias = bias_of(readings, sent)
    assert (bias.streams, bias.ttft_p50_ms, bias.ttft_p99_ms) == (2, 4.0, 4.0)
    assert (bias.arrival_p95_ms, bias.itl_p99_ms) == (4.0, 2.0)
    assert bias.why_invalid() == ""


@pytest.mark.parametrize(("late", "valid"), [(MOST_BIAS_MS, True), (MOST_BIAS_MS + 0.1, False)])
def test_a_reader_that_stamps_late_is_not_believed(late: float, *, valid: bool) -> None:
    bias = bias_of({"/0": reading(round(late * MS))}, {"/0": [0]})
    assert (bias.why_invalid() == "") is valid
    assert valid or "the load generator" in bias.why_invalid()


@pytest.mark.parametrize("broken", [reading(1, 2, outcome="cut"), reading(1, 2, 3)])
def test_a_stream_that_did_not_arrive_whole_is_a_fault_and_no_figure(broken: Reading) -> None:
    bias = bias_of({"/0": broken}, {"/0": [0, 1]})
    assert "of its own" in bias.why_invalid()
    assert bias.to_record()["fault"]


def test_the_server_sends_what_it_says_at_the_time_that_it_says() -> None:
    server = CalibratedServer()
    pool = Pool("127.0.0.1", server.port())
    request = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
    read = [read_stream(pool, request.replace(b"/x", b"/%d" % n), deadline=10) for n in range(2)]
    pool.close()
    truth = server.truth()
    server.close()
    assert [one.outcome for one in read] == ["ok", "ok"]
    assert read[1].reused
    for number, one in enumerate(read):
        sent = truth[f"/{number}"]
        assert len(sent) == one.chunks == loadtests.selfcheck.TOKENS
        assert one.sent < sent[0] <= one.first
        assert sent[-1] <= one.last
        # No token before it is due, so the spacing is what was ordered or more.
        assert sent[-1] - one.sent >= (loadtests.selfcheck.TTFT_S + 0.02 * (one.chunks - 1)) * 1e9


def test_a_check_of_this_very_process_has_figures() -> None:
    bias = check_self(3)
    assert (bias.fault, bias.streams) == ("", loadtests.selfcheck.LEAST_STREAMS)
    assert 0 <= bias.ttft_p50_ms <= bias.ttft_p99_ms
    assert bias.arrival_p95_ms > 0


def test_a_bad_attempt_is_given_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def attempt(streams: int, number: int, server: object) -> Bias:
        tried.append(streams)
        return Bias(streams=streams, arrival_p95_ms=50.0 if number == 1 else 1.0, attempts=number)

    monkeypatch.setattr(loadtests.selfcheck, "_attempt", attempt)
    monkeypatch.setattr(loadtests.selfcheck, "CalibratedServer", lambda: None)
    assert check_self(1000).attempts == 2
    assert tried == [loadtests.selfcheck.MOST_STREAMS] * 2


def test_a_server_that_does_not_start_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loadtests.selfcheck, "_SERVER", loadtests.selfcheck._SERVER.with_name("nowhere.py"))
    bias = check_self(1)
    assert "could not check itself" in bias.why_invalid()
    assert dataclasses.replace(bias, fault="").why_invalid() == ""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import gevent
import pytest

from loadtests.campaign import Campaign, Start
from loadtests.collect import Sample
from loadtests.pool import Pool
from loadtests.profiles import PROFILES, plan
from loadtests.selfcheck import Bias
from loadtests.target import target
from schemas.contracts import get
from tests.loadtests.loopback import HEAD, Loopback, Script, answer, free_port, serving, stream_of, with_status

CHAT = get("azure-llama").operation("chat")


def campaign_on(
    port: int,
    samples: list[Sample] | None = None,
    *,
    share: tuple[int, int] = (0, 1),
    self_check: bool = False,
    **changes: Any,
) -> Campaign:
    changes = {"rate": 200, "duration": 0.1, "max_tokens": 4, "deadline": 3, **changes}
    made = plan(PROFILES["streaming"], changes)
    where = target(f"http://127.0.0.1:{port}", CHAT, "key")
    take = samples.append if samples is not None else None
    pool = Pool(where.host, where.port)
    index, workers = share
    return Campaign(made, where, pool, seed=1, index=index, workers=workers, on_sample=take, start=Start(self_check))


def on_time(campaign: Campaign) -> Campaign:
    """The same campaign as it is judged on a machine that was not busy with other things."""
    campaign.collector.histograms["lateness"].reset()
    campaign.collector.histograms["loop_lag"].reset()
    campaign._last_started = 0.0
    return campaign


def prompts(server: Loopback) -> list[str]:
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    return [body["messages"][0]["content"] for body in bodies]


def test_exactly_the_planned_requests_are_sent_each_with_a_prompt_of_its_own() -> None:
    samples: list[Sample] = []
    with serving(answer(stream_of(4))) as server:
        campaign = campaign_on(server.port, samples)
        campaign.run()
    assert len(server.requests) == campaign.plan.requests == 22
    assert len(set(prompts(server))) == 22
    assert len(samples) == 20
    assert campaign.collector.counts == {"ok": 20}
    progress = campaign.progress()
    assert (progress.sent, progress.done, progress.ok, progress.planned) == (22, 22, 20, 22)
    assert progress.tokens == 22 * (9 + 4)


def test_the_record_has_the_figures_and_nothing_of_the_warm_up() -> None:
    with serving(answer(stream_of(4))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    record = json.loads(json.dumps(on_time(campaign).to_record()))
    assert (record["type"], record["profile"], record["valid"], record["reason"]) == ("load", "streaming", True, "")
    assert record["counts"] == {"ok": 20}
    assert record["tokens"]["completion"] == 80
    assert record["warmup"] == {"counts": {"ok": 2}, "tokens": 26}
    assert record["plan"]["requests"] == 22
    assert campaign.collector.histograms["ttft"].get_total_count() == 20
    assert campaign.collector.histograms["itl"].get_total_count() == 60


def test_requests_are_sent_when_due_even_though_no_answer_has_come() -> None:
    """An open loop: the server answers none until it has been asked by all."""
    everybody = threading.Barrier(10)

    def script(connection: socket.socket, request: bytes) -> None:
        everybody.wait(timeout=10)
        connection.sendall(stream_of(1))

    samples: list[Sample] = []
    with serving(script) as server:
        campaign = campaign_on(server.port, samples, warmup=0, rate=100)
        campaign.run()
    assert campaign.collector.counts == {"ok": 10}
    assert [one.t_intended for one in sorted(samples, key=lambda one: one.t_intended)] == [n / 100 for n in range(10)]
    assert all(one.t_started >= one.t_intended for one in samples)


def test_workers_send_the_plan_together() -> None:
    with serving(answer(stream_of(1))) as server:
        for index in range(3):
            campaign_on(server.port, share=(index, 3)).run()
    assert len(server.requests) == 22
    assert len(set(prompts(server))) == 22


def test_rate_limited_requests_are_an_outcome_and_the_run_goes_on() -> None:
    turn = iter(range(1000))

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(with_status(429, b"Retry-After: 60\r\n") if next(turn) % 2 else stream_of(2))

    with serving(script) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    assert campaign.collector.counts == {"ok": 10, "429": 10}
    assert campaign.collector.histograms["ttft"].get_total_count() == 10
    assert on_time(campaign).why_invalid() == ""


def test_server_errors_are_the_endpoints_and_the_figures_stay_valid() -> None:
    with serving(answer(with_status(503))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    assert campaign.collector.counts == {"5xx": 20}
    assert on_time(campaign).why_invalid() == ""
    assert campaign.progress().tokens == 0


def test_an_unreachable_endpoint_is_told_after_the_warm_up() -> None:
    campaign = campaign_on(free_port())
    campaign.run()
    assert campaign.why_invalid().startswith("unreachable: ")
    assert campaign.collector.counts == {"refused": 2}
    assert campaign.progress().sent == 2


def test_an_unreachable_endpoint_without_a_warm_up_is_told_at_the_end() -> None:
    campaign = campaign_on(free_port(), warmup=0)
    campaign.run()
    assert campaign.why_invalid() == "unreachable: none of 20 requests was connected"


def test_an_endpoint_that_refuses_the_warm_up_is_asked_no_more() -> None:
    with serving(answer(with_status(401, body=b'{"message": "bad key"}'))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    assert len(server.requests) == 2
    assert "bad key" in campaign.why_invalid()


@pytest.mark.parametrize("script", [answer(HEAD), answer()])
def test_a_stopped_run_ends_at_once_and_is_not_valid(script: Script) -> None:
    with serving(script) as server:
        campaign = campaign_on(server.port, warmup=0, duration=10)
        job = gevent.spawn(campaign.run)
        while len(server.requests) < 3:
            gevent.sleep(0.005)
        campaign.stop("interrupted")
        job.join(timeout=2)
        assert job.ready()
    record = campaign.to_record()
    assert (record["valid"], record["reason"]) == (False, "interrupted")
    assert record["counts"]["abandoned"] == campaign.progress().sent


def test_a_run_stopped_in_its_warm_up_sends_nothing_more() -> None:
    with serving(answer(HEAD)) as server:
        campaign = campaign_on(server.port)
        job = gevent.spawn(campaign.run)
        while not server.requests:
            gevent.sleep(0.005)
        campaign.stop("interrupted")
        job.join(timeout=2)
        assert job.ready()
    assert len(server.requests) == 1
    assert campaign.why_invalid() == "interrupted"


def test_tokens_beyond_the_cap_are_not_spent() -> None:
    """An endpoint that ignores max_tokens costs more than planned: the run ends before its cap is passed by much."""
    with serving(answer(stream_of(400))) as server:
        cap = plan(PROFILES["streaming"], {"rate": 200, "duration": 0.1, "max_tokens": 4}).likely
        campaign = campaign_on(server.port, rate=20, duration=1, token_cap=cap)
        campaign.run()
    assert campaign.why_invalid() == f"the cap of {cap:,} tokens left no room for more requests"
    assert len(server.requests) < 22
    assert campaign.progress().tokens <= cap + 409
    assert campaign.collector.counts.keys() == {"ok"}


def test_more_streams_than_allowed_are_not_opened_and_the_run_is_not_valid() -> None:
    with serving(answer(HEAD)) as server:
        campaign = campaign_on(server.port, warmup=0, streams=5, deadline=0.3)
        campaign.run()
    assert len(server.requests) == 5
    assert "15 requests were not sent" in campaign.why_invalid()


def test_streams_that_outlast_the_drain_are_told() -> None:
    with serving(answer(HEAD)) as server:
        campaign = campaign_on(server.port, warmup=0, rate=30, drain=0.1)
        campaign.run()
    assert campaign.collector.counts == {"abandoned": 3}
    assert "drain" in campaign.why_invalid()


def test_a_late_load_generator_invalidates_its_figures() -> None:
    with serving(answer(stream_of(1))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    on_time(campaign)
    assert campaign.why_invalid() == ""
    for _ in range(campaign.collector.counts["ok"]):
        campaign.collector.histograms["lateness"].record_value(60_000)
    assert "late: 60 ms" in campaign.why_invalid()


def test_one_late_request_of_a_short_run_is_a_hiccup_and_two_are_not() -> None:
    with serving(answer(stream_of(1))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    on_time(campaign)
    lateness = campaign.collector.histograms["lateness"]
    for _ in range(campaign.collector.counts["ok"] - 1):
        lateness.record_value(1_000)
    lateness.record_value(80_000)
    assert campaign.why_invalid() == ""
    lateness.record_value(80_000)
    assert "the load generator was late" in campaign.why_invalid()


def test_a_load_generator_that_cannot_keep_its_rate_invalidates_its_figures() -> None:
    with serving(answer(stream_of(1))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    on_time(campaign)
    campaign._last_started = 10 * campaign.plan.seconds + 0.05
    assert "only 10 % of the planned rate" in campaign.why_invalid()


def test_a_run_that_cannot_trust_itself_sends_nothing_on_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Bias(streams=2, arrival_p95_ms=33.0)
    monkeypatch.setattr("loadtests.campaign.check_self", lambda streams, server: late)
    with serving(answer(stream_of(4))) as server:
        campaign = campaign_on(server.port, self_check=True)
        campaign.run()
    record = campaign.to_record()
    assert not record["valid"]
    assert "33.0 ms late" in record["reason"]
    assert record["self_check"]["arrival_p95_ms"] == 33.0
    assert record["counts"] == {}
    assert len(server.requests) == 2


def test_a_run_reports_its_own_bias_or_that_nobody_asked() -> None:
    with serving(answer(stream_of(4))) as server:
        checked = campaign_on(server.port, self_check=True)
        checked.run()
        unchecked = campaign_on(server.port)
        unchecked.run()
    assert checked.to_record()["self_check"]["streams"] >= 1
    assert unchecked.to_record()["self_check"] == {"skipped": True}
    assert set(checked.to_record()["client"]) == {"cpu", "peak_rss_mb", "gc"}


def test_a_loop_that_woke_up_late_invalidates() -> None:
    with serving(answer(stream_of(4))) as server:
        campaign = campaign_on(server.port)
        campaign.run()
    campaign = on_time(campaign)
    assert campaign.why_invalid() == ""
    for lag in (0.04, 0.04):
        campaign.collector.lagged(lag)
    assert "woke up 40 ms late" in campaign.why_invalid()

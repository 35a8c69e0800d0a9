"""What a load must not get wrong: failures are no latencies, a thin slow tail is seen, chunks are no tokens."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from typing import Any

import pytest

from loadtests.collect import MOST_EXAMPLES, Collector
from tests.loadtests.loopback import (
    DONE,
    END,
    HEAD,
    Script,
    chunk,
    chunked,
    serving,
    stream_of,
    then_close,
    with_status,
)
from tests.loadtests.test_campaign import campaign_on
from tests.loadtests.test_collect import MS, made


def in_turn(scripts: list[Script], every: int, other: Script) -> Script:
    """Each `every`-th request gets one of the scripts, the rest the other."""
    numbers, lock = itertools.count(1), threading.Lock()

    def script(connection: socket.socket, request: bytes) -> None:
        with lock:
            number = next(numbers)
        chosen = scripts[number // every % len(scripts)] if number % every == 0 else other
        chosen(connection, request)

    return script


def sends(*pieces: bytes) -> Script:
    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"".join(pieces))

    return script


CUT = then_close(HEAD + chunked(chunk("a")) + chunked(chunk("b")))


def test_twelve_cut_streams_of_a_hundred_are_twelve_failures() -> None:
    with serving(in_turn([CUT], 8, sends(stream_of(3)))) as server:
        campaign = campaign_on(server.port, rate=400, duration=0.25, warmup=0)
        campaign.run()
    figures = campaign.collector
    assert figures.counts == {"ok": 88, "cut": 12}
    assert len(server.requests) == 100
    for name in ("ttft", "e2e", "tpot"):
        assert figures.histograms[name].get_total_count() == 88
    assert figures.histograms["itl"].get_total_count() == 2 * 88


def test_each_kind_of_failure_is_counted_apart_with_examples() -> None:
    broken = HEAD + chunked(chunk("a"))
    scripts = [
        sends(with_status(429, b"Retry-After: 1\r\n")),
        sends(with_status(503, body=b'{"error": "overloaded"}')),
        sends(with_status(400)),
        then_close(),
        CUT,
        sends(broken + chunked(b'event: error\ndata: {"error": {"message": "it sank"}}\n\n') + chunked(DONE) + END),
        sends(broken + chunked(b"data: {oops\n\n") + chunked(DONE) + END),
        lambda connection, request: None,
    ]
    with serving(in_turn(scripts, 1, sends())) as server:
        campaign = campaign_on(server.port, rate=400, duration=0.06, warmup=0, deadline=0.4)
        campaign.run()
    kinds = ("429", "5xx", "4xx", "reset", "cut", "sse-error", "malformed", "timeout")
    record = campaign.to_record()
    assert record["counts"] == dict.fromkeys(kinds, 3)
    assert record["examples"]["5xx"] == ['status 503: {"error": "overloaded"}']
    assert any("it sank" in one for one in record["examples"]["sse-error"])
    assert set(record["examples"]) == set(kinds)
    for name in ("ttft", "itl", "e2e"):
        assert campaign.collector.histograms[name].get_total_count() == 0


@pytest.mark.parametrize("slow", [3, 4])
def test_a_thin_tail_of_ten_times_the_usual_is_seen_at_p99(slow: int) -> None:
    figures = Collector()
    for number in range(300):
        after = 2000 if number % (300 // slow) == 7 else 200
        sent = made().reading.sent
        figures.add(made(first=sent + after * MS, last=sent + (after + 60) * MS, end=sent + (after + 61) * MS))
    assert figures.percentile("ttft", 50) == pytest.approx(200, rel=1e-3)
    seen = figures.percentile("ttft", 99) > 1900
    assert seen is (slow > 3), "p99 is the value that 99 in a hundred do not exceed"
    assert figures.percentile("ttft", 99.9) == pytest.approx(2000, rel=1e-3)


def test_a_server_of_eight_tokens_a_chunk_has_its_true_gaps_and_is_told_as_one() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 24, "total_tokens": 33}

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD)
        for _ in range(3):
            threading.Event().wait(0.02)
            connection.sendall(chunked(chunk("eight words of text in a chunk of it ")))
        connection.sendall(chunked(chunk("", "length", usage=usage)) + chunked(DONE) + END)

    with serving(script) as server:
        campaign = campaign_on(server.port, rate=100, duration=0.05, warmup=0)
        campaign.run()
    figures = campaign.collector
    assert campaign.to_record()["chunks"] == {"count": 15, "tokens": 120}
    assert figures.histograms["itl"].get_total_count() == 10
    # The gap is one between chunks and the time per token is a third of one in eight: 2 gaps over 23 tokens.
    assert figures.percentile("itl", 0) >= 15
    assert figures.percentile("tpot", 50) < figures.percentile("itl", 50)


def test_examples_are_few_and_different_and_survive_merging() -> None:
    parts = [Collector(), Collector()]
    for number in range(10):
        parts[number % 2].add(made("5xx", detail=f"status 50{number % 5}"))
    whole = Collector()
    for part in parts:
        assert len(part.examples["5xx"]) == MOST_EXAMPLES
        whole.merge(json.loads(json.dumps(part.to_record())))
    kept: list[Any] = whole.examples["5xx"]
    assert len(kept) == len(set(kept)) == MOST_EXAMPLES
    assert whole.counts == {"5xx": 10}

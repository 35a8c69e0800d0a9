from __future__ import annotations

import gzip
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.budget import Budget, BudgetSpent
from conformance.check import Inconclusive, Throttled
from conformance.endpoint import MOST_COUNTED, Bounds, Endpoint, Target, TargetError, cost
from conformance.pace import Pacer
from conformance.throttle import Patience, kind_of
from conformance.transport import UnsendableRequest
from conformance.wire.exchange import FAILURES, Exchange, Sent
from tests.conformance.hostile import Peer, Script, Server, always, answer, chunk, head, once, serving

POST = Sent(
    "POST", "/v1/completions", (("Authorization", "Bearer k3y-of-ours"), ("Content-Type", "application/json")), b"{}"
)
SMALL = Bounds(head_bytes=4096, body_bytes=10_000, stream_bytes=5_000, stream_seconds=0.25)


def ask(
    endpoint: Endpoint, sent: Sent = POST, *, seconds: float = 5.0, tokens: int = 10, ordinal: int = 0, **more: Any
) -> Exchange:
    return endpoint.deliver(
        sent, scope="test", ordinal=ordinal, deadline=time.monotonic() + seconds, tokens=tokens, **more
    )


def asked(*scripts: Script, seconds: float = 5.0, bounds: Bounds = SMALL) -> Exchange:
    with serving(*scripts) as server, Endpoint(Target(server.url), bounds=bounds) as endpoint:
        return ask(endpoint, seconds=seconds)


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


# -- what goes out and what comes back


def test_an_exchange_is_what_was_on_the_wire() -> None:
    logged: list[Exchange] = []
    with serving(always(answer(b'{"a": 1}', more="X-Odd: \xe9\r\nx-odd: 2\r\n"))) as server:
        with Endpoint(Target(server.url, "k3y-of-ours"), log=logged.append) as endpoint:
            first = ask(endpoint)
            second = ask(endpoint, ordinal=1)
        assert server.connections == 1
    assert (first.status, first.json, first.failure) == (200, {"a": 1}, "")
    assert [name for name, _ in first.headers] == ["Content-Type", "Content-Length", "X-Odd", "x-odd"]
    assert first.arrivals[-1][1] == len(first.body)
    assert 0 < first.head_ns <= first.arrivals[0][0] <= first.end_ns
    assert (first.scope, first.ordinal, second.ordinal) == ("test", 0, 1)
    assert [e.id for e in logged] == ["x000001", "x000002"]
    assert logged == [first, second]
    assert Exchange.from_record(json.loads(json.dumps(first.to_record()))) == first


def test_a_request_goes_out_as_it_was_made() -> None:
    sent = Sent(
        "POST",
        "/v1/x?api-version=2024-05-01-preview",
        (("X-A", "1"), ("x-a", "2"), ("Content-Type", "a/b")),
        b"\xff\0@",
    )
    with serving(always(answer())) as server, Endpoint(Target(server.url + "/base/")) as endpoint:
        ask(endpoint, sent)
        lines = server.requests[0].split(b"\r\n")
    assert lines[0] == b"POST /base/v1/x?api-version=2024-05-01-preview HTTP/1.1"
    assert lines[-1] == b"\xff\0@"
    assert [line for line in lines if line.lower().startswith((b"x-a", b"content-type"))] == [
        b"X-A: 1",
        b"x-a: 2",
        b"Content-Type: a/b",
    ]
    assert b"Accept-Encoding: identity" in lines
    assert b"Content-Length: 3" in lines


def test_each_event_of_a_stream_has_its_own_arrival() -> None:
    def script(peer: Peer) -> None:
        peer.take()
        peer.send(head())
        for word in (b"one", b"two", b"three"):
            peer.server.over.wait(0.02)
            peer.send(chunk(b"data: " + word + b"\n\n"))
        peer.send(chunk(b""))

    exchange = asked(script)
    assert [event.data for event in exchange.events] == ["one", "two", "three"]
    assert [size for _, size in exchange.arrivals] == [11, 22, 35]
    times = [ns for ns, _ in exchange.arrivals]
    assert times == sorted(times)
    assert exchange.head_ns <= times[0]
    assert times[-1] <= exchange.end_ns


def test_a_redirect_is_an_answer_like_any_other() -> None:
    with serving(always(answer(b"", status="307 Temporary Redirect", more="Location: /elsewhere\r\n"))) as server:
        with Endpoint(Target(server.url)) as endpoint:
            assert ask(endpoint).status == 307
        assert len(server.requests) == 1


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert asked(always(answer())).status == 200


def test_a_request_that_is_no_http_is_our_fault() -> None:
    with (
        serving(always(answer())) as server,
        Endpoint(Target(server.url)) as endpoint,
        pytest.raises(UnsendableRequest),
    ):
        ask(endpoint, Sent("POST", "/", (("a", "b\r\nc: d"),)))


# -- whatever the endpoint does


def _endless(peer: Peer) -> None:
    peer.take()
    peer.send(head(kind="application/json"))
    while True:
        peer.send(chunk(b"x" * 4096))


def _endless_stream(peer: Peer) -> None:
    peer.take()
    peer.send(head())
    while True:
        peer.send(chunk(b"data: x\n\n" * 100))


def _slow_stream(peer: Peer) -> None:
    peer.take()
    peer.send(head())
    while not peer.server.over.wait(0.02):
        peer.send(chunk(b": still here\n\n"))


def _dripped_head(peer: Peer) -> None:
    peer.take()
    peer.drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000)


def _dripped_body(peer: Peer) -> None:
    peer.take()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    peer.drip(b"z" * 5000)


def _silent(peer: Peer) -> None:
    peer.take()
    peer.hang()


def _reset(peer: Peer) -> None:
    peer.take()
    peer.reset()


def _reset_in_body(peer: Peer) -> None:
    peer.take()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nbegun")
    peer.server.over.wait(0.03)
    peer.reset()


def _informs_for_ever(peer: Peer) -> None:
    peer.take()
    while True:
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)


HUGE = b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n"
BOMB = gzip.compress(b"0" * 20_000_000)


@pytest.mark.parametrize(
    ("script", "failure", "status"),
    [
        pytest.param(_endless, "too-large", 200, id="endless body"),
        pytest.param(_endless_stream, "too-large", 200, id="endless stream"),
        pytest.param(_slow_stream, "too-long", 200, id="endless slow stream"),
        pytest.param(_dripped_head, "timeout", None, id="dripped head"),
        pytest.param(_dripped_body, "timeout", 200, id="dripped body"),
        pytest.param(_silent, "timeout", None, id="silence"),
        pytest.param(_reset, "reset", None, id="reset"),
        pytest.param(_reset_in_body, "reset", 200, id="reset in the body"),
        pytest.param(_informs_for_ever, "too-large", None, id="endless 103"),
        pytest.param(once(b""), "reset", None, id="closed without an answer"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\nX"), "reset", None, id="closed in the head"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"), "reset", 200, id="short body"),
        pytest.param(once(head() + b"5\r\nda"), "reset", 200, id="cut chunk"),
        pytest.param(once(head() + b"zz\r\nda\r\n"), "protocol", 200, id="garbage chunk size"),
        pytest.param(once(b"\x00\xff garbage \r\n\r\n" * 5), "protocol", None, id="garbage"),
        pytest.param(once(b"SSH-2.0-OpenSSH_9.9\r\n"), "protocol", None, id="another protocol"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"), "protocol", None, id="garbage length"),
        pytest.param(once(HUGE), "too-large", None, id="huge header"),
        pytest.param(once(answer(BOMB, more="Content-Encoding: gzip\r\n")), "too-large", 200, id="gzip bomb"),
        pytest.param(once(answer(b"no", more="Content-Encoding: gzip\r\n")), "encoding", 200, id="not gzip"),
        pytest.param(once(answer(BOMB[:40], more="Content-Encoding: gzip\r\n")), "too-large", 200, id="cut bomb"),
        pytest.param(
            once(answer(gzip.compress(b"a" * 50)[:-9], more="Content-Encoding: gzip\r\n")),
            "encoding",
            200,
            id="cut gzip",
        ),
        pytest.param(once(answer(b"no", more="Content-Encoding: br\r\n")), "encoding", 200, id="unknown coding"),
    ],
)
def test_a_hostile_endpoint_ends_as_a_failure_in_time(script: Script, failure: str, status: int | None) -> None:
    began = time.monotonic()
    exchange = asked(script, seconds=0.4)
    assert (exchange.failure, exchange.status) == (failure, status), exchange.detail
    assert exchange.failure in FAILURES
    assert exchange.detail
    assert len(exchange.body) <= SMALL.body_bytes
    assert time.monotonic() - began < 5


def test_a_cut_body_keeps_what_had_arrived() -> None:
    exchange = asked(_reset_in_body)
    assert exchange.body == b"begun"
    assert "5 bytes" in exchange.detail


def test_a_coded_body_is_decoded_and_its_arrivals_count_the_decoded_bytes() -> None:
    body = json.dumps({"a": "b" * 500}).encode()
    for coded in (gzip.compress(body), gzip.compress(body[:100]) + gzip.compress(body[100:])):
        exchange = asked(once(answer(coded, more="Content-Encoding: gzip\r\n")))
        assert (exchange.body, exchange.failure) == (body, "")
        assert exchange.arrivals[-1][1] == len(body)


def test_garbage_never_raises() -> None:
    chance = random.Random(7)
    good = head() + chunk(b"data: x\n\n") + chunk(b"")
    answers = [chance.randbytes(chance.randrange(200)) for _ in range(20)]
    for _ in range(60):
        broken = bytearray(chance.choice([good, answer(b'{"a": 1}')]))
        for _ in range(chance.randrange(1, 5)):
            broken[chance.randrange(len(broken))] = chance.choice(b"\r\n\0 :9azHT\xff")
        answers.append(bytes(broken))
    scripts = [once(data) for data in answers]
    with serving(*scripts) as server, Endpoint(Target(server.url), bounds=SMALL) as endpoint:
        for ordinal in range(len(answers)):
            exchange = ask(endpoint, ordinal=ordinal, seconds=2)
            assert exchange.failure in ("", *FAILURES)


def test_a_deadline_that_has_passed_is_nobodys_fault() -> None:
    with serving(always(answer())) as server, Endpoint(Target(server.url)) as endpoint:
        with pytest.raises(Inconclusive, match="deadline"):
            ask(endpoint, seconds=0)
        assert server.requests == []


def test_nobody_listens() -> None:
    with serving(always(answer())) as server:
        url = server.url
    with Endpoint(Target(url)) as endpoint:
        exchange = ask(endpoint)
    assert (exchange.failure, exchange.status) == ("connect", None)
    assert "refused" in exchange.detail


# -- connections


def test_a_connection_is_not_used_after_a_timeout() -> None:
    with serving(_silent, always(answer())) as server, Endpoint(Target(server.url)) as endpoint:
        assert ask(endpoint, seconds=0.1).failure == "timeout"
        assert ask(endpoint, ordinal=1).status == 200
        assert server.connections == 2


def test_bytes_after_an_answer_are_not_taken_for_the_next_one() -> None:
    with serving(always(answer(b"{}") + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), always(answer())) as server:
        with Endpoint(Target(server.url)) as endpoint:
            assert [ask(endpoint, ordinal=n).status for n in range(2)] == [200, 200]
        assert server.connections == 2


def test_bytes_after_a_chunked_answer_are_not_taken_for_the_next_one() -> None:
    with serving(always(head() + chunk(b"data: a\n\n") + chunk(b"") + b"more"), always(answer())) as server:
        with Endpoint(Target(server.url)) as endpoint:
            assert [ask(endpoint, ordinal=n).failure for n in range(2)] == ["", ""]
        assert server.connections == 2


def test_an_idle_connection_that_the_server_closed_is_replaced() -> None:
    def answers_one_then_hangs_up_on_the_next(peer: Peer) -> None:
        peer.take()
        peer.send(answer())
        peer.take()

    logged: list[Exchange] = []
    with serving(answers_one_then_hangs_up_on_the_next, always(answer())) as server:
        with Endpoint(Target(server.url), log=logged.append) as endpoint:
            assert [ask(endpoint, ordinal=n).status for n in range(2)] == [200, 200]
        assert len(server.requests) == 3
    assert len(logged) == 2


def test_a_fresh_connection_that_breaks_is_the_answer() -> None:
    with serving(once(b""), always(answer())) as server, Endpoint(Target(server.url)) as endpoint:
        assert ask(endpoint).failure == "reset"
        assert len(server.requests) == 1


def test_jobs_share_the_connections() -> None:
    with serving(always(answer())) as server, Endpoint(Target(server.url)) as endpoint:
        seen: list[Exchange] = []
        threads = [
            threading.Thread(target=lambda n=n: seen.extend(ask(endpoint, ordinal=10 * n + i) for i in range(10)))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert server.connections <= 4
    assert len({e.id for e in seen}) == 40
    assert {e.status for e in seen} == {200}


# -- 429


def _throttles(times: int, more: str = "Retry-After: 3\r\n", body: bytes = b"{}") -> Script:
    left = [times]

    def script(peer: Peer) -> None:
        while peer.take():
            left[0] -= 1
            peer.send(answer() if left[0] < 0 else answer(body, status="429 Too Many Requests", more=more))

    return script


@contextmanager
def throttled(script: Script, **bounds: Any) -> Iterator[tuple[Endpoint, Clock, list[Exchange], Server]]:
    clock, logged = Clock(), list[Exchange]()
    pacer = Pacer(clock=clock, sleep=clock.sleep)
    with (
        serving(script) as server,
        Endpoint(Target(server.url), pacer=pacer, log=logged.append, bounds=Bounds(**bounds)) as endpoint,
    ):
        yield endpoint, clock, logged, server


def test_a_429_is_waited_out() -> None:
    with throttled(_throttles(2)) as (endpoint, clock, logged, _):
        assert ask(endpoint).status == 200
    assert clock.slept == [3, 3]
    assert [(e.status, e.superseded) for e in logged] == [(429, True), (429, True), (200, False)]


def test_waiting_does_not_count_against_the_deadline() -> None:
    with throttled(_throttles(2, more="Retry-After: 50\r\n")) as (endpoint, clock, _, _):
        assert ask(endpoint, seconds=1).status == 200
    assert clock.slept == [50, 50]


def test_a_429_that_does_not_end_is_inconclusive() -> None:
    with (
        throttled(_throttles(99, more="")) as (endpoint, clock, logged, _),
        pytest.raises(Inconclusive, match="5 attempts"),
    ):
        ask(endpoint)
    assert clock.slept == [2, 6, 18, 54]
    assert [e.superseded for e in logged] == [True] * 4 + [False]


def test_a_429_that_asks_for_too_much_is_inconclusive_at_once() -> None:
    with throttled(_throttles(99, more="Retry-After: 86400\r\n")) as (endpoint, clock, _, server):
        with pytest.raises(Inconclusive, match="86400"):
            ask(endpoint)
        assert len(server.requests) == 1
    assert clock.slept == []


def test_a_check_may_want_the_429_itself() -> None:
    with throttled(_throttles(99)) as (endpoint, clock, logged, _):
        assert ask(endpoint, honour_429=False).status == 429
    assert clock.slept == []
    assert [e.superseded for e in logged] == [False]


STREAM = replace(POST, body=b'{"stream": true}')


def _never_streams(peer: Peer) -> None:
    while peer.take():
        streams = b"true" in peer.request
        peer.send(answer(status="429 Too Many Requests", more="Retry-After: 30\r\n") if streams else answer())


def test_what_is_never_let_through_is_waited_for_less_and_nothing_else_is() -> None:
    with throttled(_never_streams) as (endpoint, clock, logged, _):
        waits = []
        for _ in range(11):
            with suppress(Throttled):
                ask(endpoint, STREAM)
            waits.append(len(clock.slept))
            # The other kind is answered meanwhile, and shows nothing of this one.
            assert ask(endpoint).status == 200
        assert waits == [4, 8, 12, 13, 14, 15, 15, 15, 15, 15, 16]
        with pytest.raises(Throttled, match="in vain for 11 others like it"):
            ask(endpoint, STREAM)
    assert set(clock.slept) == {30}
    assert [e.superseded for e in logged if e.sent == STREAM and e.status == 429][-3:] == [True, False, False]


def test_patience_is_counted_by_kind_and_comes_back_with_an_answer() -> None:
    patience, kind, other = Patience(5), kind_of(STREAM), kind_of(POST)
    seen = []
    for _ in range(40):
        seen.append(patience.attempts(kind))
        patience.in_vain(kind)
    assert seen == [5] * 3 + [2] * 3 + [1] * 4 + [2, 1, 1, 1, 1] * 6
    assert patience.attempts(other) == 5
    patience.helped(other)
    assert patience.attempts(kind) == 2
    patience.helped(kind)
    assert patience.attempts(kind) == 5


def test_one_answer_after_a_429_makes_the_endpoint_worth_waiting_for() -> None:
    # Five, three times, is in vain; then each second attempt is let through.
    left = [False] * 15 + [False, True, False, False, True]

    def script(peer: Peer) -> None:
        while peer.take():
            peer.send(answer() if left.pop(0) else answer(status="429 Too Many Requests", more="Retry-After: 7\r\n"))

    with throttled(script) as (endpoint, clock, _, _):
        for _ in range(3):
            with pytest.raises(Throttled):
                ask(endpoint)
        assert ask(endpoint).status == 200
        assert ask(endpoint).status == 200
    assert clock.slept == [7] * (3 * 4 + 1 + 2)


def test_the_kind_of_a_request_that_is_no_json_can_be_told() -> None:
    assert (
        kind_of(replace(POST, body=b"\xff{"))
        == kind_of(replace(POST, body=b"[" * 100_000))
        == ("POST", POST.path, False)
    )


# -- budget


USAGE = b'{"usage": {"total_tokens": 7}}'


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (answer(USAGE), 7),
        (head() + chunk(b"data: {}\n\ndata: " + USAGE + b"\n\ndata: [DONE]\n\n") + chunk(b""), 7),
        (answer(b"{}"), 10),
        (answer(b"{}", status="400 Bad Request"), 0),
        (answer(b"{}", status="500 Oh"), 10),
        (answer(b'{"usage": {"total_tokens": 999999999}}'), 10),
        (answer(b'{"usage": {"total_tokens": true}}'), 10),
        (answer(b'{"usage": {"total_tokens": -1}}'), 10),
        (answer(b'["total_tokens"'), 10),
        (b"", 10),
    ],
)
def test_the_budget_is_settled_by_what_the_answer_reports(data: bytes, tokens: int) -> None:
    budget = Budget(tokens=1000)
    with serving(once(data)) as server, Endpoint(Target(server.url), budget=budget) as endpoint:
        ask(endpoint, tokens=10)
    assert (budget.spent.requests, budget.spent.tokens, budget.spent.reserved) == (1, tokens, 0)


def test_nothing_is_sent_once_the_budget_is_spent() -> None:
    with serving(always(answer())) as server, Endpoint(Target(server.url), budget=Budget(requests=1)) as endpoint:
        ask(endpoint)
        with pytest.raises(BudgetSpent):
            ask(endpoint, ordinal=1)
        assert len(server.requests) == 1


def test_an_answer_longer_than_any_that_was_asked_for_is_not_read_for_its_cost() -> None:
    whole = b'{"usage": {"total_tokens": 7}, "pad": "%s"}'
    assert cost(Exchange("x", "s", 0, POST, 0.0, status=200, body=whole % (b"z" * 1000))) == 7
    assert cost(Exchange("x", "s", 0, POST, 0.0, status=200, body=whole % (b"z" * MOST_COUNTED))) is None


def test_an_unreachable_endpoint_costs_nothing() -> None:
    assert cost(Exchange("x", "s", 0, POST, 0.0, failure="connect")) == 0
    assert cost(Exchange("x", "s", 0, POST, 0.0, failure="timeout")) is None


# -- stopping


def _end(endpoint: Endpoint, stop: Callable[[], None]) -> str:
    timer = threading.Timer(0.04, stop)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="interrupted") as caught:
        ask(endpoint, seconds=60)
    timer.join()
    assert time.monotonic() - began < 5
    return str(caught.value)


@pytest.mark.parametrize("script", [_silent, _slow_stream, _dripped_body])
def test_stopping_ends_reading(script: Script) -> None:
    with serving(script) as server:
        stop = threading.Event()
        with Endpoint(Target(server.url), stop=stop) as endpoint:
            _end(endpoint, stop.set)
        with Endpoint(Target(server.url)) as endpoint:
            _end(endpoint, endpoint.close_now)


def test_stopping_ends_waiting_for_ones_turn() -> None:
    with serving(always(answer())) as server:
        pacer, budget = Pacer(), Budget()
        pacer.pause(60)
        with Endpoint(Target(server.url), pacer=pacer, budget=budget) as endpoint:
            _end(endpoint, endpoint.close_now)
        assert server.requests == []
        assert (budget.spent.requests, budget.spent.reserved) == (0, 0)


# -- targets


@pytest.mark.parametrize(
    ("given", "url", "noted"),
    [
        ("https://a.example", "https://a.example", False),
        (" HTTPS://A.example:8443/ ", "https://a.example:8443", False),
        ("http://[::1]:8000/base//", "http://[::1]:8000/base", False),
        ("https://a.example/v1", "https://a.example", True),
        ("https://a.example/v1/", "https://a.example", True),
        ("https://a.example/v1/chat/completions", "https://a.example", True),
        ("https://a.example/v1/completions/", "https://a.example", True),
        ("https://a.example/x/chat/completions", "https://a.example/x", True),
        ("https://a.example/completions", "https://a.example", True),
        ("https://a.example/models", "https://a.example/models", False),
    ],
)
def test_a_url_is_normalised(given: str, url: str, noted: bool) -> None:
    target = Target(given)
    assert (target.url, bool(target.note)) == (url, noted)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("a.example", "https://"),
        ("localhost:8000", "https://"),
        ("ftp://a.example", "https://"),
        ("", "https://"),
        ("https://", "host"),
        ("https://a.example:0", "port"),
        ("https://a.example:99999", "URL"),
        ("https://[::1", "URL"),
        ("https://a b.example", "space"),
        ("https://a.example/\\x", "backslash"),
        ("https://a.example/?x=1", "query"),
        ("https://a.example/?", "query"),
        ("https://a.example/#x", "fragment"),
        ("https://me:s3cret@a.example", "user or password"),
        ("https://s3cret@a.example", "user or password"),
    ],
)
def test_a_url_that_cannot_be_right_is_refused(given: str, says: str) -> None:
    with pytest.raises(TargetError, match=says) as caught:
        Target(given)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("key", ["abc", "two words\nlines", "sléutel"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(TargetError) as caught:
        Target("https://a.example", key)
    assert key not in str(caught.value)


def test_a_key_is_stripped_and_never_shown() -> None:
    target = Target("https://a.example", "  s3cret-key\n")
    assert target.key == "s3cret-key"
    assert "s3cret" not in repr(target)


def test_a_ca_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name, says in (("ca.pem", "PEM"), ("none.pem", "No such file")):
        with pytest.raises(TargetError, match=says):
            Endpoint(Target("https://a.example", ca_file=str(tmp_path / name)))


def test_bounds_are_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Bounds(attempts=0)


def endless(peer: Peer) -> None:
    peer.take()
    peer.send(head())
    while not peer.server.over.wait(0.005):
        try:
            peer.send(chunk(b"data: more\n\n"))
        except OSError:
            return


def test_a_client_may_leave_a_stream_early() -> None:
    with serving(endless, once(answer(b'{"next": 1}'))) as server, Endpoint(Target(server.url)) as endpoint:
        left = ask(endpoint, replace(POST, leave_after=2))
        after = ask(endpoint)
    assert (left.left, left.failure, left.status) == (True, "", 200)
    assert len(left.events) >= 2
    assert (after.left, after.json) == (False, {"next": 1})
    assert server.connections == 2
    assert Exchange.from_record(left.to_record()) == left


def test_only_a_stream_is_left_early() -> None:
    with serving(once(answer(b'{"whole": 1}'))) as server, Endpoint(Target(server.url)) as endpoint:
        exchange = ask(endpoint, replace(POST, leave_after=1))
    assert (exchange.left, exchange.json) == (False, {"whole": 1})

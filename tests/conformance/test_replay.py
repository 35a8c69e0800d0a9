from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from conformance.check import Inconclusive
from conformance.courier import Courier
from conformance.replay import Replay
from conformance.wire.exchange import Exchange, Sent
from conformance.wire.redact import PLACEHOLDER, Redactor

KEY = "the-real-key"


def _sent(key: str = PLACEHOLDER, body: bytes = b'{"a": 1}', **changes: Any) -> Sent:
    headers = (("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"))
    return replace(Sent("POST", "/v1/completions", headers, body), **changes)


def _recorded(ordinal: int = 0, **changes: Any) -> Exchange:
    exchange = Exchange(f"x{ordinal}", "a.check", ordinal, _sent(KEY), 0.0, 200, (), b"{}")
    record = Redactor([KEY]).record(replace(exchange, **changes).to_record())
    return Exchange.from_record(json.loads(json.dumps(record)))


def _ask(
    replay: Replay, sent: Sent | None = None, *, ordinal: int = 0, scope: str = "a.check", honour_429: bool = True
) -> Exchange:
    return replay.deliver(sent or _sent(), scope=scope, ordinal=ordinal, deadline=0.0, tokens=1, honour_429=honour_429)


def test_it_is_a_courier() -> None:
    courier: Courier = Replay([_recorded()])
    assert courier.deliver(_sent(), scope="a.check", ordinal=0, deadline=0.0, tokens=1).status == 200


def test_the_same_request_gets_the_same_answer() -> None:
    exchanges = [_recorded(0), _recorded(1, body=b"[]")]
    replay = Replay(exchanges)
    assert [_ask(replay, ordinal=n) for n in (0, 1, 0)] == [exchanges[0], exchanges[1], exchanges[0]]


@pytest.mark.parametrize(
    "sent",
    [
        _sent(body=b'{"a": 2}'),
        _sent(path="/v1/chat/completions"),
        _sent(method="PUT"),
        _sent(key="seatrial-wrong-key"),
        _sent(headers=()),
        _sent(leave_after=1),
        _sent(headers=(("Authorization", f"Bearer {PLACEHOLDER}"), ("Content-Type", "text/plain"))),
    ],
)
def test_another_request_has_no_answer(sent: Sent) -> None:
    with pytest.raises(Inconclusive, match="no answer to this request: it has another"):
        _ask(Replay([_recorded()]), sent)


def test_a_request_that_was_never_sent_has_no_answer() -> None:
    for where in ({"ordinal": 1}, {"scope": "other"}):
        with pytest.raises(Inconclusive, match="no answer to this request: it was never sent"):
            _ask(Replay([_recorded()]), **where)


def test_headers_of_the_connection_do_not_matter() -> None:
    more = _sent(
        headers=(
            ("user-agent", "x"),
            ("CONTENT-TYPE", "application/json"),
            ("authorization", f"Bearer {PLACEHOLDER}"),
            ("Host", "y"),
        )
    )
    assert _ask(Replay([_recorded()]), more).status == 200


def test_a_credential_that_the_log_hides_still_matches() -> None:
    basic = _sent(headers=(("Authorization", "Basic c29tZTpvbmU="),))
    assert _ask(Replay([_recorded(sent=basic)]), basic).status == 200


def test_a_superseded_answer_is_not_given() -> None:
    throttled = _recorded(status=429, superseded=True)
    assert _ask(Replay([throttled, _recorded()])).status == 200
    with pytest.raises(Inconclusive, match="never sent"):
        _ask(Replay([throttled]))


def test_a_request_that_was_throttled_to_the_end_is_inconclusive_again() -> None:
    replay = Replay([_recorded(status=429)])
    with pytest.raises(Inconclusive, match="429"):
        _ask(replay)
    assert _ask(replay, honour_429=False).status == 429


def test_a_failure_is_replayed_as_one() -> None:
    assert _ask(Replay([_recorded(status=None, failure="timeout", detail="timed out")])).failure == "timeout"

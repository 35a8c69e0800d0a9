"""What counts as trouble after a request, and what becomes of a check that leaves some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.api import Api
from conformance.check import Check, Violation
from conformance.checks.malformed import ODDITIES
from conformance.checks.upsets import upset
from conformance.health import ATTEMPTS, lasting_trouble, trouble
from conformance.runner import Runner
from conformance.settings import Settings
from conformance.wire.exchange import Sent
from tests.conformance.fakes import CONTRACT, FakeCourier, api_over, document


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, document(), ""),
        (429, {}, ""),
        (503, {}, "status 503"),
        (400, {}, "status 400"),
        (0, "timeout", "no complete answer"),
        (0, "connect", "no connection"),
    ],
)
def test_trouble_is_whatever_is_no_answer(status: int, body: Any, said: str) -> None:
    api, courier = api_over(lambda _: (status, body))
    found = trouble(api)
    assert (found.message if found else "") == "" if not said else found is not None and said in found.message
    assert len(courier.sent) == 1


def test_an_endpoint_gets_time_to_recover() -> None:
    api, courier = api_over(lambda _: (503, {}) if len(courier.sent) < 2 else (200, document()))
    assert lasting_trouble(api) is not None
    assert len(courier.sent) == 2
    api, courier = api_over(lambda _: (503, {}))
    assert lasting_trouble(api) is not None
    assert len(courier.sent) == ATTEMPTS


def dangerous(run: Callable[[Api], None]) -> Check:
    return Check("a", "t", ("r",), run, "a", route="completions", when="last")


def asks(api: Api) -> None:
    api.send(api.body(max_tokens=-1))


def fails(api: Api) -> None:
    raise Violation("`max_tokens` -1 was accepted", api.send(api.body(max_tokens=-1)))


def hanging(sent: Sent) -> tuple[int, Any]:
    """A server that never recovers from a negative bound, and refuses it first."""
    return (400, {"detail": "max_tokens"}) if b"-1" in sent.body else (0, "timeout")


@pytest.mark.parametrize(
    ("run", "says"), [(asks, "after this check's requests"), (fails, "-1 was accepted; and afterwards")]
)
def test_a_dangerous_check_fails_for_what_it_leaves_behind(run: Callable[[Api], None], says: str) -> None:
    (outcome,) = Runner([dangerous(run)], FakeCourier(hanging), CONTRACT, Settings()).run()
    assert outcome.status == "fail"
    assert says in outcome.message
    assert "no longer answers" in outcome.message
    # The evidence ends with the plain request that was not answered.
    assert len(outcome.exchanges) == (2 if run is fails else 1)


def test_a_dangerous_check_that_leaves_nothing_behind_passes() -> None:
    courier = FakeCourier(lambda _: (200, document()))
    (outcome,) = Runner([dangerous(asks)], courier, CONTRACT, Settings()).run()
    assert outcome.status == "pass"
    assert len(courier.sent) == 2


def test_a_request_that_ends_without_an_answer_is_kept_with_the_health_after_it() -> None:
    api, courier = api_over(lambda sent: (0, "reset") if sent.body == b"[" else (200, document()))
    found = upset(api, "one", (b"[", b"]"))
    assert [exchange.failure for exchange in found.exchanges] == ["reset"]
    assert found.after is None
    with pytest.raises(Violation, match="no complete answer \\(reset\\)"):
        assert found.answered
    assert upset(api, "one", (b"[", b"]")) is found
    assert len(courier.sent) == 2


@pytest.mark.parametrize("odd", ODDITIES, ids=lambda odd: odd.name)
def test_an_odd_body_is_bounded(odd: Any) -> None:
    api, _ = api_over(lambda _: (400, {}))
    bodies = odd.make(api)
    assert bodies
    for body in bodies:
        assert not isinstance(body, bytes) or len(body) <= 1_100_000

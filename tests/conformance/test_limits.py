"""What a 429 says, against a stand-in with tiny limits: here the laws of mutants and of the stand-in hold for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.api import Api
from conformance.catalogue import checks_of
from conformance.check import Check, Mutant, Throttled
from conformance.endpoint import MOST_REMEMBERED, Endpoint, Target
from conformance.pace import Pacer
from conformance.replay import Replay
from conformance.runner import judged
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.wire.exchange import Exchange, Sent
from reference_server.limits import Limits
from reference_server.serve import serving, standin_app
from reports.model import Outcome
from schemas.contracts import get, names
from tests.laws.test_mutants import LOOK_BACK

KEY = "a-key-with-limits"
PAGE = checks_of(get("azure-llama"))
MUTANTS = [(name, mutant) for name in LOOK_BACK for mutant in PAGE[name].mutants]


@contextmanager
def throttling(contract_name: str, mutant: Mutant | None = None) -> Iterator[Endpoint]:
    """An endpoint that has just answered 429, also to a request that was sent again after waiting in virtual time."""
    contract = get(contract_name)
    app = standin_app(contract, key=KEY, limits=Limits(requests_per_minute=1), mutant=mutant)
    now = [0.0]
    pacer = Pacer(clock=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    with serving(app) as server, Endpoint(Target(server.url, KEY), pacer=pacer) as endpoint:
        settings = Settings(key=KEY)
        api = Api(endpoint, contract, settings, Shared(), scope="provoke", route="chat")
        api.send(api.body(max_tokens=1))
        with pytest.raises(Throttled):
            api.send(api.body(max_tokens=1))
        yield endpoint


def judge(check: Check, endpoint: Endpoint | Replay, contract_name: str = "azure-llama") -> Outcome:
    api = Api(endpoint, get(contract_name), Settings(key=KEY), Shared(), scope=check.id)
    return judged(check, api)


@pytest.mark.parametrize("contract", names())
def test_the_429s_of_the_standin_are_in_order(contract: str) -> None:
    checks = checks_of(get(contract))
    with throttling(contract) as endpoint:
        outcomes = [judge(checks[name], endpoint, contract) for name in LOOK_BACK]
    assert [(one.status, one.message) for one in outcomes] == [("pass", "")] * len(LOOK_BACK)
    assert sum(one.requests for one in outcomes) == 0


def test_the_reading_is_recorded() -> None:
    with throttling("azure-llama") as endpoint:
        assert judge(PAGE["limits.answer"], endpoint).readings == {"erratum.throttle-headers": "retry-after"}


@pytest.mark.parametrize("contract", names())
@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=[mutant.id for _, mutant in MUTANTS])
def test_a_mutant_of_a_429_is_killed(contract: str, name: str, mutant: Mutant) -> None:
    with throttling(contract, mutant) as endpoint:
        assert judge(PAGE[name], endpoint, contract).status == "fail"


@pytest.mark.parametrize("name", LOOK_BACK)
def test_without_a_429_nothing_is_said(name: str) -> None:
    outcome = judge(PAGE[name], Endpoint(Target("http://127.0.0.1:9", KEY)))
    assert outcome.status == "skip"
    assert "no 429 came" in outcome.message


def test_they_look_back_on_all_others() -> None:
    most = max(check.cost for check in PAGE.values())
    assert {(PAGE[name].when, PAGE[name].cost) for name in LOOK_BACK} == {("last", most)}
    assert [name for name, one in PAGE.items() if one.cost == most] == list(LOOK_BACK)


def exchange(*headers: tuple[str, str], body: bytes = b'{"message":"slow down"}') -> Exchange:
    return Exchange("x1", "s", 0, Sent("POST", "/", ()), time.time(), status=429, headers=headers, body=body)


NOW = ("date", "Sun, 22 Nov 2026 12:00:00 GMT")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("retry-after", "3")], "pass"),
        ([("retry-after", "0")], "pass"),
        ([("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT"), NOW], "pass"),
        ([("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")], "pass"),
        ([("retry-after", "Sun, 22 Nov 2026 11:59:59 GMT"), NOW], "pass"),
        ([("retry-after", "Sun, 29 Nov 2026 12:00:30 GMT"), NOW], "fail"),
        ([("retry-after", "1.5")], "fail"),
        ([("retry-after", "")], "fail"),
        ([("retry-after", "9" * 400)], "fail"),
        ([("retry-after", "86401")], "fail"),
        ([("x-ratelimit-remaining-requests", "0")], "skip"),
    ],
)
def test_a_wait_is_whole_seconds_or_a_date(headers: list[tuple[str, str]], status: str) -> None:
    # A replay, in which what is asked for need not be there.
    assert judge(PAGE["limits.retry-after"], Replay([exchange(*headers)])).status == status


@pytest.mark.parametrize(
    ("headers", "reading"),
    [
        ([("retry-after-ms", "10")], "retry-after"),
        ([("X-RateLimit-Remaining-Tokens", "-1")], "counters"),
        ([("policy-id", "x")], "silent"),
    ],
)
def test_how_a_429_says_when_is_told_apart(headers: list[tuple[str, str]], reading: str) -> None:
    outcome = judge(PAGE["limits.answer"], Replay([exchange(*headers)]))
    assert outcome.readings == {"erratum.throttle-headers": reading}


def throttled(number: int, at: float, *, wait: str = "1", ordinal: int = 0, lasting: float = 0.01) -> Exchange:
    headers = (("retry-after", wait),) if wait else ()
    sent = Sent("POST", "/", ())
    end = int(lasting * 1e9)
    body = b'{"message":"slow down"}'
    return Exchange(
        f"x{number:06d}", "s", ordinal, sent, at, status=429, headers=headers, body=body, end_ns=end, superseded=True
    )


@pytest.mark.parametrize(
    ("met", "status"),
    [
        pytest.param([throttled(1, 0), throttled(2, 1.1), throttled(3, 2.2)], "fail", id="two waits in vain"),
        pytest.param([throttled(3, 2.2), throttled(1, 0), throttled(2, 1.1)], "fail", id="in any order"),
        pytest.param([throttled(1, 0), throttled(2, 1.1)], "pass", id="one wait in vain"),
        pytest.param([throttled(1, 0), throttled(3, 1.1), throttled(4, 2.2)], "pass", id="others of ours between"),
        pytest.param([throttled(1, 0), throttled(2, 1.1), throttled(3, 2.2, ordinal=1)], "pass", id="another request"),
        pytest.param([throttled(1, 0), throttled(2, 0.5), throttled(3, 1.6)], "pass", id="come back too early"),
        pytest.param(
            [throttled(1, 0, lasting=0.9), throttled(2, 1.5), throttled(3, 2.6)], "pass", id="since the answer"
        ),
        pytest.param([throttled(1, 0), throttled(2, 1.1, wait=""), throttled(3, 2.2)], "pass", id="not told again"),
        pytest.param([throttled(1, 0, wait=""), throttled(2, 1.1), throttled(3, 2.2)], "skip", id="not told at first"),
    ],
)
def test_a_wait_in_vain_counts_only_where_nothing_else_explains_it(met: list[Exchange], status: str) -> None:
    outcome = judge(PAGE["limits.wait-suffices"], Replay(met))
    assert outcome.status == status
    assert ("others may share the quota" in outcome.message) == (status == "fail")


def test_only_so_many_are_remembered() -> None:
    assert len(Replay([exchange()] * (2 * MOST_REMEMBERED)).throttled) == MOST_REMEMBERED

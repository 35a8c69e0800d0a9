"""What a run may cost: each profile stays within its caps on an endpoint that keeps its contract, with every check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from conformance.check import TIERS, Check
from conformance.wire.exchange import Exchange, Sent
from reports.model import Outcome
from schemas.contracts import names
from seatrial.profiles import PROFILES
from tests.laws.bench import Bench, bench

# What any answer may cost that nobody needs to be longer.
MOST_TOKENS = 256
# The requests before the first check: one for each route, and what asks for its options.
PREFLIGHT_REQUESTS, PREFLIGHT_TOKENS = 6, 260


def dearest(outcomes: list[Outcome]) -> str:
    """The checks that cost most, for whoever has to make one cheaper or move it to a larger profile."""
    ordered = sorted(outcomes, key=lambda one: (one.requests, one.tokens), reverse=True)
    return "\n".join(f"{one.check}: {one.requests} requests, {one.tokens} tokens" for one in islice(ordered, 25))


def assert_within(outcomes: list[Outcome], profile: str) -> None:
    caps = PROFILES[profile]
    requests = PREFLIGHT_REQUESTS + sum(one.requests for one in outcomes)
    tokens = PREFLIGHT_TOKENS + sum(one.tokens for one in outcomes)
    told = f"{profile}: {requests} requests and {tokens} tokens; the dearest checks are\n{dearest(outcomes)}"
    assert requests <= caps.budget_requests, told
    assert tokens <= caps.budget_tokens, told


@pytest.mark.parametrize("contract", names())
def test_the_quick_profile_stays_within_its_caps_and_passes(contract: str) -> None:
    with bench(contract) as server:
        outcomes = server.run(tier="quick", examples=PROFILES["quick"].examples)
    assert {one.check: one.message for one in outcomes if one.status not in {"pass", "skip"}} == {}
    assert_within(outcomes, "quick")


class Sending:
    """What a run sends, by the check that sent it, or as shared by several."""

    def __init__(self, server: Bench) -> None:
        self.sent: list[tuple[str, Sent]] = []
        self._deliver = server.endpoint.deliver

    def __call__(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        self.sent.append((scope, sent))
        return self._deliver(
            sent, scope=scope, ordinal=ordinal, deadline=deadline, tokens=tokens, honour_429=honour_429
        )

    def uncapped(self, contract_paths: set[str]) -> Iterator[tuple[str, str]]:
        """The JSON objects sent to a route that generates, whose answer no small bound and no stop at a space ends."""
        for scope, sent in self.sent:
            try:
                body = json.loads(sent.body)
            except (ValueError, RecursionError):
                continue
            if isinstance(body, dict) and sent.method == "POST" and sent.path.split("?")[0] in contract_paths:
                bound = body.get("max_tokens", body.get("max_completion_tokens"))
                if not bounded(bound) and not broken_on_purpose(scope, bound) and " " not in (body.get("stop") or ()):
                    yield scope, repr(bound)[:40]


def bounded(bound: object) -> bool:
    """Whether a bound keeps an answer short."""
    return isinstance(bound, int) and not isinstance(bound, bool) and 0 < bound <= MOST_TOKENS


def broken_on_purpose(scope: str, bound: object) -> bool:
    """Whether a bound is what a broken request is broken in, so that it is to be refused and not answered."""
    return bound is not None and (".broken." in scope or scope.endswith(".random-broken"))


def about_the_bound(check: Check | None) -> bool:
    """Whether a check is about `max_tokens` itself, or runs alone and last, and so may leave it open."""
    return check is not None and (
        check.when == "last" or any("max_tokens" in cited or "max_completion" in cited for cited in check.cites)
    )


@pytest.mark.parametrize("contract", names())
def test_the_standard_profile_stays_within_its_caps_and_bounds_every_answer(
    contract: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(contract) as server:
        sending = Sending(server)
        monkeypatch.setattr(server.endpoint, "deliver", sending)
        outcomes = server.run(tier="standard", examples=PROFILES["standard"].examples)
    assert_within(outcomes, "standard")
    paths = {operation.path for operation in server.contract.operations}
    open_ended = [
        (scope, bound) for scope, bound in sending.uncapped(paths) if not about_the_bound(server.checks.get(scope))
    ]
    assert open_ended == []


@pytest.mark.parametrize("contract", names())
def test_a_check_needs_none_of_a_larger_profile(contract: str) -> None:
    with bench(contract) as server:
        larger = [
            (check.id, need)
            for check in server.checks.values()
            for need in check.needs
            if TIERS.index(server.checks[need].tier) > TIERS.index(check.tier)
        ]
    assert larger == []

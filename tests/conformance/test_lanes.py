"""Requests at the same moment: all of them at once, each answer in its place, and none lost when one fails."""

from __future__ import annotations

import threading

import pytest

from conformance.check import Inconclusive, Skip
from conformance.lanes import MOST, Lanes
from tests.conformance.fakes import api_over, document


def test_work_is_done_at_the_same_time_and_results_keep_their_order() -> None:
    everybody = threading.Barrier(MOST, timeout=10)

    def piece(number: int) -> int:
        everybody.wait()
        return number

    lanes = Lanes()
    for _ in range(2):
        assert lanes.run([lambda n=n: piece(n) for n in range(MOST)]) == list(range(MOST))  # type: ignore[misc]


def test_one_failure_waits_for_the_others() -> None:
    done: list[int] = []

    def fails() -> None:
        raise Inconclusive("interrupted")

    with pytest.raises(Inconclusive):
        Lanes().run([fails, lambda: done.append(1), lambda: done.append(2)])
    assert sorted(done) == [1, 2]
    with pytest.raises(ValueError, match="at once"):
        Lanes().run([fails] * (MOST + 1))


def test_requests_sent_together_have_their_own_places_in_a_log() -> None:
    api, courier = api_over(lambda sent: (200, document(text=sent.json["prompt"])))
    api.ask()
    exchanges = api.together(*(api.prompt(f"number {n}") for n in range(5)))
    assert [api.text(exchange) for exchange in exchanges] == [f"number {n}" for n in range(5)]
    assert [exchange.ordinal for exchange in exchanges] == [1, 2, 3, 4, 5]
    assert sorted(courier.scopes) == [("a.check", n) for n in range(6)]
    assert api.requests == 6


def test_a_queue_that_is_too_long_is_no_violation() -> None:
    api, _ = api_over(lambda _: (0, "timeout"))
    with pytest.raises(Inconclusive, match="at once"):
        api.together({}, {})
    with pytest.raises(Skip):
        api.together({"no_such_parameter": 1})


def test_another_route_together_counts_for_the_same_check() -> None:
    api, courier = api_over(lambda sent: (200, document(route="chat" if "chat" in sent.path else "completions")))
    api.on("chat").together({}, {})
    api.ask()
    assert sorted(courier.scopes) == [("a.check", 0), ("a.check", 1), ("a.check", 2)]
    assert {sent.path for sent in courier.sent} == {"/v1/chat/completions", "/v1/completions"}

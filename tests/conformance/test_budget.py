from __future__ import annotations

import threading

import pytest

from conformance.budget import Budget, BudgetSpent, Spent
from conformance.check import Inconclusive


def test_requests_are_counted_when_reserved() -> None:
    budget = Budget(requests=2)
    budget.reserve(5)
    budget.reserve(5)
    with pytest.raises(BudgetSpent, match="2 requests"):
        budget.reserve(5)
    assert budget.spent == Spent(2, 0, 10)


def test_a_reservation_holds_its_tokens_until_it_is_settled() -> None:
    budget = Budget(tokens=100)
    budget.reserve(60)
    with pytest.raises(BudgetSpent, match="40 left"):
        budget.reserve(41)
    budget.settle(60, 10)
    budget.reserve(90)
    assert budget.spent == Spent(2, 10, 90)


def test_what_is_not_known_counts_as_reserved() -> None:
    budget = Budget(tokens=100)
    budget.reserve(60)
    budget.settle(60, None)
    assert budget.spent == Spent(1, 60, 0)


def test_an_endpoint_that_spends_more_than_allowed_is_counted_in_full() -> None:
    budget = Budget(tokens=100)
    budget.reserve(10)
    budget.settle(10, 150)
    with pytest.raises(BudgetSpent, match="0 left"):
        budget.reserve(1)


def test_a_cancelled_reservation_leaves_nothing() -> None:
    budget = Budget(1, 10)
    budget.reserve(10)
    budget.cancel(10)
    assert budget.spent == Spent(0, 0, 0)


def test_a_spent_budget_is_no_judgement() -> None:
    assert issubclass(BudgetSpent, Inconclusive)


def test_no_bound_is_no_bound() -> None:
    budget = Budget()
    for _ in range(1000):
        budget.reserve(10**9)
    assert budget.spent.requests == 1000


def test_threads_together_stay_within_the_bound() -> None:
    budget = Budget(tokens=1000)

    def work() -> None:
        try:
            while True:
                budget.reserve(7)
                budget.settle(7, 3)
        except BudgetSpent:
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    spent = budget.spent
    assert spent.reserved == 0
    assert 1000 - 8 * 7 < spent.tokens <= 1000
    assert spent.tokens == 3 * spent.requests


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens"):
        Budget(tokens=-1)

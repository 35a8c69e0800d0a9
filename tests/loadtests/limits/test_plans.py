from __future__ import annotations

import pytest

from loadtests.limits.plans import LimitPlan, limit_plan
from loadtests.orders import Orders
from loadtests.profiles import PlanError


@pytest.mark.parametrize("name", ["request-limit", "token-limit"])
def test_a_plan_says_what_it_may_cost(name: str) -> None:
    plan = Orders(target="http://127.0.0.1:1", profile=name).plan()
    assert isinstance(plan, LimitPlan)
    assert plan.limits.requests == plan.requests
    assert f"{plan.requests:,} chat requests" in str(plan)
    assert f"{plan.tokens:,} tokens" in str(plan)
    assert plan.to_record()["name"] == name
    assert ("to see how they are charged" in str(plan)) == (name == "token-limit")


def test_no_more_is_refused_than_1_3_windows_of_what_is_documented() -> None:
    assert limit_plan("request-limit", {}).limits.refused == 1300


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"rate": 0}, "rate"),
        ({"arrivals": "poisson"}, "arrivals"),
        ({"route": "x"}, "route"),
        ({"longest": "a"}, "longest"),
    ],
)
def test_a_senseless_change_is_refused_in_words(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        limit_plan("request-limit", overrides)


def test_a_search_has_no_schedule_that_a_load_could_follow() -> None:
    with pytest.raises(PlanError, match="no schedule"):
        limit_plan("request-limit", {}).schedule(0)

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.orders import Orders
from loadtests.profiles import PROFILES, PlanError
from schemas.contracts import get


def test_orders_survive_their_json() -> None:
    orders = Orders(target="http://h", overrides={"rate": 3}, parameters={"model": "m"}, seed=7, ca_file="x.pem")
    assert Orders.from_json(json.loads(json.dumps(orders.to_json()))) == orders


def test_orders_without_wishes_are_the_streaming_profile_on_the_azure_contract() -> None:
    orders = Orders.from_json({"target": "http://h"})
    contract, operation = orders.operation()
    assert (contract.name, operation.route) == ("azure-llama", "chat")
    assert orders.plan().profile == PROFILES["streaming"]


def test_the_route_is_the_plans() -> None:
    _, operation = Orders(target="http://h", overrides={"route": "completions"}).operation()
    assert operation == get("azure-llama").operation("completions")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (None, "a target"),
        ([], "a target"),
        ({}, "a target"),
        ({"target": 3}, "wrong type"),
        ({"target": "http://h", "key": "x"}, "no key"),
        ({"target": "http://h", "seed": "x"}, "wrong type"),
        ({"target": "http://h", "overrides": [1]}, "wrong type"),
        ({"target": "http://h", "ca_file": 3}, "wrong type"),
    ],
)
def test_what_is_no_orders_is_refused(told: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Orders.from_json(told)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "sprint"}, "no load profile"),
        ({"contract": "nobody"}, "nobody"),
        ({"overrides": {"rate": -1}}, "rate is a number"),
    ],
)
def test_orders_for_what_does_not_exist_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Orders(target="http://h", **changes).operation()

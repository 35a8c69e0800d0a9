"""Simpler values: always simpler, and enough of them to come down to the cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.check import Violation
from conformance.rows.hunt import SIMPLER_REQUESTS, hunt
from conformance.rows.simpler import fewest, simpler
from conformance.strategies.dialect import Document
from conformance.strategies.valid import valid
from schemas.contracts import get
from schemas.emit import schema

REQUEST = schema(get("azure-llama"), "chat", "request")


@pytest.mark.parametrize("value", [None, True, False, "", 0, [], {}])
def test_some_values_are_as_simple_as_can_be(value: Any) -> None:
    assert list(simpler(value)) == []


@pytest.mark.parametrize("value", [17, -3, 1.72, 40, "The sea is calm", "é", [1, [2, "three"]], {"a": {"b": [1, 2]}}])
def test_getting_simpler_comes_to_an_end(value: Any) -> None:
    steps = 0
    while variants := list(simpler(value)):
        assert all(repr(variant) != repr(value) for variant in variants)
        # The last variant is the least drastic, so this is the longest way down.
        value = variants[-1]
        steps += 1
        assert steps < 200


def test_the_most_drastic_variant_comes_first() -> None:
    body = dict.fromkeys("abcdefgh", 1)
    assert len(next(simpler(body))) == 4
    assert next(simpler("The sea")) == ""
    assert next(simpler(38)) == 0


def test_the_fewest_properties_that_fail_are_found_in_a_few_requests() -> None:
    asked: list[dict[str, Any]] = []

    def fails(body: dict[str, Any]) -> bool:
        asked.append(body)
        return {"d", "p"} <= set(body)

    assert fewest(dict.fromkeys("abcdefghijklmnop", 1), fails) == {"d": 1, "p": 1}
    assert len(asked) <= 12


CULPRITS: list[tuple[str, Callable[[dict[str, Any]], bool], set[str]]] = [
    ("one-parameter", lambda body: body.get("logprobs", 0) is not None and "logprobs" in body, {"logprobs"}),
    ("two-parameters", lambda body: body.get("temperature", 0) > 1 and "stop" in body, {"temperature", "stop"}),
    ("a-nested-value", lambda body: any(m["role"] == "assistant" for m in body["messages"]), set()),
]


@pytest.mark.parametrize(("name", "wrong", "left"), CULPRITS, ids=[name for name, _, _ in CULPRITS])
@pytest.mark.parametrize("seed", range(4))
def test_a_whole_request_comes_down_to_its_cause(
    name: str, wrong: Callable[[dict[str, Any]], bool], left: set[str], seed: int
) -> None:
    document = Document(REQUEST)
    asked: list[dict[str, Any]] = []

    def ask(body: dict[str, Any]) -> None:
        asked.append(body)
        if wrong(body):
            raise Violation("wrong")

    with pytest.raises(Violation):
        hunt(valid(REQUEST), ask, examples=200, seed=seed, accepts=lambda body: document.accepts(REQUEST, body))
    failing = [body for body in asked if wrong(body)]
    assert len(asked) - asked.index(failing[0]) - 1 <= SIMPLER_REQUESTS
    assert min((set(body) for body in failing), key=len) == {"messages", *left}
    assert all(document.accepts(REQUEST, body) for body in asked)

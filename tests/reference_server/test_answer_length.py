"""How many tokens an answer is taken to have before there is one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reference_server.answer_length import UNBOUNDED, AnswerLength, default_max_tokens
from reference_server.layer import ContractLayer
from reference_server.limits import Limits
from schemas.contracts import get
from schemas.model import Route
from tests.reference_server.test_admission import JSON_HEAD, Says, asked, left, part

# Ten tokens.
PROMPT = "a" * 40
BODIES: dict[Route, dict[str, Any]] = {
    "completions": {"prompt": PROMPT},
    "chat": {"messages": [{"role": "user", "content": PROMPT}]},
}


@pytest.mark.parametrize(
    ("contract", "route", "default"),
    [
        ("azure-llama", "completions", 16),
        ("azure-llama", "chat", 16),
        ("azure-inference", "completions", 256),
        ("azure-inference", "chat", None),
        ("openai", "completions", 16),
        ("openai", "chat", None),
    ],
)
def test_the_default_is_the_row_s(contract: str, route: Route, default: int | None) -> None:
    assert default_max_tokens(get(contract).operation(route)) == default


@pytest.mark.parametrize(
    ("route", "body", "most"),
    [
        ("completions", {}, 16),
        ("completions", {"max_tokens": None}, 16),
        ("completions", {"max_tokens": 40}, 40),
        ("completions", {"max_tokens": 40.0}, 40),
        # No name of that route, so nobody reads it.
        ("completions", {"max_completion_tokens": 40}, 16),
        ("chat", {"max_completion_tokens": 40}, 40),
        ("chat", {"max_completion_tokens": 40, "max_tokens": 90}, 40),
        ("chat", {"max_completion_tokens": None, "max_tokens": 90}, 90),
        ("chat", {"max_completion_tokens": "40", "max_tokens": 90}, 90),
        ("chat", {"max_tokens": 0}, 1),
        ("chat", {"max_tokens": -1}, 1),
        ("chat", {"max_tokens": 10**9}, 2_000),
    ],
)
def test_both_names_are_known_where_they_are_read(route: Route, body: dict[str, Any], most: int) -> None:
    assert AnswerLength(route, 16, context=1_000, ceiling=2_000).most(body, 10) == most


def test_without_a_bound_an_answer_has_what_the_context_leaves() -> None:
    assert AnswerLength("chat", None, context=1_000).most({}, 10) == 990
    assert AnswerLength("chat", None, context=1_000).most({}, 5_000) == 1
    assert AnswerLength("chat", None, context=131_072).most({}, 10) == UNBOUNDED
    assert AnswerLength("chat", None).most({}, 10) == UNBOUNDED
    assert AnswerLength("chat", None, ceiling=100).most({}, 10) == 100


@pytest.mark.parametrize(
    ("contract", "route", "body", "answer"),
    [
        ("azure-llama", "completions", {}, 16),
        ("azure-inference", "completions", {}, 256),
        ("azure-inference", "chat", {}, 490),
        ("openai", "chat", {}, 490),
        ("openai", "chat", {"n": 2}, 980),
        ("openai", "chat", {"max_completion_tokens": 30}, 30),
        ("azure-llama", "chat", {"max_completion_tokens": 30}, 30),
        ("openai", "completions", {"max_completion_tokens": 30}, 16),
    ],
)
def test_the_layer_keeps_that_many_back(contract: str, route: Route, body: dict[str, Any], answer: int) -> None:
    rows = get(contract)
    # Without a usage an answer stays at its estimate.
    app = Says([JSON_HEAD, part(b"{}", more=False)])
    layer = ContractLayer(app, contract=rows, key=None, limits=Limits(window="sliding"), context_length=500)
    answered = asyncio.run(asked(layer, {**BODIES[route], **body}, path=rows.operation(route).path))
    assert answered[0]["status"] == 200
    assert left(layer) == 200_000 - 10 - answer

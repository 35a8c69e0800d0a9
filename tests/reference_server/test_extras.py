"""The header `extra-parameters` of the stand-in under azure-inference, and its refusals there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from reference_server.serve import serving, standin_app
from schemas.contracts import get

TWICE = {"prompt": "The sea", "max_tokens": 1, "n": 2}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(standin_app(get("azure-inference"), limits=None)) as server, httpx.Client(base_url=server.url) as one:
        yield one


def ask(client: httpx.Client, body: Any, value: str | None = None) -> httpx.Response:
    return client.post("/completions", json=body, headers={} if value is None else {"extra-parameters": value})


@pytest.mark.parametrize("value", [None, "error"])
def test_an_extra_parameter_is_refused_by_name(client: httpx.Client, value: str | None) -> None:
    answer = ask(client, TWICE, value)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "n"
    assert answer.json()["error"]["message"].startswith("Extra parameters ['n'] are not allowed")


@pytest.mark.parametrize(("value", "choices"), [("drop", 1), ("pass-through", 2)])
def test_it_is_dropped_or_passed_on(client: httpx.Client, value: str, choices: int) -> None:
    assert len(ask(client, TWICE, value).json()["choices"]) == choices


@pytest.mark.parametrize("value", ["ignore", "Drop", ""])
def test_another_value_is_refused(client: httpx.Client, value: str) -> None:
    answer = ask(client, {"prompt": "a", "max_tokens": 1}, value)
    assert answer.status_code == (200 if value == "" else 400)
    if value:
        assert "expected options are ['error', 'drop', 'pass-through']" in answer.json()["error"]["message"]


@pytest.mark.parametrize("value", ["drop", "pass-through"])
def test_known_parameters_are_judged_all_the_same(client: httpx.Client, value: str) -> None:
    answer = ask(client, {**TWICE, "temperature": -7}, value)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["loc"] == ["body", "temperature"]


def test_what_is_no_object_or_nested_deeply_is_refused(client: httpx.Client) -> None:
    assert ask(client, [], "drop").status_code == 422
    deep = b'{"prompt":"a","max_tokens":1,"x":' + b"[" * 900 + b"]" * 900 + b"}"
    head = {"content-type": "application/json", "extra-parameters": "pass-through"}
    assert client.post("/completions", content=deep, headers=head).status_code in (200, 400)


def test_the_page_has_no_such_header() -> None:
    with serving(standin_app(get("azure-llama"), limits=None)) as server:
        answer = httpx.post(
            f"{server.url}/v1/completions",
            json={"prompt": "a", "max_tokens": 1, "seatrial_unknown": 1},
            headers={"extra-parameters": "nonsense"},
        )
    assert answer.status_code == 200

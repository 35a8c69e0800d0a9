"""The stand-in's content filter: its trigger words, and that every other request passes untouched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from reference_server.content_filter import IN_OUTPUT, IN_PROMPT
from reference_server.serve import serving, standin_app
from schemas.contracts import get


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(standin_app(get("azure-llama"), limits=None)) as server, httpx.Client(base_url=server.url) as one:
        yield one


def test_a_prompt_with_the_word_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", json={"prompt": f"Ahoy {IN_PROMPT}", "max_tokens": 2})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "content_filter"


def test_only_the_first_choice_is_kept_back(client: httpx.Client) -> None:
    told = {"messages": [{"role": "user", "content": IN_OUTPUT}], "max_tokens": 4, "n": 2}
    first, second = client.post("/v1/chat/completions", json=told).json()["choices"]
    assert (first["finish_reason"], first["message"]["content"]) == ("content_filter", None)
    assert second["finish_reason"] != "content_filter"
    assert second["message"]["content"]


def test_a_filtered_stream_ends_in_order(client: httpx.Client) -> None:
    text = client.post("/v1/completions", json={"prompt": IN_OUTPUT, "max_tokens": 4, "stream": True}).text
    *events, done = text.strip().split("\n\n")
    assert done == "data: [DONE]"
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert choices[-1]["finish_reason"] == "content_filter"
    assert not "".join(choice["text"] for choice in choices)


def test_a_broken_request_is_refused_for_what_it_is(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", json={"prompt": IN_PROMPT, "temperature": 7})
    assert answer.json()["error"]["param"] == "temperature"

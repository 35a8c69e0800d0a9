"""A content filter of one's own, by the name of a Python object."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from reference_server import asgi
from reference_server.content_filter import Filtered
from reference_server.content_hook import hook
from reference_server.layer import ContractLayer
from reference_server.serve import serving
from reference_server.standin import Standin
from schemas.contracts import get

HERE = "tests.reference_server.test_content_hook"


class Pirates:
    """Refuses pirates' prompts, and keeps back every answer to one that asks for it."""

    def flagged(self, text: str) -> bool:
        return "arrr" in text

    def flagged_output(self, text: str) -> bool:
        return len(text) > 3


class OnlyPrompts:
    @staticmethod
    def flagged(text: str) -> bool:
        return "arrr" in text


NOT_CALLABLE = 3


def closed(app: asgi.App) -> asgi.App:
    async def always(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.send_json(send, 400, {"error": {"code": "closed"}})

    return always


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = ContractLayer(hook(f"{HERE}:Pirates")(Standin()), contract=get("azure-llama"), key=None, limits=None)
    with serving(app) as server, httpx.Client(base_url=server.url, trust_env=False) as one:
        yield one


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "arrr"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Say arrr"}]}),
    ],
)
def test_a_prompt_is_judged_wherever_it_stands(client: httpx.Client, path: str, body: dict[str, object]) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")


def test_each_choice_is_judged(client: httpx.Client) -> None:
    told = {"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 8, "n": 2}
    choices = client.post("/v1/chat/completions", json=told).json()["choices"]
    assert {choice["finish_reason"] for choice in choices} == {"content_filter"}
    assert {choice["message"]["content"] for choice in choices} == {None}


def test_a_stream_is_judged_in_whole(client: httpx.Client) -> None:
    text = client.post("/v1/completions", json={"prompt": "Ahoy", "max_tokens": 8, "stream": True}).text
    *events, done = text.strip().split("\n\n")
    assert done == "data: [DONE]"
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert not any(choice["text"] for choice in choices)
    assert choices[-1]["finish_reason"] == "content_filter"


def test_a_judge_of_prompts_lets_answers_pass() -> None:
    app = ContractLayer(hook(f"{HERE}:OnlyPrompts")(Standin()), contract=get("azure-llama"), key=None, limits=None)
    with serving(app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.post("/v1/completions", json={"prompt": "arrr"}).status_code == 400
        answer = client.post("/v1/completions", json={"prompt": "Ahoy", "max_tokens": 8})
        assert answer.json()["choices"][0]["text"]


def test_names_lead_to_filters() -> None:
    standin = Standin()
    assert hook("none")(standin) is standin
    assert isinstance(hook("words")(standin), Filtered)
    assert hook(f"{HERE}:closed")(standin) is not standin


@pytest.mark.parametrize("name", ["wordz", "a:", ":b", "no.such.module:x", f"{HERE}:nothing", f"{HERE}:NOT_CALLABLE"])
def test_a_name_that_leads_to_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="content filter"):
        hook(name)

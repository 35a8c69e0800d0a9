"""The stand-in's answers, over a real socket: documents, streams, and what they have in common."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from reference_server import asgi
from reference_server.serve import serving, standin_app
from reference_server.standin import Standin, StandinOptions
from reference_server.tinylm import tiny_lm
from schemas import emit
from schemas.model import Contract

PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
LM = tiny_lm()


def body_of(route: str, **given: Any) -> dict[str, Any]:
    base = (
        {"messages": [{"role": "user", "content": "Is the sea calm?"}]}
        if route == "chat"
        else {"prompt": "The sea was"}
    )
    return {**base, **given}


def ask(client: httpx.Client, route: str, **given: Any) -> dict[str, Any]:
    response = client.post(PATHS[route], json=body_of(route, **given))
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def stream(client: httpx.Client, route: str, **given: Any) -> list[dict[str, Any]]:
    response = client.post(PATHS[route], json=body_of(route, stream=True, **given))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.split("\n\n")
    assert events.pop() == ""
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def text_of(choice: dict[str, Any]) -> str:
    return str(choice["message"]["content"] if "message" in choice else choice["text"])


def texts_of(chunks: list[dict[str, Any]]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            text = choice["delta"].get("content", "") if "delta" in choice else choice["text"]
            texts[choice["index"]] = texts.get(choice["index"], "") + text
    return texts


ASKED: list[dict[str, Any]] = [
    {},
    {"max_tokens": 1},
    {"max_tokens": 40, "temperature": 0},
    {"n": 3, "max_tokens": 20},
    {"n": 2, "max_tokens": 20, "logprobs": 2},
    {"max_tokens": 30, "temperature": 0, "stop": ["he s", "our"]},
    {"max_tokens": 60, "temperature": 0, "ignore_eos": True, "skip_special_tokens": False},
    {"presence_penalty": 1.5, "top_p": 0.9, "logprobs": 0, "stop": "e"},
]


@pytest.mark.parametrize("route", PATHS)
@pytest.mark.parametrize("given", ASKED)
def test_answers_and_chunks_fit_their_schemas_and_each_other(
    client: httpx.Client, contract: Contract, route: Any, given: dict[str, Any]
) -> None:
    document, chunks = ask(client, route, **given), stream(client, route, **given)
    assert list(Draft202012Validator(emit.schema(contract, route, "response")).iter_errors(document)) == []
    chunk_schema = Draft202012Validator(emit.schema(contract, route, "chunk"))
    assert [error.message for chunk in chunks for error in chunk_schema.iter_errors(chunk)] == []
    assert {choice["index"]: text_of(choice) for choice in document["choices"]} == texts_of(chunks)
    assert chunks[-1]["usage"] == document["usage"]
    assert all("usage" not in chunk for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks}) == 1
    reasons = {c["index"]: c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]}
    assert reasons == {choice["index"]: choice["finish_reason"] for choice in document["choices"]}


@pytest.mark.parametrize("route", PATHS)
def test_logprobs_of_a_stream_are_those_of_the_answer(client: httpx.Client, route: str) -> None:
    given = {"logprobs": 3, "max_tokens": 25, "stop": ["ship st"], "temperature": 0}
    whole = ask(client, route, **given)["choices"][0]["logprobs"]
    assert set(whole) == {"text_offsets", "token_logprobs", "tokens", "top_logprobs"}
    joined: dict[str, list[Any]] = {name: [] for name in whole}
    for chunk in stream(client, route, **given):
        for choice in chunk["choices"]:
            for name, values in (choice["logprobs"] or {}).items():
                joined[name] += values
    assert joined == whole
    for token, value, top in zip(whole["tokens"], whole["token_logprobs"], whole["top_logprobs"], strict=True):
        assert top[token] == value
        assert math.fsum(map(math.exp, top.values())) <= 1.0 + 1e-9


def test_the_first_chunk_of_a_chat_has_the_role(client: httpx.Client) -> None:
    chunks = stream(client, "chat", n=2)
    first = [chunk["choices"][0] for chunk in chunks[:2]]
    assert [choice["index"] for choice in first] == [0, 1]
    assert [choice["delta"] for choice in first] == [{"role": "assistant", "content": ""}] * 2
    assert not any("role" in choice["delta"] for chunk in chunks[2:] for choice in chunk["choices"])


def test_choices_of_a_stream_take_turns(client: httpx.Client) -> None:
    indices = [
        chunk["choices"][0]["index"] for chunk in stream(client, "completions", n=2, max_tokens=6, ignore_eos=True)
    ]
    assert indices[:6] == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("route", PATHS)
def test_the_same_request_gets_the_same_answer_with_another_id(client: httpx.Client, route: str) -> None:
    first, again = (ask(client, route, n=2) for _ in range(2))
    assert first["choices"] == again["choices"]
    assert first["id"] != again["id"]


def test_another_seed_gives_another_answer(contract: Contract, client: httpx.Client) -> None:
    with serving(standin_app(contract, limits=None, seed=5)) as server:
        other = httpx.post(
            server.url + PATHS["completions"], json=body_of("completions"), verify=False, trust_env=False
        )
    assert other.json()["choices"] != ask(client, "completions")["choices"]


def test_usage_counts_the_prompt_with_its_template(client: httpx.Client) -> None:
    plain = ask(client, "completions", prompt="The sea was")["usage"]
    assert plain["prompt_tokens"] == len(LM.encode("The sea was")) + 1
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    short = ask(client, "chat", messages=turns[1:])["usage"]["prompt_tokens"]
    longer = ask(client, "chat", messages=turns)["usage"]["prompt_tokens"]
    assert longer == short + 1 + len(LM.encode("Be brief."))


def test_usage_adds_up_and_counts_every_answer(client: httpx.Client) -> None:
    used = ask(client, "completions", n=3, max_tokens=5, ignore_eos=True)["usage"]
    assert used["completion_tokens"] == 15
    assert used["total_tokens"] == used["prompt_tokens"] + 15


def test_max_tokens_is_sixteen_unless_said(client: httpx.Client) -> None:
    for route in PATHS:
        document = ask(client, route, temperature=0, ignore_eos=True)
        assert document["usage"]["completion_tokens"] == 16
        assert document["choices"][0]["finish_reason"] == "length"


def test_prompt_and_answer_must_fit_the_context(client: httpx.Client) -> None:
    for route, path in PATHS.items():
        response = client.post(path, json=body_of(route, max_tokens=2048))
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["param"] == "max_tokens"
        assert f"{route}.request.max_tokens.context" in error["message"]


def test_a_prompt_far_beyond_the_context_is_refused(client: httpx.Client) -> None:
    response = client.post(PATHS["completions"], json={"prompt": "sea " * 100_000})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "prompt"


def test_more_candidates_than_served_are_refused(client: httpx.Client) -> None:
    response = client.post(PATHS["completions"], json=body_of("completions", n=129, max_tokens=1))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "n"


def test_null_stands_for_the_default_of_n_and_best_of(client: httpx.Client) -> None:
    assert len(ask(client, "completions", n=None, best_of=1)["choices"]) == 1
    assert len(ask(client, "completions", n=2, best_of=None)["choices"]) == 2


def test_best_of_returns_n_of_its_candidates(client: httpx.Client) -> None:
    candidates = {text_of(choice) for choice in ask(client, "completions", n=5)["choices"]}
    best = ask(client, "completions", n=2, best_of=5)
    assert len(best["choices"]) == 2
    assert {text_of(choice) for choice in best["choices"]} <= candidates


def test_beam_search_is_served(client: httpx.Client) -> None:
    document = ask(client, "chat", use_beam_search=True, best_of=3, n=2, temperature=0)
    assert len({text_of(choice) for choice in document["choices"]}) == 2


def test_a_stream_may_have_its_usage_apart(client: httpx.Client) -> None:
    chunks = stream(client, "chat", stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_prompts_of_any_text_are_answered(client: httpx.Client) -> None:
    for prompt in ("\u0000", "\U0001f6a2 ahoy", "<|eot|>", "\\ud800", "a" * 300):
        assert ask(client, "completions", prompt=prompt, max_tokens=2)["choices"]
    raw = b'{"prompt": "\\ud800", "stop": "\\udfff", "max_tokens": 2}'
    response = client.post(PATHS["completions"], content=raw, headers={"content-type": "application/json"})
    assert response.status_code == 200


def test_the_stand_in_can_ignore_eos_by_default(contract: Contract) -> None:
    options = StandinOptions(default_ignore_eos=True, default_max_tokens=80)
    with serving(standin_app(contract, limits=None, options=options)) as server:
        response = httpx.post(
            server.url + PATHS["completions"], json=body_of("completions", temperature=0), verify=False, trust_env=False
        )
    assert response.json()["usage"]["completion_tokens"] == 80


@pytest.mark.parametrize("given", [{"ttft_s": -1.0}, {"itl_s": -0.1}, {"context_length": 1}])
def test_senseless_options_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        StandinOptions(**given)


def test_tokens_leave_on_schedule_and_stop_when_the_client_leaves(contract: Contract) -> None:
    options = StandinOptions(ttft_s=0.02, itl_s=0.01, context_length=4096)
    with serving(standin_app(contract, limits=None, options=options)) as server:
        before = threading.active_count()
        body = body_of("completions", stream=True, max_tokens=4000, ignore_eos=True)
        started = time.monotonic()
        with httpx.stream(
            "POST", server.url + PATHS["completions"], json=body, verify=False, trust_env=False
        ) as response:
            lines = (line for line in response.iter_lines() if line)
            for _ in range(4):
                next(lines)
        # Four tokens are due after 0.02 + 3 * 0.01 seconds at the earliest, four thousand after forty seconds.
        assert 0.05 <= time.monotonic() - started < 20
        assert threading.active_count() == before
        with httpx.Client(base_url=server.url, verify=False, trust_env=False) as client:
            assert ask(client, "completions", max_tokens=1)


@pytest.mark.parametrize("streamed", [True, False])
def test_generation_stops_when_the_client_has_gone(streamed: bool) -> None:
    body = body_of("completions", stream=streamed, max_tokens=1500, n=100, ignore_eos=True)
    sent: list[asgi.Message] = []

    async def converse() -> None:
        gone = asyncio.Event()

        async def send(message: asgi.Message) -> None:
            sent.append(message)
            if len(sent) == 50:
                gone.set()

        async def receive() -> asgi.Message:
            if streamed:
                await gone.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": PATHS["completions"], "headers": []}
        await Standin()(scope, asgi.replay(json.dumps(body).encode(), receive), send)

    asyncio.run(converse())
    assert len(sent) < 60
    assert not any(b"[DONE]" in message.get("body", b"") for message in sent)


def test_an_answer_that_is_not_streamed_takes_its_time_too(contract: Contract) -> None:
    options = StandinOptions(ttft_s=0.01, itl_s=0.005)
    with serving(standin_app(contract, limits=None, options=options)) as server:
        started = time.monotonic()
        body = body_of("completions", max_tokens=5, ignore_eos=True)
        httpx.post(server.url + PATHS["completions"], json=body, verify=False, trust_env=False)
        assert time.monotonic() - started >= 0.01 + 4 * 0.005


def test_a_text_has_the_ids_by_which_it_is_stopped(client: httpx.Client) -> None:
    body = body_of("completions", temperature=0, max_tokens=12)
    text = client.post(PATHS["completions"], json=body).json()["choices"][0]["text"]
    told = client.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()
    assert told["count"] == len(told["tokens"]) == 12
    stopped = client.post(PATHS["completions"], json={**body, "stop_token_ids": [told["tokens"][3]]}).json()
    assert text.startswith(stopped["choices"][0]["text"])
    assert stopped["usage"]["completion_tokens"] <= 4
    assert len(client.post("/tokenize", json={"prompt": text}).json()["tokens"]) == 13


@pytest.mark.parametrize("content", [b"", b"[]", b'{"prompt": 7}', b"[" * 100_000])
def test_what_is_no_text_has_no_ids(client: httpx.Client, content: bytes) -> None:
    assert client.post("/tokenize", content=content).status_code == 400


def test_the_newer_name_of_max_tokens_is_known_in_chat(client: httpx.Client) -> None:
    given = {"max_completion_tokens": 3, "max_tokens": 9, "ignore_eos": True}
    assert ask(client, "chat", **given)["usage"]["completion_tokens"] == 3
    assert ask(client, "completions", **given)["usage"]["completion_tokens"] == 9

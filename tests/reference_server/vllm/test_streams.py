"""Streams on their way from vLLM: untouched where nothing changes, whole however they are cut."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from reference_server import asgi
from reference_server.vllm.requests import Dialect, Order, read_order
from reference_server.vllm.streams import Relay
from schemas.contracts import get
from schemas.model import Route

# As a real vLLM sent them.
HEAD = b'{"id":"cmpl-80","object":"text_completion","created":1795407833,"model":"m",'
TEXTS = [b"The sea", b' \\"finish_reason\\":\\"x\\" ', "caf\u00e9 \U0001f30a".encode()]
CHUNKS = [
    b"data: " + HEAD + b'"choices":[{"index":0,"text":"' + text + b'","logprobs":null,"finish_reason":null}]}\n\n'
    for text in TEXTS
]
LAST = (
    b"data: " + HEAD + b'"choices":[{"index":0,"text":" end","logprobs":null,"finish_reason":"length",'
    b'"stop_reason":null}]}\n\n'
)
USED = b'{"prompt_tokens":5,"total_tokens":11,"completion_tokens":6}'
USAGE = b"data: " + HEAD + b'"choices":[],"usage":' + USED + b',"system_fingerprint":"vllm-0.32.0"}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = b"".join([*CHUNKS, LAST, USAGE, DONE])


def order(route: Route = "completions", **params: Any) -> Order:
    body = {"prompt": "x", "stream": True, **params}
    return read_order(route, body, Dialect.of(get("azure-llama"), "m"))


def relayed(one: Order, messages: list[asgi.Message]) -> list[asgi.Message]:
    sent: list[asgi.Message] = []

    async def run() -> None:
        async def send(message: asgi.Message) -> None:
            sent.append(message)

        async def otherwise(message: asgi.Message) -> None:
            raise AssertionError(f"no stream: {message}")

        relay = Relay(one, send, otherwise)
        await relay({"type": "http.response.start", "status": 200, "headers": []})
        assert sent.pop()["type"] == "http.response.start"
        for message in messages:
            await relay(message)

    asyncio.run(run())
    return sent


def parts(*bodies: bytes) -> list[asgi.Message]:
    pieces = [(body, True) for body in bodies] + [(b"", False)]
    return [{"type": "http.response.body", "body": body, "more_body": more} for body, more in pieces]


def body_of(messages: list[asgi.Message]) -> bytes:
    assert [message.get("more_body", False) for message in messages][-1] is False
    return b"".join(message["body"] for message in messages)


def chunks_of(body: bytes) -> list[Any]:
    events = body.split(b"\n\n")
    assert events[-2:] == [DONE[:-2], b""]
    return [json.loads(event[6:]) for event in events[:-2]]


def test_an_event_without_a_change_is_the_very_message_that_came() -> None:
    messages = parts(*CHUNKS)
    sent = relayed(order(), messages)
    assert all(mine is theirs for mine, theirs in zip(sent, messages[:-1], strict=False))


def test_the_usage_goes_with_the_last_chunk() -> None:
    chunks = chunks_of(body_of(relayed(order(), parts(*CHUNKS, LAST, USAGE, DONE))))
    assert [chunk.get("usage") for chunk in chunks] == [None, None, None, json.loads(USED)]
    assert chunks[-1]["choices"][0] == json.loads(LAST[6:])["choices"][0]


def test_a_last_chunk_that_has_a_usage_already_has_it_once() -> None:
    last = LAST.replace(b"}\n\n", b',"usage":null}\n\n')
    body = body_of(relayed(order(), parts(*CHUNKS, last, USAGE, DONE)))
    assert body.count(b'"usage"') == 1
    assert chunks_of(body)[-1]["usage"] == json.loads(USED)


def test_the_usage_stays_apart_where_that_was_asked_for() -> None:
    apart = order(stream_options={"include_usage": True})
    assert body_of(relayed(apart, parts(*CHUNKS, LAST, USAGE, DONE))) == WHOLE


@pytest.mark.parametrize("params", [{}, {"n": 2, "temperature": 0}, {"logprobs": 0}, {"stop": list("~#^&*")}])
@pytest.mark.parametrize("size", [1, 2, 7, 50, 301, len(WHOLE)])
def test_it_does_not_matter_where_a_stream_is_cut(params: dict[str, Any], size: int) -> None:
    expected = body_of(relayed(order(**params), parts(*CHUNKS, LAST, USAGE, DONE)))
    pieces = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    assert body_of(relayed(order(**params), parts(*pieces))) == expected
    assert b"[DONE]" in expected


def test_a_copied_choice_has_each_index_and_its_share_of_the_usage() -> None:
    chunks = chunks_of(body_of(relayed(order(n=2, temperature=0), parts(*CHUNKS, LAST, USAGE, DONE))))
    texts = ["".join(c["choices"][0]["text"] for c in chunks if c["choices"][0]["index"] == i) for i in range(2)]
    assert texts[0] == texts[1] != ""
    assert [chunk["choices"][0]["index"] for chunk in chunks[-2:]] == [0, 1]
    assert chunks[-1]["usage"] == {"prompt_tokens": 5, "total_tokens": 17, "completion_tokens": 12}
    assert "usage" not in chunks[-2]


def test_each_of_several_choices_ends_at_its_time() -> None:
    second = LAST.replace(b'"index":0', b'"index":1')
    sent = relayed(order(n=2), [*parts(LAST)[:1], *parts(CHUNKS[0], second, USAGE, DONE)])
    chunks = chunks_of(body_of(sent))
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == ["length", None, "length"]
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False, False, True]


def test_without_a_usage_nothing_is_lost() -> None:
    assert body_of(relayed(order(), parts(*CHUNKS, LAST, DONE))) == b"".join([*CHUNKS, LAST, DONE])
    assert body_of(relayed(order(), parts(*CHUNKS, LAST))) == b"".join([*CHUNKS, LAST])


@pytest.mark.parametrize("params", [{}, {"stream_options": {"include_usage": True}}])
@pytest.mark.parametrize("together", [False, True])
def test_a_failure_on_the_way_tells_no_insides(params: dict[str, Any], together: bool) -> None:
    failure = b'data: {"error":{"message":"CUDA error at /root/x.cu:7","type":"E","param":null,"code":500}}\n\n'
    events = [CHUNKS[0], failure, DONE]
    body = body_of(relayed(order(**params), parts(*([b"".join(events)] if together else events))))
    assert b"CUDA" not in body
    assert b"the model server failed" in body
    assert body.endswith(DONE)


def test_the_end_of_a_choice_among_other_events_waits_for_the_usage() -> None:
    chunks = chunks_of(body_of(relayed(order(), parts(CHUNKS[0] + LAST, USAGE, DONE))))
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False, True]


def test_with_the_usage_apart_every_event_is_the_very_message_that_came() -> None:
    messages = parts(*CHUNKS, LAST, USAGE, DONE)
    sent = relayed(order(stream_options={"include_usage": True}), messages)
    assert all(mine is theirs for mine, theirs in zip(sent, messages[:-1], strict=False))


def test_what_is_no_stream_goes_another_way() -> None:
    sent: list[asgi.Message] = []
    refused = [{"type": "http.response.start", "status": 400, "headers": []}, *parts(b"{}")]

    async def run() -> None:
        async def send(message: asgi.Message) -> None:
            raise AssertionError(f"to the client: {message}")

        async def otherwise(message: asgi.Message) -> None:
            sent.append(message)

        relay = Relay(order(), send, otherwise)
        for message in refused:
            await relay(message)

    asyncio.run(run())
    assert sent == refused


def test_a_comment_passes() -> None:
    assert body_of(relayed(order(), parts(b": keep-alive\n\n", CHUNKS[0], DONE))).startswith(b": keep-alive\n\n")


def test_after_its_stop_string_a_choice_is_silent() -> None:
    stopped = order(stop=["~", "#", "^", "&", "sea"])
    chunks = chunks_of(body_of(relayed(stopped, parts(*CHUNKS, LAST, USAGE, DONE))))
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["The "]
    assert chunks[0]["choices"][0]["finish_reason"] == "stop"
    assert chunks[0]["usage"] == json.loads(USED)


def test_a_role_passes_where_chunks_are_written_anew() -> None:
    role = (
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
        b'{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}\n\n'
    )
    body = body_of(relayed(order("chat", logprobs=1, messages=[]), parts(role, DONE)))
    assert chunks_of(body)[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert b"prompt_token_ids" not in body

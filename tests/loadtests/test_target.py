from __future__ import annotations

import json

import pytest

from loadtests.target import Target, TargetError, target
from schemas.contracts import get

CHAT = get("azure-llama").operation("chat")
COMPLETIONS = get("azure-llama").operation("completions")
KEY = "k" * 32


def body_of(made: Target) -> dict[str, object]:
    value = json.loads(made.body(seed=1, number=0, prompt_tokens=20, max_tokens=7))
    assert isinstance(value, dict)
    return value


def test_a_request_is_one_post_with_the_head_that_the_contract_asks_for() -> None:
    made = target("http://127.0.0.1:8080", CHAT, KEY)
    head, _, body = made.request(b"{}").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    assert "Host: 127.0.0.1:8080" in lines
    assert f"Authorization: Bearer {KEY}" in lines
    assert "Content-Type: application/json" in lines
    assert lines[-1] == "Content-Length: 2"
    assert body == b"{}"


def test_chat_sends_messages_and_completions_a_prompt() -> None:
    chat = body_of(target("http://h", CHAT, KEY))
    text = body_of(target("http://h", COMPLETIONS, KEY))
    assert isinstance(chat["messages"], list)
    assert "prompt" not in chat
    assert isinstance(text["prompt"], str)
    assert "messages" not in text
    for body in (chat, text):
        assert body["stream"] is True
        assert body["max_tokens"] == 7


def test_parameters_are_set_in_each_body() -> None:
    made = target("http://h", CHAT, KEY, parameters={"model": "m", "temperature": 0})
    assert body_of(made)["model"] == "m"
    with pytest.raises(TargetError, match="set by the load profile"):
        target("http://h", CHAT, KEY, parameters={"max_tokens": 10_000})


@pytest.mark.parametrize(
    "url",
    ["http://h/base", "http://h/base/", "http://h/base/v1", "http://h/base/v1/chat/completions", "http://h/base/v1/"],
)
def test_a_pasted_route_is_not_repeated(url: str) -> None:
    assert target(url, CHAT, KEY).path == "/base/v1/chat/completions"


def test_query_and_headers_of_the_contract_are_sent() -> None:
    made = target("https://[::1]:444", CHAT, "", query={"api-version": "2024-05-01"}, headers={"X-A": "b"})
    assert (made.host, made.port, made.tls) == ("::1", 444, True)
    assert made.path.endswith("?api-version=2024-05-01")
    assert made.label == "/v1/chat/completions"
    assert b"Host: [::1]:444\r\n" in made.head
    assert b"X-A: b\r\n" in made.head
    assert b"Authorization" not in made.head


@pytest.mark.parametrize(
    "url", ["", "h", "ftp://h", "http://", "http://h:0", "http://h:x", "http://h:99999", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(TargetError, match="no http"):
        target(url, CHAT, KEY)


@pytest.mark.parametrize("url", [f"http://user:{KEY}@h", f"http://h/?k={KEY}", f"http://h/#{KEY}", f"ftp://{KEY}@h"])
def test_an_address_with_more_in_it_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(TargetError) as refused:
        target(url, CHAT, KEY)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "a\nb", "ключ", "a\x00b", "a\tb", "a\x85b"])
def test_a_key_that_would_change_the_head_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(TargetError) as refused:
        target("http://h", CHAT, key)
    assert key not in str(refused.value)


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(target("http://h", CHAT, KEY))

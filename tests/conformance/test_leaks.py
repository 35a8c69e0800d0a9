"""Stack traces are known in every language, and ordinary refusals are no alarm."""

from __future__ import annotations

import base64
import json
import time

import pytest

from conformance.checks.leaks import MOST, is_page, shows_key, trace
from conformance.wire.exchange import Exchange, Sent

KEY = "a-long-key-for-tests/1"
TRACES = {
    "Python": 'Traceback (most recent call last):\n  File "/srv/app/api.py", line 12, in chat\n    raise Error(name)',
    "JVM": "java.lang.NullPointerException\n\tat com.example.api.Chat.parse(Chat.java:88)\n",
    "JavaScript": "TypeError: x is undefined\n    at Object.<anonymous> (/srv/app/index.js:10:15)\n",
    "Go": "panic: runtime error\n\ngoroutine 17 [running]:\nmain.main()\n",
    "Rust": "thread 'tokio-runtime-worker' panicked at src/server.rs:31:9:\n",
    ".NET": "System.Exception\n   at Api.Chat.Parse(String text) in C:\\src\\Chat.cs:line 42\n",
    "Ruby": "app.rb:12:in `call': undefined method",
    "PHP": "PHP Fatal error:  Uncaught TypeError",
}
ORDINARY = [
    '{"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than or equal to 2", "input": 7}]}',
    "This model's maximum context length is 2048 tokens. However, you requested 4000 tokens at position 12:30.",
    "look at file.json:3:4, the line 12 in chat; at the harbour (see note 3:4)",
    'File "report.txt" was not found, line 4 of the prompt',
    "thread 'main' was refused; the goroutine [idle] does not exist",
    "invalid JSON at line 1 column 12 (char 11)",
]


def answer(body: bytes, *headers: tuple[str, str]) -> Exchange:
    return Exchange("x", "s", 0, Sent("POST", "/", ()), 0.0, status=400, headers=headers, body=body)


@pytest.mark.parametrize("language", TRACES)
def test_a_stack_trace_is_known_bare_and_within_json(language: str) -> None:
    text = TRACES[language]
    assert trace(answer(text.encode())) == language
    assert trace(answer(json.dumps({"error": {"message": text}}).encode())) == language


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_refusal_is_no_trace(text: str) -> None:
    assert trace(answer(text.encode())) == ""


@pytest.mark.parametrize("hostile", [b"at ", b"at a.", b'File "', b"at a(", b"a.rb", b"goroutine 1 ["])
def test_a_hostile_body_costs_little(hostile: bytes) -> None:
    began = time.process_time()
    trace(answer(hostile * (2 * MOST // len(hostile))))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("body", "label", "page"),
    [
        (b"<!DOCTYPE html><p>no", "application/json", True),
        (b"\n <HTML><body>", "", True),
        (b"{}", "text/html; charset=utf-8", True),
        (b'{"detail": "<html> is not JSON"}', "application/json", False),
        (b"", "", False),
    ],
)
def test_a_page_is_known_by_its_label_or_its_first_tag(body: bytes, label: str, page: bool) -> None:
    assert is_page(answer(body, ("Content-Type", label))) is page


def test_the_key_is_found_in_every_spelling_and_nothing_else_is() -> None:
    for shown in (KEY.encode(), base64.b64encode(KEY.encode()), KEY.replace("/", "%2F").encode()):
        assert shows_key(answer(b"invalid: " + shown), KEY)
    assert shows_key(answer(b"{}", ("X-Caller", KEY)), KEY)
    assert not shows_key(answer(b"invalid: " + KEY[:-1].encode()), KEY)
    assert not shows_key(answer(b"{}", ("X-Caller", "nobody")), KEY)

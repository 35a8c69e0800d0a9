"""When a refusal names its parameter, when two refusals of a key are the same, and what may be asked at random."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.budget import upper_bound
from conformance.checks.auth import same_words
from conformance.checks.refusals import _CONTEXT
from conformance.rows.random_broken import costly
from conformance.rows.sample import names_parameter, sample
from conformance.strategies.broken import Broken
from conformance.wire.exchange import Exchange, Sent
from tests.conformance.fakes import api_over


def answer(body: Any, credential: str = "Bearer the-key") -> Exchange:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange("x", "s", 0, Sent("POST", "/", (("Authorization", credential),)), 0.0, status=400, body=raw)


def broken(*path: str) -> Broken:
    return Broken({}, "type", "", "", "type", path)


@pytest.mark.parametrize(
    ("body", "path", "named"),
    [
        ({"detail": [{"loc": ["body", "max_tokens"], "msg": "wrong"}]}, ("max_tokens",), True),
        ({"error": {"message": "maxTokens must be positive"}}, ("max_tokens",), True),
        ({"error": {"message": "Max tokens must be positive"}}, ("max_tokens",), True),
        ({"errors": {"max_tokens": ["wrong"]}}, ("max_tokens",), True),
        (b"max_tokens: wrong", ("max_tokens",), True),
        ({"error": {"message": "Bad Request"}}, ("max_tokens",), False),
        ({"error": "n must be at least 1"}, ("n",), True),
        ({"error": "no such thing\n"}, ("n",), False),
        (b'{"error": "bad\\nrequest"}', ("n",), False),
        ({"error": {"message": "wrong", "param": "messages[0].role"}}, ("messages", "role"), True),
        ({"error": "best_of must not be less than `n`"}, ("n", "best_of"), True),
    ],
)
def test_a_refusal_names_its_parameter_in_any_spelling(body: Any, path: tuple[str, ...], named: bool) -> None:
    assert names_parameter(answer(body), broken(*path)) is named


def test_the_sample_has_each_parameter_and_nothing_costly() -> None:
    api, _ = api_over(lambda _: (400, {}))
    chosen = sample(api)
    assert {one.path[0] for one in chosen} >= {"prompt", "temperature", "max_tokens", "stop", "n", "best_of"}
    assert len(chosen) < 40
    assert not any(costly(one.value) for one in chosen)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"max_tokens": -1}, True),
        ({"max_tokens": 0}, True),
        ({"max_tokens": 0.5}, True),
        ({"max_tokens": 4, "temperature": -1}, False),
        ({"max_tokens": "-1"}, False),
        ({"max_tokens": True}, False),
        ([], False),
    ],
)
def test_what_may_run_on_without_end_is_costly(body: Any, expected: bool) -> None:
    assert costly(body) is expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Incorrect key provided: the-k*****key.", "Incorrect key provided: all-o*****ong.", True),
        ("no such key, request 7f3a-11", "no such key, request 90bc-27", True),
        ("no such key", "the key is nearly right", False),
    ],
)
def test_an_echo_and_an_id_are_no_hint(one: str, other: str, same: bool) -> None:
    first, second = answer({"error": one}, "Bearer the-key"), answer({"error": other}, "Bearer all-wrong")
    assert same_words(first, second) is same


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("This model's maximum context length is 2048 tokens. However, you requested 100000010", "2048"),
        ("the request exceeds the available context size (4096 tokens)", "4096"),
        ("max_tokens is too large: the model's context length is only 131,072 tokens", "131,072"),
        ("max_tokens must be less than 4096", None),
    ],
)
def test_the_context_length_is_read_from_a_refusal(text: str, context: str | None) -> None:
    found = _CONTEXT.search(text)
    assert (found[1] if found else None) == context


@pytest.mark.parametrize(
    ("raw", "bound"),
    [
        (b'{"prompt": "a", "max_tokens": 7}', 16),
        (b'\xef\xbb\xbf{"prompt": "a", "max_tokens": 7}', 16),
        (b'{"prompt": "a", "max_tokens": 7} {"n": 1}', 16),
        (b'{"prompt": "a\xff", "max_tokens": 7', 0),
        (b"[" * 50_000, 264),
    ],
)
def test_bytes_cost_what_a_lenient_parser_would_read(raw: bytes, bound: int) -> None:
    assert upper_bound(raw) == pytest.approx(bound, abs=1)

"""No more tokens than bytes: tokenizers of every kind pass, whatever they do with a text by themselves."""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from conformance.check import Inconclusive, Violation
from conformance.checks.prompt_size import CASES, LETTERS, a_prompt_has_no_more_tokens_than_bytes, most
from conformance.wire.exchange import Sent
from tests.conformance.fakes import api_over, document

Counter = Callable[[str], int]


def run(count: Counter, refuses: Callable[[str], bool] = lambda _: False) -> None:
    def reply(sent: Sent) -> tuple[int, Any]:
        prompt = json.loads(sent.body)["prompt"]
        counted = count(prompt)
        usage = {"prompt_tokens": counted, "completion_tokens": 1, "total_tokens": counted + 1}
        return (400, {"error": {"message": "no"}}) if refuses(prompt) else (200, document(usage=usage))

    api, _ = api_over(reply)
    a_prompt_has_no_more_tokens_than_bytes.function(api)


def in_bytes(text: str) -> int:
    return len(text.encode()) + 1


TOKENIZERS: dict[str, Counter] = {
    "bytes": in_bytes,
    "characters": len,
    "words": lambda text: len(text.split()) + 5,
    "decomposed characters": lambda text: len(unicodedata.normalize("NFKD", text)) + 1,
    "a marker for each space": lambda text: len(text.encode()) + 2,
    "without control characters": lambda text: sum(one.isprintable() for one in text),
}


@pytest.mark.parametrize("count", TOKENIZERS.values(), ids=TOKENIZERS)
def test_a_tokenizer_passes(count: Counter) -> None:
    run(count)


@pytest.mark.parametrize(
    "write",
    [
        html.escape,
        lambda text: text.encode().decode("latin-1"),
        lambda text: json.dumps(text)[1:-1],
        lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    ],
)
def test_what_is_written_out_is_seen(write: Callable[[str], str]) -> None:
    with pytest.raises(Violation, match="they were written out"):
        run(lambda text: in_bytes(write(text)))


def test_an_endpoint_that_counts_otherwise_shows_nothing() -> None:
    with pytest.raises(Inconclusive, match="plain letters"):
        run(lambda text: 2 * in_bytes(text))


def test_what_is_refused_is_left_out() -> None:
    run(in_bytes, lambda prompt: "\x01" in prompt)


def test_no_form_of_unicode_makes_the_texts_longer() -> None:
    for text in (LETTERS, *CASES.values()):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert len(unicodedata.normalize(form, text).encode()) <= most(text)

"""A prompt is not written out on its way to the model: as escapes, as entities, or in another encoding.

Law: no tokenizer makes more tokens than there are bytes. What goes beyond that was not in the prompt that was sent.
"""

from __future__ import annotations

import html
import json
from urllib.parse import quote

from conformance.api import Api
from conformance.check import Inconclusive, check, expect
from conformance.checks.basics import REFUSED
from conformance.checks.text import START, reworded, start
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

# What a tokenizer may cut otherwise where the two texts meet, and what it may put in front of a script of its own.
SEAM = 8
TIMES = 12
LETTERS = " q x z j" * TIMES
# Each written-out form is several times as long as the character. None of them has another form in Unicode that is
# longer, so no normalisation of a tokenizer's makes more of them.
CASES = {
    "quotes, ampersands and angle brackets": "'\"&<>" * TIMES,
    "control characters, quotes and backslashes": '\x01"\x02\\\x03\n' * TIMES,
    # Letters of a rare script: in another encoding their bytes are characters that hardly any vocabulary has.
    "letters beyond 16 bits": "\U00010490\U00010481\U00010492" * (TIMES // 2),
}


def added(api: Api, text: str) -> tuple[int, Exchange] | None:
    """How many tokens a text adds to a prompt; None where such a text is refused."""
    exchange = api.ask(**api.prompt(START + text), max_tokens=1)
    if exchange.status in REFUSED:
        return None
    return api.usage(exchange)["prompt_tokens"] - start(api)[0], exchange


def most(text: str) -> int:
    """The most tokens that a text can add to a prompt."""
    return len(text.encode()) + SEAM


@check("text.bytes", cites=[".text.characters"], needs=[".answers", ".usage.prompt-grows"])
def a_prompt_has_no_more_tokens_than_bytes(api: Api) -> None:
    """Quotes, control characters and rare scripts add no more tokens to a prompt than they have bytes."""
    plain = added(api, LETTERS)
    if plain is None or plain[0] > most(LETTERS):
        raise Inconclusive("plain letters count more tokens than bytes too, so what is counted here is not known")
    for what, text in CASES.items():
        found = added(api, text)
        if found is None:
            continue
        count, exchange = found
        message = f"{len(text.encode())} bytes of {what} add {count} tokens to a prompt: they were written out"
        expect(count <= most(text), message, start(api)[1], exchange)


@a_prompt_has_no_more_tokens_than_bytes.deaf_mutant
def reads_utf_8_as_latin_1(ask: Ask) -> Ask:
    """Decodes a prompt by another encoding than it was written in."""
    return reworded(ask, lambda text: text.encode("utf-8", "replace").decode("latin-1"))


@a_prompt_has_no_more_tokens_than_bytes.deaf_mutant
def escapes_for_a_page(ask: Ask) -> Ask:
    """Gives the model a prompt as it would stand in a web page."""
    return reworded(ask, html.escape)


@a_prompt_has_no_more_tokens_than_bytes.deaf_mutant
def escapes_twice(ask: Ask) -> Ask:
    """Gives the model a prompt as it stands in JSON."""
    return reworded(ask, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])


@a_prompt_has_no_more_tokens_than_bytes.deaf_mutant
def encodes_for_a_query(ask: Ask) -> Ask:
    """Gives the model a prompt as it would stand in a URL, but for its spaces."""
    return reworded(ask, lambda text: quote(text, safe=" ,.:!?'"))

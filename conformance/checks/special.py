"""Special tokens, such as the one that ends an answer: shown or skipped as asked, and heeded where they end it.

Law: that a special token was generated is known from the answer itself (from its list of tokens, or from a token that
is counted and nowhere else to be found), never from what a model ought to say. Some engines never generate one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, check, expect
from conformance.checks.logprobs import wanted
from conformance.checks.stopping import ENDINGS, PROMPT
from conformance.layouts import readable_tokens
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

# How the models of this family spell the token that ends an answer.
END_TOKENS = frozenset({"</s>", "<|end_of_text|>", "<|eot_id|>", "<|eot|>"})
# Not a byte as llama.cpp lists it, `<0xE2>`: half a character may be hidden too.
_SPECIAL = re.compile(r"<(?!0x[0-9A-Fa-f]{2}>)[^<>\s]{1,40}>")
TOKENS = 48


def listed(api: Api, exchange: Exchange) -> list[str]:
    """The tokens that an answer lists, none where it lists none that can be read."""
    return [token.text for token in readable_tokens(api.choices(exchange)[0], exchange)]


def going_on(api: Api, prompt: str, skip: bool, **params: Any) -> Exchange:
    """A greedy answer that the end token does not end; `Skip` when the endpoint does not give one."""
    asked = {"temperature": 0, "max_tokens": TOKENS, "ignore_eos": True, **params}
    if api.offers("logprobs"):
        asked |= wanted(api, 0)
    exchange = api.ask(**api.prompt(prompt), skip_special_tokens=skip, **asked)
    if exchange.status != 200:
        raise Skip(f"a greedy answer with `skip_special_tokens` {skip} got status {exchange.status}")
    return exchange


def goes_on(api: Api, exchange: Exchange) -> str:
    """The end token that an answer goes on after; empty where it lists none but at its end."""
    tokens = listed(api, exchange)
    return next((token for token in tokens[:-1] if token in END_TOKENS), "")


@check(
    "special.skipped",
    cites=[".request.skip_special_tokens.skips", ".request.ignore_eos.continues"],
    needs=[".answers"],
)
def special_tokens_are_shown_or_skipped(api: Api) -> None:
    """A special token is in the text with `skip_special_tokens` false, and is not with true."""
    alike = True
    for prompt in ENDINGS:
        skipped, shown = (going_on(api, prompt, skip) for skip in (True, False))
        without, whole = api.text(skipped), api.text(shown)
        end = goes_on(api, skipped)
        message = f"with `skip_special_tokens` true the text contains the special token {end!r}"
        expect(not end or end not in without, message, skipped)
        if without == whole:
            unshown = _unshown(api, prompt, shown)
            message = f"with `skip_special_tokens` false the text is without {unshown}"
            expect(not unshown, message, skipped, shown)
            continue
        alike = False
        message = "the text is longer with `skip_special_tokens` true than with false"
        expect(not _within(whole, without), message, skipped, shown)
        if _within(without, whole):
            return
    if alike:
        # Nothing is wrong with a model that goes on without one: there is nothing to show or to skip.
        raise Skip("the model generated no special token in its greedy answers with `ignore_eos`")
    raise Inconclusive("greedy answers with `ignore_eos` differ by themselves")


def _within(part: str, whole: str) -> bool:
    """Whether the part is the whole with something left out."""
    rest = iter(whole)
    return len(part) < len(whole) and all(character in rest for character in part)


def _unshown(api: Api, prompt: str, shown: Exchange) -> str:
    """What special token was generated and is not in the text, in words; empty when nothing shows that there is one."""
    text, tokens = api.text(shown), listed(api, shown)
    special = sorted({token for token in tokens[:-1] if _SPECIAL.fullmatch(token) and token not in text})
    if special and "".join(token for token in tokens if token not in special) == text:
        return f"{special[0]!r}, which is among its tokens"
    if not _adds_up(tokens, text):
        return ""
    lost = api.usage(shown)["completion_tokens"] - len(tokens)
    if lost <= 0 or not _runs_on(api, shown):
        return ""
    # Counted, and not to be found. That is how it would look, if it looks otherwise where no end token comes ...
    other = going_on(api, PROMPT, False, max_tokens=8)
    found = listed(api, other)
    same = _adds_up(found, api.text(other)) and api.usage(other)["completion_tokens"] == len(found)
    # ... and if the end token is what comes there: the answer ends before that when it is heeded.
    heeded = going_on(api, prompt, False, ignore_eos=False)
    ended = api.text(heeded)
    reason = api.choices(heeded)[0].get("finish_reason")
    if same and reason == "stop" and len(ended) < len(text) and text.startswith(ended):
        return f"the token that ends the answer after {ended[-20:]!r} without `ignore_eos`, and that is counted"
    return ""


def _adds_up(tokens: Sequence[str], text: str) -> bool:
    """Whether the tokens are the text, without any that is half a character and may be hidden for that."""
    return bool(tokens) and "".join(tokens) == text and text.isascii()


def _runs_on(api: Api, exchange: Exchange) -> bool:
    return api.choices(exchange)[0].get("finish_reason") == "length"


@special_tokens_are_shown_or_skipped.deaf_mutant
def always_skips(ask: Ask) -> Ask:
    """Never shows a special token."""
    return ask.with_body(skip_special_tokens=...)


@special_tokens_are_shown_or_skipped.deaf_mutant
def always_shows(ask: Ask) -> Ask:
    """Never skips a special token."""
    return ask.with_body(skip_special_tokens=False)


@special_tokens_are_shown_or_skipped.deaf_mutant
def does_the_opposite(ask: Ask) -> Ask:
    """Shows the special tokens that it is to skip, and skips the others."""
    skip = ask.body.get("skip_special_tokens")
    return ask.with_body(skip_special_tokens=not skip) if isinstance(skip, bool) else ask

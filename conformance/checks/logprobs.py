"""`logprobs`: as many as asked for, always one for the chosen token, and tokens that spell the text."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, check, expect
from conformance.layouts import TokenLogprob, has_tokens, layout_of, tokens_of
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange

PROMPTS = ("The pilot came aboard and", "Two miles off the coast", "He read the letter twice and")
# A server that rounds or sums in half precision may end a little above zero.
ROUNDING = 1e-4


def asked(api: Api, count: int = 3, prompt: str = PROMPTS[0]) -> Exchange:
    """An answer of 10 tokens with `count` log probabilities each; `Skip` when the endpoint refuses to give them."""

    def make(view: Api) -> Exchange:
        exchange = view.ask(**view.prompt(prompt), max_tokens=10, temperature=0, **wanted(view, count))
        if exchange.status in (400, 422, 501):
            raise Skip(f"log probabilities are not offered here (status {exchange.status})")
        view.document(exchange)
        return exchange

    return api.shared(f"logprobs-{count}-{PROMPTS.index(prompt)}", make)


def given(api: Api, exchange: Exchange) -> list[TokenLogprob]:
    """The tokens of the first choice, which may be none; `Inconclusive` when the answer has no log probabilities.

    For checks of something else: that log probabilities are missing is for the checks of `logprobs` to say, once.
    """
    choice = api.choices(exchange)[0]
    if not has_tokens(choice):
        raise Inconclusive("without log probabilities (the answer has none) this cannot be judged")
    return tokens_of(choice, exchange)


def wanted(api: Api, count: int) -> dict[str, Any]:
    """The parameters that ask for `count` log probabilities under the contract: a number, or OpenAI's chat pair."""
    properties = api.schema("request").get("properties", {})
    if "top_logprobs" in properties:
        return {"logprobs": True, "top_logprobs": count}
    return {"logprobs": count}


def tokens(api: Api, exchange: Exchange) -> list[TokenLogprob]:
    """The tokens of the first choice; `Inconclusive` when the answer ended before its first token."""
    found = tokens_of(api.choices(exchange)[0], exchange)
    if not found:
        raise Inconclusive("the answer is empty, so there are no log probabilities to look at")
    return found


@check(
    "logprobs.count",
    cites=[".request.logprobs.count"],
    needs=[".answers"],
    settles=["erratum.logprobs-layout"],
    tier="quick",
)
def top_logprobs_are_as_many(api: Api) -> None:
    """Each token comes with the `logprobs` most likely tokens, and at most one more."""
    for count in (1, 4):
        exchange = asked(api, count)
        for position, token in enumerate(tokens(api, exchange)):
            # Two tokens of the vocabulary may have one spelling, so an object can hold fewer, but never none.
            held = len(token.top)
            where = f"token {position} has {held} of the most likely tokens"
            expect(1 <= held <= count + 1, f"{where}; {count} were asked for", exchange)
    api.reading("erratum.logprobs-layout", layout_of(api.choices(asked(api, 4))[0]))


@top_logprobs_are_as_many.mutant
def gives_all_it_has(answer: Answer) -> Answer:
    """Lists three tokens more than it was asked for."""
    return _change_tops(answer, lambda top: {**top, "~a": -30.0, "~b": -31.0, "~c": -32.0})


@top_logprobs_are_as_many.mutant
def gives_no_alternatives(answer: Answer) -> Answer:
    """Lists no likely tokens at all."""
    return _change_tops(answer, lambda _: {})


@check(
    "logprobs.chosen",
    cites=[".request.logprobs.chosen"],
    needs=[".answers"],
    settles=["erratum.top_logprobs-value"],
    tier="quick",
)
def the_chosen_token_has_a_logprob(api: Api) -> None:
    """The chosen token is among those listed, with the log probability that it has in its own place, never above 0."""
    exchange = asked(api)
    found = tokens(api, exchange)
    positive = any(value > ROUNDING for token in found for value in token.top.values())
    api.reading("erratum.top_logprobs-value", "prob" if positive else "logprob", exchange)
    for position, token in enumerate(found):
        expect(
            token.logprob <= ROUNDING, f"token {position} has the log probability {token.logprob}, above 0", exchange
        )
        if not token.top or not token.legible:
            continue
        expect(token.text in token.top, f"token {position} {token.text!r} is not listed", exchange)
        listed = token.top[token.text]
        same = abs(listed - token.logprob) <= 1e-3 + 1e-3 * abs(listed)
        expect(same, f"token {position} is listed with {listed}, but has {token.logprob}", exchange)


@the_chosen_token_has_a_logprob.mutant
def reports_probabilities(answer: Answer) -> Answer:
    """Reports log probabilities with the wrong sign."""
    return _change_values(answer, lambda value: -value + 0.5)


@the_chosen_token_has_a_logprob.mutant
def lists_probabilities(answer: Answer) -> Answer:
    """Lists probabilities among the most likely tokens, as the table's description says."""
    return _change_tops(answer, lambda top: {token: math.exp(value) for token, value in top.items()})


@the_chosen_token_has_a_logprob.mutant
def disagrees_with_itself(answer: Answer) -> Answer:
    """Gives the chosen token another value than the list does."""
    return _change_values(answer, lambda value: value - 0.7)


@check("logprobs.spell", cites=[".response.logprobs.tokens"], needs=[".answers"], tier="quick")
def the_tokens_spell_the_text(api: Api) -> None:
    """The tokens joined together are the text."""
    for prompt in PROMPTS:
        exchange = asked(api, prompt=prompt)
        text, found = api.texts(exchange)[0], tokens(api, exchange)
        if all(token.legible for token in found) and "\ufffd" not in text:
            break
    else:
        raise Inconclusive("every answer has a token that is half a character, or none at all")
    spelt = b"".join(token.text.encode() if token.raw is None else token.raw for token in found)
    # The token that ended the answer may be listed and yet not be a part of the text.
    without_last = spelt[: len(spelt) - len(found[-1].text.encode())]
    expect(text.encode() in (spelt, without_last), f"the tokens spell {spelt!r}, the text is {text!r}", exchange)


@the_tokens_spell_the_text.mutant
def swaps_tokens(answer: Answer) -> Answer:
    """Lists the tokens in reverse order."""

    def change(logprobs: dict[str, Any]) -> None:
        for value in logprobs.values():
            if isinstance(value, list):
                value.reverse()

    return _change_logprobs(answer, change)


@check(
    "logprobs.offsets",
    cites=[".response.logprobs.text_offsets"],
    needs=[".answers"],
    settles=["erratum.text_offset", "erratum.offset-origin"],
    tier="quick",
)
def offsets_follow_the_tokens(api: Api) -> None:
    """Each offset is the one before plus the length of the token before."""
    exchange = asked(api)
    found = tokens(api, exchange)
    if found[0].offset is None:
        raise Skip("this layout of `logprobs` has no offsets")
    # Characters or bytes, counted from the output's start or the prompt's: the page leaves all of it open.
    gaps = [after.offset - before.offset for before, after in _pairs(found)]
    in_characters = [len(before.text) for before, _ in _pairs(found)]
    in_bytes = [len(before.text.encode()) for before, _ in _pairs(found)]
    fits = gaps in (in_characters, in_bytes) or not all(token.legible for token in found)
    expect(fits, f"the offsets grow by {gaps}, the tokens have the lengths {in_characters}", exchange)
    spelling = "text_offsets" if "text_offsets" in api.choices(exchange)[0]["logprobs"] else "text_offset"
    api.reading("erratum.text_offset", spelling, exchange)
    api.reading("erratum.offset-origin", "prompt" if found[0].offset else "output", exchange)


@offsets_follow_the_tokens.mutant
def counts_tokens_as_offsets(answer: Answer) -> Answer:
    """Gives each token's number as its offset."""

    def change(logprobs: dict[str, Any]) -> None:
        for name in ("text_offsets", "text_offset"):
            if name in logprobs:
                logprobs[name] = list(range(len(logprobs[name])))

    return _change_logprobs(answer, change)


def _pairs(found: list[TokenLogprob]) -> list[tuple[Any, Any]]:
    return list(pairwise(found))


def _change_logprobs(answer: Answer, change: Callable[[dict[str, Any]], None]) -> Answer:
    def each(choice: dict[str, Any]) -> None:
        if isinstance(choice.get("logprobs"), dict):
            change(choice["logprobs"])

    return answer.edit_choices(each)


def _change_tops(answer: Answer, change: Callable[[dict[str, float]], dict[str, float]]) -> Answer:
    def each(logprobs: dict[str, Any]) -> None:
        if logprobs.get("top_logprobs"):
            logprobs["top_logprobs"] = [change(top or {}) for top in logprobs["top_logprobs"]]
        for item in logprobs.get("content") or ():
            top = change({one["token"]: one["logprob"] for one in item.get("top_logprobs") or ()})
            item["top_logprobs"] = [{"token": token, "logprob": value, "bytes": None} for token, value in top.items()]

    return _change_logprobs(answer, each)


def _change_values(answer: Answer, change: Callable[[float], float]) -> Answer:
    def each(logprobs: dict[str, Any]) -> None:
        if "token_logprobs" in logprobs:
            logprobs["token_logprobs"] = [change(value) for value in logprobs["token_logprobs"]]
        for item in logprobs.get("content") or ():
            item["logprob"] = change(item["logprob"])

    return _change_logprobs(answer, each)

"""What ends an answer by its number: `stop_token_ids`, and the end-of-sequence token that `ignore_eos` false heeds.

Token ids do not travel in answers, so they are asked of the endpoint's tokenizer where it offers one.
"""

from __future__ import annotations

from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, check, expect
from conformance.checks.logprobs import wanted
from conformance.checks.special import goes_on, going_on
from conformance.checks.stopping import ENDINGS, PROMPT
from conformance.layouts import tokens_of
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange, NotJson

# Beside the contract, at the same place in vLLM, SGLang, TGI and llama.cpp; each calls the text otherwise.
TOKENIZER = "/tokenize"
TEXT_NAMES = ("prompt", "content", "inputs")
MOST = 16


def ids_of(api: Api, text: str) -> list[int]:
    """The token ids of a text as the endpoint's own tokenizer gives them; `Skip` where it offers none."""
    body = {**dict.fromkeys(TEXT_NAMES, text), "add_special_tokens": False}
    if api.settings.model is not None:
        body["model"] = api.settings.model
    exchange = api.send(body, path=TOKENIZER)
    try:
        found = exchange.json if exchange.status == 200 else None
    except NotJson:
        found = None
    listed = found.get("tokens") if isinstance(found, dict) else found
    ids = [one.get("id") if isinstance(one, dict) else one for one in listed] if isinstance(listed, list) else []
    if not ids or not all(type(one) is int for one in ids):
        raise Skip(f"the endpoint offers no tokenizer at {TOKENIZER} (status {exchange.status}), so no id is known")
    return [one for one in ids if isinstance(one, int)]


@check("stop.token-ids", cites=[".request.stop_token_ids.stops"], needs=[".answers"])
def a_stop_token_ends_the_answer(api: Api) -> None:
    """A token of `stop_token_ids` ends the answer, which contains it."""
    params = {**api.prompt(PROMPT), "temperature": 0, "max_tokens": MOST}
    whole = api.answer(**params)
    text = api.text(whole)
    if not text.strip() or "\ufffd" in text:
        raise Inconclusive(f"the greedy answer {text!r} is empty or broken, so its tokens are not known")
    ids = ids_of(api, text)
    # Whichever of its tokens comes first, it is one of these, where model and tokenizer cut the text alike.
    ended = api.answer(**params, stop_token_ids=sorted(set(ids)))
    if not text.startswith(api.text(ended)):
        raise Inconclusive("greedy answers differ, so where a stop token comes is not known")
    used = [api.usage(exchange)["completion_tokens"] for exchange in (whole, ended)]
    # The token that ended an answer by itself is counted, and not in its text.
    if used[1] == used[0] and not 0 <= used[0] - len(ids) <= 1:
        raise Inconclusive(f"the answer has {used[0]} tokens, and its text {len(ids)}: other ids may have been made")
    expect(used[1] < used[0] or used[0] <= 1, "every token of the answer is a stop token, and it goes on", whole, ended)
    reason = api.choices(ended)[0].get("finish_reason")
    expect(reason == "stop", f"a stop token ended the answer with {reason!r}, not 'stop'", ended)
    _at_one_place(api, params, whole, ids)


def _at_one_place(api: Api, params: dict[str, Any], whole: Exchange, ids: list[int]) -> None:
    """One id in the middle of the answer, where the tokenizer and the model cut it alike."""
    exchange = api.ask(**params, **wanted(api, 0))
    if exchange.status != 200 or api.text(exchange) != api.text(whole):
        return
    tokens = [token.text for token in tokens_of(api.choices(exchange)[0], exchange)]
    if "".join(tokens) != api.text(whole) or len(tokens) != len(ids) or "\ufffd" in api.text(whole):
        return
    for place in range(2, len(ids) - 1):
        if ids.index(ids[place]) == place and tokens[place].strip():
            break
    else:
        return
    upto = "".join(tokens[: place + 1])
    ended = api.answer(**params, stop_token_ids=[ids[place]])
    text = api.text(ended)
    if not (text.startswith(upto) or upto.startswith(text)):
        return
    shown = f"token {place} {tokens[place]!r} is a stop token"
    expect(len(text) <= len(upto), f"{shown}, and the answer goes on to {text!r}", whole, ended)
    expect(text.rstrip() == upto.rstrip(), f"{shown}, and the answer is {text!r} without it", whole, ended)


@a_stop_token_ends_the_answer.deaf_mutant
def ignores_stop_token_ids(ask: Ask) -> Ask:
    """Generates past every stop token."""
    return ask.with_body(stop_token_ids=...)


@a_stop_token_ends_the_answer.deaf_mutant
def heeds_bytes_only(ask: Ask) -> Ask:
    """Reads each id as a byte."""
    ids = ask.body.get("stop_token_ids")
    return ask.with_body(stop_token_ids=[one % 256 for one in ids]) if isinstance(ids, list) else ask


@a_stop_token_ends_the_answer.mutant
def says_length_at_a_stop_token(answer: Answer) -> Answer:
    """Reports `length` when a stop token ended the answer."""
    asked = answer.ask.body.get("stop_token_ids")
    return answer.edit_choices(lambda choice: choice.update(finish_reason="length")) if asked else answer


@a_stop_token_ends_the_answer.mutant
def swallows_the_stop_token(answer: Answer) -> Answer:
    """Leaves a stop token that is a word out of the answer."""

    def change(choice: dict[str, Any]) -> None:
        holder, key = (choice["message"], "content") if "message" in choice else (choice, "text")
        holder[key] = holder[key].rstrip()[:-1]

    return answer.edit_choices(change) if len(answer.ask.body.get("stop_token_ids") or ()) == 1 else answer


@check("ignore-eos.heeds", cites=[".request.ignore_eos"], needs=[".answers"])
def an_answer_may_end_by_itself(api: Api) -> None:
    """With `ignore_eos` false an answer may end before `max_tokens`, and then ends with `stop`."""
    most = 64
    prompts = [f"{ending} {again}".strip() for again in ("", "And then", "So") for ending in ENDINGS]
    for prompt in prompts:
        exchange = api.answer(**api.prompt(prompt), ignore_eos=False, max_tokens=most, temperature=1)
        counted = api.usage(exchange)["completion_tokens"]
        reason = api.choices(exchange)[0].get("finish_reason")
        if counted < most and reason != "content_filter":
            expect(reason == "stop", f"an answer of {counted} tokens of {most} ended with {reason!r}", exchange)
            return
        expect(counted <= most, f"`max_tokens` {most} gave {counted} tokens", exchange)
    # Either nothing ended an answer, or what was to end one did not: then the end token stands in the middle.
    for prompt in ENDINGS if api.offers("skip_special_tokens", "logprobs") else ():
        exchange = going_on(api, prompt, False, ignore_eos=False)
        end = goes_on(api, exchange)
        expect(not end, f"with `ignore_eos` false an answer goes on after the token {end!r}", exchange)
    raise Inconclusive(f"none of {len(prompts)} answers ended by itself within {most} tokens")


@an_answer_may_end_by_itself.deaf_mutant
def always_ignores_eos(ask: Ask) -> Ask:
    """Goes on after the end-of-sequence token, whether it is to or not."""
    return ask.with_body(ignore_eos=True)


@an_answer_may_end_by_itself.mutant
def says_length_after_the_end(answer: Answer) -> Answer:
    """Reports `length` for every answer that it was not told to stop."""
    return answer.edit_choices(lambda choice: choice.update(finish_reason="length"))


@an_answer_may_end_by_itself.mutant
def has_no_reason(answer: Answer) -> Answer:
    """Gives no reason for an answer that ended by itself."""

    def change(choice: dict[str, Any]) -> None:
        if choice.get("finish_reason") == "stop":
            choice["finish_reason"] = None

    return answer.edit_choices(change)

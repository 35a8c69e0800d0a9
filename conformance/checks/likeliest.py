"""What the listed tokens of `logprobs` promise: probabilities, of the likeliest tokens, as many as asked for.

Law: a value is judged only against other values of the same answer, since what a model finds likely is its own affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.basics import plain
from conformance.checks.logprobs import PROMPTS, asked, tokens, wanted
from conformance.checks.sampling import TIE
from conformance.layouts import TokenLogprob, layout_of, tokens_of
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange

# What half precision may add to a sum of probabilities.
ROUNDING = 0.02


def sampled(api: Api, prompt: str) -> Exchange:
    """An answer at temperature 1.5, where tokens are chosen that are not among the likeliest."""
    exchange = api.ask(**api.prompt(prompt), max_tokens=32, temperature=1.5, **wanted(api, 2))
    if exchange.status != 200:
        raise Skip(f"log probabilities are not given at temperature 1.5 (status {exchange.status})")
    return exchange


@check("logprobs.mass", cites=[".response.choices.logprobs"], needs=[".answers", ".logprobs.chosen"], tier="quick")
def probabilities_sum_to_one_at_most(api: Api) -> None:
    """The probabilities of the tokens listed for one place sum to at most 1."""
    for count in (3, 4):
        exchange = asked(api, count)
        for position, token in enumerate(tokens(api, exchange)):
            mass = math.fsum(math.exp(value) for value in token.top.values())
            expect(mass <= 1 + ROUNDING, f"the tokens listed at place {position} sum to {mass:.3f}", exchange)


@probabilities_sum_to_one_at_most.mutant
def takes_log_ten(answer: Answer) -> Answer:
    """Gives logarithms to the base 10."""
    return _change_all(answer, lambda value: value / math.log(10))


@probabilities_sum_to_one_at_most.mutant
def forgets_to_normalise(answer: Answer) -> Answer:
    """Gives each log probability as its distance from the likeliest token's."""

    def each(top: dict[str, float]) -> dict[str, float]:
        highest = max(top.values(), default=0.0)
        return {text: value - highest for text, value in top.items()}

    return _change_tops(answer, each)


@check("logprobs.likeliest", cites=[".request.logprobs"], needs=[".answers"])
def the_likeliest_are_listed(api: Api) -> None:
    """No token is chosen that is likelier than one listed, unless it is listed among the likeliest itself."""
    for prompt in PROMPTS:
        exchange = sampled(api, prompt)
        if _expect_likeliest(exchange, tokens_of(api.choices(exchange)[0], exchange)):
            return
    raise Inconclusive("no token was chosen that is not among the likeliest")


def _expect_likeliest(exchange: Exchange, found: list[TokenLogprob]) -> bool:
    """`Violation` for a chosen token that ought to be among the likeliest; whether any token told."""
    judged = 0
    # A server that always lists one more than it was asked for shows nothing of why a token is listed.
    generous = all(len(token.top) > 2 for token in found)
    for position, token in enumerate(found):
        listed = token.text in token.top
        # With two listed beside the chosen token, it is not one of the likeliest, and is the least likely of the three.
        if generous or not token.legible or len(token.top) - listed < 2:
            continue
        judged += 1
        least = min(value for text, value in token.top.items() if text != token.text)
        message = (
            f"token {position} {token.text!r} is chosen, not one of the two likeliest, and likelier than one of them: "
            f"{token.logprob:.3f} and {least:.3f}"
        )
        expect(token.logprob <= least + TIE, message, exchange)
    return judged > 0


@the_likeliest_are_listed.mutant
def lists_the_least_likely(answer: Answer) -> Answer:
    """Lists tokens far down the order beside the one that was chosen."""

    def each(top: dict[str, float]) -> dict[str, float]:
        return {
            text: value if number == len(top) - 1 else value - 12 for number, (text, value) in enumerate(top.items())
        }

    return _change_tops(answer, each)


@check("logprobs.none", cites=[".request.logprobs"], needs=[".answers"], tier="quick")
def nobody_gets_what_was_not_asked_for(api: Api) -> None:
    """Without `logprobs` in the request there are none in the answer."""
    exchange = plain(api)
    for choice in api.choices(exchange):
        logprobs = choice.get("logprobs")
        listed = isinstance(logprobs, dict) and any(value for value in logprobs.values())
        expect(not listed, "log probabilities are in an answer for which nobody asked for them", exchange)


@nobody_gets_what_was_not_asked_for.mutant
def always_gives_logprobs(answer: Answer) -> Answer:
    """Adds the log probability of a first token to every answer."""
    row: dict[str, Any] = {"tokens": ["The"], "token_logprobs": [-0.5], "top_logprobs": [{}], "text_offsets": [0]}
    return answer.edit_choices(lambda choice: choice.update(logprobs=choice.get("logprobs") or row))


@check("logprobs.zero", cites=[".request.logprobs"], needs=[".answers"])
def none_beside_the_chosen_token(api: Api) -> None:
    """Asked for 0 likeliest tokens, an answer lists the chosen one at most."""
    exchange = asked(api, 0)
    for position, choice in enumerate(api.choices(exchange)):
        # Some take 0 for no, and then give nothing at all.
        if not isinstance(choice.get("logprobs"), dict) or not any(choice["logprobs"].values()):
            continue
        for token in tokens_of(choice, exchange):
            message = f"choice {position} lists {len(token.top)} tokens at one place where 0 were asked for"
            expect(len(token.top) <= 1, message, exchange)
            expect(not token.legible or set(token.top) <= {token.text}, "another token is listed", exchange)


@none_beside_the_chosen_token.mutant
def takes_zero_for_two(answer: Answer) -> Answer:
    """Falls back on two when 0 are asked for."""

    def each(top: dict[str, float]) -> dict[str, float]:
        return top if len(top) > 1 else {**top, "~a": -5.0, "~b": -6.0}

    return _change_tops(answer, each)


@none_beside_the_chosen_token.mutant
def crashes_on_zero(answer: Answer) -> Answer:
    """Answers 0 likeliest tokens with an internal error."""
    body = answer.ask.body
    return answer.with_error(500) if 0 in (body.get("logprobs", 1), body.get("top_logprobs", 1)) else answer


@check("logprobs.most", cites=[".request.logprobs.count"], needs=[".answers"])
def as_many_as_the_most(api: Api) -> None:
    """As many likeliest tokens are listed as the contract lets one ask for."""
    name = "top_logprobs" if "top_logprobs" in wanted(api, 0) else "logprobs"
    # An option that the endpoint has not got has no schema with a maximum.
    stated = api.schema("request")["properties"][name] if api.offers(name) else {}
    count = int(stated.get("maximum", 5))
    exchange = asked(api, count)
    found = tokens(api, exchange)
    most = max(len(token.top) for token in found)
    expect(most <= count + 1, f"{count} likeliest tokens were asked for, {most} are listed", exchange)
    # Tokens that are spelled alike share an entry, so only a shortage at every place is one.
    if most < count and not all(token.legible for token in found):
        raise Inconclusive("some tokens are half characters, which may share an entry")
    expect(most >= count, f"{count} likeliest tokens were asked for, never more than {most} are listed", exchange)


@as_many_as_the_most.mutant
def lists_two_at_most(answer: Answer) -> Answer:
    """Lists two tokens however many were asked for."""
    return _change_tops(answer, lambda top: dict(list(top.items())[:2]))


@check("logprobs.numbers", cites=[".response.choices.logprobs"], needs=[".answers"], tier="quick")
def every_token_has_a_finite_number(api: Api) -> None:
    """Every token has a log probability that is a finite number, the first one too."""
    exchange = asked(api)
    for choice in api.choices(exchange):
        for position, token in enumerate(tokens_of(choice, exchange)):
            values = [token.logprob, *token.top.values()]
            expect(all(map(math.isfinite, values)), f"a value at place {position} is not finite: {values}", exchange)


@every_token_has_a_finite_number.mutant
def has_none_for_the_first(answer: Answer) -> Answer:
    """Gives null for the first token, which is right only for the first of an echoed prompt."""

    def each(logprobs: dict[str, Any]) -> None:
        if logprobs.get("token_logprobs"):
            logprobs["token_logprobs"][0] = None
        for item in (logprobs.get("content") or ())[:1]:
            item["logprob"] = None

    return _change(answer, each)


@every_token_has_a_finite_number.mutant
def overflows(answer: Answer) -> Answer:
    """Gives a number too large for any float where a token has no chance."""
    if answer.streams or not answer.succeeded:
        return answer
    raised = _change_all(answer, lambda value: value if value > -1 else -1.5e300)
    return Answer(answer.ask, answer.status, answer.headers, raised.body.replace(b"-1.5e+300", b"-1e999"))


@check("logprobs.offset-start", cites=[".response.logprobs.text_offsets"], needs=[".answers"], tier="quick")
def offsets_begin_at_a_beginning(api: Api) -> None:
    """The first offset is 0, or lies behind the prompt where offsets are counted from its beginning."""
    exchange = asked(api)
    first = tokens(api, exchange)[0].offset
    if first is None:
        raise Skip("this layout of `logprobs` has no offsets")
    # A template, or a token that opens every prompt, may lie before it as well.
    message = f"the first offset is {first}, and the prompt has {len(PROMPTS[0])} characters"
    expect(first == 0 or first >= len(PROMPTS[0]), message, exchange)


@offsets_begin_at_a_beginning.mutant
def counts_from_one(answer: Answer) -> Answer:
    """Counts the characters of the text from 1."""

    def each(logprobs: dict[str, Any]) -> None:
        for name in ("text_offsets", "text_offset"):
            if name in logprobs:
                logprobs[name] = [value + 1 for value in logprobs[name]]

    return _change(answer, each)


@check(
    "logprobs.order",
    cites=["chat.response.logprobs.likeliest"],
    routes=("chat",),
    needs=[".answers"],
)
def the_likeliest_come_first(api: Api) -> None:
    """In a greedy answer the listed tokens are in the order of their probabilities, and none is listed twice."""
    exchange = asked(api, 4)
    for position, listed in enumerate(_lists(api, exchange)):
        values: list[Any] = [one.get("logprob") for one in listed]
        if not all(isinstance(value, int | float) for value in values):
            raise Violation(f"an entry listed at place {position} has no log probability", exchange)
        falling = all(before + TIE >= after for before, after in pairwise(values))
        expect(falling, f"the log probabilities listed at place {position} do not fall: {values}", exchange)
        # Halves of characters may all be spelt as nothing, without any bytes.
        known = [(one.get("token"), tuple(one["bytes"])) for one in listed if isinstance(one.get("bytes"), list)]
        known = [pair for pair in known if pair[1]]
        expect(len(set(known)) == len(known), f"a token is listed twice at place {position}: {known}", exchange)


@the_likeliest_come_first.mutant
def lists_by_token(answer: Answer) -> Answer:
    """Lists tokens in the order of their names."""
    return _change_lists(answer, lambda listed: sorted(listed, key=lambda one: str(one["token"])))


@the_likeliest_come_first.mutant
def lists_the_chosen_twice(answer: Answer) -> Answer:
    """Lists the chosen token once for being likely and once for being chosen."""

    def each(listed: list[Any]) -> list[Any]:
        return [{**one, "bytes": list(str(one["token"]).encode())} for one in (*listed[:1], *listed)]

    return _change_lists(answer, each)


@check("logprobs.bytes", cites=["chat.response.logprobs.bytes"], routes=("chat",), needs=[".answers"])
def bytes_spell_their_token(api: Api) -> None:
    """Where a token comes with its bytes, they are those of its text in UTF-8."""
    exchange = asked(api, 4)
    items = [item for choice in api.choices(exchange) for item in (choice.get("logprobs") or {}).get("content") or ()]
    for item in [*items, *(one for listed in _lists(api, exchange) for one in listed)]:
        text, raw = item.get("token"), item.get("bytes")
        if not isinstance(text, str) or raw is None or not text or "\ufffd" in text:
            continue
        spelt = list(text.encode("utf-8", "replace"))
        expect(raw == spelt, f"the token {text!r} has the bytes {raw}, not {spelt}", exchange)


@bytes_spell_their_token.mutant
def gives_code_points(answer: Answer) -> Answer:
    """Gives the number of the token's first letter in place of its bytes."""

    def each(logprobs: dict[str, Any]) -> None:
        for item in logprobs.get("content") or ():
            item["bytes"] = [len(str(item["token"]))]

    return _change(answer, each)


def _lists(api: Api, exchange: Exchange) -> list[list[dict[str, Any]]]:
    """The lists of likeliest tokens as they came, in OpenAI's layout."""
    choice = api.choices(exchange)[0]
    if layout_of(choice) != "content":
        raise Skip("this layout of `logprobs` has no lists whose order would mean something")
    lists = [item.get("top_logprobs") or [] for item in choice["logprobs"]["content"] if isinstance(item, dict)]
    return [[one for one in listed if isinstance(one, dict)] for listed in lists if isinstance(listed, list)]


def _change(answer: Answer, change: Callable[[dict[str, Any]], None]) -> Answer:
    def each(choice: dict[str, Any]) -> None:
        if isinstance(choice.get("logprobs"), dict):
            change(choice["logprobs"])

    return answer.edit_choices(each)


def _change_lists(answer: Answer, change: Callable[[list[Any]], list[Any]]) -> Answer:
    def each(logprobs: dict[str, Any]) -> None:
        for item in logprobs.get("content") or ():
            item["top_logprobs"] = change(item.get("top_logprobs") or [])

    return _change(answer, each)


def _change_tops(answer: Answer, change: Callable[[dict[str, float]], dict[str, float]]) -> Answer:
    def each(logprobs: dict[str, Any]) -> None:
        if logprobs.get("top_logprobs"):
            logprobs["top_logprobs"] = [change(top or {}) for top in logprobs["top_logprobs"]]

    def listed(one: list[Any]) -> list[Any]:
        changed = change({item["token"]: item["logprob"] for item in one})
        return [{"token": token, "logprob": value, "bytes": None} for token, value in changed.items()]

    return _change_lists(_change(answer, each), listed)


def _change_all(answer: Answer, change: Callable[[float], float]) -> Answer:
    """The answer with every log probability changed, the chosen tokens' too."""

    def each(logprobs: dict[str, Any]) -> None:
        if "token_logprobs" in logprobs:
            logprobs["token_logprobs"] = [change(value) for value in logprobs["token_logprobs"]]
        for item in logprobs.get("content") or ():
            item["logprob"] = change(item["logprob"])

    return _change_tops(_change(answer, each), lambda top: {text: change(value) for text, value in top.items()})

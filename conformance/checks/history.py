"""The whole conversation reaches the model: the system message, earlier turns, and what stands in them.

Law: what a model says is never judged, only what its usage counts and how likely it finds its first tokens.
"""

from __future__ import annotations

from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.logprobs import wanted
from conformance.layouts import TokenLogprob, tokens_of
from conformance.wire.answer import Ask
from conformance.wire.exchange import Exchange

Messages = list[dict[str, str]]

QUESTION = "Which ship comes first?"
# Pairs of about the same length, of common words, so that no count of tokens has to tell them apart.
SYSTEM = ("Speak of the harbour and the ships.", "Answer in one short plain word.")
LONG = " The keeper of the light wrote the weather into the book every evening, and the wind as well."
TURN = ("The sea is calm today.", "Bread costs two coins now.")
TOKENS = 4
# How much a log probability moves by rounding alone when nothing else changed.
NOISE = 1e-6


def turn(role: str, content: str) -> dict[str, str]:
    """One message."""
    return {"role": role, "content": content}


def counted(api: Api, messages: Messages) -> tuple[int, Exchange] | None:
    """The prompt tokens of a conversation; None when the endpoint refuses it, as some do with a role or an order."""
    exchange = api.ask(messages=messages, max_tokens=1, temperature=0)
    if exchange.status in (400, 422):
        return None
    return api.usage(exchange)["prompt_tokens"], exchange


def expect_growth(api: Api, shorter: Messages, longer: Messages, what: str) -> bool:
    """`Violation` unless the longer conversation has more prompt tokens; whether the endpoint took both."""
    one, other = counted(api, shorter), counted(api, longer)
    if one is None or other is None:
        return False
    message = f"{what}, and the prompt tokens go from {one[0]} to {other[0]}"
    expect(one[0] < other[0], message, one[1], other[1])
    return True


@check(
    "history.system",
    cites=["chat.request.messages"],
    routes=("chat",),
    needs=[".answers", ".usage.prompt-grows"],
    tier="quick",
)
def the_system_message_is_counted(api: Api) -> None:
    """A longer system message means more prompt tokens."""
    # Two of them are compared, since a model's template may have a system message of its own for want of another.
    short, long = ([turn("system", SYSTEM[0] + more), turn("user", QUESTION)] for more in ("", LONG))
    if not expect_growth(api, short, long, "the system message is three times as long"):
        raise Skip("the endpoint refuses a system message")


@the_system_message_is_counted.deaf_mutant
def drops_the_system_message(ask: Ask) -> Ask:
    """Passes only the turns of user and assistant on to the model."""
    return _heard(ask, lambda messages: [one for one in messages if one.get("role") != "system"])


@the_system_message_is_counted.deaf_mutant
def cuts_the_system_message(ask: Ask) -> Ask:
    """Keeps the first 32 characters of a system message."""

    def cut(messages: list[Any]) -> list[Any]:
        return [one | {"content": one["content"][:32]} if one["role"] == "system" else one for one in messages]

    return _heard(ask, cut)


@check(
    "history.turns",
    cites=["chat.request.messages"],
    routes=("chat",),
    needs=[".answers", ".usage.prompt-grows"],
)
def every_turn_is_counted(api: Api) -> None:
    """Each further turn of user and of assistant means more prompt tokens, and so does a longer one."""
    user, assistant, last = turn("user", TURN[0]), turn("assistant", TURN[1]), turn("user", QUESTION)
    steps = (
        ([last], [user, assistant, last], "two turns come before the question"),
        ([user, assistant, last], [turn("user", TURN[0] + LONG), assistant, last], "the first turn is longer"),
        ([user, assistant, last], [user, turn("assistant", TURN[1] + LONG), last], "the answer before is longer"),
        (
            [user, assistant, user, assistant, user, assistant, last],
            [turn("user", TURN[0] + LONG), assistant, user, assistant, user, assistant, last],
            "the first of seven turns is longer",
        ),
    )
    taken = [expect_growth(api, shorter, longer, what) for shorter, longer, what in steps]
    if not any(taken):
        raise Skip("the endpoint refuses a conversation of several turns")


@every_turn_is_counted.deaf_mutant
def hears_the_last_message_only(ask: Ask) -> Ask:
    """Passes only the last message on to the model."""
    return _heard(ask, lambda messages: messages[-1:])


@every_turn_is_counted.deaf_mutant
def forgets_what_it_said(ask: Ask) -> Ask:
    """Leaves the assistant's earlier turns out."""
    return _heard(ask, lambda messages: [one for one in messages if one.get("role") != "assistant"])


@every_turn_is_counted.deaf_mutant
def keeps_a_window_of_four(ask: Ask) -> Ask:
    """Keeps the last four messages of a conversation and drops those before."""
    return _heard(ask, lambda messages: messages[-4:])


@every_turn_is_counted.deaf_mutant
def keeps_a_window_of_two(ask: Ask) -> Ask:
    """Keeps the last two messages of a conversation and drops those before."""
    return _heard(ask, lambda messages: messages[-2:])


@check("history.heeded", cites=["chat.request.messages", "chat.request.logprobs"], routes=("chat",), needs=[".answers"])
def what_was_said_before_is_heeded(api: Api) -> None:
    """Another system message and another earlier turn change how likely the next tokens are."""
    system = [[turn("system", text), turn("user", QUESTION)] for text in SYSTEM]
    history = [[turn("user", text), turn("assistant", text), turn("user", QUESTION)] for text in TURN]
    judged = 0
    for pair, what in ((system, "another system message"), (history, "another earlier turn")):
        one, other = (_likely(api, messages) for messages in pair)
        if one is None or other is None:
            continue
        judged += 1
        if moved(one[1], other[1]):
            continue
        # Whoever gives the same values to everything shows nothing by it.
        question = _likely(api, [turn("user", QUESTION)])
        another = _likely(api, [turn("user", TURN[0])])
        if question is None or another is None or not moved(question[1], another[1]):
            raise Inconclusive("the log probabilities are the same for any prompt")
        raise Violation(f"{what} leaves every log probability exactly as it was", one[0], other[0])
    if not judged:
        raise Skip("the endpoint refuses longer conversations, or gives no log probabilities")


@what_was_said_before_is_heeded.deaf_mutant
def has_one_system_message(ask: Ask) -> Ask:
    """Puts its own system message in the place of the one that was sent."""

    def change(messages: list[Any]) -> list[Any]:
        own = turn("system", "You are a helpful ship.")
        return [own if one.get("role") == "system" else one for one in messages]

    return _heard(ask, change)


@what_was_said_before_is_heeded.deaf_mutant
def blanks_earlier_turns(ask: Ask) -> Ask:
    """Fills earlier turns with a filler of the same length."""

    def change(messages: list[Any]) -> list[Any]:
        earlier = [one | {"content": "x" * len(one["content"])} for one in messages[:-1]]
        return [*earlier, messages[-1]]

    return _heard(ask, change)


def _likely(api: Api, messages: Messages) -> tuple[Exchange, list[TokenLogprob]] | None:
    exchange = api.ask(messages=messages, max_tokens=TOKENS, temperature=0, **wanted(api, 5))
    if exchange.status != 200:
        return None
    try:
        return exchange, tokens_of(api.choices(exchange)[0], exchange)
    except Violation as broken:
        raise Inconclusive(f"the log probabilities cannot be read: {broken.message}") from None


def moved(one: list[TokenLogprob], other: list[TokenLogprob]) -> bool:
    """Whether anything differs: a token, which tokens are likeliest, or how likely one of them is."""
    if not one or not other or [token.text for token in one] != [token.text for token in other]:
        return True
    return any(
        mine.top.keys() != theirs.top.keys()
        or abs(mine.logprob - theirs.logprob) > NOISE
        or any(abs(value - theirs.top[text]) > NOISE for text, value in mine.top.items())
        for mine, theirs in zip(one, other, strict=False)
    )


def _heard(ask: Ask, change: Any) -> Ask:
    """The request with other messages, where it has a list of messages with text."""
    messages = ask.body.get("messages")
    if not isinstance(messages, list) or not all(
        isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)
        for one in messages
    ):
        return ask
    return ask.with_body(messages=change(messages))

"""Isolation again, with many more prompts: for what goes wrong once in fifty requests, where a run may cost that much.

Law: as in `isolation`: greedy answers are compared with the greedy answers to the same prompts alone.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from conformance.api import Api
from conformance.check import Inconclusive, check, expect
from conformance.checks.isolation import TURNED_AWAY, Own, Ties, greedy
from conformance.checks.streaming import streamed_text
from conformance.lanes import MOST
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange

OPENINGS = (
    "",
    "In the morning",
    "Nobody in the village could say why, but",
    "On the third page of the report, under a drawing of a bridge,",
)
# A small model heeds the last words most, so these differ too.
ENDINGS = (
    "the captain",
    "a long trial",
    "bread and salt were",
    "seven of them went to",
    "the light turned and",
    "two engineers asked whether",
    "green paint cost more than",
    "the first letter said: dear",
)
# As many endings as go at once.
PROMPTS = tuple(f"{opening} {ending}".strip() for opening in OPENINGS for ending in ENDINGS)
# One of so many of a batch is streamed.
STREAMED = 2


@check("isolation.crowd", cites=[".isolation.own_answer"], needs=[".stream.opens"], deadline=600, tier="thorough")
def nobody_is_mixed_up_in_a_crowd(api: Api) -> None:
    """Over many rounds of different requests at once, streamed or not, each gets the answer to itself."""
    own: list[Own] = []
    for prompt in PROMPTS:
        exchange = api.answer(**greedy(api, prompt))
        own.append(Own(prompt, api.text(exchange), api.usage(exchange)["prompt_tokens"], exchange))
    ties = Ties()
    for turn in range(len(OPENINGS)):
        # Another opening for each ending, so that those who meet differ in both, and do not end at the same time.
        batch = [own[(turn + place) % len(OPENINGS) * MOST + place] for place in range(MOST)]
        streams = [place % STREAMED == 0 for place in range(len(batch))]
        exchanges = api.together(
            *({**greedy(api, one.prompt), "stream": streamed} for one, streamed in zip(batch, streams, strict=True))
        )
        for one, streamed, exchange in zip(batch, streams, exchanges, strict=True):
            text = _told(api, one, exchange, streamed=streamed)
            ties.expect_own(api, one, own, text, exchange)
    ties.settle()


def _told(api: Api, own: Own, exchange: Exchange, *, streamed: bool) -> str:
    """The text of one of many; `Violation` when it is none, or counts another prompt."""
    if exchange.status in TURNED_AWAY:
        raise Inconclusive(f"{MOST} requests at once were not all served (status {exchange.status})")
    if streamed:
        expect(exchange.status == 200, f"a valid streaming request got status {exchange.status}", exchange)
        return streamed_text(exchange)
    counted = api.usage(exchange)["prompt_tokens"]
    message = f"{own.prompt!r} has {own.counted} prompt tokens alone and {counted} among others"
    expect(counted == own.counted, message, own.exchange, exchange)
    return api.text(exchange)


class _Now:
    """Every so many answers of its kind, the answer before."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._numbers = count(1)
        self._last: dict[tuple[str, bool], Answer] = {}

    def __call__(self, answer: Answer) -> Answer | None:
        if not answer.succeeded:
            return None
        kind = (answer.ask.path, answer.streams)
        last = self._last.get(kind)
        self._last[kind] = answer
        return last if next(self._numbers) % self._every == 0 else None


_rarely, _rarely_streamed = _Now(7), _Now(2)


@nobody_is_mixed_up_in_a_crowd.mutant
def swaps_one_of_seven(answer: Answer) -> Answer:
    """Gives now and then the choices of the request before."""
    other = None if answer.streams else _rarely(answer)
    return answer if other is None else answer.edit(lambda document: document.update(choices=other.json["choices"]))


@nobody_is_mixed_up_in_a_crowd.mutant
def swaps_a_stream(answer: Answer) -> Answer:
    """Sends every other stream the events of the one before."""
    other = _rarely_streamed(answer) if answer.streams else None
    return answer if other is None else replace(other, ask=answer.ask)

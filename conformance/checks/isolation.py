"""Each request gets the answer to itself, whoever else is being answered and whatever was asked before.

Law: what a model says is never judged. Greedy answers are compared with the greedy answers to the same prompts alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Violation, check, expect
from conformance.checks.logprobs import wanted
from conformance.checks.sampling import TIE, Answered, expect_same, greedy_answer
from conformance.checks.streaming import choices, chunks, streamed_text
from conformance.layouts import tokens_of
from conformance.wire.answer import Answer, Ask, payload
from conformance.wire.exchange import Exchange

# Of different lengths, so that the count of a prompt's tokens tells them apart even where a model answers them alike.
PROMPTS = (
    "Copper",
    "The baker of the north square opens at",
    "In the ledger for March, beside the price of rope, somebody had written",
    "Grey herons stand in the reeds and",
    "Seven engines and one whistle: the night train to the coast leaves from the platform where",
    "Please spell the word harbour backwards, then count its letters, then name a colour, and then",
)
TOKENS = 8
SHORTEST = 12
# An endpoint may turn requests away rather than serve so many at once; that mixes nothing up.
TURNED_AWAY = (429, 502, 503, 504, 529)


@dataclass(frozen=True)
class Own:
    """What the endpoint answered to one prompt when it was asked nothing else."""

    prompt: str
    text: str
    counted: int
    exchange: Exchange


def alone(api: Api) -> list[Own]:
    """The greedy answer to each prompt, one after the other, asked once in a run."""

    def make(view: Api) -> list[Own]:
        found = []
        for prompt in view.few(PROMPTS, 3):
            exchange = view.answer(**greedy(view, prompt))
            found.append(Own(prompt, view.text(exchange), view.usage(exchange)["prompt_tokens"], exchange))
        return found

    return api.shared("alone", make)


def together(api: Api, **params: Any) -> list[Exchange]:
    """The same prompts all at once; `Inconclusive` when the endpoint does not serve so many."""
    exchanges = api.together(*({**greedy(api, prompt), **params} for prompt in api.few(PROMPTS, 3)))
    away = [exchange.status for exchange in exchanges if exchange.status in TURNED_AWAY]
    if away:
        raise Inconclusive(f"{len(away)} of {len(exchanges)} requests at once got status {away[0]}")
    return exchanges


def greedy(api: Api, prompt: str) -> dict[str, Any]:
    """The parameters of a short greedy answer."""
    return {**api.prompt(prompt), "temperature": 0, "max_tokens": TOKENS}


def expect_own(api: Api, own: Own, others: Sequence[Own], text: str, exchange: Exchange) -> None:
    """`Violation` when the text is or holds that of another prompt; `Inconclusive` where a tie explains it."""
    if text == own.text:
        return
    for other in others:
        # A short piece may well belong to both.
        inside = len(other.text.strip()) >= SHORTEST and other.text in text and other.text not in own.text
        if not inside and (other.text != text or not text.strip()):
            continue
        if _may_part(api, own, text):
            raise Inconclusive(
                f"{own.prompt!r} got what {other.prompt!r} gets, but where it parts from its own two tokens are about "
                f"as likely: {text!r}"
            )
        message = f"{own.prompt!r} gets {own.text!r} alone; with others it got what {other.prompt!r} gets: {text!r}"
        raise Violation(message, own.exchange, other.exchange, exchange)


class Ties:
    """Puts off what a tie explains until all are looked at: another answer that no tie explains outranks it."""

    def __init__(self) -> None:
        self._first: Inconclusive | None = None

    def expect_own(self, api: Api, own: Own, others: Sequence[Own], text: str, exchange: Exchange) -> None:
        """`Violation` when the text is or holds that of another prompt and no tie explains it."""
        try:
            expect_own(api, own, others, text, exchange)
        except Inconclusive as tie:
            self._first = self._first or tie

    def settle(self) -> None:
        """`Inconclusive` when there was a tie."""
        if self._first is not None:
            raise self._first


def _may_part(api: Api, own: Own, text: str) -> bool:
    """Whether the greedy answer to that prompt alone might as well go on as `text` does."""
    asked = greedy(api, own.prompt)
    if not api.offers("logprobs"):
        return any(api.text(api.answer(**asked)) != own.text for _ in range(2))
    exchange = api.ask(**asked, **wanted(api, 5))
    if exchange.status != 200:
        return any(api.text(api.answer(**asked)) != own.text for _ in range(2))
    said = ""
    for token in tokens_of(api.choices(exchange)[0], exchange):
        said += token.text
        if not token.legible or not text.startswith(said):
            likely = sorted(token.top.values(), reverse=True)
            return not token.legible or (len(likely) > 1 and likely[0] - likely[1] <= TIE)
    return False


@check("isolation.own-answer", cites=[".isolation.own_answer"], needs=[".answers"], tier="quick")
def each_prompt_gets_its_own_answer(api: Api) -> None:
    """Of many requests at once each gets its own answer, with its own id and its own count of prompt tokens."""
    expected = alone(api)
    exchanges = together(api)
    ties = Ties()
    for own, exchange in zip(expected, exchanges, strict=True):
        counted = api.usage(exchange)["prompt_tokens"]
        message = f"{own.prompt!r} has {own.counted} prompt tokens alone and {counted} among others"
        expect(counted == own.counted, message, own.exchange, exchange)
        ties.expect_own(api, own, expected, api.text(exchange), exchange)
    ids = Counter(str(name) for exchange in exchanges if (name := exchange.json.get("id")))
    for name, count in ids.most_common(1):
        expect(count == 1, f"{count} of {len(exchanges)} answers at once have the id {name!r}", *exchanges[:2])
    ties.settle()


class _Again:
    """Knows, for a server with a fault, whether a request came before: here the first time alone, then among others."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self.last: dict[str, Answer] = {}

    def __call__(self, answer: Answer) -> Answer | None:
        """The last answer to another request, when this request came an even number of times."""
        if not answer.succeeded:
            return None
        self._seen[answer.ask.raw] += 1
        last = self.last.get(answer.ask.path)
        self.last[answer.ask.path] = answer
        repeated = self._seen[answer.ask.raw] % 2 == 0
        return last if repeated and last is not None and last.streams == answer.streams else None


def _with_part_of(other: Answer | None, answer: Answer, name: str) -> Answer:
    """The answer with that part of the other one, where there is one in one piece."""
    if other is None or other.streams:
        return answer
    return answer.edit(lambda document: document.update({name: other.json[name]}))


_swapped, _cross_counted, _mixed_ids = _Again(), _Again(), _Again()


@each_prompt_gets_its_own_answer.mutant
def swaps_answers(answer: Answer) -> Answer:
    """Gives a request among others the answer that was meant for the one before it."""
    return _with_part_of(_swapped(answer), answer, "choices")


@each_prompt_gets_its_own_answer.mutant
def counts_its_neighbour(answer: Answer) -> Answer:
    """Reports the usage of another request in the same batch."""
    return _with_part_of(_cross_counted(answer), answer, "usage")


@each_prompt_gets_its_own_answer.mutant
def one_id_for_a_batch(answer: Answer) -> Answer:
    """Gives all requests of a batch one id."""
    other = _mixed_ids(answer)
    return answer if other is None else answer.edit(lambda document: document.update(id="batch-1"))


@check("isolation.streams", cites=[".isolation.own_answer"], needs=[".stream.opens"], tier="quick")
def streams_do_not_mix(api: Api) -> None:
    """Of many streams at once each has its own text under one id that no other has."""
    expected = alone(api)
    exchanges = together(api, stream=True)
    ids: dict[str, Exchange] = {}
    ties = Ties()
    for own, exchange in zip(expected, exchanges, strict=True):
        expect(exchange.status == 200, f"a valid streaming request got status {exchange.status}", exchange)
        seen = {str(chunk["id"]) for chunk in chunks(exchange) if chunk.get("id") and chunk.get("choices")}
        expect(len(seen) <= 1, f"a stream among others has {len(seen)} ids", exchange)
        for name in seen:
            expect(name not in ids, f"two streams at once have the id {name!r}", *_both(ids.get(name), exchange))
            ids[name] = exchange
        indices = {choice.get("index", 0) for choice in choices(exchange)}
        expect(len(indices) == 1, f"a stream of one choice has the indices {sorted(map(str, indices))}", exchange)
        ties.expect_own(api, own, expected, streamed_text(exchange), exchange)
    ties.settle()


def _both(one: Exchange | None, other: Exchange) -> tuple[Exchange, ...]:
    return (other,) if one is None else (one, other)


_crossed, _spliced = _Again(), _Again()


@streams_do_not_mix.mutant
def sends_a_stream_to_its_neighbour(answer: Answer) -> Answer:
    """Sends the events of one stream down the connection of another."""
    if not answer.streams:
        return answer
    last = _crossed.last.get(answer.ask.path)
    _crossed.last[answer.ask.path] = answer
    return answer if last is None or last.ask.raw == answer.ask.raw else replace(last, ask=answer.ask)


@streams_do_not_mix.mutant
def splices_streams(answer: Answer) -> Answer:
    """Puts the events of the stream before into the middle of each stream."""
    if not answer.frames:
        return answer
    last = _spliced.last.get(answer.ask.path)
    _spliced.last[answer.ask.path] = answer
    if last is None or last.frames is None or last.ask.raw == answer.ask.raw:
        return answer
    whole = [one for one in last.frames if payload(one) is not None]
    return answer.with_frames((*answer.frames[:3], *whole, *answer.frames[3:]))


@check("isolation.greedy", cites=[".request.temperature.greedy"], needs=[".answers"])
def company_does_not_change_greedy_answers(api: Api) -> None:
    """With temperature 0 the same request gets the same text when it is sent several times at once."""
    first = greedy_answer(api)
    logprobs = {"logprobs", "top_logprobs"} & set(first.exchange.sent.json)
    params = {name: first.exchange.sent.json[name] for name in logprobs}
    exchanges = api.together(*({**_repeated(api, first.exchange), **params} for _ in range(4)))
    if any(exchange.status in TURNED_AWAY for exchange in exchanges):
        raise Inconclusive(f"{len(exchanges)} requests at once were not all served")
    again = [Answered.of(api, exchange, first.tokens) for exchange in exchanges]
    expect_same([first, *again], "a greedy answer changes in company")


def _repeated(api: Api, exchange: Exchange) -> dict[str, Any]:
    """The parameters of a request that was sent."""
    sent: dict[str, Any] = exchange.sent.json
    return {name: value for name, value in sent.items() if api.offers(name)}


_busy: Counter[bytes] = Counter()


@company_does_not_change_greedy_answers.deaf_mutant
def samples_when_busy(ask: Ask) -> Ask:
    """Takes the temperature of a batch from its first request: one that comes again is sampled."""
    _busy[ask.raw] += 1
    return ask if _busy[ask.raw] % 5 == 1 else ask.with_body(temperature=0.9 + _busy[ask.raw] % 900 / 10_000)


@check("isolation.no-memory", cites=[".isolation.no_memory"], needs=[".answers"])
def nothing_is_remembered(api: Api) -> None:
    """The answer to a prompt does not depend on the prompt before it."""
    prompt = greedy(api, PROMPTS[1])
    before = api.answer(**prompt)
    between = api.answer(**greedy(api, PROMPTS[5]))
    after = api.answer(**prompt)
    counts = [api.usage(exchange)["prompt_tokens"] for exchange in (before, after)]
    expect(
        counts[0] == counts[1],
        f"a prompt has {counts[0]} prompt tokens, and {counts[1]} after another prompt",
        before,
        between,
        after,
    )
    own, other = (
        Own(PROMPTS[number], api.text(exchange), 0, exchange) for number, exchange in ((1, before), (5, between))
    )
    expect_own(api, own, [other], api.text(after), after)


_kept: dict[str, Any] = {}


@nothing_is_remembered.deaf_mutant
def keeps_the_conversation(ask: Ask) -> Ask:
    """Puts the request before in front of each request, as a server with a session would."""
    name = "messages" if ask.route == "chat" else "prompt"
    own: Any = ask.body.get(name)
    last: Any = _kept.get(ask.route, own)
    _kept[ask.route] = own
    if last == own:
        return ask
    if isinstance(own, str) and isinstance(last, str):
        return ask.with_body(**{name: last + own})
    return ask.with_body(**{name: [*last, *own]}) if isinstance(own, list) and isinstance(last, list) else ask


_uncleared = _Again()


@nothing_is_remembered.mutant
def answers_from_a_slot(answer: Answer) -> Answer:
    """Repeats the answer before when a prompt comes back, as if the slot had not been cleared."""
    return _with_part_of(_uncleared(answer), answer, "choices")

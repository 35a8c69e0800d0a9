"""Stop sequences where they are hard: several, overlapping, across tokens, in the prompt, beyond ASCII, in a stream.

Law: every sequence is cut out of what the endpoint itself says greedily; where that cannot be told apart from an answer
that went another way, nothing is concluded.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, check, expect
from conformance.checks.logprobs import wanted
from conformance.checks.stopping import PROMPT, greedy
from conformance.checks.streaming import choices, streamed_text
from conformance.layouts import readable_tokens
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

NEVER = "seatrial never says this"
MOST = 24


@dataclass(frozen=True)
class Said:
    """The greedy text without any stop sequence, up to its first half character, and the answer that has it."""

    text: str
    exchange: Exchange

    def cut_at(self, stop: str) -> str:
        """The text before the first place of `stop`."""
        return self.text[: self.text.index(stop)]


def said(api: Api, *, to_the_end: bool = False) -> Said:
    """What the endpoint says greedily; `Inconclusive` when that is too little to cut something out of it.

    A check that compares texts as far as they go wants one without half characters `to_the_end`.
    """
    exchange = greedy(api)
    text = api.text(exchange)
    legible = text.partition("\ufffd")[0]
    if len(legible.strip()) < 12 or (to_the_end and legible != text):
        raise Inconclusive(f"the greedy answer {text!r} is too short or too broken to cut stop sequences out of it")
    return Said(legible, exchange)


def piece(text: str, start: int, length: int) -> str:
    """The first so long part of `text` from `start` on that stands nowhere before; `Inconclusive` when there is none.

    It begins and ends with a visible character, since a server may drop white space around a sequence.
    """
    for place in range(start, len(text) - length):
        part = text[place : place + length]
        if text.index(part) == place and part == part.strip():
            return part
    raise Inconclusive(f"the greedy answer {text!r} repeats itself, so no part of it marks one place")


def stopped(api: Api, stop: Any, expected: str, why: str, *, streams: bool = False) -> Exchange:
    """Ask again with `stop`; `Violation` unless the answer is `expected`, `Inconclusive` when it went another way."""
    whole = said(api)
    params = {**api.prompt(PROMPT), "temperature": 0, "max_tokens": MOST, "stop": stop}
    exchange = api.stream(**params) if streams else api.answer(**params)
    text = streamed_text(exchange) if streams else api.text(exchange)
    if not (text.startswith(expected) or expected.startswith(text)):
        raise Inconclusive(f"the answer went another way than without a stop sequence: {text!r}")
    if text.rstrip() == expected.rstrip():
        return exchange  # white space at the end of an answer may be dropped
    expect(len(text) <= len(expected), f"{why}: the answer goes on to {text!r}", whole.exchange, exchange)
    expect(len(text) == len(expected), f"{why}: the answer ends early, with {text!r}", whole.exchange, exchange)
    return exchange


def reason_of(exchange: Exchange, api: Api) -> Any:
    """The finish_reason of the only choice, of an answer or of a stream."""
    found = choices(exchange) if exchange.media_type == "text/event-stream" else api.choices(exchange)
    return found[-1].get("finish_reason")


@check("stop.several", cites=[".request.stop.ends"], needs=[".stop.ends"])
def the_first_of_several_ends_the_answer(api: Api) -> None:
    """Of several stop sequences the one that appears first ends the answer, whatever their order in the list."""
    whole = said(api)
    early = piece(whole.text, 2, 3)
    # Far enough apart that no token has both: an engine that looks after each token cannot tell which came first.
    late = piece(whole.text, whole.text.index(early) + max(12, min(30, len(whole.text) // 2)), 3)
    for stop in ([early, late], [NEVER, late, early]):
        exchange = stopped(api, stop, whole.cut_at(early), f"{early!r} appears before {late!r}")
        expect(reason_of(exchange, api) == "stop", "a stop sequence ended the answer, and it says otherwise", exchange)


@the_first_of_several_ends_the_answer.deaf_mutant
def heeds_the_first_in_the_list(ask: Ask) -> Ask:
    """Heeds a later sequence of the list only where the one before never comes."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=[one for one in stop if one != NEVER][:1]) if isinstance(stop, list) else ask


@the_first_of_several_ends_the_answer.deaf_mutant
def heeds_two_at_most(ask: Ask) -> Ask:
    """Drops what is more than two stop sequences."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=stop[:2]) if isinstance(stop, list) else ask


@check("stop.overlapping", cites=[".request.stop.ends"], needs=[".stop.ends"])
def overlapping_sequences_end_at_the_first(api: Api) -> None:
    """A stop sequence that begins another, or lies within one, ends the answer as soon as it is complete."""
    whole = said(api)
    short = piece(whole.text, 3, 3)
    # The longer ones begin like the answer and never come to their end, so waiting for them is waiting in vain.
    around = whole.text[whole.text.index(short) - 2 :][:5]
    for longer in (f"{short}~#~", f"{around}~#~"):
        for stop in ([longer, short], [short, longer]):
            stopped(api, stop, whole.cut_at(short), f"{short!r} is complete before {longer!r} can be")


@overlapping_sequences_end_at_the_first.deaf_mutant
def waits_for_the_longest(ask: Ask) -> Ask:
    """Keeps only the longest of stop sequences that begin alike."""
    stop = ask.body.get("stop")
    if not isinstance(stop, list):
        return ask
    return ask.with_body(stop=[one for one in stop if not any(one != two and two.startswith(one) for two in stop)])


@overlapping_sequences_end_at_the_first.deaf_mutant
def drops_what_others_contain(ask: Ask) -> Ask:
    """Drops a stop sequence that lies within another one, as a set of patterns would that prefers the longest."""
    stop = ask.body.get("stop")
    if not isinstance(stop, list):
        return ask
    return ask.with_body(stop=[one for one in stop if not any(one != two and one in two[1:] for two in stop)])


@check("stop.across-tokens", cites=[".request.stop.ends"], needs=[".stop.ends"])
def a_sequence_may_span_tokens(api: Api) -> None:
    """A stop sequence that ends one token and begins the next ends the answer, and neither part of it is left."""
    whole = said(api)
    stop = across(api, whole.text)
    exchange = stopped(api, stop, whole.cut_at(stop), f"{stop!r} spans two tokens")
    expect(reason_of(exchange, api) == "stop", "a stop sequence ended the answer, and it says otherwise", exchange)


def across(api: Api, text: str) -> str:
    """The end of one token with the beginning of the next; around a space where the tokens are not to be had."""
    for place in boundaries(api, text):
        stop = text[place - 2 : place + 2]
        if place >= 4 and len(stop) == 4 and text.index(stop) == place - 2 and stop == stop.strip():
            return stop
    raise Inconclusive(f"in the greedy answer {text!r} no part that spans two tokens marks one place")


def boundaries(api: Api, text: str) -> list[int]:
    """Where tokens begin, those of words first: by the log probabilities, or else before each space."""
    spaces = [place for place, character in enumerate(text) if character == " " and place]
    if not api.offers("logprobs"):
        return spaces
    params = {**api.prompt(PROMPT), "temperature": 0, "max_tokens": MOST, **wanted(api, 1)}
    exchange = api.ask(**params)
    if exchange.status != 200 or not api.text(exchange).startswith(text):
        return spaces
    places, at = [], 0
    for token in readable_tokens(api.choices(exchange)[0], exchange):
        if at >= len(text) or not text.startswith(token.text, at):
            break
        places += [at] if at else []
        at += len(token.text)
    return sorted(places, key=lambda place: text[place] != " ") or spaces


@a_sequence_may_span_tokens.deaf_mutant
def looks_within_words(ask: Ask) -> Ask:
    """Compares one token at a time with the stop sequences, so that one with a space inside is never found."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=...) if isinstance(stop, str) and " " in stop.strip() else ask


@a_sequence_may_span_tokens.mutant
def leaves_the_first_half(answer: Answer) -> Answer:
    """Takes only the last token of a stop sequence away."""
    stop = answer.ask.body.get("stop")
    return lengthened(answer, stop[:2]) if isinstance(stop, str) else answer


@check("stop.in-prompt", cites=[".request.stop.ends"], needs=[".stop.ends"], tier="quick")
def a_sequence_in_the_prompt_ends_nothing(api: Api) -> None:
    """A stop sequence that stands in the prompt and not in the answer changes nothing."""
    whole = said(api, to_the_end=True)
    words = PROMPT.split()
    pairs = (f"{one} {two}" for one, two in pairwise(words))
    stop = next((pair for pair in pairs if pair not in whole.text), None)
    if stop is None:
        raise Inconclusive("the greedy answer has every part of the prompt in it")
    exchange = stopped(api, [stop], whole.text, f"{stop!r} stands in the prompt only")
    reasons = reason_of(whole.exchange, api), reason_of(exchange, api)
    expect(reasons[0] == reasons[1], f"{stop!r} never comes, and the answer ends with {reasons[1]!r}", exchange)


@a_sequence_in_the_prompt_ends_nothing.mutant
def stops_at_its_prompt(answer: Answer) -> Answer:
    """Looks for stop sequences in prompt and answer together, and has nothing to say."""
    stop = answer.ask.body.get("stop")
    first = stop[0] if isinstance(stop, list) and stop else ""
    asked = str(answer.ask.body.get("prompt") or answer.ask.body.get("messages"))
    return shortened(answer, 0) if first and first in asked else answer


@a_sequence_in_the_prompt_ends_nothing.deaf_mutant
def looks_for_single_words(ask: Ask) -> Ask:
    """Takes each word of a stop sequence for one."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=[*stop[0], "e"][:4]) if isinstance(stop, list) and len(stop) == 1 else ask


@check("stop.unicode", cites=[".request.stop.ends"], needs=[".stop.ends"])
def sequences_are_compared_as_they_are(api: Api) -> None:
    """A stop sequence with accents, of full width or of emoji is accepted and is not taken for its plain letters."""
    whole = said(api, to_the_end=True)
    plain = next((word for word in whole.text.split() if word.isascii() and word.isalpha() and len(word) > 2), None)
    if plain is None:
        raise Inconclusive(f"the greedy answer {whole.text!r} has no plain word")
    accented = unicodedata.normalize("NFC", plain[0] + "".join(f"{letter}\u0301" for letter in plain[1:]))
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in plain)
    for stop in ([accented, wide], ["\u26f5", "\U0001f44d\U0001f3fd"]):
        absent = [one for one in stop if one not in whole.text]
        if absent:
            stopped(api, absent, whole.text, f"{' and '.join(absent)} never come")
    own = next((part for part in whole.text if ord(part) > 0x7F and part.isprintable() and part.strip()), None)
    if own is not None:
        stopped(api, own, whole.cut_at(own), f"{own!r} is in the answer")


@sequences_are_compared_as_they_are.deaf_mutant
def folds_letters(ask: Ask) -> Ask:
    """Brings stop sequences into a compatible form without accents before it looks for them."""
    stop = ask.body.get("stop")
    if not isinstance(stop, list):
        return ask
    forms = (unicodedata.normalize("NFKD", one) for one in stop)
    return ask.with_body(stop=["".join(c for c in form if not unicodedata.combining(c)) for form in forms])


@sequences_are_compared_as_they_are.mutant
def refuses_emoji(answer: Answer) -> Answer:
    """Refuses a stop sequence that is not ASCII."""
    stop = answer.ask.body.get("stop") or ()
    return answer if all(one.isascii() for one in stop) else answer.with_error(400)


@check(
    "stop.streamed",
    cites=[".request.stop.ends", ".request.stream"],
    needs=[".stop.ends", ".stream.opens"],
    tier="quick",
)
def a_stream_never_begins_a_stop_sequence(api: Api) -> None:
    """A stream ends before the stop sequence too, lets no part of it out, and says that it stopped."""
    whole = said(api)
    stop = piece(whole.text, len(whole.text) // 2 - 3, 5)
    exchange = stopped(api, [stop], whole.cut_at(stop), f"{stop!r} ends the stream", streams=True)
    reason = reason_of(exchange, api)
    expect(reason == "stop", f"a stop sequence ended a stream with {reason!r}, not 'stop'", exchange)


@a_stream_never_begins_a_stop_sequence.deaf_mutant
def streams_past_the_stop(ask: Ask) -> Ask:
    """Heeds stop sequences in whole answers only."""
    return ask.with_body(stop=...) if ask.body.get("stream") else ask


@a_stream_never_begins_a_stop_sequence.mutant
def lets_the_beginning_out(answer: Answer) -> Answer:
    """Has sent the beginning of the stop sequence before it knew that it was one."""
    stop = answer.ask.body.get("stop")
    return lengthened(answer, stop[0][:2]) if stop and answer.streams else answer


@a_stream_never_begins_a_stop_sequence.mutant
def streams_another_reason(answer: Answer) -> Answer:
    """Says in a stream that the limit ended the answer when a stop sequence did."""

    def change(choice: dict[str, Any]) -> None:
        if choice.get("finish_reason") == "stop":
            choice["finish_reason"] = "length"

    return answer.edit_choices(change) if answer.streams else answer


@check("stop.held-back", cites=[".request.stop", ".request.stream"], needs=[".stop.ends", ".stream.opens"])
def what_was_held_back_is_sent(api: Api) -> None:
    """Text that begins like a stop sequence and turns out not to be one is sent, at the end of the answer too."""
    whole = said(api, to_the_end=True)
    for ending in (whole.text[-2:], whole.text[4:6]):
        stop = f"{ending}~#~"
        for streams in (False, True):
            stopped(api, [stop], whole.text, f"the answer has {ending!r} but not {stop!r}", streams=streams)


@what_was_held_back_is_sent.mutant
def forgets_what_it_held_back(answer: Answer) -> Answer:
    """Never sends the end of a stream that might have been the beginning of a stop sequence."""
    return shortened(answer, -2) if answer.ask.body.get("stop") and answer.streams else answer


@what_was_held_back_is_sent.mutant
def trims_the_beginning_of_a_stop(answer: Answer) -> Answer:
    """Takes away what looks like the beginning of a stop sequence at the end of an answer."""
    return answer if answer.streams or not answer.ask.body.get("stop") else shortened(answer, -2)


def lengthened(answer: Answer, more: str) -> Answer:
    """The answer with `more` at the end of its text: on the last chunk of a stream."""

    def change(choice: dict[str, Any]) -> None:
        holder = choice.get("message") or choice.get("delta") or choice
        key = "text" if "text" in choice else "content"
        if choice.get("finish_reason"):
            holder[key] = f"{holder.get(key) or ''}{more}"

    return answer.edit_choices(change)


def shortened(answer: Answer, end: int) -> Answer:
    """The answer with its text cut at `end`, a place as Python counts them; in a stream, its last text is."""
    last = _last_text(answer)
    place = -1

    def change(choice: dict[str, Any]) -> None:
        nonlocal place
        place += 1
        holder = choice.get("message") or choice.get("delta") or choice
        key = "text" if "text" in choice else "content"
        if holder.get(key) and (not answer.streams or place == last):
            holder[key] = holder[key][:end]

    return answer.edit_choices(change)


def _last_text(answer: Answer) -> int:
    """The number of the last choice in a stream's chunks that has text."""
    texts: list[bool] = []

    def look(choice: dict[str, Any]) -> None:
        texts.append(bool((choice.get("delta") or choice).get("content" if "delta" in choice else "text")))

    if answer.streams:
        answer.edit_choices(look)
    return max((place for place, has in enumerate(texts) if has), default=-1)

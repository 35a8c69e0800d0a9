"""What ends an answer: stop sequences, and the end-of-sequence token.

Stop sequences are cut out of what the endpoint itself says greedily, so nothing depends on what a model likes to say.
"""

from __future__ import annotations

from conformance.api import Api
from conformance.check import Inconclusive, check, expect
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

PROMPT = "The old captain said that the sea"
ENDINGS = ("The end.", "Goodbye.", "The ship came home.")


def greedy(api: Api) -> Exchange:
    """A greedy answer of 24 tokens, asked once in a run."""
    return api.shared("greedy-24", lambda view: view.answer(**view.prompt(PROMPT), temperature=0, max_tokens=24))


def inner_piece(text: str) -> str:
    """Three characters from the middle of `text` that do not start it; `Inconclusive` when it is too short."""
    middle = len(text) // 2
    piece = text[middle : middle + 3]
    if len(piece) < 3 or text.startswith(piece):
        raise Inconclusive(f"the greedy answer {text!r} is too short to cut a stop sequence out of it")
    return piece


def stopped_in_a_list(api: Api, stop: str) -> Exchange:
    """The same with that stop sequence in a list, asked once in a run."""
    params = {"temperature": 0, "max_tokens": 24, "stop": [stop]}
    return api.shared("greedy-24-stop", lambda view: view.answer(**view.prompt(PROMPT), **params))


@check("stop.excluded", cites=[".request.stop.excluded"], needs=[".answers"], tier="quick")
def the_stop_sequence_is_excluded(api: Api) -> None:
    """The returned text does not contain a stop sequence, given as a string or in a list."""
    piece = inner_piece(api.text(greedy(api)))
    for stop in (piece, [piece], ["seatrial never says this", piece]):
        if stop == [piece]:
            exchange = stopped_in_a_list(api, piece)
        else:
            exchange = api.answer(**api.prompt(PROMPT), temperature=0, max_tokens=24, stop=stop)
        text = api.text(exchange)
        expect(piece not in text, f"the text contains the stop sequence {piece!r}", exchange)


@the_stop_sequence_is_excluded.deaf_mutant
def ignores_stop(ask: Ask) -> Ask:
    """Generates past every stop sequence."""
    return ask.with_body(stop=...)


@the_stop_sequence_is_excluded.deaf_mutant
def ignores_a_string(ask: Ask) -> Ask:
    """Understands a list of stop sequences but not a single string."""
    return ask.with_body(stop=...) if isinstance(ask.body.get("stop"), str) else ask


@the_stop_sequence_is_excluded.deaf_mutant
def reads_the_first_only(ask: Ask) -> Ask:
    """Looks for the first of several stop sequences only."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=stop[:1]) if isinstance(stop, list) else ask


@the_stop_sequence_is_excluded.mutant
def returns_the_stop_sequence(answer: Answer) -> Answer:
    """Leaves the stop sequence at the end of the text."""
    stop = answer.ask.body.get("stop")
    piece = stop if isinstance(stop, str) else stop[-1] if stop else ""
    return _append(answer, piece)


@check("stop.ends", cites=[".request.stop.ends"], needs=[".answers"], tier="quick")
def the_stop_sequence_ends_the_answer(api: Api) -> None:
    """Generation ends where the stop sequence appears, with `finish_reason` `stop`."""
    whole = api.text(greedy(api))
    piece = inner_piece(whole)
    before = whole[: whole.index(piece)]
    exchange = stopped_in_a_list(api, piece)
    text = api.text(exchange)
    if not (text.startswith(before) or before.startswith(text)):
        raise Inconclusive("greedy answers differ, so where the stop sequence would appear is not known")
    expect(len(text) <= len(before), f"the answer goes on after the stop sequence {piece!r}", greedy(api), exchange)
    expect(len(text) == len(before), f"the answer ends before the stop sequence {piece!r}", greedy(api), exchange)
    reason = api.choices(exchange)[0].get("finish_reason")
    expect(reason == "stop", f"a stop sequence ended the answer with {reason!r}, not 'stop'", exchange)


@the_stop_sequence_ends_the_answer.mutant
def says_length_after_a_stop(answer: Answer) -> Answer:
    """Reports `length` when a stop sequence ended the answer."""
    return answer.edit_choices(lambda c: c.update(finish_reason="length")) if answer.ask.body.get("stop") else answer


@the_stop_sequence_ends_the_answer.mutant
def goes_on_after_a_stop(answer: Answer) -> Answer:
    """Blanks the stop sequence and goes on."""
    return _append(answer, " ... and so on") if answer.ask.body.get("stop") else answer


@check("ignore-eos.continues", cites=[".request.ignore_eos.continues"], needs=[".answers"])
def ignore_eos_continues(api: Api) -> None:
    """With `ignore_eos` true an answer ends at `max_tokens` and nowhere else."""
    for prompt in ENDINGS:
        exchange = api.answer(**api.prompt(prompt), ignore_eos=True, max_tokens=48, temperature=1)
        reason = api.choices(exchange)[0].get("finish_reason")
        counted = api.usage(exchange)["completion_tokens"]
        expect(reason == "length", f"with `ignore_eos` true an answer ended with {reason!r}, not 'length'", exchange)
        expect(counted == 48, f"with `ignore_eos` true an answer of 48 tokens counts {counted}", exchange)


@ignore_eos_continues.deaf_mutant
def always_heeds_eos(ask: Ask) -> Ask:
    """Ends at the end-of-sequence token although it was told to go on."""
    return ask.with_body(ignore_eos=False)


@ignore_eos_continues.mutant
def says_stop_at_the_limit(answer: Answer) -> Answer:
    """Reports `stop` at `max_tokens`."""
    return answer.edit_choices(lambda choice: choice.update(finish_reason="stop"))


def _append(answer: Answer, piece: str) -> Answer:
    """The answer with `piece` at the end of each choice's text."""

    def change(choice: dict[str, object]) -> None:
        message = choice.get("message")
        if isinstance(message, dict):
            message["content"] += piece
        elif isinstance(choice.get("text"), str):
            choice["text"] = f"{choice['text']}{piece}"

    return answer if answer.streams else answer.edit_choices(change)

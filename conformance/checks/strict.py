"""What the tables rule out without saying what becomes of it: taken without a word, it earns a warning.

Law: the level is SHOULD, and what can be read as what the table asks for (a number in a string, 2.0 for 2) is let pass.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from conformance.api import Api
from conformance.check import check, expect
from conformance.checks.basics import REFUSED
from conformance.checks.selection import BEAM_CONDITIONS, beam_search_against, streamed_best_of
from conformance.checks.streaming import choices, greedy_stream, piece_of, stream_of_two
from conformance.rows.complaints import acceptance_of_broken
from conformance.wire.answer import Answer, Ask

NUMBER = 17
BOOLEANS = ("n", "temperature")


@check("type.text", cites=[".type.text"], needs=[".answers"])
def a_number_is_no_text(api: Api) -> None:
    """A number where the prompt or the content of a message belongs is refused."""
    prompt = {"messages": [{"role": "user", "content": NUMBER}]} if api.route == "chat" else {"prompt": NUMBER}
    exchange = api.send(api.body(**prompt))
    what = "the content of a message" if api.route == "chat" else "`prompt`"
    complaint = acceptance_of_broken(exchange)
    expect(not complaint, f"the number {NUMBER} for {what} {complaint}", exchange)


@a_number_is_no_text.mutant
def prints_numbers(answer: Answer) -> Answer:
    """Turns a number into its digits and answers those."""
    body = answer.ask.body
    said = body["messages"][-1].get("content") if body.get("messages") else body.get("prompt")
    return answer.with_success() if type(said) is int else answer


@check("type.numbers", cites=[".type.numbers"], needs=[".answers"])
def a_boolean_is_no_number(api: Api) -> None:
    """A boolean where a number belongs is refused."""
    for name in BOOLEANS:
        if api.offers(name) and name not in api.unsupported:
            exchange = api.send(api.body(**{name: True}))
            complaint = acceptance_of_broken(exchange)
            expect(not complaint, f"`{name}` true {complaint}", exchange)


@a_boolean_is_no_number.mutant
def counts_true_as_one(answer: Answer) -> Answer:
    """Takes true for 1."""
    return answer.with_success() if answer.ask.body.get("n") is True else answer


@a_boolean_is_no_number.mutant
def warms_to_true(answer: Answer) -> Answer:
    """Takes true for a temperature."""
    return answer.with_success() if answer.ask.body.get("temperature") is True else answer


@check("best_of.in-pieces", cites=[".request.best_of.streamed"], needs=[".stream.opens"], tier="quick")
def the_best_does_not_come_in_pieces(api: Api) -> None:
    """A stream of the best of several candidates is refused, or brings each choice in one piece, once it is known."""
    exchange = streamed_best_of(api)
    if exchange.status in REFUSED or exchange.media_type != "text/event-stream":
        return
    pieces = Counter(str(choice.get("index")) for choice in choices(exchange) if piece_of(choice))
    most = max(pieces.values(), default=0)
    expect(most <= 1, f"`best_of` 3 with `stream` was sent in {most} pieces, as if there were one candidate", exchange)


@the_best_does_not_come_in_pieces.deaf_mutant
def streams_another_answer(ask: Ask) -> Ask:
    """Leaves `best_of` aside where a stream is wanted, and sends what it samples piece by piece."""
    return ask.with_body(best_of=...) if ask.body.get("stream") and "best_of" in ask.body else ask


def _search_is_refused(api: Api, broken: str) -> None:
    exchange = beam_search_against(api, broken)
    complaint = acceptance_of_broken(exchange)
    expect(not complaint, f"beam search with `{broken}` {BEAM_CONDITIONS[broken][broken]} {complaint}", exchange)


def _searches(answer: Answer, broken: str) -> bool:
    body = answer.ask.body
    return bool(body.get("use_beam_search")) and all(
        body.get(name) == value for name, value in BEAM_CONDITIONS[broken].items()
    )


@check("beam.one-candidate", cites=[".request.use_beam_search.candidates"], needs=[".answers"])
def a_search_needs_candidates(api: Api) -> None:
    """Beam search without several candidates is refused."""
    _search_is_refused(api, "best_of")


@a_search_needs_candidates.mutant
def falls_back_to_sampling(answer: Answer) -> Answer:
    """Samples where it was asked to search with a single beam."""
    return answer.with_success() if _searches(answer, "best_of") else answer


@check("beam.warm", cites=[".request.use_beam_search.temperature"], needs=[".answers"])
def a_search_has_no_temperature(api: Api) -> None:
    """Beam search with a temperature above 0 is refused."""
    _search_is_refused(api, "temperature")


@a_search_has_no_temperature.mutant
def overlooks_the_temperature(answer: Answer) -> Answer:
    """Searches although a temperature was asked for."""
    return answer.with_success() if _searches(answer, "temperature") else answer


@check("stream.introduced", cites=["chat.stream.role"], routes=("chat",), needs=[".stream.role"], tier="quick")
def a_stream_says_who_speaks(api: Api) -> None:
    """Each choice of a stream says once that its author is the assistant."""
    two = stream_of_two(api)
    for exchange in (greedy_stream(api), *([two] if two else [])):
        every = choices(exchange)
        begun = {str(choice.get("index", 0)) for choice in every if piece_of(choice)}
        told = {str(choice.get("index", 0)) for choice in every if (choice.get("delta") or {}).get("role")}
        silent = sorted(begun - told)
        expect(
            not silent, f"no delta of choice {', '.join(silent)} has a role: whose message it is stays open", exchange
        )


@a_stream_says_who_speaks.mutant
def speaks_anonymously(answer: Answer) -> Answer:
    """Leaves the role out of every delta."""
    return answer.edit_choices(_without_role) if answer.streams else answer


@a_stream_says_who_speaks.mutant
def introduces_the_first_only(answer: Answer) -> Answer:
    """Gives the role of the first of several choices and of no other."""
    return answer.edit_choices(_without_role_unless_first) if answer.streams else answer


def _without_role(choice: dict[str, Any]) -> None:
    choice.get("delta", {}).pop("role", None)


def _without_role_unless_first(choice: dict[str, Any]) -> None:
    if choice.get("index"):
        _without_role(choice)

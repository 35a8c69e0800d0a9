"""What refusals say: the parameter that is wrong, in JSON, and nothing of the server's code, its key or other callers.

Law: these look at refusals that other checks provoke, so in a whole run they cost next to nothing; one finding each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import cycle, islice

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.auth import asked_with, ways
from conformance.checks.basics import expect_refused, other_methods, plain
from conformance.checks.leaks import is_page, shows_key, trace
from conformance.checks.length import beyond_the_context
from conformance.checks.malformed import oddities
from conformance.rows.sample import names_parameter, refusals
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange, NotJson
from conformance.wire.redact import SHORTEST_CUT

NO_ROUTE = "seatrial-no-such-route"
# Enough of one failure for a message; the count has them all.
MOST_NAMED = 8
# Filling a longer context costs more than the answer is worth.
LONGEST_CONTEXT = 8_192
_CONTEXT = re.compile(r"context\D{0,60}?(\d[\d,]{1,9})", re.IGNORECASE)


def odd_answers(api: Api) -> Iterator[tuple[str, Exchange]]:
    """What every odd body and every broken parameter got, each with a name for a message."""
    for one, exchange in refusals(api):
        yield f"the refusal of `{'.'.join(one.path)}`", exchange
    for odd in oddities(api):
        for exchange in odd.tried(api).exchanges:
            if not exchange.failure:
                yield f"the answer to {odd.what}", exchange


def answers_without_the_key(api: Api) -> Iterator[tuple[str, Exchange]]:
    """What each other credential got; nothing where the run has no key."""
    if api.settings.key is not None:
        for way in ways(api):
            # A part of a short key is never sent.
            if way not in ("prefix", "near") or len(api.settings.key) >= SHORTEST_CUT:
                yield f"the answer to another credential ({way})", asked_with(api, way)


def _one_finding(api: Api, found: list[tuple[str, Exchange]], what: str) -> None:
    """One violation for all the answers that share a fault."""
    if not found:
        return
    api.count = len(found)
    names = list(dict.fromkeys(name for name, _ in found))
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    raise Violation(f"{what}: {shown}", *(exchange for _, exchange in found[:MOST_NAMED]))


@check("error.parameter", cites=[".error.parameter"], needs=[".answers"], when="alone", deadline=300, tier="quick")
def refusals_name_the_parameter(api: Api) -> None:
    """The refusal of a broken parameter names it."""
    refused = [(one, each) for one, each in refusals(api) if 400 <= (each.status or 0) < 500]
    if not refused:
        raise Inconclusive("no broken request was refused, so no refusal could name anything")
    silent = [(f"`{'.'.join(one.path)}`", each) for one, each in refused if not names_parameter(each, one)]
    _one_finding(api, silent, "the refusal does not name the parameter")


@refusals_name_the_parameter.mutant
def says_bad_request(answer: Answer) -> Answer:
    """Says of every broken request that it is a bad request."""
    return answer.with_error(answer.status, "Bad Request") if answer.status in (400, 422) else answer


@refusals_name_the_parameter.mutant
def blames_the_user(answer: Answer) -> Answer:
    """Names `user` whatever the parameter."""
    return answer.with_error(400, "user: invalid value") if answer.status in (400, 422) else answer


@check("error.json", cites=[".error.body"], needs=[".answers"], when="alone", deadline=300, tier="quick")
def refusals_are_never_pages(api: Api) -> None:
    """Each refusal of a broken request is a JSON object, and no web page."""
    refused = [(name, each) for name, each in odd_answers(api) if 400 <= (each.status or 0) < 500]
    _one_finding(api, [pair for pair in refused if is_page(pair[1])], "a web page instead of JSON")
    _one_finding(api, [pair for pair in refused if not _is_object(pair[1])], "no JSON object with content")


def _is_object(exchange: Exchange) -> bool:
    try:
        return isinstance(exchange.json, dict) and bool(exchange.json)
    except NotJson:
        return False


@refusals_are_never_pages.mutant
def has_a_page_for_bad_bytes(answer: Answer) -> Answer:
    """Answers a body that is no UTF-8 with its framework's page."""
    if answer.succeeded or b"\xff" not in answer.ask.raw:
        return answer
    return Answer(answer.ask, 400, (("content-type", "text/html"),), b"<html><h1>400 Bad Request</h1></html>")


@refusals_are_never_pages.mutant
def says_so_in_plain_text(answer: Answer) -> Answer:
    """Refuses a value of a wrong type in plain text."""
    wrong = answer.status == 400 and isinstance(answer.ask.body.get("temperature"), str | list | dict)
    return Answer(answer.ask, 400, (("content-type", "text/plain"),), b"temperature: invalid type") if wrong else answer


@check("error.trace", cites=[".error.trace"], needs=[".answers"], when="alone", deadline=300, tier="quick")
def refusals_show_no_code(api: Api) -> None:
    """No answer to a broken request or a wrong key shows a stack trace."""
    found = [(f"{name} ({trace(each)})", each) for name, each in _all_answers(api) if trace(each)]
    _one_finding(api, found, "a stack trace is shown")


def _all_answers(api: Api) -> Iterator[tuple[str, Exchange]]:
    yield from odd_answers(api)
    yield from answers_without_the_key(api)
    for method, exchange in other_methods(api).items():
        yield f"the answer to {method}", exchange
    yield "the answer to an unknown route", _unknown_route(api)


_PYTHON = 'Traceback (most recent call last):\n  File "/app/server.py", line 41, in chat\n    raise ValueError(text)\n'
_JAVA = "java.lang.IllegalStateException\n\tat com.example.Chat.parse(Chat.java:88)\n"


@refusals_show_no_code.mutant
def shows_python(answer: Answer) -> Answer:
    """Puts Python's traceback into the refusal of what is not JSON."""
    return answer if answer.succeeded or answer.ask.body else answer.with_error(answer.status, _PYTHON)


@refusals_show_no_code.mutant
def shows_java(answer: Answer) -> Answer:
    """Puts a Java stack trace into the refusal of a broken parameter."""
    return answer.with_error(400, _JAVA) if answer.status == 400 and answer.ask.body else answer


@check("error.key", cites=[".error.key"], needs=[".answers"], when="alone", deadline=300, tier="quick")
def answers_never_show_the_key(api: Api) -> None:
    """No answer, and no refusal, repeats the key."""
    key = api.settings.key
    if key is None:
        raise Skip("the run has no key, so none can be shown")
    if len(key) < SHORTEST_CUT:
        raise Skip(f"a key of fewer than {SHORTEST_CUT} characters may be in an answer by chance")
    everything = [*_all_answers(api), ("the answer to a plain request", plain(api))]
    _one_finding(api, [(name, each) for name, each in everything if shows_key(each, key)], "the key is shown")


@answers_never_show_the_key.mutant
def repeats_the_credential(answer: Answer) -> Answer:
    """Repeats the credential that it refuses."""
    sent = answer.ask.header("authorization")
    return answer.with_error(401, f"invalid credential: {sent}") if answer.status == 401 else answer


@answers_never_show_the_key.mutant
def repeats_the_head(answer: Answer) -> Answer:
    """Repeats the whole head of a request that it could not read."""
    head = "; ".join(f"{name}: {value}" for name, value in answer.ask.headers)
    return answer.with_error(400, f"cannot parse; {head}") if answer.status == 400 and not answer.ask.body else answer


@answers_never_show_the_key.mutant
def repeats_the_key_in_a_header(answer: Answer) -> Answer:
    """Sends the key back in a header of its own."""
    return answer.with_header("x-caller", answer.ask.header("authorization").removeprefix("Bearer "))


# By itself, so that the request before is its own.
@check("error.others", cites=[".error.others"], needs=[".answers"], when="alone")
def refusals_show_no_other_request(api: Api) -> None:
    """A refusal shows nothing of the request before it."""
    marker = f"plant{api.seed % 10**12:012d}"
    planted = api.send(api.body(**api.prompt(f"The word is {marker}."), max_tokens=1))
    expect(planted.status == 200, f"a valid request got status {planted.status}", planted)
    broken = api.send(api.body(**api.prompt(f"The word is {marker}."), temperature=7.5))
    for body in (b'{"temperature": ', api.body(temperature=7.5), api.body(prompt=..., messages=...), b"[]"):
        exchange = api.send(body)
        head = " ".join(value for _, value in exchange.headers)
        shown = marker.encode() in exchange.body or marker in head
        expect(not shown, "a refusal repeats words of another request", planted, broken, exchange)


# What a server remembers of its last requests; a mutant sees one at a time.
_SEEN: list[str] = []


def _last(ask: Ask) -> str:
    """The last body with a prompt in it, up to now."""
    if "plant" in ask.raw.decode("utf-8", "replace"):
        _SEEN[:] = [ask.raw.decode("utf-8", "replace")]
    return _SEEN[0] if _SEEN else ""


@refusals_show_no_other_request.mutant
def logs_into_the_error(answer: Answer) -> Answer:
    """Puts the last request that it could read into the refusal of one that it cannot."""
    last = _last(answer.ask)
    return answer if answer.succeeded or answer.ask.body else answer.with_error(answer.status, f"near {last}")


@refusals_show_no_other_request.mutant
def keeps_a_buffer(answer: Answer) -> Answer:
    """Sends a header that is left over from the last request."""
    last = _last(answer.ask)
    return answer if answer.succeeded else answer.with_header("x-context", json.dumps(last))


def _unknown_route(api: Api) -> Exchange:
    """What a route that does not exist gets; asked once in a run."""
    path = f"{api.operation.path}/{NO_ROUTE}{api.path.removeprefix(api.operation.path)}"
    return api.shared("unknown-route", lambda view: view.send(view.body(), path=path))


@check("route.unknown", cites=[".error.unknown_route"], needs=[".answers"], tier="quick")
def an_unknown_route_is_not_found(api: Api) -> None:
    """A route that does not exist is not found."""
    exchange = _unknown_route(api)
    status = exchange.status or 0
    expect(400 <= status < 500, f"a route that does not exist got status {status}, not 404", exchange)


@an_unknown_route_is_not_found.mutant
def answers_on_any_route(answer: Answer) -> Answer:
    """Answers whatever comes after the route's path."""
    return answer.with_success() if NO_ROUTE in answer.ask.path else answer


@an_unknown_route_is_not_found.mutant
def crashes_on_an_unknown_route(answer: Answer) -> Answer:
    """Answers a route that it does not know with an internal error."""
    return answer.with_error(502) if NO_ROUTE in answer.ask.path else answer


@check("length.prompt", cites=[".request.max_tokens.context"], needs=[".answers"], when="alone")
def a_prompt_beyond_the_context_is_refused(api: Api) -> None:
    """A prompt that is longer than the context is refused."""
    context = _context(api)
    # One digit is a token or more in any vocabulary, since none joins digits over a space.
    prompt = " ".join(islice(cycle("3719"), context + 16))
    exchange = api.send(api.body(**api.prompt(prompt), max_tokens=1))
    expect_refused(exchange, f"a prompt of more than {context:,} tokens", 413)


def _context(api: Api) -> int:
    """The context length that the endpoint states; `Skip` when it states none, or one that costs too much to fill."""
    found = _CONTEXT.search(beyond_the_context(api).body[:4096].decode("utf-8", "replace"))
    if found is None:
        raise Skip("the endpoint does not say how long its context is")
    context = int(found[1].replace(",", ""))
    if not 16 <= context <= LONGEST_CONTEXT:
        raise Skip(f"filling a context of {context:,} tokens costs more than this run may spend")
    return context


@a_prompt_beyond_the_context_is_refused.deaf_mutant
def cuts_the_prompt(ask: Ask) -> Ask:
    """Silently reads what fits of a prompt."""
    if len(ask.raw) < LONGEST_CONTEXT // 4:
        return ask
    short = "3 7 1 9"
    return ask.with_body(**({"prompt": short} if "prompt" in ask.body else {"messages": _said(short)}))


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@a_prompt_beyond_the_context_is_refused.mutant
def falls_over_a_long_prompt(answer: Answer) -> Answer:
    """Answers a prompt that does not fit with an internal error."""
    return answer.with_error(500) if len(answer.ask.raw) > LONGEST_CONTEXT // 4 and answer.ask.body else answer

"""What a caller without the key learns: which scheme to come back with, and nothing on what is behind the door.

Law: these are warnings. HTTP wants both, most gateways keep one of them at best, and a client that has the key misses
neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.checks.auth import REFUSED, UNAUTHORISED, asked_with, key_of, same_words
from conformance.wire.answer import Answer

NO_KEY: Mapping[str, str | None] = {"Authorization": None}


@check("auth.challenge", cites=[".head.challenge"], needs=[".auth.none"], tier="quick")
def a_401_names_a_scheme(api: Api) -> None:
    """A 401 has a `WWW-Authenticate` header with at least one challenge."""
    refusals = [exchange for exchange in (asked_with(api, "none"), asked_with(api, "wrong")) if exchange.status == 401]
    if not refusals:
        raise Skip("neither a missing nor a wrong key gets 401, so no challenge is owed")
    for exchange in refusals:
        challenge = (exchange.header("www-authenticate") or "").strip()
        expect(challenge, "a 401 has no `WWW-Authenticate`, so a client is not told how to come back", exchange)


@a_401_names_a_scheme.mutant
def names_no_scheme(answer: Answer) -> Answer:
    """Leaves the challenge out of a 401."""
    return answer.with_header("www-authenticate", None) if answer.status == 401 else answer


@a_401_names_a_scheme.mutant
def challenges_a_wrong_key_with_nothing(answer: Answer) -> Answer:
    """Sends an empty challenge to whoever has a wrong key."""
    wrong = answer.status == 401 and answer.ask.header("authorization")
    return answer.with_header("www-authenticate", "") if wrong else answer


def broken_bodies(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """JSON objects that break the tables, each in one way, with words for it.

    JSON that cannot be parsed is not among them: frameworks read a body before they ask who sent it, and learn nothing
    of the model by that.
    """
    without = "messages" if api.route == "chat" else "prompt"
    return [("`temperature` 7.5", api.body(temperature=7.5)), (f"no `{without}`", api.body(**{without: ...}))]


@check("auth.first", cites=[".head.key_first"], needs=[".auth.none"])
def the_key_is_judged_first(api: Api) -> None:
    """Without a key a request is refused for that, whatever is wrong with its body."""
    key_of(api)
    plain = asked_with(api, "none")
    for what, body in broken_bodies(api):
        exchange = api.send(body, headers=NO_KEY)
        if exchange.status in UNAUTHORISED:
            continue
        told = f"without a key, a request with {what} got status {exchange.status}, one without fault {plain.status}"
        told = f"{told}: a stranger is told what is wrong with the body"
        expect(exchange.status == plain.status and exchange.status in REFUSED, told, plain, exchange)
        # A missing key may be called a bad request as well. Then the words tell which fault was found, unless the
        # words of two refusals of one request differ by themselves.
        if not same_words(exchange, plain) and same_words(api.send(api.body(), headers=NO_KEY), plain):
            raise Violation(f"{told}, in other words", plain, exchange)


@the_key_is_judged_first.mutant
def validates_for_anybody(answer: Answer) -> Answer:
    """Judges the body before it looks at the key."""
    body = answer.ask.body
    broken = body.get("temperature") == 7.5 or not ("prompt" in body or "messages" in body)
    return answer.with_error(400, "the body is wrong") if answer.status == 401 and body and broken else answer


@the_key_is_judged_first.mutant
def crashes_on_a_strangers_body(answer: Answer) -> Answer:
    """Fails over a stranger's body that has no prompt."""
    body = answer.ask.body
    empty = body and "prompt" not in body and "messages" not in body
    return answer.with_error(500) if answer.status == 401 and empty else answer

"""The bearer token: nothing is answered without the key, and a refusal gives nothing of it away.

Law: each request with another credential is sent once in a run, however many checks look at its answer. Where any
caller is served, the check that says so stands for the finer ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from conformance.api import Api
from conformance.check import Skip, check, expect
from conformance.checks.leaks import MOST
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange
from conformance.wire.redact import CUT, PLACEHOLDER, SHORTEST_CUT, WRONG_KEY

Credential = Mapping[str, str | None]
# A credential that a refusal repeats: in part (`abc***xyz`), as the log has it, or one of ours of a single letter.
_MASKED = re.compile(rf"\*\*|\.\.\.|…|[xy]{{6}}|{re.escape(PLACEHOLDER)}|{re.escape(CUT)}")
_DIGIT = re.compile(r"\d")

# 403 is what a gateway in front of an endpoint tends to say; a missing header is also reported as a bad request.
UNAUTHORISED = (401, 403)
REFUSED = (*UNAUTHORISED, 400)


def _bearer(key: str) -> Credential:
    return {"Authorization": f"Bearer {key}"}


def _other(key: str) -> str:
    """Another key of the same length, which shares nothing with the right one."""
    return "".join("x" if character != "x" else "y" for character in key)


def _near(key: str) -> str:
    """The key with another last character."""
    return key[:-1] + ("0" if key[-1] != "0" else "1")


# What stands in place of the right credential, by a name. What is nearly the key is redacted as the key is.
WAYS: Mapping[str, Callable[[str], Credential]] = {
    "none": lambda _: {"Authorization": None},
    "empty": lambda _: {"Authorization": "Bearer"},
    "blank": lambda _: {"Authorization": ""},
    "wrong": lambda _: _bearer(WRONG_KEY),
    "prefix": lambda key: _bearer(key[:-1]),
    "longer": lambda key: _bearer(f"{key}0"),
    "near": lambda key: _bearer(_near(key)),
    "other": lambda key: _bearer(_other(key)),
    "basic": lambda key: {"Authorization": f"Basic {key}"},
    "token": lambda key: {"Authorization": f"Token {key}"},
    "bare": lambda key: {"Authorization": key},
    "case": lambda key: _bearer(key.swapcase()),
    "api-key": lambda key: {"Authorization": None, "api-key": key},
    "wrong-api-key": lambda _: {"Authorization": None, "api-key": WRONG_KEY},
}
# What a quick run asks for.
QUICK = ("none", "empty", "wrong", "prefix", "longer", "basic", "token", "bare")


def ways(api: Api) -> Sequence[str]:
    """The names of the credentials that the checks of this run send."""
    return QUICK if api.quick else tuple(WAYS)


def key_of(api: Api) -> str:
    """The key of the run; `Skip` when there is none, since an open endpoint has nothing to refuse."""
    if api.settings.key is None:
        raise Skip("the run has no key, so there is nothing to leave out")
    return api.settings.key


def asked_with(api: Api, way: str) -> Exchange:
    """What a plain request got with that credential in place of the right one; asked once in a run."""
    headers = WAYS[way](key_of(api))
    return api.shared(f"auth.{way}", lambda view: view.send(view.body(), headers=headers))


def _expect_refused(exchange: Exchange, what: str, allowed: tuple[int, ...] = REFUSED) -> None:
    expect(exchange.status in allowed, f"{what} got status {exchange.status}, not 401", exchange)


@check("auth.none", cites=[".head.authorization"], needs=[".answers"], settles=["erratum.challenge"], tier="quick")
def no_key_is_refused(api: Api) -> None:
    """A request without a key is refused."""
    exchange = asked_with(api, "none")
    _expect_refused(exchange, "a request without a key")
    challenge = "present" if exchange.header("www-authenticate") else "absent"
    api.reading("erratum.challenge", challenge if exchange.status == 401 else "other-status", exchange)


@no_key_is_refused.mutant
def serves_anybody(answer: Answer) -> Answer:
    """Answers requests without a key."""
    return answer if answer.ask.header("authorization") else answer.with_success()


@no_key_is_refused.mutant
def crashes_without_a_key(answer: Answer) -> Answer:
    """Answers a request without a key with an internal error."""
    return answer if answer.ask.header("authorization") else answer.with_error(500)


@check("auth.empty", cites=[".head.authorization"], needs=[".auth.none"], tier="quick")
def an_empty_key_is_refused(api: Api) -> None:
    """A request with an empty key is refused."""
    for way, what in api.few((("empty", "the word Bearer without a key"), ("blank", "an empty `Authorization`"))):
        _expect_refused(asked_with(api, way), what)


@an_empty_key_is_refused.mutant
def looks_for_the_word_only(answer: Answer) -> Answer:
    """Takes the word Bearer for a key."""
    return answer.with_success() if answer.ask.header("authorization").strip() == "Bearer" else answer


@an_empty_key_is_refused.mutant
def splits_without_looking(answer: Answer) -> Answer:
    """Fails where the header has no second word."""
    return answer if answer.ask.header("authorization").count(" ") else answer.with_error(500)


@check("auth.wrong", cites=[".head.authorization"], needs=[".answers"], tier="quick")
def a_wrong_key_is_refused(api: Api) -> None:
    """A request with a wrong key is refused."""
    _expect_refused(asked_with(api, "wrong"), "a wrong key", UNAUTHORISED)


@a_wrong_key_is_refused.mutant
def takes_any_key(answer: Answer) -> Answer:
    """Answers whatever the key is."""
    return answer.with_success() if answer.ask.header("authorization") == f"Bearer {WRONG_KEY}" else answer


@a_wrong_key_is_refused.mutant
def crashes_on_a_wrong_key(answer: Answer) -> Answer:
    """Looks a wrong key up and fails over not finding it."""
    return answer.with_error(500) if answer.status == 401 and answer.ask.header("authorization") else answer


@check("auth.prefix", cites=[".head.authorization"], needs=[".auth.wrong"], tier="quick")
def nearly_the_key_is_refused(api: Api) -> None:
    """The key without its last character, with another one, or with one more is refused."""
    if len(key_of(api)) < SHORTEST_CUT:
        raise Skip(f"a part of a key of fewer than {SHORTEST_CUT} characters cannot be kept out of a log")
    nearly = (
        ("prefix", "the key without its last character"),
        ("longer", "the key with one character more"),
        ("near", "the key with another last character"),
    )
    for way, what in api.few(nearly, 2):
        _expect_refused(asked_with(api, way), what, UNAUTHORISED)


@nearly_the_key_is_refused.mutant
def compares_the_beginning(answer: Answer) -> Answer:
    """Takes whatever begins with the key."""
    return answer.with_success() if answer.ask.header("authorization").endswith("key0") else answer


@nearly_the_key_is_refused.mutant
def compares_some_characters(answer: Answer) -> Answer:
    """Compares as many characters of the key as were sent."""
    return answer.with_success() if answer.ask.header("authorization").endswith("-ke") else answer


@check("auth.case", cites=[".head.authorization"], needs=[".auth.wrong"])
def a_key_has_its_case(api: Api) -> None:
    """The key with its letters in the other case is refused."""
    key = key_of(api)
    if len(key) < SHORTEST_CUT or key.swapcase() == key:
        raise Skip("the key has no letters, or too few characters to be kept out of a log in another case")
    _expect_refused(asked_with(api, "case"), "the key in the other case", UNAUTHORISED)


@a_key_has_its_case.mutant
def compares_without_case(answer: Answer) -> Answer:
    """Takes a refused key that has capitals and no small letters."""
    key = answer.ask.header("authorization").removeprefix("Bearer ")
    return answer.with_success() if answer.status == 401 and key.isupper() else answer


@check("auth.scheme", cites=[".head.authorization"], needs=[".answers"], tier="quick")
def another_scheme_is_refused(api: Api) -> None:
    """The key under the scheme Basic or Token is refused."""
    for way in ("basic", "token"):
        _expect_refused(asked_with(api, way), f"the key as {way.capitalize()}")


@another_scheme_is_refused.mutant
def ignores_the_scheme(answer: Answer) -> Answer:
    """Takes the key under any scheme."""
    return answer.with_success() if answer.ask.header("authorization").startswith(("Basic ", "Token ")) else answer


@another_scheme_is_refused.mutant
def decodes_basic(answer: Answer) -> Answer:
    """Fails over a Basic credential that is not base64."""
    return answer.with_error(500) if answer.ask.header("authorization").startswith("Basic ") else answer


@check("auth.bare-key", cites=[".head.authorization"], needs=[".answers"], settles=["erratum.bare-key"], tier="quick")
def a_bare_key_is_read_one_way(api: Api) -> None:
    """The key without a scheme is accepted or refused, without a crash."""
    _read(api, "bare", "bare-key", "a bare key")


@a_bare_key_is_read_one_way.mutant
def crashes_on_a_bare_key(answer: Answer) -> Answer:
    """Answers a key without a scheme with an internal error."""
    return answer if " " in answer.ask.header("authorization") else answer.with_error(500)


@check("auth.api-key", cites=[".head.authorization"], needs=[".answers"], settles=["erratum.api-key-header"])
def the_other_header_is_read_one_way(api: Api) -> None:
    """The key in the header `api-key` is accepted or refused, without a crash."""
    _read(api, "api-key", "api-key-header", "the key in `api-key`")


@the_other_header_is_read_one_way.mutant
def crashes_on_the_other_header(answer: Answer) -> Answer:
    """Answers a key in `api-key` with an internal error."""
    return answer.with_error(500) if answer.ask.header("api-key") else answer


@the_other_header_is_read_one_way.mutant
def takes_it_for_another_route(answer: Answer) -> Answer:
    """Sends callers with `api-key` to a route that is not there."""
    return answer.with_error(404) if answer.ask.header("api-key") else answer


@check("auth.wrong-api-key", cites=[".head.authorization"], needs=[".auth.none"])
def a_wrong_key_is_wrong_in_the_other_header(api: Api) -> None:
    """A wrong key in the header `api-key` is refused."""
    _expect_refused(asked_with(api, "wrong-api-key"), "a wrong key in `api-key`")


@a_wrong_key_is_wrong_in_the_other_header.mutant
def looks_for_the_other_header_only(answer: Answer) -> Answer:
    """Takes any key in `api-key`."""
    return answer.with_success() if answer.ask.header("api-key") else answer


@check("auth.stream", cites=[".head.authorization"], needs=[".auth.none", ".stream.opens"], tier="quick")
def a_stream_wants_a_key(api: Api) -> None:
    """A stream without a key is refused."""
    key_of(api)
    exchange = api.send(api.body(stream=True, max_tokens=1), headers={"Authorization": None})
    _expect_refused(exchange, "a stream without a key")


@a_stream_wants_a_key.mutant
def streams_for_anybody(answer: Answer) -> Answer:
    """Asks for no key where a stream is wanted."""
    return answer.with_success() if answer.ask.body.get("stream") and answer.status == 401 else answer


@check("auth.no-page", cites=[".error.body"], needs=[".answers"])
def a_refused_key_gets_no_web_page(api: Api) -> None:
    """The refusal of a key is no web page."""
    for way in ("none", "wrong"):
        exchange = asked_with(api, way)
        page = exchange.media_type == "text/html" or b"<html" in exchange.body[:MOST].lower()
        expect(exchange.status == 200 or not page, f"the refusal of a key ({way}) is a web page", exchange)


@a_refused_key_gets_no_web_page.mutant
def sends_a_page_to_log_in(answer: Answer) -> Answer:
    """Answers a wrong key with a page to log in."""
    page = b"<!doctype html><html><body><form>Log in</form></body></html>"
    shown = Answer(answer.ask, 401, (("content-type", "text/html"),), page)
    return shown if answer.status == 401 else answer


def _read(api: Api, way: str, erratum: str, what: str) -> None:
    exchange = asked_with(api, way)
    status = exchange.status or 0
    expect(status in (200, *REFUSED), f"{what} got status {status}", exchange)
    api.reading(f"erratum.{erratum}", "accepted" if status == 200 else "refused", exchange)


@check("auth.query", cites=[".head.key_in_query"], needs=[".auth.none"])
def a_key_in_the_query_is_refused(api: Api) -> None:
    """The key in the query of the URL, where logs keep it, opens nothing."""
    key = quote(key_of(api), safe="")
    path = f"{api.path}{'&' if '?' in api.path else '?'}access_token={key}&api-key={key}&key={key}"
    exchange = api.send(api.body(), path=path, headers={"Authorization": None})
    _expect_refused(exchange, "the key in the query", (*REFUSED, 404))


@a_key_in_the_query_is_refused.mutant
def reads_the_query(answer: Answer) -> Answer:
    """Takes the key from the query."""
    return answer.with_success() if "access_token=" in answer.ask.path else answer


@a_key_in_the_query_is_refused.mutant
def crashes_on_a_query(answer: Answer) -> Answer:
    """Fails over a query that it does not know."""
    return answer.with_error(500) if "access_token=" in answer.ask.path else answer


@check("auth.silent", cites=[".head.no_hint"], needs=[".answers"])
def a_refusal_gives_no_hint(api: Api) -> None:
    """The refusal of a key is the same whether the key is nearly right or all wrong, and answers nothing."""
    key = key_of(api)
    sent = ["none", "wrong", "other"] + (["near", "prefix"] if len(key) >= SHORTEST_CUT else [])
    refusals = {way: asked_with(api, way) for way in sent}
    for way, exchange in refusals.items():
        answered = exchange.status != 200 and b'"choices"' in exchange.body
        expect(not answered, f"the refusal of a key ({way}) carries a completion", exchange)
    if "near" not in refusals:
        return
    near, other = refusals["near"], refusals["other"]
    if other.status not in REFUSED:
        raise Skip("a wrong key was not refused, so there is no refusal to compare")
    expect(
        near.status == other.status, f"a nearly right key gets {near.status}, a wrong one {other.status}", other, near
    )
    again = api.send(api.body(), headers=WAYS["other"](key))
    # Where two refusals of one key differ by themselves (ids, times), a difference between two keys says nothing.
    if same_words(again, other):
        told = "a nearly right key is refused in other words than a wrong one of the same length"
        expect(same_words(near, other), told, other, near)


def same_words(one: Exchange, other: Exchange) -> bool:
    """Whether two refusals say the same, but for what repeats either credential and for ids, times and counts."""
    credentials = (_credential(one), _credential(other))
    return _wording(one, credentials) == _wording(other, credentials)


def _credential(exchange: Exchange) -> str:
    sent = next((value for name, value in exchange.sent.headers if name.lower() == "authorization"), "")
    return sent.removeprefix("Bearer ")


def _wording(exchange: Exchange, credentials: tuple[str, ...]) -> str:
    echoes = [echo for each in credentials for echo in (each, each[:3], each[-3:]) if len(echo) >= 3]
    words = re.split(r"[\s\"]+", exchange.body[:MOST].decode("utf-8", "replace"))
    return " ".join(
        "*" if _MASKED.search(word) or any(echo in word for echo in echoes) else "#" if _DIGIT.search(word) else word
        for word in words
    )


@a_refusal_gives_no_hint.mutant
def says_how_close(answer: Answer) -> Answer:
    """Tells a key of a known beginning from one that nobody has."""
    known = answer.status == 401 and answer.ask.header("authorization").startswith("Bearer laws")
    return answer.with_error(401, "the key is known, but its checksum is wrong") if known else answer


@a_refusal_gives_no_hint.mutant
def answers_and_refuses(answer: Answer) -> Answer:
    """Sends the completion along with the status 401."""
    return answer.with_success().with_status(401) if answer.status == 401 else answer


@a_refusal_gives_no_hint.mutant
def forbids_a_known_beginning(answer: Answer) -> Answer:
    """Answers a key of a known beginning with 403 and others with 401."""
    known = answer.status == 401 and answer.ask.header("authorization").startswith("Bearer laws")
    return answer.with_error(403) if known else answer

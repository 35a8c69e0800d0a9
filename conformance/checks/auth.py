"""The bearer token: nothing is answered without the key, with a wrong one, or under another scheme."""

from __future__ import annotations

from conformance.api import Api
from conformance.check import Skip, check, expect
from conformance.wire.answer import Answer
from conformance.wire.redact import WRONG_KEY

# 403 is what a gateway in front of an endpoint tends to say; a missing header is also reported as a bad request.
UNAUTHORISED = (401, 403)


def key_of(api: Api) -> str:
    """The key of the run; `Skip` when there is none, since an open endpoint has nothing to refuse."""
    if api.settings.key is None:
        raise Skip("the run has no key, so there is nothing to leave out")
    return api.settings.key


@check("auth.none", cites=[".head.authorization"], needs=[".answers"], tier="quick")
def no_key_is_refused(api: Api) -> None:
    """A request without a key is refused."""
    key_of(api)
    exchange = api.send(api.body(), headers={"Authorization": None})
    allowed = (*UNAUTHORISED, 400)
    expect(exchange.status in allowed, f"a request without a key got status {exchange.status}, not 401", exchange)


@no_key_is_refused.mutant
def serves_anybody(answer: Answer) -> Answer:
    """Answers requests without a key."""
    return answer if answer.ask.header("authorization") else answer.with_success()


@no_key_is_refused.mutant
def crashes_without_a_key(answer: Answer) -> Answer:
    """Answers a request without a key with an internal error."""
    return answer if answer.ask.header("authorization") else answer.with_error(500)


@check("auth.wrong", cites=[".head.authorization"], needs=[".answers"], tier="quick")
def a_wrong_key_is_refused(api: Api) -> None:
    """A request with a wrong key is refused."""
    key_of(api)
    exchange = api.send(api.body(), headers={"Authorization": f"Bearer {WRONG_KEY}"})
    expect(exchange.status in UNAUTHORISED, f"a wrong key got status {exchange.status}, not 401", exchange)


@a_wrong_key_is_refused.mutant
def takes_any_key(answer: Answer) -> Answer:
    """Answers whatever the key is."""
    return answer.with_success() if answer.ask.header("authorization") == f"Bearer {WRONG_KEY}" else answer


@check("auth.scheme", cites=[".head.authorization"], needs=[".answers"], tier="quick")
def another_scheme_is_refused(api: Api) -> None:
    """The key under the scheme Basic is refused."""
    exchange = api.send(api.body(), headers={"Authorization": f"Basic {key_of(api)}"})
    allowed = (*UNAUTHORISED, 400)
    expect(exchange.status in allowed, f"the key as Basic got status {exchange.status}, not 401", exchange)


@another_scheme_is_refused.mutant
def ignores_the_scheme(answer: Answer) -> Answer:
    """Takes the key under any scheme."""
    return answer.with_success() if answer.ask.header("authorization").startswith("Basic ") else answer


@check("auth.bare-key", cites=[".head.authorization"], needs=[".answers"], settles=["erratum.bare-key"], tier="quick")
def a_bare_key_is_read_one_way(api: Api) -> None:
    """The key without a scheme is accepted or refused, without a crash."""
    exchange = api.send(api.body(), headers={"Authorization": key_of(api)})
    status = exchange.status or 0
    expect(status in (200, 400, *UNAUTHORISED), f"a bare key got status {status}", exchange)
    api.reading("erratum.bare-key", "accepted" if status == 200 else "refused", exchange)


@a_bare_key_is_read_one_way.mutant
def crashes_on_a_bare_key(answer: Answer) -> Answer:
    """Answers a key without a scheme with an internal error."""
    return answer if " " in answer.ask.header("authorization") else answer.with_error(500)

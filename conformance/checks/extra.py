"""The header `extra-parameters`: what becomes of a parameter without a row, and of a value that the header has not.

Law: what a model does with a parameter that was passed on to it is its own affair.
"""

from __future__ import annotations

import re
from typing import Any

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.checks.basics import REFUSED, expect_refused
from conformance.checks.readings import either
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange, NotJson

HEADER = "extra-parameters"
UNKNOWN = {"seatrial_unknown": 1}
# A parameter that engines know and this contract does not: what became of it shows in the number of choices.
TWICE = {"n": 2}
NO_VALUE = "seatrial-no-such-value"
_THE_HEADERS_REFUSAL = re.compile(rb"extra[-_ ]parameters?", re.IGNORECASE)


def asked(api: Api, value: str, extra: dict[str, Any]) -> Exchange:
    """The smallest valid request with that extra parameter, under that value of the header."""
    return api.send(api.body(max_tokens=1, **extra), headers={HEADER: value})


def says(ask: Ask, value: str) -> bool:
    """Whether a request has that value of the header."""
    return ask.header(HEADER) == value


@check("extra.error", cites=[".head.extra_parameters.error"], needs=[".answers"])
def extras_are_refused_under_error(api: Api) -> None:
    """Under `extra-parameters: error` a parameter without a row is refused, and a request without one is not."""
    expect_refused(asked(api, "error", UNKNOWN), "an extra parameter under `extra-parameters: error`")
    api.document(asked(api, "error", {}))


@extras_are_refused_under_error.mutant
def ignores_extras_under_error(answer: Answer) -> Answer:
    """Answers an extra parameter under `error` as if it were not there."""
    return answer.with_success() if says(answer.ask, "error") and answer.status in REFUSED else answer


@extras_are_refused_under_error.mutant
def refuses_the_header(answer: Answer) -> Answer:
    """Refuses any request that has the header."""
    return answer.with_error(400) if answer.ask.header(HEADER) and answer.succeeded else answer


@check("extra.drop", cites=[".head.extra_parameters.drop"], needs=[".answers"])
def extras_are_dropped(api: Api) -> None:
    """Under `extra-parameters: drop` a request with a parameter without a row is answered as if it had none."""
    api.document(asked(api, "drop", UNKNOWN))
    exchange = asked(api, "drop", TWICE)
    count = len(api.choices(exchange))
    expect(count == 1, f"`n` has no row and was to be dropped, yet {count} choices came", exchange)


@extras_are_dropped.mutant
def refuses_what_it_was_to_drop(answer: Answer) -> Answer:
    """Refuses an extra parameter under `drop`."""
    refused = says(answer.ask, "drop") and "seatrial_unknown" in answer.ask.body
    return answer.with_error(400) if refused else answer


@extras_are_dropped.deaf_mutant
def passes_on_what_it_was_to_drop(ask: Ask) -> Ask:
    """Takes `drop` for `pass-through`."""
    return ask.with_header(HEADER, "pass-through") if says(ask, "drop") else ask


@check("extra.pass-through", cites=[".head.extra_parameters.pass_through"], needs=[".answers"])
def extras_are_passed_on(api: Api) -> None:
    """Under `extra-parameters: pass-through` a parameter without a row reaches the model, which takes or refuses it."""
    for extra in (UNKNOWN, TWICE):
        exchange, closed = asked(api, "pass-through", extra), asked(api, "error", extra)
        expect(
            exchange.status == 200 or exchange.status in REFUSED,
            f"an extra parameter under pass-through got status {exchange.status}, neither an answer nor a refusal",
            exchange,
        )
        headers_own = _THE_HEADERS_REFUSAL.search(exchange.body) or exchange.body == closed.body
        expect(
            exchange.status == 200 or not headers_own,
            "an extra parameter was refused as one although the header lets it pass",
            closed,
            exchange,
        )


@extras_are_passed_on.deaf_mutant
def never_passes_extras(ask: Ask) -> Ask:
    """Takes `pass-through` for `error`."""
    return ask.with_header(HEADER, "error") if says(ask, "pass-through") else ask


@extras_are_passed_on.mutant
def crashes_on_extras(answer: Answer) -> Answer:
    """Answers a parameter that it passed on with an internal error."""
    return answer.with_error(500) if says(answer.ask, "pass-through") else answer


@check(
    "extra.values",
    cites=[".head.extra_parameters.values"],
    needs=[".answers"],
    settles=["erratum.extra-parameters-ignore"],
)
def other_values_are_refused(api: Api) -> None:
    """A value that `extra-parameters` does not have is refused; `ignore`, which one page has, is noted."""
    expect_refused(asked(api, NO_VALUE, {}), f"`extra-parameters: {NO_VALUE}`")
    exchange = asked(api, "ignore", {})
    names = either()
    expect(exchange.status in names, f"`extra-parameters: ignore` got status {exchange.status}", exchange)
    api.reading("erratum.extra-parameters-ignore", names[exchange.status or 0], exchange)


@other_values_are_refused.deaf_mutant
def takes_any_value(ask: Ask) -> Ask:
    """Takes a value that it does not know for `error`."""
    return ask.with_header(HEADER, None) if says(ask, NO_VALUE) else ask


@other_values_are_refused.mutant
def crashes_on_a_value(answer: Answer) -> Answer:
    """Answers a value of the header that it does not know with an internal error."""
    return answer.with_error(500) if answer.ask.header(HEADER) in (NO_VALUE, "ignore") else answer


@check("extra.api-version", cites=[".head.api_version"], needs=[".answers"], settles=["erratum.api-version"])
def the_version_may_be_left_out(api: Api) -> None:
    """A request without `api-version` is answered, refused or not found."""
    exchange = api.send(api.body(max_tokens=1), path=api.operation.path)
    names = {**either("optional", "required"), 404: "required"}
    expect(exchange.status in names, f"a request without `api-version` got status {exchange.status}", exchange)
    api.reading("erratum.api-version", names[exchange.status or 0], exchange)


@the_version_may_be_left_out.mutant
def crashes_without_a_version(answer: Answer) -> Answer:
    """Answers a request without `api-version` with an internal error."""
    return answer if "api-version" in answer.ask.path else answer.with_error(500)


@check(
    "extra.unprocessable",
    cites=[".error.unprocessable"],
    needs=[".answers"],
    settles=["erratum.unprocessable-detail"],
)
def an_unprocessable_body_is_explained(api: Api) -> None:
    """A 422 carries a message, and what it says of the place is an object, a list or a text."""
    exchange = api.send(api.body(temperature=-7.5))
    if exchange.status != 422:
        raise Skip(f"a body that breaks a row got status {exchange.status}, not 422")
    document = _object(exchange)
    holder = document["error"] if isinstance(document.get("error"), dict) else document
    detail = next((holder[name] for name in ("detail", "details") if holder.get(name) is not None), None)
    told = isinstance(holder.get("message"), str) or bool(detail)
    expect(told, "a 422 has neither `message` nor `detail`", exchange)
    names: dict[type, str] = {dict: "object", list: "list", str: "text", type(None): "absent"}
    expect(type(detail) in names, f"the detail of a 422 is {detail!r}", exchange)
    api.reading("erratum.unprocessable-detail", names[type(detail)], exchange)


def _object(exchange: Exchange) -> dict[str, Any]:
    try:
        document = exchange.json
    except NotJson as error:
        raise Violation(f"the body of a {exchange.status} is not JSON: {error}", exchange) from None
    expect(isinstance(document, dict), f"the body of a {exchange.status} is not a JSON object", exchange)
    return dict(document)


@an_unprocessable_body_is_explained.mutant
def explains_nothing(answer: Answer) -> Answer:
    """Answers 422 with a status and no words."""
    return answer.with_json({"status": 422}) if answer.status == 422 else answer


@an_unprocessable_body_is_explained.mutant
def numbers_the_detail(answer: Answer) -> Answer:
    """Gives the detail of a 422 as a number."""
    return answer.with_json({"message": "refused", "detail": 7}) if answer.status == 422 else answer

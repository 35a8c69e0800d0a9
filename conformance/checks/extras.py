"""Parameters that the API does not know, under each value of the header `extra-parameters`."""

from __future__ import annotations

from conformance.api import Api
from conformance.check import check, expect
from conformance.checks.basics import REFUSED, expect_refused
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange

UNKNOWN = "seatrial_unknown"
HEADER = "extra-parameters"


def with_extra(api: Api, value: str) -> Exchange:
    """A valid request with one parameter that nobody knows, under that value of the header."""
    return api.send(api.body(**{UNKNOWN: 1}), headers={HEADER: value})


def _under(answer: Answer, value: str) -> bool:
    return answer.ask.header(HEADER) == value and UNKNOWN in answer.ask.body


@check("extras.error", cites=[".head.extra_parameters"], needs=[".answers"])
def error_refuses(api: Api) -> None:
    """Under `extra-parameters: error` an unknown parameter is refused."""
    expect_refused(with_extra(api, "error"), "an unknown parameter under `error`")


@error_refuses.mutant
def ignores_error(answer: Answer) -> Answer:
    """Accepts unknown parameters although told to refuse them."""
    return answer.with_success() if _under(answer, "error") else answer


@error_refuses.mutant
def crashes_on_error(answer: Answer) -> Answer:
    """Answers an unknown parameter with an internal error."""
    return answer.with_error(500) if _under(answer, "error") else answer


@check("extras.drop", cites=[".head.extra_parameters.drop"], needs=[".answers"])
def drop_drops(api: Api) -> None:
    """Under `extra-parameters: drop` an unknown parameter changes nothing."""
    exchange = with_extra(api, "drop")
    expect(exchange.status == 200, f"an unknown parameter under `drop` got status {exchange.status}", exchange)
    api.document(exchange)


@drop_drops.mutant
def refuses_to_drop(answer: Answer) -> Answer:
    """Refuses unknown parameters whatever the header says."""
    return answer.with_error(400) if _under(answer, "drop") else answer


@drop_drops.mutant
def does_not_know_drop(answer: Answer) -> Answer:
    """Refuses the value `drop` of the header."""
    return answer.with_error(422, "unexpected option drop") if answer.ask.header(HEADER) == "drop" else answer


@check("extras.pass-through", cites=[".head.extra_parameters.pass_through"], needs=[".answers"])
def pass_through_passes_or_refuses(api: Api) -> None:
    """Under `extra-parameters: pass-through` the model answers or refuses an unknown parameter."""
    exchange = with_extra(api, "pass-through")
    allowed = (200, *REFUSED)
    expect(exchange.status in allowed, f"an extra under `pass-through` got status {exchange.status}", exchange)


@pass_through_passes_or_refuses.mutant
def crashes_behind(answer: Answer) -> Answer:
    """Passes the parameter to an engine that falls over it."""
    return answer.with_error(502) if _under(answer, "pass-through") else answer


@pass_through_passes_or_refuses.mutant
def answers_in_no_form(answer: Answer) -> Answer:
    """Takes the header for a request that it has no route for."""
    return answer.with_error(404) if answer.ask.header(HEADER) == "pass-through" else answer

"""The request head: the route, other methods, bodies that are not JSON, content types, and what a refusal says."""

from __future__ import annotations

import re

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.checks.upsets import upset
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange, NotJson

# A request that breaks the contract is the client's fault, and these two statuses say so for a body.
REFUSED = (400, 422)
DAY = 86_400
# No clock is further off, and a number of thousands of digits is not computed with.
_FAR = 10**15
# What an endpoint answers on a route that its model does not serve: a status, or words behind a 400.
NOT_SERVED = (404, 405)
_OTHER_TASK = re.compile(rb"not available with|modality not supported|not support (chat )?completions", re.IGNORECASE)
# The decisive ones come first, since a quick run sends two of each.
NOT_JSON = (b"", b'{"max_tokens": 4, "temperature": ', b"The sea was calm", b"{'max_tokens': 4}")
NOT_OBJECTS: tuple[object, ...] = ([], None, "The sea was calm", 7, [{"max_tokens": 4}])


def plain(api: Api) -> Exchange:
    """The smallest valid request of the route, asked once in a run."""
    return api.shared("plain", lambda view: view.ask())


def not_served(exchange: Exchange) -> bool:
    """Whether the answer to a valid request says that the route is not for this model."""
    words = exchange.status in REFUSED and _OTHER_TASK.search(exchange.body) is not None
    return exchange.status in NOT_SERVED or words


def expect_refused(exchange: Exchange, what: str, *also: int) -> None:
    """`Violation` unless the status is 400, 422 or one of `also`."""
    allowed = (*REFUSED, *also)
    wanted = ", ".join(map(str, allowed[:-1])) + f" or {allowed[-1]}"
    expect(exchange.status in allowed, f"{what} got status {exchange.status}, not {wanted}", exchange)


@check("answers", cites=[".head.route", ".response.payload"], settles=["erratum.completions-model"], tier="quick")
def route_answers(api: Api) -> None:
    """The route answers its smallest valid request with a JSON document."""
    exchange = plain(api)
    if not_served(exchange) and any(
        plain(api.on(operation.route)).status == 200
        for operation in api.contract.operations
        if operation.route != api.route
    ):
        if api.route == "completions":
            api.reading("erratum.completions-model", "absent")
        raise Skip(f"the endpoint does not serve {api.operation.path} (status {exchange.status})")
    api.document(exchange)
    if api.route == "completions":
        api.reading("erratum.completions-model", "served")


@route_answers.mutant
def answers_with_a_web_page(answer: Answer) -> Answer:
    """Answers every request with a web page."""
    return Answer(answer.ask, 200, (("content-type", "text/html"),), b"<!doctype html><title>Welcome</title>")


@route_answers.mutant
def refuses_everything(answer: Answer) -> Answer:
    """Refuses every valid request."""
    return answer.with_error(400) if answer.succeeded else answer


def other_methods(api: Api) -> dict[str, Exchange]:
    """What the other methods get on the route, each asked once in a run."""
    # OpenAI itself lists stored completions on GET, so a compatible server may as well.
    methods = ("PUT", "DELETE") if api.contract.name == "openai" else ("PUT", "DELETE", "GET")
    return {method: _by(api, method) for method in api.few(methods, 2)}


def _by(api: Api, method: str) -> Exchange:
    def make(view: Api) -> Exchange:
        return view.send(view.body() if method == "PUT" else b"", method=method)

    return api.shared(f"method.{method}", make)


@check("method", cites=[".head.method"], needs=[".answers"], settles=["erratum.other-methods"], tier="quick")
def other_methods_are_refused(api: Api) -> None:
    """Methods other than POST are refused."""
    for method, exchange in other_methods(api).items():
        status = exchange.status or 0
        expect(status in (400, 404, 405, 501), f"{method} got status {status}, not 405", exchange)
        if status in (404, 405):
            api.reading("erratum.other-methods", str(status), exchange)


@other_methods_are_refused.mutant
def accepts_any_method(answer: Answer) -> Answer:
    """Answers DELETE as if it were POST."""
    return answer.with_success() if answer.ask.method == "DELETE" else answer


@other_methods_are_refused.mutant
def crashes_on_other_methods(answer: Answer) -> Answer:
    """Answers PUT with an internal error."""
    return answer.with_error(500) if answer.ask.method == "PUT" else answer


@check("method.allow", cites=[".error.allow"], needs=[".answers"], tier="quick")
def the_right_method_is_named(api: Api) -> None:
    """A 405 names POST in `Allow`."""
    refused = [exchange for exchange in other_methods(api).values() if exchange.status == 405]
    if not refused:
        raise Skip("no method got 405, so there is no `Allow` to look at")
    for exchange in refused:
        allowed = exchange.header("allow")
        expect(allowed is not None, f"a 405 to {exchange.sent.method} has no `Allow`", exchange)
        named = [name.strip().upper() for name in (allowed or "").split(",")]
        expect("POST" in named, f"`Allow` of a 405 is {allowed!r}, without POST", exchange)


@the_right_method_is_named.mutant
def hides_the_right_method(answer: Answer) -> Answer:
    """Answers 405 without `Allow`."""
    return answer.with_header("allow", None)


@the_right_method_is_named.mutant
def allows_the_refused_method(answer: Answer) -> Answer:
    """Names the refused method in `Allow`."""
    return answer.with_header("allow", answer.ask.method) if answer.status == 405 else answer


@check("json.malformed", cites=[".head.payload"], needs=[".answers"], tier="quick", when="alone")
def malformed_json_is_refused(api: Api) -> None:
    """A body that is not JSON is refused."""
    for exchange in upset(api, "malformed", NOT_JSON).answered:
        expect_refused(exchange, f"the body {exchange.sent.body.decode()!r}")


@malformed_json_is_refused.mutant
def guesses_broken_json(answer: Answer) -> Answer:
    """Accepts truncated JSON."""
    return answer.with_success() if answer.ask.raw == NOT_JSON[1] else answer


@malformed_json_is_refused.mutant
def crashes_on_broken_json(answer: Answer) -> Answer:
    """Answers a body that is not JSON with an internal error."""
    return answer.with_error(500) if answer.ask.raw in NOT_JSON else answer


@malformed_json_is_refused.mutant
def accepts_an_empty_body(answer: Answer) -> Answer:
    """Answers an empty body with a completion."""
    return answer.with_success() if answer.ask.method == "POST" and not answer.ask.raw else answer


@check("json.not-an-object", cites=[".head.payload"], needs=[".answers"], tier="quick", when="alone")
def other_json_is_refused(api: Api) -> None:
    """JSON that is not an object is refused."""
    for exchange in upset(api, "not-an-object", NOT_OBJECTS).answered:
        expect_refused(exchange, f"the JSON {exchange.sent.body.decode()}")


@other_json_is_refused.mutant
def accepts_a_list(answer: Answer) -> Answer:
    """Answers a JSON array with a completion."""
    return answer.with_success() if answer.ask.raw.startswith(b"[") else answer


@other_json_is_refused.mutant
def crashes_on_null(answer: Answer) -> Answer:
    """Answers the JSON null with an internal error."""
    return answer.with_error(500) if answer.ask.raw == b"null" else answer


@check("content-type", cites=[".head.content_type"], needs=[".answers"], settles=["erratum.content-type"], tier="quick")
def form_data_is_refused(api: Api) -> None:
    """A form is refused, and JSON under another content type never crashes the server."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    expect_refused(api.send(b"prompt=The+sea&messages=The+sea&max_tokens=4", headers=form), "a form", 415)
    exchange = api.send(api.body(), headers={"Content-Type": "text/plain"})
    names = {200: "accepted", 400: "400", 422: "400", 415: "415"}
    expect(exchange.status in names, f"JSON sent as text/plain got status {exchange.status}", exchange)
    api.reading("erratum.content-type", names[exchange.status or 0], exchange)


@form_data_is_refused.mutant
def reads_forms(answer: Answer) -> Answer:
    """Answers a form with a completion."""
    return answer.with_success() if "form" in answer.ask.header("content-type") else answer


@form_data_is_refused.mutant
def crashes_on_text(answer: Answer) -> Answer:
    """Answers a content type it does not know with an internal error."""
    return answer.with_error(500) if answer.ask.header("content-type") == "text/plain" else answer


@check("content-type.charset", cites=[".head.content_type"], needs=[".answers"])
def a_charset_is_no_other_type(api: Api) -> None:
    """JSON whose content type names the charset UTF-8 is answered."""
    for named in ("application/json; charset=utf-8", "application/json;charset=UTF-8"):
        exchange = api.send(api.body(max_tokens=1), headers={"Content-Type": named})
        expect(exchange.status == 200, f"the content type `{named}` got status {exchange.status}", exchange)


@a_charset_is_no_other_type.mutant
def compares_the_whole_type(answer: Answer) -> Answer:
    """Refuses a content type with a parameter."""
    return answer.with_error(415) if ";" in answer.ask.header("content-type") else answer


@check(
    "error.body", cites=[".error.body"], needs=[".answers"], settles=["erratum.error-shape"], tier="quick", when="alone"
)
def refusals_are_json(api: Api) -> None:
    """A refusal carries a JSON object that says what was wrong."""
    exchange = upset(api, "malformed", NOT_JSON).answered[1]
    try:
        document = exchange.json
    except NotJson as error:
        raise Violation(f"the body of a {exchange.status} is not JSON: {error}", exchange) from None
    expect(isinstance(document, dict) and document, "the body of a refusal is not a JSON object with content", exchange)
    api.reading("erratum.error-shape", error_shape(document), exchange)


def error_shape(document: dict[str, object]) -> str:
    """The name of the layout of an error body: nested, detail, flat or other."""
    if isinstance(document.get("error"), dict):
        return "nested"
    if "detail" in document:
        return "detail"
    return "flat" if "message" in document else "other"


@refusals_are_json.mutant
def refuses_with_a_web_page(answer: Answer) -> Answer:
    """Answers every error with a web page."""
    if answer.succeeded:
        return answer
    return Answer(answer.ask, answer.status, (("content-type", "text/html"),), b"<html><h1>Bad Request</h1></html>")


@refusals_are_json.mutant
def refuses_in_silence(answer: Answer) -> Answer:
    """Answers every error with an empty object."""
    return answer if answer.succeeded else answer.with_json({})


@check("error.status", cites=[".error.status"], needs=[".answers"], tier="quick")
def refusals_are_client_errors(api: Api) -> None:
    """A request that breaks several rows at once is refused as the client's error."""
    expect_refused(api.send(api.body(temperature=7, top_p=7, n=-1, stop=7)), "a request with four broken parameters")


@refusals_are_client_errors.mutant
def blames_itself(answer: Answer) -> Answer:
    """Answers a broken request with an internal error."""
    return answer.with_error(500) if answer.status in REFUSED else answer


@refusals_are_client_errors.mutant
def reports_errors_with_200(answer: Answer) -> Answer:
    """Answers a broken request with status 200 and an error in the body."""
    return answer.with_status(200) if answer.status in REFUSED else answer


@check("id.unique", cites=[".response.id.unique"], needs=[".answers"], tier="quick")
def ids_are_unique(api: Api) -> None:
    """Two answers have two ids."""
    first, second = plain(api), api.answer()
    api.document(first)
    same = first.json.get("id") == second.json.get("id")
    expect(not same, f"two answers have the id {first.json.get('id')!r}", first, second)


@ids_are_unique.mutant
def repeats_its_id(answer: Answer) -> Answer:
    """Gives every answer the same id."""
    return answer.edit(lambda document: document.update(id="the-only-one"))


@check("answers.type", cites=[".response.content_type"], needs=[".answers"], tier="quick")
def answers_say_that_they_are_json(api: Api) -> None:
    """An answer has the content type `application/json`, or another of JSON."""
    exchange = plain(api)
    media = exchange.media_type
    expect(media, "an answer has no content type", exchange)
    json = media == "application/json" or media.endswith("+json")
    expect(json, f"a JSON answer has the content type {media!r}", exchange)


@answers_say_that_they_are_json.mutant
def calls_json_text(answer: Answer) -> Answer:
    """Sends JSON as `text/plain`."""
    return answer if answer.streams else answer.with_header("content-type", "text/plain; charset=utf-8")


@answers_say_that_they_are_json.mutant
def leaves_the_type_out(answer: Answer) -> Answer:
    """Sends answers without a content type."""
    return answer if answer.streams else answer.with_header("content-type", None)


@check("created.now", cites=[".response.created"], needs=[".answers"], tier="quick")
def answers_are_dated_today(api: Api) -> None:
    """`created` is the time of the answer in seconds, give or take a day."""
    exchange = plain(api)
    created = api.document(exchange).get("created")
    if not isinstance(created, int | float) or isinstance(created, bool):
        raise Skip("the answer has no number in `created`")
    # Clocks of two machines differ, by hours where a time zone is mistaken; milliseconds and 1970 are far beyond.
    distance = abs(min(max(created, -_FAR), _FAR) - exchange.started)
    expect(distance <= DAY, f"`created` {created} is {distance / DAY:,.0f} days away from the answer", exchange)


@answers_are_dated_today.mutant
def dates_in_milliseconds(answer: Answer) -> Answer:
    """Gives the time in milliseconds."""
    return answer.edit(lambda document: document.update(created=document.get("created", 0) * 1000))


@answers_are_dated_today.mutant
def dates_by_its_start(answer: Answer) -> Answer:
    """Gives the seconds since the server started."""
    return answer.edit(lambda document: document.update(created=217_877))

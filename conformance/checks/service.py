"""What an endpoint says of itself: its OpenAPI document against the rows and against what it does, and `/info`.

Law: a document may be wider than the rows, since it need not say everything; it must not be narrower.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.checks.basics import NOT_SERVED
from conformance.description import Description, Stated
from conformance.strategies.bodies import properties_of
from conformance.strategies.dialect import document_of
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange, NotJson

PLACES = ("/swagger.json", "/openapi.json")
INFO = ("model_name", "model_type", "model_provider_name")
# Of what a document lists to be fetched, only what costs nothing and is there for everybody: other routes may need a
# role, or may say with 404 that what they look for is not there.
FETCHED = ("/info", "/health", "/v1/models", "/version", "/ping")
_NUMBERS = frozenset({"integer", "number"})
_DOCUMENTS = frozenset(PLACES)


def get(api: Api, path: str) -> Exchange:
    """A GET, with the contract's query."""
    query = urlencode(api.contract.query)
    return api.send(b"", method="GET", path=f"{path}?{query}" if query else path)


def described(api: Api) -> tuple[Description, Exchange]:
    """The endpoint's document, asked once in a run; `Skip` when it offers none."""
    endpoint = api.on(api.contract.operations[0].route)
    try:
        found = endpoint.shared("description", _fetched)
    finally:
        api.requests += endpoint.requests
    if found is None:
        raise Skip("the endpoint offers no OpenAPI document at " + " or ".join(PLACES))
    return found


def _fetched(api: Api) -> tuple[Description, Exchange] | None:
    for place in PLACES:
        exchange = get(api, place)
        broken = (exchange.status or 0) >= 500
        expect(not broken, f"{place} gets status {exchange.status}", exchange)
        if exchange.status != 200 or exchange.media_type == "text/html":
            continue
        try:
            document = exchange.json
        except NotJson as error:
            raise Violation(f"{place} is not JSON: {error}", exchange) from None
        description = Description.read(document)
        if description is None:
            raise Violation(f"{place} has no `paths`, or does not say which OpenAPI it is", exchange)
        return description, exchange
    return None


def place_of(api: Api, description: Description) -> str:
    """The path under which the document has the route: the contract's, or the same with or without /v1; or empty."""
    path = api.operation.path
    other = path.removeprefix("/v1") if path.startswith("/v1/") else f"/v1{path}"
    return next((one for one in (path, other) if description.operation(one, "post")), "")


@check("service.document", cites=["service.document"], routes=())
def the_document_lists_a_route(api: Api) -> None:
    """The OpenAPI document that the endpoint offers of itself lists a route of the contract."""
    description, exchange = described(api)
    listed = [place_of(api.on(one.route), description) for one in api.contract.operations]
    expect(any(listed), "the endpoint's own document lists none of the contract's routes", exchange)


def changed(answer: Answer, change: Any) -> Answer:
    """The answer with the endpoint's document changed in place, where it is that document."""
    if answer.ask.path.split("?")[0] not in _DOCUMENTS or not answer.succeeded:
        return answer
    document = json.loads(answer.body)
    change(document)
    return answer.with_json(document)


@the_document_lists_a_route.mutant
def lists_other_routes(answer: Answer) -> Answer:
    """Offers the document of another service."""
    return changed(answer, lambda document: document.update(paths={"/pets": {"get": {}}}))


@the_document_lists_a_route.mutant
def cuts_its_document(answer: Answer) -> Answer:
    """Offers a document that ends in the middle."""
    is_one = answer.ask.path.split("?")[0] in _DOCUMENTS and answer.succeeded
    return Answer(answer.ask, 200, answer.headers, answer.body[: len(answer.body) // 2]) if is_one else answer


@the_document_lists_a_route.mutant
def crashes_over_its_document(answer: Answer) -> Answer:
    """Answers the request for its document with an internal error."""
    return answer.with_error(500) if answer.ask.path.split("?")[0] in _DOCUMENTS else answer


@check("service.listed", cites=["service.document"], needs=[".answers", "service.document"])
def the_document_lists_what_answers(api: Api) -> None:
    """The document lists the route, which the endpoint serves."""
    description, exchange = described(api)
    expect(place_of(api, description), f"the endpoint's own document does not list {api.operation.path}", exchange)


@the_document_lists_what_answers.mutant
def lists_every_other_route(answer: Answer) -> Answer:
    """Offers a document that lists other routes only."""

    def change(document: dict[str, Any]) -> None:
        document["paths"] = {"/v1/embeddings": {"post": {}}}

    return changed(answer, change)


@check("service.parameters", cites=["service.parameters"], needs=[".answers", "service.document"])
def the_document_agrees_with_the_rows(api: Api) -> None:
    """The document names the parameters that the rows name, with types and bounds that the rows' values keep."""
    description, exchange = described(api)
    if place_of(api, description) != api.operation.path:
        raise Skip(f"the endpoint's document does not describe {api.operation.path}")
    body = description.body(api.operation.path)
    if body is None:
        raise Skip(f"the endpoint's document does not say what {api.operation.path} takes")
    schema = api.schema("request")
    rows = properties_of(document_of(schema), schema)
    faults = [f"`{name}` is not in it" for name in rows if name not in body.properties and _duty(api, name)]
    faults += [
        f"`{name}` {fault}"
        for name, row in rows.items()
        if name in body.properties and isinstance(row, Mapping) and (fault := contradiction(body.properties[name], row))
    ]
    needless = sorted(body.required & set(rows) - set(schema.get("required", ())))
    faults += [f"`{name}` is required there" for name in needless]
    api.count = len(faults)
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    expect(not faults, "the endpoint's own document differs: " + "; ".join(faults[:5]) + more, exchange)


def _duty(api: Api, name: str) -> bool:
    return any(param.name == name and param.level == "MUST" for param in api.operation.request.params)


def contradiction(stated: Stated, row: Mapping[str, Any]) -> str:
    """Where a document forbids what a row promises, as the end of a sentence; empty when it does not."""
    named = row.get("type", ())
    wanted = {named} if isinstance(named, str) else set(named)
    allowed = stated.types
    if wanted - {"null"} and allowed - {"null"} and not _widened(wanted) & _widened(set(allowed)) - {"null"}:
        return f"is {_listed(allowed)} there, {_listed(wanted)} in the contract"
    low, high = row.get("minimum", row.get("exclusiveMinimum")), row.get("maximum")
    if low is not None and stated.least is not None and stated.least > low:
        return f"is at least {stated.least:g} there, and may be {low:g}"
    if high is not None and stated.most is not None and stated.most < high:
        return f"is at most {stated.most:g} there, and may be {high:g}"
    missing = [value for value in row.get("enum", ()) if stated.values is not None and value not in stated.values]
    return f"cannot be {missing[0]!r} there" if missing else ""


def _widened(types: set[str]) -> set[str]:
    """An integer is a number, and a document may call it either."""
    return types | _NUMBERS if types & _NUMBERS else types


def _listed(types: Any) -> str:
    return " or ".join(sorted(name[:20] for name in types if name != "null")[:7])


@the_document_agrees_with_the_rows.mutant
def narrows_a_bound(answer: Answer) -> Answer:
    """Offers a document in which `temperature` ends at one half."""
    return changed(answer, lambda document: _each_property(document, "temperature", {"maximum": 0.5}))


@the_document_agrees_with_the_rows.mutant
def changes_a_type(answer: Answer) -> Answer:
    """Offers a document in which `max_tokens` is a text."""
    return changed(answer, lambda document: _each_property(document, "max_tokens", {"type": "string"}))


@the_document_agrees_with_the_rows.mutant
def forgets_a_parameter(answer: Answer) -> Answer:
    """Offers a document without `stop`."""
    return changed(answer, lambda document: _each_property(document, "stop", None))


def _each_property(document: dict[str, Any], name: str, change: dict[str, Any] | None) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            for said in content.values():
                properties = said["schema"].get("properties", {})
                if change is None:
                    properties.pop(name, None)
                elif name in properties:
                    properties[name].update(change)


@check("service.routes", cites=["service.routes"], routes=(), needs=["service.document"])
def listed_routes_answer(api: Api) -> None:
    """What the document lists to be fetched is there."""
    description, listing = described(api)
    listed = description.simple_gets()
    paths = [path for path in FETCHED if path in listed]
    if not paths:
        raise Skip("the endpoint's document lists none of " + ", ".join(FETCHED))
    for path in paths:
        exchange = get(api, path)
        there = exchange.status not in NOT_SERVED
        expect(there, f"the document lists {path}, which got status {exchange.status}", listing, exchange)


@listed_routes_answer.mutant
def lists_what_is_not_there(answer: Answer) -> Answer:
    """Offers a document that lists a route which it does not serve."""
    return changed(answer, lambda document: document["paths"].update({"/version": {"get": {"responses": {}}}}))


@check("service.info", cites=["service.info"], routes=())
def info_names_the_model(api: Api) -> None:
    """`/info` names the model, its kind and its provider."""
    exchange = get(api, "/info")
    expect((exchange.status or 0) < 500, f"/info got status {exchange.status}", exchange)
    if exchange.status != 200:
        raise Skip(f"the endpoint does not serve /info (status {exchange.status})")
    try:
        document = exchange.json
    except NotJson:
        document = None
    if not isinstance(document, dict) or not any(name in document for name in INFO):
        raise Skip("/info is another service's here: it has none of " + ", ".join(INFO))
    for name in INFO:
        expect(isinstance(document.get(name), str), f"/info has {document.get(name)!r} for `{name}`", exchange)


@info_names_the_model.mutant
def names_no_provider(answer: Answer) -> Answer:
    """Leaves the provider out of `/info`."""
    is_one = answer.ask.path.startswith("/info") and answer.succeeded
    return answer.edit(lambda document: document.pop("model_provider_name", None)) if is_one else answer


@info_names_the_model.mutant
def crashes_on_info(answer: Answer) -> Answer:
    """Answers `/info` with an internal error."""
    return answer.with_error(500) if answer.ask.path.startswith("/info") else answer

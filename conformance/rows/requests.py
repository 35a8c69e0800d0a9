"""The checks and mutants that the rows of a request imply, built from its JSON Schema and nothing else.

Law: a schema of the user's own drives the same checks as a contract's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis.strategies import just

from conformance.check import Check, Mutant, Violation
from conformance.rows.complaints import acceptance_of_broken, described, refusal_of_valid, shown
from conformance.rows.hunt import hunt
from conformance.rows.owners import owned, owner_of
from conformance.rows.places import Place
from conformance.rows.request_schema import COSTLY, Request, request_of
from conformance.rows.titles import accepted_title, refused_title
from conformance.strategies.bodies import without
from conformance.strategies.boundary import Edges
from conformance.strategies.broken import LISTS, Broken
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import Json, canonical, document_of
from conformance.strategies.valid import valid
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange
from schemas.model import Route

if TYPE_CHECKING:
    from conformance.api import Api

T = TypeVar("T")

# Enough of one failure; more of them cost requests and say nothing new.
MOST_FAILURES = 3
LAST = 20
# Many requests, and a slow endpoint.
PATIENCE = 300.0


def request_checks(schema: Mapping[str, Any], route: Route, caps: Caps | None = None) -> list[Check]:
    """The checks that a request's schema implies: each property accepted, each way to break it refused, all together.

    Raises `SchemaFault` (or one of its kinds) for a schema that cannot drive them.
    """
    if caps is None:
        return list(_request_checks(json.dumps(schema), route))
    return _built(Request(owned(schema, route), route, caps))


@lru_cache(maxsize=16)
def _request_checks(text: str, route: Route) -> tuple[Check, ...]:
    """The same, built once for each schema."""
    return tuple(_built(request_of(text, route)))


def _built(request: Request) -> list[Check]:
    refused: dict[str, list[Check]] = {}
    for (name, kind), group in request.groups.items():
        refused.setdefault(name, []).append(_refused(request, name, kind, group))
    checks: list[Check] = []
    for place in request.places:
        if place.values:
            checks.append(_accepted(request, place))
        checks += refused.pop(place.name, [])
    checks += [check for rest in refused.values() for check in rest]
    # First, so that an endpoint which refuses options together fails for it before the one by one is unaffordable.
    return [_random(request), *checks]


def _accepted(request: Request, place: Place) -> Check:
    check_id = request.id(place.name, "accepted")
    bodies = [(value, place.put(value)) for value in place.values]

    def ask(api: Api, body: dict[str, Json], value: Json) -> Violation | None:
        exchange = api.send(body)
        complaint = refusal_of_valid(exchange, body)
        return Violation(f"`{place.name}` {shown(value)} {complaint}", exchange) if complaint else None

    def run(api: Api) -> None:
        failures: list[Violation] = []
        asked = _left_alone(api, request, place) if api.quick else bodies
        for value, body in supported(api, asked, lambda pair: pair[1]):
            failure = ask(api, body, value)
            failures += [failure] if failure else []
            if len(failures) == MOST_FAILURES:
                break
        _raise(api, failures)
        whole = without(request.schema, api.unsupported)

        def fits(value: Json) -> bool:
            return all(
                request.document.accepts(schema, part)
                for schema, part in ((place.schema, value), (whole, place.put(value)))
            )

        def once(value: Json) -> None:
            failure = ask(api, place.put(value), value) if fits(value) else None
            if failure:
                api.count += 1
                raise failure

        if api.quick:
            return
        drawn = valid(place.schema, request.caps, document=request.document, name=place.path[-1])
        hunt(drawn, once, examples=api.examples, seed=api.seed, shrink=api.shrink, accepts=fits)

    return Check(
        id=check_id,
        title=accepted_title(place.name),
        cites=_cites(request, place.owner),
        run=run,
        area="request",
        route=request.route,
        needs=(f"{request.route}.answers",),
        mutants=_accepting_mutants(request, check_id, place, [body for _, body in bodies]),
        deadline=PATIENCE,
    )


def _left_alone(api: Api, request: Request, place: Place) -> list[tuple[Json, dict[str, Json]]]:
    """The decisive values of a place, each in a request of its own, that were not accepted together with others."""
    api.insist(place.path[:1])
    values: list[Json] = []
    with_it = [one for one in request.together if place.name in one.held]
    for one in with_it:
        # What the endpoint does not support would speak for nobody else in the request.
        body = {name: value for name, value in one.body.items() if name not in api.unsupported}
        fits = len(body) == len(one.body) or request.document.accepts(request.schema, body)
        got = api.shared(one.name, partial(_sent, body=body)) if fits else None
        if got is None or refusal_of_valid(got, body):
            values.append(one.held[place.name])
    return [(value, place.put(value)) for value in (values if with_it else place.values[-1:])]


def _sent(api: Api, body: dict[str, Json]) -> Exchange | None:
    """The answer; None when there is no whole one, which is held against the value that causes it and no other."""
    try:
        return api.send(body)
    except Violation:
        return None


def _accepting_mutants(
    request: Request, check_id: str, place: Place, bodies: list[dict[str, Json]]
) -> tuple[Mutant, ...]:
    """A server that does not know the parameter, and one that is off by one at the last of its edges."""
    top = place.path[0]
    usual, last = _at(request.base, top), _at(bodies[-1], top)
    varies = any(_at(body, top) != usual for body in bodies)

    def unknown(answer: Answer) -> Answer:
        sent = _at(answer.ask.body, top)
        refused = sent != usual if varies else sent != ""
        return answer.with_error(400) if answer.succeeded and refused else answer

    def edge(answer: Answer) -> Answer:
        return answer.with_error(400) if answer.succeeded and _at(answer.ask.body, top) == last else answer

    return (
        Mutant(f"{check_id}/refuses", f"Refuses any `{place.name}` but the one in its own example.", answer=unknown),
        Mutant(f"{check_id}/refuses-an-edge", f"Refuses `{place.name}` at one of its edges.", answer=edge),
    )


def _refused(request: Request, name: str, kind: str, group: list[Broken]) -> Check:
    check_id = request.id(name, f"refused-{kind}") if kind != "rule" else request.id(name, "refused")

    def run(api: Api) -> None:
        failures: list[Violation] = []
        for one in api.few(supported(api, group, lambda one: one.value)):
            exchange = refusal(api, one)
            complaint = acceptance_of_broken(exchange)
            if complaint:
                failures.append(Violation(f"{described(name, one)} {complaint}", exchange))
            if len(failures) == MOST_FAILURES:
                break
        _raise(api, failures)

    def crashes(answer: Answer) -> Answer:
        return answer.with_error(500) if 400 <= answer.status < 500 else answer

    # What forgets a type takes a value of another type, so it cannot hold it against an enumeration.
    forgets = frozenset(
        (one.requirement, keyword)
        for one in group
        for keyword in ((one.keyword, *LISTS) if one.keyword == "type" else (one.keyword,))
    )
    last = kind == "below" and name in COSTLY
    title = refused_title(request.document, name, kind, group)
    return Check(
        id=check_id,
        title=title,
        cites=_cites(request, *(one.requirement for one in group)),
        run=run,
        area="request",
        route=request.route,
        needs=(f"{request.route}.answers",),
        mutants=(
            Mutant(f"{check_id}/forgets", f"Does not enforce that {title[0].lower()}{title[1:]}", forgets=forgets),
            Mutant(f"{check_id}/crashes", "Answers what it refuses with an internal error.", answer=crashes),
        ),
        when="last" if last else "together",
        # Later than the checks of its absence, which cost an answer at most.
        cost=LAST if last else 0,
        deadline=PATIENCE if name in COSTLY else 120.0,
    )


def refusal(api: Api, one: Broken) -> Exchange:
    """What a broken request got; asked once in a run, since other checks look at what a refusal says."""
    name = blake2b(canonical(one.value).encode(), digest_size=8).hexdigest()
    return api.shared(f"broken.{name}", lambda view: view.send(one.value))


def _random(request: Request) -> Check:
    check_id = request.id("random")

    def run(api: Api) -> None:
        answers = document_of(api.schema("response"))

        def once(body: dict[str, Json]) -> None:
            whole = request.capped(body)
            exchange = api.send(whole)
            complaint = refusal_of_valid(exchange, whole)
            if complaint:
                api.count += 1
                raise Violation(f"a valid request with {_names(whole, request.base)} {complaint}", exchange)
            if whole.get("stream") is not True:
                fault = next(iter(answers.first_faults(exchange.json).values()), None)
                if fault is not None:
                    api.count += 1
                    where = fault.pointer or "the document"
                    raise Violation(f"the answer breaks its schema at {where}: {fault.message[:200]}", exchange)

        schema = without(request.schema, api.unsupported)
        document, edges = request.document, request.edges
        if api.unsupported:
            document = document_of(schema)
            edges = Edges(document, request.caps)
        fits = partial(document.accepts, schema)
        # What is the same in every run comes first; and few examples may all be small ones.
        fullest = edges.fullest(schema) or request.base
        hunt(just(fullest), once, examples=1, seed=api.seed, shrink=api.shrink, accepts=fits)
        drawn = valid(schema, request.caps, document=document)
        hunt(drawn, once, examples=max(1, api.examples), seed=api.seed, shrink=api.shrink, accepts=fits)

    def only_example(answer: Answer) -> Answer:
        differs = canonical(answer.ask.body) != canonical(request.base)
        return answer.with_error(400) if answer.succeeded and differs else answer

    def odd_choices(answer: Answer) -> Answer:
        return answer.edit(lambda document: document.update(choices="none"))

    return Check(
        id=check_id,
        title="Random valid requests are accepted, and their answers match the schema.",
        cites=_cites(request, owner_of(request.schema)),
        run=run,
        area="request",
        route=request.route,
        needs=(f"{request.route}.answers",),
        mutants=(
            Mutant(f"{check_id}/only-its-example", "Accepts its own example and nothing else.", answer=only_example),
            Mutant(f"{check_id}/odd-choices", "Answers with `choices` that are no list.", answer=odd_choices),
        ),
        deadline=PATIENCE,
    )


def supported(api: Api, cases: Sequence[T], body: Callable[[T], Json]) -> list[T]:
    """The cases whose body has nothing that the endpoint does not support; `Unsupported` when none is left."""
    found = [case for case in cases if not _lacking(api, body(case))]
    if not found:
        api.insist(name for case in cases for name in _lacking(api, body(case)))
    return found


def _lacking(api: Api, body: Json) -> list[str]:
    return [name for name in api.unsupported if isinstance(body, dict) and name in body]


def _raise(api: Api, failures: list[Violation]) -> None:
    """Raise one violation for all; each of its exchanges is a failing instance."""
    if failures:
        api.count = len(failures)
        messages = "; ".join(failure.message for failure in failures)
        raise Violation(messages, *(exchange for failure in failures for exchange in failure.exchanges))


def _names(body: Mapping[str, Json], base: Mapping[str, Json]) -> str:
    added = [f"`{name}`" for name in body if name not in base]
    return ", ".join(added) if added else "nothing but what it needs"


def _cites(request: Request, *owners: str) -> tuple[str, ...]:
    """The requirements, each once; the body's own where a keyword has no owner."""
    named = tuple(dict.fromkeys(owner for owner in owners if owner))
    return named or (owner_of(request.schema) or f"schema.{request.route}.body",)


def _at(body: Mapping[str, Json], name: str) -> str:
    return canonical(body[name]) if name in body else ""

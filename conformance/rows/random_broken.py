"""The check that broken requests in random company are refused: what is wrong is wrong whatever stands beside it.

Law: each request that is sent is certainly broken, and none of them may cost a lot if it is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conformance.check import Check, Mutant, Violation
from conformance.rows.complaints import acceptance_of_broken, shown
from conformance.rows.hunt import hunt
from conformance.rows.owners import owner_of
from conformance.rows.request_schema import COSTLY, Request, request_of
from conformance.rows.requests import PATIENCE
from conformance.strategies.bodies import properties_of
from conformance.strategies.broken import Broken, broken_strategy
from conformance.strategies.dialect import Json
from conformance.wire.answer import Answer
from schemas.model import Route

if TYPE_CHECKING:
    from conformance.api import Api


def random_broken_checks(schema: Mapping[str, Any], route: Route) -> list[Check]:
    """The check, where anything that is cheap to ask breaks the schema."""
    request = request_of(json.dumps(schema), route)
    ways = [way for group in request.groups.values() for way in group if way.path and not costly(way.value)]
    return [_check(request, ways)] if ways else []


def costly(body: Json) -> bool:
    """Whether a server that takes the body may generate until it is full: a bound on the length that bounds nothing."""
    if not isinstance(body, dict):
        return False
    bounds = [body[name] for name in COSTLY if name in body]
    return any(isinstance(bound, int | float) and not isinstance(bound, bool) and bound < 1 for bound in bounds)


def _check(request: Request, ways: list[Broken]) -> Check:
    check_id = request.id("random-broken")

    def bounded(body: dict[str, Json]) -> dict[str, Json]:
        names = COSTLY & request.caps.maxima.keys() & properties_of(request.document, request.schema).keys()
        return {**body, **{name: request.caps.maxima[name] for name in names if name not in body}}

    def fits(body: Json) -> bool:
        if not isinstance(body, dict) or costly(body):
            return False
        faults = request.document.faults(bounded(body))
        return bool(faults) and not any(fault.unjudged for fault in faults)

    def run(api: Api) -> None:
        def once(body: dict[str, Json]) -> None:
            whole = bounded(body)
            exchange = api.send(whole)
            complaint = acceptance_of_broken(exchange)
            if complaint:
                why = request.document.faults(whole)[0]
                raise Violation(f"a request that breaks {_place(why.pointer)}, {shown(whole)}, {complaint}", exchange)

        drawn = broken_strategy(request.schema, request.caps, document=request.document, ways=ways)
        bodies = drawn.map(lambda one: one.value).filter(fits)
        hunt(bodies, once, examples=max(1, api.examples), seed=api.seed, shrink=api.shrink, accepts=fits)

    def accepts(answer: Answer) -> Answer:
        return answer.with_success() if answer.status in (400, 422) else answer

    def crashes(answer: Answer) -> Answer:
        crowded = answer.status in (400, 422) and len(answer.ask.body) > len(request.base) + 2
        return answer.with_error(500) if crowded else answer

    return Check(
        id=check_id,
        title="Random broken requests are refused.",
        cites=(owner_of(request.schema) or f"{request.route}.error.status",),
        run=run,
        area="request",
        route=request.route,
        needs=(f"{request.route}.answers",),
        mutants=(
            Mutant(f"{check_id}/accepts", "Accepts whatever is broken.", answer=accepts),
            Mutant(f"{check_id}/crashes", "Fails where other parameters stand beside a broken one.", answer=crashes),
        ),
        cost=1,
        deadline=PATIENCE,
    )


def _place(pointer: str) -> str:
    return f"its schema at {pointer}" if pointer else "its schema"

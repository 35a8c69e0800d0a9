"""One route's request as its JSON Schema describes it: a base body, where it can vary, and how it can be broken.

Law: nothing is asked here; what is made of a schema depends on the schema alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from conformance.rows.owners import owned
from conformance.rows.places import places
from conformance.rows.together import Ensemble, ensembles
from conformance.strategies.bodies import properties_of
from conformance.strategies.boundary import Edges
from conformance.strategies.broken import Broken, broken, example
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import Json, SchemaFault, document_of
from schemas.model import Route

# A server that takes a negative bound for "no bound" generates until it is full, so that is asked last.
COSTLY = frozenset({"max_tokens", "max_completion_tokens"})


@dataclass
class Request:
    """A request's schema with what the checks share: a base body, and the places where it can vary."""

    schema: Mapping[str, Any]
    route: Route
    caps: Caps

    def __post_init__(self) -> None:
        self.document = document_of(self.schema)
        self.edges = Edges(self.document, self.caps)
        base = example(self.document, self.caps)
        if not isinstance(base, dict):
            raise SchemaFault("the schema of a request describes a JSON object")
        self.base: dict[str, Json] = self.capped(base)
        self.places = list(places(self.document, self.edges, self.base))

    @cached_property
    def together(self) -> list[Ensemble]:
        """What a quick run sends in place of one request for each value."""
        return ensembles(self.document, self.base, self.places)

    def capped(self, body: dict[str, Json]) -> dict[str, Json]:
        """The body with a bound on what its answer costs, where the schema has one and the body does not."""
        bounds = {
            name: self.caps.maxima[name]
            for name in properties_of(self.document, self.schema)
            if name in COSTLY and name not in body and name in self.caps.maxima
        }
        bounded = {**body, **bounds}
        return bounded if self.document.accepts(self.schema, bounded) else body

    @cached_property
    def groups(self) -> dict[tuple[str, str], list[Broken]]:
        """What to refuse, by the property concerned and what is wrong with it."""
        found: dict[tuple[str, str], list[Broken]] = {}
        for one in broken(self.schema, base=self.base, edges=self.edges):
            if one.path or one.kind != "type":
                name = "rule." + one.requirement.rsplit(".", 1)[-1] if one.kind == "rule" else ".".join(one.path)
                found.setdefault((name, one.kind), []).append(one)
        return found

    def id(self, *steps: str) -> str:
        """The id of a check of this request."""
        return ".".join(step for step in (self.route, "request", *steps) if step)


@lru_cache(maxsize=16)
def request_of(text: str, route: Route) -> Request:
    """The request of a schema in JSON, made once: validating a thousand candidates takes about half a second."""
    return Request(owned(json.loads(text), route), route, Caps())

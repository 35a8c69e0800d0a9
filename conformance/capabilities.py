"""Asks for each documented option in its plainest form before any check, so that unsupported is not taken for wrong.

Law: an option is unsupported only when the endpoint refuses every form of it that is asked for and takes the same
request without it. A boundary refused, a crash, a hang or garbage is for the checks to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.api import Api
from conformance.check import Inconclusive, Violation
from conformance.courier import Courier
from conformance.rows.owners import owned, owner_of
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.strategies.bodies import companions, properties_of
from conformance.strategies.boundary import Edges
from conformance.strategies.broken import example
from conformance.strategies.caps import Caps
from conformance.strategies.dialect import Json, Schema, SchemaFault, canonical, document_of
from conformance.wire.exchange import Exchange
from reports.model import Capability
from schemas.model import Contract, Route

# How an endpoint says that it does not do something; any other answer is no statement about the option.
REFUSALS = frozenset({400, 404, 405, 409, 415, 422, 501})
# Every request needs these or has them anyway, and of models only the endpoint knows which there are.
NEVER = frozenset({"max_tokens", "max_completion_tokens", "model"})
# What people who use an option write first, plainest first: neither a default nor an edge.
PLAIN: Mapping[str, Sequence[Json]] = {
    "temperature": (0.5, 0.9, 0.7),
    "top_p": (0.9, 0.5, 0.7),
    "n": (2, 3),
    "best_of": (2, 3, 4),
    "stop": (["\n\n"], "###", ["END", "STOP"]),
    "logprobs": (2, 5, 3, True),
    "top_logprobs": (2, 5, 3),
    "presence_penalty": (0.5, 1, -0.5),
    "frequency_penalty": (0.5, 1, -0.5),
    "stop_token_ids": ([2], [7], [5, 6]),
    "seed": (7, 42, 1),
}
# Several candidates of greedy sampling are refused by right, and an endpoint's own default may be greedy.
BESIDE: Mapping[str, Mapping[str, Json]] = {"n": {"temperature": 0.5}, "best_of": {"temperature": 0.5}}
# Forms of one option that are asked for before it is called unsupported; one that has a single form is asked twice.
FORMS = 3
# The most requests for one route, and how many of them may go unanswered until the rest is left to the checks.
MOST_REQUESTS = 40
MOST_UNANSWERED = 2
MAX_TOKENS = 2
SECONDS = 120.0


def probe(courier: Courier, contract: Contract, settings: Settings, routes: Iterable[Route]) -> tuple[Capability, ...]:
    """What the endpoint says about each optional parameter of those routes; nothing where it says nothing.

    All options that go together are asked for at once, and one by one only where that is not answered with 200: two
    requests for a route that takes them all. Throttling and a spent budget end the probing and not the run.
    """
    found: list[Capability] = []
    for route in routes:
        try:
            found += _Probe(courier, contract, replace(settings, unsupported={}), route).capabilities()
        except (SchemaFault, Inconclusive):
            # What cannot be asked for is not called unsupported; the checks find the same obstacle.
            continue
    return tuple(found)


def unsupported(capabilities: Iterable[Capability]) -> dict[str, dict[str, Capability]]:
    """The capabilities that are none, by route and parameter, as `Settings` has them."""
    found: dict[str, dict[str, Capability]] = {}
    for one in capabilities:
        if not one.supported:
            found.setdefault(one.route, {})[one.parameter] = one
    return found


@dataclass(frozen=True)
class _Option:
    name: str
    requirement: str
    uses: tuple[tuple[Json, dict[str, Json]], ...]


class _Probe:
    """The questions about one route's options."""

    def __init__(self, courier: Courier, contract: Contract, settings: Settings, route: Route) -> None:
        self._route = route
        self._api = Api(
            courier, contract, settings, Shared(), scope=f"capability:{route}", route=route, seconds=SECONDS
        )
        # Owners as the checks of the same schema have them, so that a report can name the row.
        schema = owned(self._api.schema("request"), route)
        self._document = document_of(schema)
        self._edges = Edges(self._document, Caps())
        self._base = self._plain_body()
        self._left, self._unanswered = MOST_REQUESTS, 0
        self._refused: set[str] = set()

    def capabilities(self) -> list[Capability]:
        """One for each option about which the endpoint said something."""
        found: list[Capability] = []
        alone: list[tuple[_Option, Exchange | None]] = []
        plain: Exchange | None = None
        for options, body in self._bundles(self._options()):
            exchange = self._ask(body)
            if exchange is not None and exchange.status == 200:
                found += [self._capability(option, exchange) for option in options]
                continue
            plain = plain or self._ask(self._base)
            if plain is None or plain.status != 200:
                return found
            alone += [(option, exchange if len(options) == 1 else None) for option in options]
        for option, first in alone:
            assert plain is not None
            capability = self._alone(option, first, plain)
            found += [capability] if capability else []
            if capability and not capability.supported:
                self._refused.add(option.name)
        return found

    def _plain_body(self) -> dict[str, Json]:
        body = self._api.body(max_tokens=MAX_TOKENS)
        if self._document.accepts(self._document.root, body):
            return body
        value = example(self._document, Caps())
        if not isinstance(value, dict):
            raise SchemaFault("the schema of a request describes a JSON object")
        return value

    def _options(self) -> list[_Option]:
        required = self._document.root.get("required", ()) if isinstance(self._document.root, Mapping) else ()
        options = []
        for name, schema in properties_of(self._document, self._document.root).items():
            if name in NEVER or name in required or name in self._base or isinstance(schema, bool):
                continue
            uses = tuple((value, self._use(name, schema, value)) for value in self._values(name, schema))
            root = self._document.root
            valid = tuple(use for use in uses if self._document.accepts(root, {**self._base, **use[1]}))
            if valid:
                options.append(_Option(name, owner_of(schema), valid[:FORMS]))
        return options

    def _values(self, name: str, schema: Schema) -> list[Json]:
        """The values to try, plainest first: never the default, since taking that shows nothing."""
        stated = list(schema.get("examples", ())) if isinstance(schema, Mapping) else []
        default = schema.get("default") if isinstance(schema, Mapping) else None
        # False turns most options off, which is no use of them.
        usual = [True] if default is not True and self._document.accepts(schema, True) else []
        candidates = [*stated, *PLAIN.get(name, ()), *usual]
        fitting = [value for value in candidates if self._document.accepts(schema, value)]
        fitting = fitting or self._edges.within(schema, name, 0)
        unusual = {canonical(value): value for value in fitting if value is not None}
        unusual.pop(canonical(default), None)
        return list(unusual.values())

    def _use(self, name: str, schema: Schema, value: Json) -> dict[str, Json]:
        stated = properties_of(self._document, self._document.root)
        beside = {key: each for key, each in BESIDE.get(name, {}).items() if key in stated}
        return {**beside, **companions(self._document, schema), name: value}

    def _bundles(self, options: Sequence[_Option]) -> list[tuple[list[_Option], dict[str, Json]]]:
        """The options in as few valid bodies as their first forms fit into."""
        bundles: list[tuple[list[_Option], dict[str, Json]]] = []
        for option in options:
            wanted = option.uses[0][1]
            for members, body in bundles:
                agrees = all(name not in body or canonical(body[name]) == canonical(wanted[name]) for name in wanted)
                if agrees and self._document.accepts(self._document.root, {**body, **wanted}):
                    members.append(option)
                    body.update(wanted)
                    break
            else:
                bundles.append(([option], {**self._base, **wanted}))
        return bundles

    def _alone(self, option: _Option, first: Exchange | None, plain: Exchange) -> Capability | None:
        """What the endpoint says of one option, asked for in its forms until one is not refused."""
        refusals: list[Exchange] = []
        uses = option.uses if len(option.uses) > 1 else option.uses * 2
        # What only goes along must not be what is refused.
        tainted = self._refused.intersection(BESIDE.get(option.name, ()))
        for number, (_, use) in enumerate(uses):
            body = {**self._base, **{name: value for name, value in use.items() if name not in tainted}}
            exchange = first if number == 0 and first is not None and not tainted else self._ask(body)
            if exchange is None:
                return None
            if exchange.status not in REFUSALS:
                return self._capability(option, exchange)
            refusals.append(exchange)
        *others, last = dict.fromkeys(canonical(value) for value, _ in option.uses)
        tried = f"{', '.join(others)} and {last}" if others else last
        return replace(
            self._capability(option, plain, *reversed(refusals)),
            supported=False,
            message=f"its plainest use is refused with status {refusals[0].status} (tried {tried}), "
            "and the same request without it is accepted",
        )

    def _capability(self, option: _Option, *exchanges: Exchange) -> Capability:
        return Capability(
            route=self._route,
            parameter=option.name,
            requirement=option.requirement or f"schema.{self._route}.{option.name}",
            supported=True,
            exchanges=tuple(exchange.id for exchange in exchanges),
        )

    def _ask(self, body: dict[str, Json]) -> Exchange | None:
        """The answer; None when there was no complete one, or when too many requests were sent or left unanswered."""
        if self._left == 0 or self._unanswered >= MOST_UNANSWERED:
            return None
        self._left -= 1
        try:
            return self._api.send(body)
        except Violation:
            self._unanswered += 1
            return None

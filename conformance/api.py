"""What a check sees of an endpoint: one route of a contract, asked in the contract's own terms.

Law: nothing here judges. A request that got no complete answer raises, so that no check mistakes silence for an answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

from conformance.budget import upper_bound
from conformance.check import Inconclusive, Skip, Unsupported, Violation
from conformance.courier import Courier, Witness
from conformance.reader import Reader
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.strategies.bodies import fitting, without
from conformance.wire.exchange import UNREACHABLE, Exchange, Sent
from reports.model import Capability
from schemas import emit
from schemas.model import Contract, Operation, Route

T = TypeVar("T")

# What an answer may cost where a check does not care: long enough to have several tokens, short enough to be cheap.
DEFAULT_MAX_TOKENS = 8


class Unreachable(Inconclusive):
    """The endpoint did not take a connection: nothing can be said about its contract."""


class Api(Reader):
    """One route (or the endpoint as a whole) for one check. `requests` and `tokens` count what the check spent."""

    def __init__(
        self,
        courier: Courier,
        contract: Contract,
        settings: Settings,
        shared: Shared,
        *,
        scope: str,
        route: Route | None = None,
        seconds: float = 60.0,
    ) -> None:
        self.contract = contract
        self.settings = settings
        self.scope = scope
        self.requests = 0
        self.tokens = 0
        self.readings: dict[str, str] = {}
        self.count = 0
        self._courier = courier
        self._shared = shared
        self._route = route
        self._seconds = seconds
        self._waited = 0.0
        # Apart from `requests`, which also counts what this check was the first to ask for others: a replay may ask in
        # another order.
        self._ordinal = 0

    @property
    def route(self) -> Route:
        """The route that the check is about; the contract's first where the check is about the whole endpoint."""
        return self._route or self.contract.operations[0].route

    @property
    def operation(self) -> Operation:
        """The operation behind the route."""
        return self.contract.operation(self.route)

    @property
    def seed(self) -> int:
        """The check's own seed: the run's seed and the check's id, nothing else."""
        return self.settings.seed

    @property
    def examples(self) -> int:
        """How many random examples a property test draws."""
        return self.settings.examples

    @property
    def quick(self) -> bool:
        """Whether only what decides is to be asked."""
        return self.settings.depth == "quick"

    def few(self, values: Sequence[T], most: int = 1) -> Sequence[T]:
        """All of the values; only the first `most` where little is to be asked."""
        return values[:most] if self.quick else values

    @property
    def shrink(self) -> bool:
        """Whether a failing random request is made smaller before it is reported."""
        return self.settings.shrink

    def schema(self, part: emit.Part) -> Mapping[str, Any]:
        """The JSON Schema of `request`, `response` or `chunk` on this route; the user's own request schema if given.

        No value is valid for what the endpoint does not support, so nothing drawn from a request's schema has it.
        """
        if part != "request":
            return emit.schema(self.contract, self.route, part)
        return without(self._request_schema, self.unsupported)

    @property
    def _request_schema(self) -> Mapping[str, Any]:
        own = self.settings.request_schemas.get(self.route)
        return own or emit.schema(self.contract, self.route, "request")

    def on(self, route: Route) -> Api:
        """The same endpoint, seen from another route; what it spends counts for this check."""
        return _View(self, route)

    def body(self, **params: Any) -> dict[str, Any]:
        """The smallest valid body of the route with those parameters; one set to `...` is left out."""
        model = {} if self.settings.model is None else {"model": self.settings.model}
        body = {**self.operation.example, "max_tokens": DEFAULT_MAX_TOKENS, **model, **params}
        return {name: value for name, value in body.items() if value is not ...}

    def prompt(self, text: str) -> dict[str, Any]:
        """The parameter that puts `text` before the model: `prompt`, or `messages` with one user message."""
        if self.route == "chat":
            return {"messages": [{"role": "user", "content": text}]}
        return {"prompt": text}

    def offers(self, *names: str) -> bool:
        """Whether the request schema has parameters of those names, and the endpoint does not refuse them as such."""
        properties = self.schema("request").get("properties", {})
        return all(properties.get(name, False) is not False for name in names)

    @property
    def unsupported(self) -> Mapping[str, Capability]:
        """The documented parameters of the route that the endpoint refuses in every form, by name."""
        return self.settings.unsupported.get(self.route, {})

    def insist(self, names: Iterable[str]) -> None:
        """Raise `Unsupported`, with its evidence, when the endpoint does not support one of those parameters."""
        for name in names:
            lacking = self.unsupported.get(name)
            if lacking is not None:
                raise Unsupported(f"`{name}` is not supported: {lacking.message}", *lacking.exchanges)

    def ask(self, **params: Any) -> Exchange:
        """Send a valid body with those parameters, as documented, and return the exchange, whatever its status.

        `Skip` when the contract has no such parameter: then nobody promised what the check is about. `Unsupported` when
        the endpoint refuses it in every form.
        """
        self._know(params)
        return self.send(self.body(**params))

    def _know(self, params: Mapping[str, Any]) -> None:
        self.insist(name for name, value in params.items() if value is not ...)
        for name in params:
            if name not in self._request_schema.get("properties", {}):
                raise Skip(f"the contract has no parameter `{name}` on this route")

    def answer(self, **params: Any) -> Exchange:
        """Like `ask`, but anything except a 200 with a JSON object is a `Violation`."""
        exchange = self.ask(**params)
        self.document(exchange)
        return exchange

    def stream(self, **params: Any) -> Exchange:
        """Send a valid body with `stream: true`; anything except a 200 is a `Violation`."""
        exchange = self.ask(stream=True, **params)
        if exchange.status != 200:
            raise Violation(f"a valid streaming request got status {exchange.status}", exchange)
        return exchange

    def leave(self, events: int, **params: Any) -> Exchange:
        """Send a streaming request and close the connection once so many of its events are in."""
        self._know({"stream": True, **params})
        return self.send(self.body(stream=True, **params), leave_after=events)

    def send(
        self,
        body: Any,
        *,
        method: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        honour_429: bool = True,
        leave_after: int = 0,
    ) -> Exchange:
        """Send any body (bytes as they are, anything else as JSON) and return the exchange, whatever its status.

        `headers` replace or, with None, remove the documented ones; `leave_after` is as in `Sent`. Raises `Violation`
        when no complete answer came, `Unreachable` when no connection was taken, `Inconclusive` when the check's time
        is over, and `Unsupported` for a valid value of what the endpoint does not support: the answer would show
        nothing else.
        """
        if self.unsupported and isinstance(body, dict):
            self.insist(fitting(self._request_schema, body, self.unsupported))
        if self.settings.model is not None and isinstance(body, dict):
            body = self._addressed(body)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        method = method or self.operation.method
        sent = Sent(method, path or self.path, self._headers(headers or {}), raw, leave_after)
        return _complete(self._deliver(sent, tokens=upper_bound(body), honour_429=honour_429))

    def together(self, *requests: Mapping[str, Any]) -> list[Exchange]:
        """Send a valid body for each of those parameters, all at the same time, and return the exchanges in order.

        Raises like `ask`, but a request that is not answered in time makes the check `Inconclusive`: nobody promised
        how long a queue may be.
        """
        batch: list[tuple[Sent, int]] = []
        for params in requests:
            self._know(params)
            body = self.body(**params)
            if self.settings.model is not None:
                body = self._addressed(body)
            sent = Sent(self.operation.method, self.path, self._headers({}), json.dumps(body).encode())
            batch.append((sent, upper_bound(body)))
        exchanges = self._deliver_all(batch)
        if any(exchange.failure in ("timeout", "too-long") for exchange in exchanges):
            raise Inconclusive(f"{len(batch)} requests at once were not all answered in time")
        return [_complete(exchange) for exchange in exchanges]

    def _addressed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the run's model, in place of the example's; one that lacks a required `model` stays without."""
        required, example = self._model_row
        if "model" in body:
            return {**body, "model": self.settings.model} if example and body["model"] == example else body
        return body if required else {"model": self.settings.model, **body}

    @cached_property
    def _model_row(self) -> tuple[bool, Any]:
        """Whether the request's schema requires `model`, and the model of its example."""
        schema = self.schema("request")
        return "model" in schema.get("required", ()), schema.get("x-example", {}).get("model")

    @property
    def path(self) -> str:
        """The route's path with the contract's query."""
        query = urlencode(self.contract.query)
        return f"{self.operation.path}?{query}" if query else self.operation.path

    def shared(self, name: str, make: Callable[[Api], T]) -> T:
        """What `make` returns, asked once in a run for this route however many checks want it."""
        scope = f"shared:{self.route}.{name}"

        def once() -> T:
            view = Api(
                self._courier, self.contract, self.settings, self._shared,
                scope=scope, route=self.route, seconds=self._seconds,
            )  # fmt: skip
            try:
                return make(view)
            finally:
                self.requests += view.requests
                self.tokens += view.tokens

        return self._shared.get(scope, once)

    def throttled(self) -> tuple[Exchange, ...]:
        """The 429s that the run has met until now, whichever check met them."""
        return tuple(self._courier.throttled) if isinstance(self._courier, Witness) else ()

    def reading(self, erratum_id: str, name: str, *evidence: Exchange) -> None:
        """Record how the endpoint reads a contradiction of the page; `Violation` for a reading that does not pass."""
        try:
            erratum = self.contract.erratum(erratum_id)
        except KeyError:
            return
        reading = erratum.reading(name)
        self.readings[erratum_id] = name
        if not reading.passes:
            raise Violation(reading.text, *evidence)

    def _headers(self, changes: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
        headers: dict[str, str | None] = {"Content-Type": "application/json", **self.contract.headers}
        if self.settings.key is not None:
            headers["Authorization"] = f"Bearer {self.settings.key}"
        headers.update(changes)
        return tuple((name, value) for name, value in headers.items() if value is not None)

    def _deliver(self, sent: Sent, *, tokens: int, honour_429: bool) -> Exchange:
        return self._delivered([self._delivery(sent, tokens, honour_429)])[0]

    def _deliver_all(self, batch: Sequence[tuple[Sent, int]]) -> list[Exchange]:
        return self._delivered([self._delivery(sent, tokens, True) for sent, tokens in batch])

    def _delivery(self, sent: Sent, tokens: int, honour_429: bool) -> Callable[[], Exchange]:
        """The delivery of one request, which has its place among the check's requests from now on."""
        if self._waited > self._seconds:
            raise Inconclusive(f"the check used its {self._seconds:g} s; the endpoint is too slow for it")
        ordinal = self._ordinal
        self._ordinal += 1
        self.requests += 1
        self.tokens += tokens

        def deliver() -> Exchange:
            return self._courier.deliver(
                sent,
                scope=self.scope,
                ordinal=ordinal,
                deadline=time.monotonic() + self.settings.request_timeout,
                tokens=tokens,
                honour_429=honour_429,
            )

        return deliver

    def _delivered(self, deliveries: Sequence[Callable[[], Exchange]]) -> list[Exchange]:
        alone = len(deliveries) == 1
        exchanges = [deliveries[0]()] if alone else self._shared.lanes.run(deliveries)
        # Only the endpoint's own time counts against the check; waiting for a rate limit does not.
        self._waited += max((exchange.end_ns for exchange in exchanges), default=0) / 1e9
        return exchanges


class _View(Api):
    """Another route of the endpoint that a check is about; everything it spends is the check's."""

    def __init__(self, base: Api, route: Route) -> None:
        super().__init__(
            base._courier, base.contract, base.settings, base._shared,
            scope=base.scope, route=route, seconds=base._seconds,
        )  # fmt: skip
        self.readings = base.readings
        self._base = base

    def _deliver(self, sent: Sent, *, tokens: int, honour_429: bool) -> Exchange:
        return self._base._deliver(sent, tokens=tokens, honour_429=honour_429)

    def _deliver_all(self, batch: Sequence[tuple[Sent, int]]) -> list[Exchange]:
        return self._base._deliver_all(batch)


def _complete(exchange: Exchange) -> Exchange:
    """The exchange, if it has a complete answer; `Unreachable` or `Violation` if not."""
    if exchange.failure in UNREACHABLE:
        raise Unreachable(f"{exchange.failure}: {exchange.detail}")
    if exchange.failure:
        raise Violation(f"no complete answer ({exchange.failure}): {exchange.detail}", exchange)
    return exchange

"""What a check sees of an endpoint: one route of a contract, asked in the contract's own terms.

Law: nothing here judges. A request that got no complete answer raises, so that no check mistakes silence for an answer.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

from conformance.check import Inconclusive, Skip, Violation
from conformance.courier import Courier
from conformance.wire.exchange import UNREACHABLE, Exchange, NotJson, Sent
from schemas import emit
from schemas.model import Contract, Operation, Route

T = TypeVar("T")

# What an answer may cost where a check does not care: long enough to have several tokens, short enough to be cheap.
DEFAULT_MAX_TOKENS = 8
# What an endpoint may generate when `max_tokens` is absent, for the budget's upper bound; the page's default is 16.
ASSUMED_MAX_TOKENS = 256


class Unreachable(Inconclusive):
    """The endpoint did not take a connection: nothing can be said about its contract."""


class Shared:
    """Answers that several checks look at, asked once; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._values: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The value of that name, made by the first who asks; a failure to make it is shared as well."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._values:
                try:
                    self._values[name] = make()
                except (Violation, Skip) as outcome:
                    self._values[name] = outcome
            value = self._values[name]
        if isinstance(value, Violation | Skip):
            raise value
        result: T = value
        return result


@dataclass(frozen=True)
class Settings:
    """How hard and how fast to ask: the parts of a run's configuration that a check can see."""

    seed: int = 0
    examples: int = 5
    shrink: bool = True
    request_timeout: float = 30.0
    key: str | None = None
    # What a server that hosts several models has to be told; a body without it is left as the contract says.
    model: str | None = None
    # By route: a request schema of the user's own, in place of the contract's.
    request_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Api:
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
    def shrink(self) -> bool:
        """Whether a failing random request is made smaller before it is reported."""
        return self.settings.shrink

    def schema(self, part: emit.Part) -> Mapping[str, Any]:
        """The JSON Schema of `request`, `response` or `chunk` on this route; the user's own request schema if given."""
        if part == "request" and self.route in self.settings.request_schemas:
            return self.settings.request_schemas[self.route]
        return emit.schema(self.contract, self.route, part)

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
        """Whether the request schema has parameters of those names."""
        properties = self.schema("request").get("properties", {})
        return all(name in properties for name in names)

    def ask(self, **params: Any) -> Exchange:
        """Send a valid body with those parameters, as documented, and return the exchange, whatever its status.

        `Skip` when the contract has no such parameter: then nobody promised what the check is about.
        """
        for name in params:
            if not self.offers(name):
                raise Skip(f"the contract has no parameter `{name}` on this route")
        return self.send(self.body(**params))

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

    def send(
        self,
        body: Any,
        *,
        method: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        honour_429: bool = True,
    ) -> Exchange:
        """Send any body (bytes as they are, anything else as JSON) and return the exchange, whatever its status.

        `headers` replace or, with None, remove the documented ones. Raises `Violation` when no complete answer came,
        `Unreachable` when no connection was taken, `Inconclusive` when the check's time is over.
        """
        if self.settings.model is not None and isinstance(body, dict):
            body = self._addressed(body)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = Sent(method or self.operation.method, path or self.path, self._headers(headers or {}), raw)
        if self._waited > self._seconds:
            raise Inconclusive(f"the check used its {self._seconds:g} s; the endpoint is too slow for it")
        exchange = self._deliver(sent, tokens=upper_bound(body), honour_429=honour_429)
        if exchange.failure in UNREACHABLE:
            raise Unreachable(f"{exchange.failure}: {exchange.detail}")
        if exchange.failure:
            raise Violation(f"no complete answer ({exchange.failure}): {exchange.detail}", exchange)
        return exchange

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

    def document(self, exchange: Exchange) -> dict[str, Any]:
        """The JSON object of a successful answer; anything else is a `Violation`."""
        if exchange.status != 200:
            raise Violation(f"a valid request got status {exchange.status}", exchange)
        try:
            value = exchange.json
        except NotJson as error:
            raise Violation(f"the body of a 200 is not JSON: {error}", exchange) from None
        if not isinstance(value, dict):
            raise Violation("the body of a 200 is not a JSON object", exchange)
        return value

    def choices(self, exchange: Exchange) -> list[dict[str, Any]]:
        """The choices of a successful answer, in its order; `Violation` when they are no list of objects, or empty."""
        choices = self.document(exchange).get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise Violation("`choices` is not a list of objects", exchange)
        if not choices:
            raise Violation("`choices` is empty", exchange)
        return choices

    def texts(self, exchange: Exchange) -> list[str]:
        """The text of each choice, in the answer's order; `Violation` when a choice has none."""
        return [self._text(choice, exchange) for choice in self.choices(exchange)]

    def text(self, exchange: Exchange) -> str:
        """The text of the only choice; `Violation` when there is not exactly one."""
        texts = self.texts(exchange)
        if len(texts) != 1:
            raise Violation(f"one choice was asked for, {len(texts)} came", exchange)
        return texts[0]

    def usage(self, exchange: Exchange) -> dict[str, int]:
        """The usage of a successful answer; `Violation` unless its three counts are whole numbers."""
        return usage_of(self.document(exchange), exchange)

    def _text(self, choice: Mapping[str, Any], exchange: Exchange) -> str:
        holder = choice if self.route == "completions" else choice.get("message")
        text = holder.get("text" if self.route == "completions" else "content") if isinstance(holder, Mapping) else None
        if not isinstance(text, str):
            raise Violation("a choice has no text", exchange)
        return text

    def _headers(self, changes: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
        headers: dict[str, str | None] = {"Content-Type": "application/json", **self.contract.headers}
        if self.settings.key is not None:
            headers["Authorization"] = f"Bearer {self.settings.key}"
        headers.update(changes)
        return tuple((name, value) for name, value in headers.items() if value is not None)

    def _deliver(self, sent: Sent, *, tokens: int, honour_429: bool) -> Exchange:
        ordinal = self._ordinal
        self._ordinal += 1
        self.requests += 1
        deadline = time.monotonic() + self.settings.request_timeout
        exchange = self._courier.deliver(
            sent, scope=self.scope, ordinal=ordinal, deadline=deadline, tokens=tokens, honour_429=honour_429
        )
        # Only the endpoint's own time counts against the check; waiting for a rate limit does not.
        self._waited += exchange.end_ns / 1e9
        self.tokens += tokens
        return exchange


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


def usage_of(document: Mapping[str, Any], exchange: Exchange) -> dict[str, int]:
    """The three counts of a document's `usage`; `Violation` unless each is a whole number of at least 0."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        raise Violation("the answer has no `usage` object", exchange)
    counts: dict[str, int] = {}
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        value = usage.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Violation(f"`usage.{name}` is {value!r}, which is no count", exchange)
        counts[name] = value
    return counts


def upper_bound(body: Any) -> int:
    """The most tokens that a request can cost: its bytes as prompt (a token has at least one) and all its candidates.

    A body that is not a JSON object is refused by any endpoint, so it costs nothing but its request.
    """
    if not isinstance(body, dict):
        return 0
    prompt = body.get("prompt", body.get("messages", ""))
    candidates = max(_count(body.get("n"), 1), _count(body.get("best_of"), 1))
    # Three bytes a token is below what any tokenizer needs for the short English prompts that checks send.
    return len(json.dumps(prompt)) // 3 + 8 + _count(body.get("max_tokens"), ASSUMED_MAX_TOKENS) * candidates


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10_000 else default

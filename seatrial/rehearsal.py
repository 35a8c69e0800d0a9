"""What a run will cost, found by running it first against the embedded reference server in this process.

Law: nothing is sent anywhere but to that server, on loopback, and with a key made for it; the target is not even
resolved.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from conformance.budget import bounds
from conformance.capabilities import probe
from conformance.courier import Courier
from conformance.endpoint import Endpoint, Target
from conformance.pace import WINDOW
from conformance.preflight import preflight
from conformance.runner import Runner
from conformance.settings import Settings
from conformance.wire.exchange import Exchange, Sent
from reference_server.serve import serving, standin_app
from reference_server.standin import StandinOptions
from reports.model import Outcome
from seatrial.options import Options, Plan
from seatrial.session import settings_of

_JOBS = 4


@dataclass(frozen=True)
class Spending:
    """Checks, requests, and the upper bound of tokens."""

    checks: int
    requests: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a rehearsed run spent: by area, by route (empty for the endpoint as a whole), and together.

    `total` has the requests before the first check in it; `open` are the checks that did not pass in the rehearsal, so
    that what they cost on the target may be more.
    """

    areas: dict[str, Spending]
    routes: dict[str, Spending]
    total: Spending
    prompt: int
    completion: int
    open: tuple[str, ...]

    def minutes(self, rpm: int | None, tpm: int | None) -> int:
        """The whole minutes that the limits make the run wait at least: a window's worth goes at once."""
        spans = [(self.total.requests, rpm), (self.total.tokens, tpm)]
        waits = [max(0, math.ceil(spent / limit) - 1) for spent, limit in spans if limit]
        return max(waits, default=0) * int(WINDOW) // 60


def rehearse(options: Options, plan: Plan) -> Bill:
    """Run the plan against a reference server of its own, with the same seed and settings, and count."""
    key = secrets.token_hex(16)
    settings = replace(settings_of(options), key=key if options.key else None, shrink=False)
    app = standin_app(
        options.contract, key=key if options.key else None, options=StandinOptions(seed=options.seed), limits=None
    )
    with serving(app) as server, Endpoint(Target(server.url, settings.key or "")) as endpoint:
        counting = _Counting(endpoint)
        outcomes = _rounds(options, plan, counting, settings)
    return _bill(plan, outcomes, counting, options.repeat)


def _rounds(options: Options, plan: Plan, courier: _Counting, settings: Settings) -> list[Outcome]:
    served = preflight(courier, options.contract, settings).served
    planned = {check.route or options.contract.operations[0].route for check in plan.checks}
    probe(courier, options.contract, settings, [route for route in served if route in planned])
    courier.before = courier.requests
    return Runner(plan.checks, courier, options.contract, settings, jobs=_JOBS).run()


def _bill(plan: Plan, outcomes: list[Outcome], counted: _Counting, repeat: int) -> Bill:
    def together(some: Iterable[Outcome]) -> Spending:
        every = list(some)
        return Spending(len(every), repeat * sum(o.requests for o in every), repeat * sum(o.tokens for o in every))

    areas = dict.fromkeys(check.area for check in plan.checks)
    routes = dict.fromkeys(check.route or "" for check in plan.checks)
    again = repeat - 1
    return Bill(
        areas={area: together(o for o in outcomes if o.area == area) for area in areas},
        routes={route: together(o for o in outcomes if (o.route or "") == route) for route in routes},
        total=Spending(
            len(outcomes),
            counted.requests + again * (counted.requests - counted.before),
            counted.prompt + counted.completion + again * sum(o.tokens for o in outcomes),
        ),
        prompt=counted.prompt * repeat,
        completion=counted.completion * repeat,
        open=tuple(o.check for o in outcomes if o.status not in {"pass", "skip"}),
    )


class _Counting:
    """A courier that counts requests, and their tokens both ways, on their way to another."""

    def __init__(self, courier: Courier) -> None:
        self.requests = self.before = self.prompt = self.completion = 0
        self._courier = courier
        self._lock = threading.Lock()

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        """The other courier's answer; see `Courier`."""
        prompt = min(tokens, bounds(_body(sent))[0])
        with self._lock:
            self.requests += 1
            self.prompt += prompt
            self.completion += tokens - prompt
        return self._courier.deliver(
            sent, scope=scope, ordinal=ordinal, deadline=deadline, tokens=tokens, honour_429=honour_429
        )


def _body(sent: Sent) -> object:
    try:
        return json.loads(sent.body)
    except (ValueError, RecursionError):
        return None

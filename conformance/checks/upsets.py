"""Odd requests, each asked once in a run and followed by a plain one, so that several checks can look at both.

Law: what an odd request gets and whether the endpoint is well afterwards are two facts, judged apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.api import Api
from conformance.check import Violation, expect
from conformance.health import trouble
from conformance.wire.exchange import Exchange


@dataclass(frozen=True)
class Upset:
    """What odd requests got, in their order, and what was wrong with the plain request after them."""

    exchanges: tuple[Exchange, ...]
    after: Violation | None

    @property
    def answered(self) -> tuple[Exchange, ...]:
        """The answers; `Violation` for a request that got no complete one."""
        for exchange in self.exchanges:
            what = f"no complete answer ({exchange.failure}): {exchange.detail}"
            expect(not exchange.failure, what, exchange)
        return self.exchanges


def upset(api: Api, name: str, bodies: tuple[object, ...], headers: Mapping[str, str | None] | None = None) -> Upset:
    """Send those bodies and then a plain request, once in a run under that name; a quick run sends the first two."""
    return api.shared(f"upset.{name}", lambda view: _sent(view, view.few(bodies, 2), headers))


def _sent(api: Api, bodies: Sequence[object], headers: Mapping[str, str | None] | None) -> Upset:
    exchanges: list[Exchange] = []
    for body in bodies:
        try:
            exchanges.append(api.send(body, headers=headers))
        except Violation as violation:
            # Kept as what it got, since whoever looks at the plain request afterwards has no quarrel with this one.
            exchanges += violation.exchanges
            break
    return Upset(tuple(exchanges), trouble(api))

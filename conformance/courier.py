"""The seam between checks and the world: something that takes a request and brings back the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from conformance.wire.exchange import Exchange, Sent


class Courier(Protocol):
    """Delivers requests; the live endpoint and a replayed log are couriers."""

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        """Send a request and return what came back, recorded.

        `scope` and `ordinal` name the request within the run; `deadline` is a `time.monotonic()` value by which the
        exchange ends, whatever the endpoint does; `tokens` is an upper bound of what the request may cost. A 429 is
        waited out and sent again unless `honour_429` is false. Raises `Inconclusive` when the request could not be sent
        or answered for a reason that is not the contract's: throttled to the end, budget spent, run interrupted.
        """
        ...


@runtime_checkable
class Witness(Protocol):
    """A courier that remembers which of its requests were throttled."""

    @property
    def throttled(self) -> Sequence[Exchange]:
        """The 429s that came, the first of them if there were many."""

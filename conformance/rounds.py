"""The same checks several times in one run: what each round asks, and under which names the log keeps it.

Law: the first round is the run that there would be without others.
"""

from __future__ import annotations

import hashlib

from conformance.courier import Courier, Witness
from conformance.wire.exchange import Exchange, Sent


def seed_of_round(seed: int, number: int, *, same: bool = False) -> int:
    """The seed of a round, counted from 1: the run's own for the first, or for all if they are to ask the same."""
    if number == 1 or same:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}:round {number}".encode()).digest()[:7], "big")


def in_round(courier: Courier, number: int) -> Courier:
    """The courier for a round, counted from 1, which tells its requests from those of other rounds."""
    return courier if number == 1 else _InRound(courier, number)


class _InRound:
    def __init__(self, courier: Courier, number: int) -> None:
        self._courier = courier
        self._prefix = f"round {number}:"

    @property
    def throttled(self) -> tuple[Exchange, ...]:
        """The 429s that the other courier met, in whichever round."""
        return tuple(self._courier.throttled) if isinstance(self._courier, Witness) else ()

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        """The other courier's answer; see `Courier`."""
        return self._courier.deliver(
            sent, scope=self._prefix + scope, ordinal=ordinal, deadline=deadline, tokens=tokens, honour_429=honour_429
        )

"""What tokens cost, when somebody says so, and what a run may therefore cost at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seatrial.errors import UserError

# For a million tokens, in whatever currency.
MOST_PRICE = 10**9
_MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """Prices for a million tokens that go in and that come out, in a currency of any name; None where nobody said."""

    input: float | None = None
    output: float | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("--price-input", self.input), ("--price-output", self.output)):
            if value is not None and not (math.isfinite(value) and 0 <= value <= MOST_PRICE):
                raise UserError(f"{name} is a number from 0 to {MOST_PRICE:,}, not {value:g}")

    def over(self, other: Prices) -> Prices:
        """These prices, and the other's where these say nothing."""
        return Prices(
            other.input if self.input is None else self.input,
            other.output if self.output is None else self.output,
            self.currency or other.currency,
        )

    def of(self, prompt: int, completion: int) -> str:
        """What so many tokens cost, for people; empty when no price is known."""
        if self.input is None and self.output is None:
            return ""
        amount = ((self.input or 0) * prompt + (self.output or 0) * completion) / _MILLION
        missing = [name for name, price in (("input", self.input), ("output", self.output)) if price is None]
        note = f" ({missing[0]} tokens have no price)" if missing else ""
        return f"{amount:,.4f}".rstrip("0").rstrip(".") + f" {self.currency or ''}".rstrip() + note


NO_PRICES = Prices()

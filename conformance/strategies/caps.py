"""What keeps a valid request cheap: the largest values that are sent for parameters that cost money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Never exceeded, unless the schema allows nothing smaller.
MAXIMA: Mapping[str, float] = {"max_tokens": 8, "max_completion_tokens": 8, "n": 3, "best_of": 4}
# Exceeded only by a bound that the schema states itself: a bound is worth one request.
USUAL: Mapping[str, float] = {"logprobs": 5, "top_logprobs": 5}


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Upper bounds by a parameter's name, and for every string, array and recursion."""

    maxima: Mapping[str, float] = field(default_factory=lambda: dict(MAXIMA))
    usual: Mapping[str, float] = field(default_factory=lambda: dict(USUAL))
    string_length: int = 64
    array_length: int = 3
    nesting: int = 3

    def drawn(self, name: str) -> float | None:
        """The largest number to draw at random for a parameter of that name; None when it costs nothing."""
        return self.maxima.get(name, self.usual.get(name))


RELAXED = Caps(maxima={}, usual={})

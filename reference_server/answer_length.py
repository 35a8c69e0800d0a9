"""How long an answer may get by its request: what the request names, else the contract's default.

Law: the default is the one that the contract's own row prints; a row without a number means the whole context.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.model import Operation, Route

# Clients of chat have two names for one number, and the newer one wins where both are said.
NAMES: Mapping[Route, tuple[str, ...]] = {
    "completions": ("max_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
}
# Tokens that an unbounded answer is taken to have: a long one, and no reason to keep a whole context for each request.
UNBOUNDED = 4096


def default_max_tokens(operation: Operation) -> int | None:
    """The tokens of an answer whose request names no number; None for as many as fit."""
    printed = next((row.default for row in operation.request.params if row.name == "max_tokens"), "")
    return int(printed) if printed.isdecimal() else None


@dataclass(frozen=True)
class AnswerLength:
    """The bounds of an answer on one route, in tokens.

    `default` is for a request that names none, None for as many as fit; `context` is the model's length, and `ceiling`
    what no answer is taken to exceed; None where there is none.
    """

    route: Route
    default: int | None
    context: int | None = None
    ceiling: int | None = None

    def most(self, body: Mapping[str, Any], prompt: int) -> int:
        """The most tokens that one choice of a judged request may have, after a prompt of so many."""
        asked = next((number for name in NAMES[self.route] if (number := whole(body.get(name))) is not None), None)
        # A number below one is refused or read as one, whoever serves.
        most = self.default if asked is None else max(1, asked)
        if most is None:
            most = UNBOUNDED if self.context is None else min(max(1, self.context - prompt), UNBOUNDED)
        return most if self.ceiling is None else min(most, self.ceiling)


def whole(value: Any) -> int | None:
    """The number that a value means as a whole one; None where it means none."""
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    return value if isinstance(value, int) else None

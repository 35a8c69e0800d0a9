"""The check profiles: how much a run asks, and what it may spend at most.

Law: a profile is a selection made beforehand. Its caps are there for an endpoint that fails, and cut nothing off from
one that does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.check import Tier


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile by name: `tier` selects its checks, `examples` are random requests for each property."""

    name: Tier
    examples: int
    budget_requests: int
    budget_tokens: int


PROFILES: Mapping[str, Profile] = {
    one.name: one
    for one in (
        Profile(name="quick", examples=1, budget_requests=250, budget_tokens=15_000),
        Profile(name="standard", examples=5, budget_requests=1_500, budget_tokens=80_000),
        Profile(name="thorough", examples=25, budget_requests=6_000, budget_tokens=300_000),
    )
}
DEFAULT = "standard"

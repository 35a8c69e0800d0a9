"""How a run asks, as far as its checks can see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.check import Tier
from reports.model import Capability


@dataclass(frozen=True)
class Settings:
    """How hard and how fast to ask: the parts of a run's configuration that a check can see."""

    seed: int = 0
    examples: int = 5
    # How much to ask: "quick" is the decisive values alone.
    depth: Tier = "standard"
    shrink: bool = True
    request_timeout: float = 30.0
    key: str | None = None
    # What a server that hosts several models has to be told; a body without it is left as the contract says.
    model: str | None = None
    # What the user says a content filter must act on; none of them is ever ours.
    filter_prompts: tuple[str, ...] = ()
    # By route: a request schema of the user's own, in place of the contract's.
    request_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # By route and parameter: the documented options that the endpoint was found to refuse in every form.
    unsupported: Mapping[str, Mapping[str, Capability]] = field(default_factory=dict)

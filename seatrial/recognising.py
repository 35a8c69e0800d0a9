"""`--contract auto`: asks the endpoint a few cheap questions before the run, to know what to judge it by."""

from __future__ import annotations

from dataclasses import replace

from conformance.budget import Budget
from conformance.endpoint import Endpoint, Target
from conformance.recognise import MOST_REQUESTS, Recognised, recognise

AUTO = "auto"


def recognised(target: Target, *, key: str | None, model: str | None, timeout: float) -> Recognised:
    """The contract that the endpoint speaks, with exchanges that a run's log can take; raises `CannotJudge`."""
    with Endpoint(target, budget=Budget(MOST_REQUESTS)) as endpoint:
        found = recognise(endpoint, key=key, model=model, timeout=timeout)
    # The run's own exchanges are numbered from one as well.
    named = (replace(exchange, id=f"auto-{number}") for number, exchange in enumerate(found.exchanges, start=1))
    return replace(found, exchanges=tuple(named))

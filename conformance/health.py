"""Whether an endpoint still answers what it answered before: the look after a request that may have upset it.

Law: a 429 and an exhausted budget say nothing about health, so they are no trouble.
"""

from __future__ import annotations

from conformance.api import Api, Unreachable
from conformance.check import Inconclusive, Skip, Violation

# After a dangerous request a server may be busy for as long as a request lasts, and the next check is to find it well.
ATTEMPTS = 3
_THROTTLED = 429


def trouble(api: Api) -> Violation | None:
    """What is wrong with the answer to the smallest valid request, sent once; None when nothing is, or none is known.

    For a route that answered before: a refusal, an error and silence all mean that something was left behind.
    """
    try:
        exchange = api.send(api.body(max_tokens=1))
    except Violation as violation:
        return violation
    except Unreachable as gone:
        return Violation(f"no connection was taken any more ({gone})")
    except (Inconclusive, Skip):
        return None
    if exchange.status in (200, _THROTTLED):
        return None
    # A schema of the user's own may refuse what the contract calls valid, so a refusal is as good as an answer there.
    if api.route in api.settings.request_schemas and 400 <= (exchange.status or 0) < 500:
        return None
    return Violation(f"a valid request got status {exchange.status}", exchange)


def lasting_trouble(api: Api) -> Violation | None:
    """The first trouble; asks up to three times, so that one that recovers has done so before the next check."""
    first = trouble(api)
    for _ in range(ATTEMPTS - 1):
        if first is None or trouble(api) is None:
            break
    return first

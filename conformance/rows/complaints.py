"""What an answer to a valid or to a broken request says, in words: the one way for all checks that rows imply.

Law: an empty word means that nothing is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from conformance.strategies.broken import Broken
from conformance.strategies.dialect import Json
from conformance.wire.exchange import Exchange, NotJson

# A refusal says that the client is wrong, but these say that it is wrong about something else than the body's content.
OTHER_REFUSALS = frozenset({401, 402, 403, 404, 405, 407, 408, 411, 413, 414, 415, 429})


def refusal_of_valid(exchange: Exchange, body: Mapping[str, Json]) -> str:
    """What is wrong with the answer to a valid request, as the end of a sentence; empty when nothing is."""
    if exchange.status != 200:
        return f"was answered with status {exchange.status}"
    if body.get("stream") is True:
        return ""
    try:
        document = exchange.json
    except NotJson as error:
        return f"was answered with 200 and a body that is not JSON: {error}"
    return "" if isinstance(document, dict) else "was answered with 200 and JSON that is no object"


def acceptance_of_broken(exchange: Exchange) -> str:
    """What is wrong with the answer to a broken request, as the end of a sentence; empty when it was refused."""
    status = exchange.status or 0
    if 200 <= status < 300:
        return "was accepted"
    if 400 <= status < 500 and status not in OTHER_REFUSALS:
        return ""
    return f"was answered with status {status}, not refused with 400 or 422"


def described(name: str, one: Broken) -> str:
    """The subject of a sentence about a broken request."""
    if one.culprit is ...:
        return f"a request without `{name}`"
    if one.kind == "rule":
        pairs = one.culprit.items() if isinstance(one.culprit, dict) else ()
        return "a request with " + " and ".join(f"`{key}` {shown(value)}" for key, value in pairs)
    return f"`{name}` {shown(one.culprit)}" if name else "a request with " + shown(one.value)


def shown(value: Json) -> str:
    """A value for a message: as JSON, and short."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"

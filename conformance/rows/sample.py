"""Some of the broken requests that the rows imply: a few for each parameter, whose refusals are read word by word.

Law: each is one that a row's own check sends, so that in a whole run looking at its answer costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from conformance.check import Violation
from conformance.rows.request_schema import COSTLY, request_of
from conformance.rows.requests import refusal
from conformance.strategies.broken import Broken
from conformance.wire.exchange import Exchange, NotJson

if TYPE_CHECKING:
    from conformance.api import Api

# A name this short is a word of its own or none at all.
_SHORT = 2


def sample(api: Api) -> list[Broken]:
    """For each parameter one value of a wrong type and one that breaks it otherwise; none that may cost a lot."""
    request = request_of(json.dumps(api.schema("request")), api.route)
    found: dict[tuple[str, bool], Broken] = {}
    for (name, kind), group in request.groups.items():
        if not (kind == "below" and name in COSTLY) and group[0].path:
            found.setdefault((group[0].path[0] if kind != "rule" else name, kind == "type"), group[0])
    return list(found.values())


def refusals(api: Api) -> Iterator[tuple[Broken, Exchange]]:
    """The sample with what each got; a request that got no complete answer is left to its own check."""
    for one in sample(api):
        try:
            exchange = refusal(api, one)
        except Violation:
            continue
        yield one, exchange


def names_parameter(exchange: Exchange, one: Broken) -> bool:
    """Whether a refusal names any of the parameters that the request was broken in, in whatever spelling."""
    said = list(_said(exchange))
    return any(_mentions(text, name) for name in one.path for text in said)


def _said(exchange: Exchange) -> Iterator[str]:
    """Every text of a JSON body, keys included; the whole of any other."""
    try:
        yield from _texts(exchange.json)
    except NotJson:
        yield exchange.body.decode("utf-8", "replace")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)


def _mentions(text: str, name: str) -> bool:
    if len(name) <= _SHORT:
        return re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text) is not None
    # `max_tokens`, `maxTokens` and `Max tokens` are one name.
    return _squashed(name) in _squashed(text)


def _squashed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())

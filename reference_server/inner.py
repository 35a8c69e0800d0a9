"""The few paths that a model server behind the contract layer answers, and the JSON object that each is asked with.

Law: a request for or with anything else is answered here, so that an app begins with a route and a body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reference_server import asgi
from schemas.model import Route

PATHS: Mapping[str, Route] = {"/v1/completions": "completions", "/v1/chat/completions": "chat"}
PATH_OF: Mapping[Route, str] = {route: path for path, route in PATHS.items()}
# Beside the contract: the ids that a text has, as most servers tell them.
TOKENIZE = "/tokenize"

_MOST_BODY = 8 << 20


async def received(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> tuple[dict[str, Any], bytes] | None:
    """The body of a request to one of those paths, read and raw; None when it was refused, or the client has gone."""
    if scope["method"] != "POST" or (scope["path"] not in PATHS and scope["path"] != TOKENIZE):
        await asgi.send_json(send, 404, asgi.error_body(404, "no such route"))
        return None
    try:
        raw = await asgi.read_body(receive, _MOST_BODY)
        known, read = scope.get(asgi.READ, (None, None))
        body = read if known == raw else json.loads(raw)
    except asgi.DisconnectError:
        return None
    except (ValueError, RecursionError):
        raw, body = b"", None
    if isinstance(body, dict):
        return body, raw
    await asgi.send_json(send, 400, asgi.error_body(400, "the body is no JSON object"))
    return None

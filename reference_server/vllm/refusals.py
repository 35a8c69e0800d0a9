"""vLLM's refusals and failures in the shape that the layer's own have.

Law: the status is one that the contract knows, the parameter is named where it can be known, and nothing is told of the
server's insides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from reference_server import asgi

_LONGEST = 400
# A parameter that vLLM names otherwise: it means the text that was sent.
_TEXTS = ("input_text", "input_tokens", "prompt_token_ids", "max_model_len")
_FAILED = {500: "the model server failed", 503: "the model server is not ready; try again"}
_SUFFIX = re.compile(r"\s*\(parameter=\w+, value=.*\)$", re.DOTALL)
_VALIDATION = re.compile(r"'loc': '(?:body\.)?([^']*)', 'msg': (?:'([^']*)'|\"([^\"]*)\")")
_CONTEXT = re.compile(r"max_model_len=(\d+)")
_NAMED = re.compile(r"`?(\w+)`?")


def refusal(status: int, raw: bytes, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and document of a refusal, out of vLLM's own answer to the request with that body."""
    if status >= 500:
        known = status if status in _FAILED else 500
        return known, asgi.error_body(known, _FAILED[known])
    message, named = _read(raw)
    status = status if status in (400, 404, 413, 422, 429) else 400
    param = _param(named, message, asked)
    if found := _VALIDATION.findall(message):
        message = "; ".join(f"{name}: {single or double}" for name, single, double in found)
    if length := _CONTEXT.search(message):
        message = f"the prompt and `max_tokens` exceed the model's context length of {length[1]} tokens"
    message = _SUFFIX.sub("", message)[:_LONGEST] or "the model server refused the request"
    return status, asgi.error_body(status, message, param)


def _read(raw: bytes) -> tuple[str, str]:
    """Message and parameter of an error, in vLLM's own shape or in that of its framework."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return "", ""
    said = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(said, dict):
        return (said, "") if isinstance(said, str) else ("", "")
    message = said.get("message", said.get("detail"))
    param = said.get("param")
    return message if isinstance(message, str) else "", param if isinstance(param, str) else ""


def _param(named: str, message: str, asked: Mapping[str, Any]) -> str | None:
    """The parameter of the request that is meant, as far as it can be known."""
    named = named.removeprefix("body.")
    if named in _TEXTS:
        return "messages" if "messages" in asked else "prompt"
    if named.partition(".")[0] in asked:
        return named
    first = _NAMED.match(message)
    return first[1] if first and first[1] in asked else None

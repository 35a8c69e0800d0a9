"""The head of a request: method, route, key and content type, and the sentence on its payload."""

from __future__ import annotations

from schemas.model import Requirement
from schemas.page import CHAT, Place

_ROUTES = {
    "completions": (
        "In the same way, text completions can be generated using the Azure AI Model Inference API on the route "
        "`/completions` or a Llama Completions API on `/v1/completions`"
    ),
    "chat": (
        "Llama models accept both the Azure AI Model Inference API on the route `/chat/completions` or a Llama Chat "
        "API on `/v1/chat/completions`."
    ),
}
_ROUTES_LINE = 125


def head_rows(place: Place) -> tuple[Requirement, ...]:
    """The rows of one API's request head, in the page's order."""
    path = "/v1/chat/completions" if place == CHAT else "/v1/completions"

    def row(name: str, quote: str, line: int) -> Requirement:
        return Requirement(id=f"{place.route}.head.{name}", level="MUST", quote=quote, line=line)

    return (
        row("route", _ROUTES[place.route], _ROUTES_LINE),
        row("method", f"POST {path} HTTP/1.1", 135 + place.request),
        row("authorization", "Authorization: Bearer <TOKEN>", 137 + place.request),
        row("content_type", "Content-type: application/json", 138 + place.request),
        row("payload", "Payload is a JSON formatted string containing the following parameters:", 142 + place.request),
    )

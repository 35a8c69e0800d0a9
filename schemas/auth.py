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


def key_rows(place: Place) -> tuple[Requirement, ...]:
    """What the page does not say of the key: it has one place, and a refusal of another gives nothing away."""
    return (
        Requirement(
            id=f"{place.route}.head.key_in_query",
            level="SHOULD",
            quote="Because of the security weaknesses associated with the URI method (see Section 5), including the "
            "high likelihood that the URL containing the access token will be logged, it SHOULD NOT be used unless it "
            'is impossible to transport the access token in the "Authorization" request header field or the HTTP '
            "request entity-body.",
            source="RFC 6750, section 2.3",
        ),
        Requirement(
            id=f"{place.route}.head.no_hint",
            level="SHOULD",
            quote="If the request lacks any authentication information (e.g., the client was unaware that "
            "authentication is necessary or attempted using an unsupported authentication method), the resource server "
            "SHOULD NOT include an error code or other error information.",
            source="RFC 6750, section 3.1",
        ),
    )

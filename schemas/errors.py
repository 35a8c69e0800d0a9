"""What a refusal looks like; the page defines no error at all, so these rows rest on HTTP and on plain safety.

Law: a MUST only where a fault harms somebody: another caller, the holder of the key, or whoever asks next.
"""

from __future__ import annotations

from schemas.model import Level, Requirement
from schemas.page import Place

SOURCE = "RFC 9110, section 15.5"
# The words of the catalogue of weaknesses that every list of forbidden contents of an error goes back to.
_SENSITIVE = (
    "The product generates an error message that includes sensitive information about its environment, users, or "
    "associated data."
)
_WEAKNESS = "CWE-209"


def error_rows(place: Place) -> tuple[Requirement, ...]:
    """The status and the body of a refusal on one API, and what a broken request leaves behind."""

    def row(name: str, level: Level, quote: str, source: str = SOURCE) -> Requirement:
        return Requirement(id=f"{place.route}.error.{name}", level=level, quote=quote, source=source)

    return (
        row(
            "status",
            "SHOULD",
            "The 4xx (Client Error) class of status code indicates that the client seems to have erred.",
        ),
        row(
            "body",
            "SHOULD",
            "Except when responding to a HEAD request, the server SHOULD send a representation containing an "
            "explanation of the error situation, and whether it is a temporary or permanent condition.",
        ),
        # An explanation that does not name the parameter explains nothing to a client that sent twenty of them.
        row(
            "parameter",
            "SHOULD",
            "the server SHOULD send a representation containing an explanation of the error situation",
        ),
        row("trace", "SHOULD", _SENSITIVE, _WEAKNESS),
        row("key", "MUST", _SENSITIVE, _WEAKNESS),
        row("others", "MUST", _SENSITIVE, _WEAKNESS),
        row(
            "survives",
            "MUST",
            "HTTP is defined as a stateless protocol, meaning that each request message's semantics can be understood "
            "in isolation",
            "RFC 9110, section 3.3",
        ),
        # A duty by HTTP, but gateways leave it out and no client of this API reads it.
        row(
            "allow",
            "SHOULD",
            "The origin server MUST generate an Allow header field in a 405 response containing a list of the target "
            "resource's currently supported methods.",
            "RFC 9110, section 15.5.6",
        ),
        row(
            "unknown_route",
            "SHOULD",
            "The 404 (Not Found) status code indicates that the origin server did not find a current representation "
            "for the target resource or is not willing to disclose that one exists.",
            "RFC 9110, section 15.5.5",
        ),
    )

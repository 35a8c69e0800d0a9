"""What a refusal looks like; the page defines no error at all, so these rows rest on HTTP and are no MUST."""

from __future__ import annotations

from schemas.model import Requirement
from schemas.page import Place

SOURCE = "RFC 9110, section 15.5"


def error_rows(place: Place) -> tuple[Requirement, ...]:
    """The status and the body of a refusal on one API."""
    return (
        Requirement(
            id=f"{place.route}.error.status",
            level="SHOULD",
            quote="The 4xx (Client Error) class of status code indicates that the client seems to have erred.",
            source=SOURCE,
        ),
        Requirement(
            id=f"{place.route}.error.body",
            level="SHOULD",
            quote="Except when responding to a HEAD request, the server SHOULD send a representation containing an "
            "explanation of the error situation, and whether it is a temporary or permanent condition.",
            source=SOURCE,
        ),
    )

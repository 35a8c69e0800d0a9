"""What a server owes to every request whatever its parameters: an answer of its own, and text that arrives whole.

The page takes both for granted, so these rows rest on the standards of HTTP and JSON.
"""

from __future__ import annotations

from schemas.model import Requirement
from schemas.page import Place

HTTP = "RFC 9110, section 3.3"
STRINGS = "RFC 8259, section 7"
ENCODING = "RFC 8259, section 8.1"

_STATELESS = (
    "HTTP is defined as a stateless protocol, meaning that each request message's semantics can be understood in "
    "isolation, and that the relationship between connections and messages on them has no impact on the "
    "interpretation of those messages."
)
_CHARACTERS = (
    "All Unicode characters may be placed within the quotation marks, except for the characters that MUST be escaped: "
    "quotation mark, reverse solidus, and the control characters (U+0000 through U+001F)."
)
_UTF8 = (
    "JSON text exchanged between systems that are not part of a closed ecosystem MUST be encoded using UTF-8 [RFC3629]."
)


def serving_rows(place: Place) -> tuple[Requirement, ...]:
    """The rows on isolation, on text and on the type of what is sent, of one API."""
    words = (
        ("isolation.own_answer", _STATELESS, HTTP),
        ("isolation.no_memory", _STATELESS, HTTP),
        ("text.characters", _CHARACTERS, STRINGS),
        ("text.escapes", "Any character may be escaped.", STRINGS),
        ("text.utf8", _UTF8, ENCODING),
    )
    typed = Requirement(
        id=f"{place.route}.response.content_type",
        level="SHOULD",
        quote="A sender that generates a message containing content SHOULD generate a Content-Type header field in "
        "that message unless the intended media type of the enclosed representation is unknown to the sender.",
        source="RFC 9110, section 8.3",
    )
    rows = (
        Requirement(id=f"{place.route}.{name}", level="MUST", quote=quote, source=source)
        for name, quote, source in words
    )
    return (*rows, typed)

"""What a source says without enforcing it, or what most servers do otherwise: each a SHOULD, so that it warns.

Law: none of these refuses what the tables accept. They say what a server that is taken at its words would do where the
tables, or practice, leave another way open.
"""

from __future__ import annotations

from schemas.model import Requirement
from schemas.page import CHAT, Place

_TEXT_LINES = {"completions": ("`prompt` | `string`", 145), "chat": ("`content` | `string`", 273)}
_CHUNK = "OpenAI API reference, the chat completion chunk object"


def advice_rows(place: Place) -> tuple[Requirement, ...]:
    """The rows of one API: types, the key, and the stream's role or the answer's default length."""
    route = place.route
    text, line = _TEXT_LINES[route]
    shared = (
        # What can be read as the right type may be (erratum.type-coercion); these mean something else.
        Requirement(id=f"{route}.type.text", level="SHOULD", quote=text, line=line),
        Requirement(
            id=f"{route}.type.numbers",
            level="SHOULD",
            quote="`temperature` | `float` | `1`; `n` | `integer` | `1`",
            line=149 + place.request,
        ),
        # A duty by HTTP, but servers of this API mostly leave it out, and its clients send the key without being asked.
        Requirement(
            id=f"{route}.head.challenge",
            level="SHOULD",
            quote="The server generating a 401 response MUST send a WWW-Authenticate header field (Section 11.6.1) "
            "containing at least one challenge applicable to the target resource.",
            source="RFC 9110, section 15.5.2",
        ),
        # What is wrong with a body is such information: it tells a stranger what is behind the door.
        Requirement(
            id=f"{route}.head.key_first",
            level="SHOULD",
            quote="If the request lacks any authentication information (e.g., the client was unaware that "
            "authentication is necessary or attempted using an unsupported authentication method), the resource server "
            "SHOULD NOT include an error code or other error information.",
            source="RFC 6750, section 3.1",
        ),
    )
    if place == CHAT:
        # The page has the role in a message and `delta` in its place, and never shows one; clients live without it.
        role = Requirement(
            id="chat.stream.role", level="SHOULD", quote='"delta":{"role":"assistant","content":""}', source=_CHUNK
        )
        return (*shared, role)
    # For chat the samples contradict the table (erratum.max_tokens-default); for completions nothing does. A longer
    # answer costs its caller more, and breaks nothing.
    default = Requirement(
        id="completions.default.max_tokens", level="SHOULD", quote="`max_tokens` | `integer` | `16`", line=147
    )
    return (*shared, default)

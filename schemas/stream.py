"""What a stream is: data-only server-sent events, a reason at the end, and `[DONE]`."""

from __future__ import annotations

from schemas.model import Requirement
from schemas.page import CHAT, Place

DONE = "[DONE]"

_TIP = (
    "In the streaming mode, for each chunk of response, `finish_reason` is always `null`, except from the last one "
    "which is terminated by a payload `[DONE]`."
)
_TIP_LINE = 186


def stream_rows(place: Place) -> tuple[Requirement, ...]:
    """The sentences on streaming of one API."""
    route, tip = place.route, _TIP_LINE + place.answer
    rows = (
        Requirement(
            id=f"{route}.stream.events",
            level="MUST",
            quote="Streaming allows the generated tokens to be sent as data-only server-sent events whenever they "
            "become available.",
            line=146 + place.request,
        ),
        Requirement(
            id=f"{route}.stream.incremental",
            level="SHOULD",  # a filter that reads an answer before it lets it through holds it back on purpose
            quote="whenever they become available.",
            line=146 + place.request,
        ),
        Requirement(
            id=f"{route}.stream.left",
            level="MUST",
            quote="A client, server, or proxy MAY close the transport connection at any time.",
            source="RFC 9112, section 9.5",
        ),
        Requirement(id=f"{route}.stream.finish_reason", level="MUST", quote=_TIP, line=tip),
        Requirement(id=f"{route}.stream.done", level="MUST", quote=_TIP, line=tip),
        Requirement(
            id=f"{route}.stream.closes",
            level="SHOULD",  # a client may stop at `[DONE]`, but one that reads on waits as long as the body is open
            quote=_TIP,
            line=tip,
        ),
    )
    if place != CHAT:
        return rows
    renamed = "In each `choices` object, the key for `messages` is changed by `delta`."
    return (*rows, Requirement(id="chat.stream.delta", level="MUST", quote=renamed, line=tip))

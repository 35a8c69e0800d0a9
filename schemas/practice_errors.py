"""Where the standards leave open what becomes of an odd request, and servers in practice differ."""

from __future__ import annotations

from schemas.errata import both
from schemas.model import Erratum, Reading


def _either(name: str, says: str, practice: str, what: str, about: str) -> Erratum:
    """An oddity that one server takes and another refuses."""
    return Erratum(
        id=f"erratum.{name}",
        place=0,
        says=says,
        practice=practice,
        readings=(
            Reading(name="refused", text=f"{what} is refused."),
            Reading(name="accepted", text=f"{what} is accepted."),
        ),
        about=both(about),
    )


PRACTICE_ERRORS = (
    Erratum(
        id="erratum.duplicate-keys",
        place=0,
        says="RFC 8259: the names within an object SHOULD be unique; what becomes of others is unpredictable.",
        practice="Most parsers take the last value, some the first, and strict ones refuse.",
        readings=(
            Reading(name="last", text="Of a repeated key the last value counts."),
            Reading(name="first", text="Of a repeated key the first value counts."),
            Reading(name="refused", text="A repeated key is refused."),
        ),
        about=both("head.payload"),
    ),
    _either(
        "json-constants",
        "RFC 8259: Infinity and NaN are not permitted, and a parser MAY accept forms that are not JSON.",
        "Python's parser reads them, most others refuse them.",
        "NaN for a number",
        "head.payload",
    ),
    _either(
        "byte-order-mark",
        "RFC 8259: a sender MUST NOT add a byte order mark, a parser MAY ignore it.",
        "Some parsers skip it, most refuse the body.",
        "A body behind a byte order mark",
        "head.payload",
    ),
    _either(
        "invalid-utf8",
        "RFC 8259: JSON text MUST be encoded using UTF-8; what follows from other bytes is not said.",
        "Refused, or read with replacement characters.",
        "A prompt with bytes that are no UTF-8",
        "head.payload",
    ),
    _either(
        "lone-surrogate",
        "RFC 8259: the grammar allows half of a surrogate pair, and what software makes of it is unpredictable.",
        "Refused, read with a replacement character, or a crash in the tokenizer.",
        "A prompt with half of a surrogate pair",
        "head.payload",
    ),
    _either(
        "trailing-data",
        "RFC 8259: a JSON text is one value, and a parser MAY accept forms that are not JSON.",
        "Parsers of streams read the first value and look no further.",
        "A second value behind the body",
        "head.payload",
    ),
    _either(
        "deep-nesting",
        "RFC 8259: an implementation may set limits on the maximum depth of nesting.",
        "A limit of about a thousand levels, or none.",
        "A value of 50,000 levels under an unknown key",
        "head.payload",
    ),
    _either(
        "content-type-absent",
        "The content type of a request is application/json; what follows from none is not said.",
        "Refused with 400, 415 or 422, or never looked at.",
        "JSON without a content type",
        "head.content_type",
    ),
    _either(
        "api-key-header",
        "The key follows the word Bearer in `Authorization`.",
        "Services of the same vendor take it in the header `api-key`, and one of its clients sends both.",
        "The key in the header `api-key`",
        "head.authorization",
    ),
    Erratum(
        id="erratum.challenge",
        place=0,
        says="RFC 9110: a 401 MUST have a `WWW-Authenticate` header with at least one challenge.",
        practice="Servers of this API mostly leave it out, and no client of theirs misses it.",
        readings=(
            Reading(name="present", text="A 401 has `WWW-Authenticate`."),
            Reading(name="absent", text="A 401 has no `WWW-Authenticate`."),
            Reading(name="other-status", text="A missing key gets another status than 401."),
        ),
        about=both("head.authorization"),
    ),
)
NAMES = tuple(erratum.id for erratum in PRACTICE_ERRORS)

"""Where the two APIs stand on the source page, and how a value that a server may coerce is written down.

The page prints its tables twice, once for each API, with the same distance between all rows of a table.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.model import JsonSchema, Route


@dataclass(frozen=True)
class Place:
    """An API's place on the page: how many lines its tables lie below those of the completions API."""

    route: Route
    request: int
    answer: int


COMPLETIONS = Place("completions", request=0, answer=0)
CHAT = Place("chat", request=108, answer=123)

NO_DEFAULT = "No default. This value must be specified."

# What erratum.type-coercion leaves open: a server may read these as the type that the table prints, or refuse them.
NULL: JsonSchema = {"type": "null"}
NUMERIC_TEXT: JsonSchema = {"type": "string", "pattern": r"^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*$"}
BOOLEAN: JsonSchema = {"type": "boolean"}
BOOLEAN_TEXT: JsonSchema = {
    "type": "string",
    "pattern": "^([Tt](rue)?|TRUE|[Ff](alse)?|FALSE|[Yy](es)?|YES|[Nn]o?|NO|[Oo]n|ON|[Oo]ff|OFF|0|1)$",
}
BOOLEAN_NUMBER: JsonSchema = {"enum": [0, 1]}

FOR_NUMBERS = (NUMERIC_TEXT, BOOLEAN)
FOR_BOOLEANS = (BOOLEAN_TEXT, BOOLEAN_NUMBER)

"""The response rows that both APIs print: the answer's head, its usage and its log probabilities.

Law: every legal variation is accepted. A field that the page lists and the practice omits is optional, and extra fields
are welcome everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.model import JsonSchema, Level, Object, Param, Requirement
from schemas.page import CHAT, Place

FINISHED = ("stop", "length", "content_filter", "content_filter_error")
FINISH_QUOTE = (
    "The reason the model stopped generating tokens: - `stop`: model hit a natural stop point, or a provided stop "
    "sequence. - `length`: if max number of tokens have been reached. - `content_filter`: When RAI moderates and CMP "
    "forces moderation. - `content_filter_error`: an error during moderation and wasn't able to make decision on the "
    "response. - `null`: API response still in progress or incomplete."
)
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
CONTENT: JsonSchema = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": {
            "token": {"type": "string"},
            "logprob": {"type": "number"},
            "top_logprobs": {"type": ["array", "null"]},
        },
        "required": ["token", "logprob"],
    },
}
# `logprobs` as OpenAI's chat API has it.
CONTENT_LAYOUT: JsonSchema = {"type": ["object", "null"], "properties": {"content": CONTENT}, "required": ["content"]}


def answer(place: Place, choice: Object, *, kind: str, kinds: Sequence[str] = (), part: str = "response") -> Object:
    """The table of an answer (`part` "response") or of a chunk of a stream ("chunk").

    `kind` is the printed value of `object`; `kinds` are the values that are accepted, where they are others.
    """
    route, at, whole = place.route, f"{place.route}.{part}", part == "response"
    asked = "messages" if place == CHAT else "prompt"

    def row(name: str, type_: str, quote: str, schema: JsonSchema, **more: Any) -> Param:
        level: Level = more.pop("level", "MUST")
        line = _LINES[name] + place.answer
        return Param(
            id=f"{at}.{name}", level=level, quote=quote, line=line, name=name, type=type_, schema=schema, **more
        )

    identified: JsonSchema = {"type": "string", "minLength": 1} if whole else {"type": "string"}
    choices: JsonSchema = {"type": "array", "minItems": 1} if whole else {"type": "array"}
    listed = f"The list of completion choices the model generated for the input {asked}."
    stated = f"The object type, which is always `{kind}`."
    return Object(
        title=f"{'An answer' if whole else 'A chunk of a stream'} of the {route} API",
        params=(
            row("id", "string", "A unique identifier for the completion.", identified, required=True),
            row("choices", "array", listed, choices, required=True, fields=choice),
            row(
                "created",
                "integer",
                "The Unix timestamp (in seconds) of when the completion was created.",
                COUNT,
                required=True,
            ),
            # One of the page's own answers has no model, the other an empty one (erratum.response-model).
            row("model", "string", "The model_id used for completion.", {"type": "string"}),
            row(
                "object",
                "string",
                stated,
                {"type": "string", "enum": list(kinds)} if kinds else {"type": "string", "const": kind},
                required=True,
            ),
            row(
                "usage",
                "object",
                "Usage statistics for the completion request.",
                {"type": "object"} if whole else {"type": ["object", "null"]},
                required=whole,
                level="MUST" if whole else "MAY",
                fields=usage_rows(place, part),
            ),
        ),
    )


def usage_rows(place: Place, part: str = "response") -> Object:
    """The three counts of an answer; in a chunk, where the page promises no usage, they are no duty."""
    counts = (
        ("prompt_tokens", 204, "Number of tokens in the prompt."),
        ("completion_tokens", 205, "Number of tokens generated in the completion."),
        ("total_tokens", 206, "Total tokens."),
    )
    return Object(
        title="Usage",
        params=tuple(
            Param(
                id=f"{place.route}.{part}.usage.{name}",
                level="MUST" if part == "response" else "MAY",
                quote=quote,
                line=line + place.answer,
                name=name,
                type="integer",
                required=True,
                schema=COUNT,
            )
            for name, line, quote in counts
        ),
    )


def index_row(place: Place, part: str = "response") -> Param:
    """The row `index` of a choice."""
    span = "`0` to `n-1`" if place == CHAT else "0 to n-1"
    return Param(
        id=f"{place.route}.{part}.choices.index",
        level="MUST",
        quote="Choice index. When `best_of` > 1, the index in this array might not be in order and might not be "
        f"{span}.",
        line=191 + place.answer,
        name="index",
        type="integer",
        required=True,
        schema=COUNT,
    )


def finish_row(place: Place, part: str = "response") -> Param:
    """The row `finish_reason`: null in a chunk while the answer is in progress, and never in a finished answer."""
    return Param(
        id=f"{place.route}.{part}.choices.finish_reason",
        level="MUST",
        quote=FINISH_QUOTE,
        line=193 + place.answer,
        name="finish_reason",
        type="string",
        required=True,
        schema=finish_schema(part),
    )


def finish_schema(part: str = "response", reasons: Sequence[str] = FINISHED) -> JsonSchema:
    """The schema of `finish_reason`, for the reasons that a contract knows."""
    if part == "response":
        return {"type": "string", "enum": list(reasons)}
    return {"type": ["string", "null"], "enum": [*reasons, None]}


def logprobs_row(place: Place, part: str = "response") -> Param:
    """The row `logprobs` of a choice: null, the printed layout, or for chat also the layout with `content`."""
    route = place.route
    # The rows of the logprobs table stand once in a contract, under the whole answer; a chunk repeats their schemas.
    inner = _logprobs_fields(place)
    own = f"{route}.{part}.choices.logprobs"
    owner = {row.name: row.id if part == "response" else own for row in inner.params}
    printed: dict[str, Any] = {
        "required": ["token_logprobs", "tokens", "top_logprobs"],
        "anyOf": [{"required": ["text_offsets"]}, {"required": ["text_offset"]}],
        "x-requirements": {
            "required": {name: owner[name] for name in ("token_logprobs", "tokens", "top_logprobs")},
            "anyOf": owner["text_offsets"],
        },
    }
    schema: dict[str, Any] = {
        "type": ["object", "null"],
        "properties": {"text_offset": _offsets_of(owner["text_offsets"])},
    }
    if part != "response":
        schema["properties"] = {**{row.name: row.schema for row in inner.params}, **schema["properties"]}
    if place == CHAT:
        schema |= {"if": {"required": ["content"]}, "then": {"properties": {"content": CONTENT}}, "else": printed}
    else:
        schema |= printed
    return Param(
        id=own,
        level="MUST",
        quote="The log probabilities of the generated tokens in the output text.",
        line=199 + place.answer,
        name="logprobs",
        type="object",
        schema=schema,
        fields=inner if part == "response" else None,
    )


def answer_promises(place: Place) -> tuple[Requirement, ...]:
    """The sentences of the response tables that promise more than a shape."""
    route, shift = place.route, place.answer
    return (
        Requirement(
            id=f"{route}.response.payload",
            level="MUST",
            quote="The response payload is a dictionary with the following fields.",
            line=174 + shift,
        ),
        Requirement(
            id=f"{route}.response.id.unique",
            level="MUST",
            quote="A unique identifier for the completion.",
            line=177 + shift,
        ),
        Requirement(
            id=f"{route}.response.choices.index.range",
            level="MUST",
            quote=index_row(place).quote,
            line=191 + shift,
        ),
        Requirement(id=f"{route}.response.usage.sum", level="MUST", quote="Total tokens.", line=206 + shift),
    )


_LINES = {"id": 177, "choices": 178, "created": 179, "model": 180, "object": 181, "usage": 182}
_OFFSETS: JsonSchema = {"type": "array", "items": COUNT}


def _offsets_of(owner: str) -> JsonSchema:
    return {**_OFFSETS, "x-requirements": {"type": owner, "items": owner}}


def _logprobs_fields(place: Place) -> Object:
    rows: tuple[tuple[str, int, str, str, JsonSchema], ...] = (
        (
            "text_offsets",
            211,
            "array of integers",
            "The position or index of each token in the completion output.",
            _OFFSETS,
        ),
        (
            "token_logprobs",
            212,
            "array of float",
            "Selected `logprobs` from dictionary in `top_logprobs` array.",
            {"type": "array", "items": {"type": ["number", "null"]}},
        ),
        ("tokens", 213, "array of string", "Selected tokens.", {"type": "array", "items": {"type": "string"}}),
        (
            "top_logprobs",
            214,
            "array of dictionary",
            "Array of dictionary. In each dictionary, the key is the token and the value is the prob.",
            {
                "type": ["array", "null"],
                "items": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
            },
        ),
    )
    return Object(
        title="Log probabilities",
        params=tuple(
            Param(
                id=f"{place.route}.response.logprobs.{name}",
                level="MUST",
                quote=quote,
                line=line + place.answer,
                name=name,
                type=printed,
                schema=schema,
            )
            for name, line, printed, quote, schema in rows
        ),
    )

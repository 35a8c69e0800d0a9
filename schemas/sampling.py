"""The thirteen request rows that both APIs print, and the promises in their descriptions.

Law: nothing is written twice. The chat table repeats the completions table but for the two wordings in `_CHAT_WORDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.model import JsonSchema, Level, Param, Requirement
from schemas.page import CHAT, FOR_BOOLEANS, FOR_NUMBERS, NULL, Place


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: str
    line: int
    type: str
    default: str
    quote: str
    schema: JsonSchema
    unjudged: tuple[JsonSchema, ...] = ()
    companions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Promise:
    """A sentence of a row's description; `line` differs from the row's only where the sentence stands on its own."""

    row: str
    name: str
    quote: str
    level: Level = "MUST"
    line: int = 0


_ROWS = (
    _Row(
        name="stream",
        line=146,
        type="boolean",
        default="False",
        quote="Streaming allows the generated tokens to be sent as data-only server-sent events whenever they become "
        "available.",
        schema={"type": "boolean"},
        unjudged=(NULL, *FOR_BOOLEANS),
    ),
    _Row(
        name="max_tokens",
        line=147,
        type="integer",
        default="16",
        quote="The maximum number of tokens to generate in the completion. The token count of your prompt plus "
        "`max_tokens` can't exceed the model's context length.",
        schema={"type": "integer", "minimum": 1},
        unjudged=({"const": 0}, NULL, *FOR_NUMBERS),
    ),
    _Row(
        name="top_p",
        line=148,
        type="float",
        default="1",
        quote="An alternative to sampling with temperature, called nucleus sampling, where the model considers the "
        "results of the tokens with `top_p` probability mass. So 0.1 means only the tokens comprising the top 10% "
        "probability mass are considered. We generally recommend altering `top_p` or `temperature`, but not both.",
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        unjudged=({"const": 0}, NULL, *FOR_NUMBERS),
    ),
    _Row(
        name="temperature",
        line=149,
        type="float",
        default="1",
        quote="The sampling temperature to use, between 0 and 2. Higher values mean the model samples more broadly the "
        "distribution of tokens. Zero means greedy sampling. We recommend altering this or `top_p`, but not both.",
        schema={"type": "number", "minimum": 0, "maximum": 2},
        unjudged=(NULL, *FOR_NUMBERS),
    ),
    _Row(
        name="n",
        line=150,
        type="integer",
        default="1",
        quote="How many completions to generate for each prompt.",
        schema={"type": "integer", "minimum": 1},
        unjudged=(NULL, *FOR_NUMBERS),
    ),
    _Row(
        name="stop",
        line=152,
        type="array",
        default="null",
        quote="String or a list of strings containing the word where the API stops generating further tokens. The "
        "returned text won't contain the stop sequence.",
        schema={
            "type": ["array", "string", "null"],
            "minLength": 1,
            "minItems": 1,
            "maxItems": 4,
            "items": {"type": "string", "minLength": 1},
        },
        # The page limits neither the number of strings nor their length; others refuse more than four, or an empty one.
        unjudged=({"type": "string"}, {"type": "array", "items": {"type": "string"}}),
    ),
    _Row(
        name="best_of",
        line=153,
        type="integer",
        default="1",
        quote='Generates `best_of` completions server-side and returns the "best" (the one with the lowest log '
        "probability per token). Results can't be streamed. When used with `n`, `best_of` controls the number of "
        "candidate completions and `n` specifies how many to return–`best_of` must be greater than `n`.",  # noqa: RUF001
        schema={"type": "integer", "minimum": 1},
        unjudged=(NULL, *FOR_NUMBERS),
    ),
    _Row(
        name="logprobs",
        line=155,
        type="integer",
        default="null",
        quote="A number indicating to include the log probabilities on the `logprobs` most likely tokens and the "
        "chosen tokens. For example, if `logprobs` is 10, the API returns a list of the 10 most likely tokens. the "
        "API always returns the logprob of the sampled token, so there might be up to `logprobs`+1 elements in the "
        "response.",
        schema={"type": ["integer", "null"], "minimum": 0, "maximum": 10},
        # Ten is the page's example; what lies above is nobody's promise.
        unjudged=({"type": "integer", "minimum": 11}, *FOR_NUMBERS),
    ),
    _Row(
        name="presence_penalty",
        line=156,
        type="float",
        default="null",
        quote="Number between -2.0 and 2.0. Positive values penalize new tokens based on whether they appear in the "
        "text so far, increasing the model's likelihood to talk about new topics.",
        schema={"type": ["number", "null"], "minimum": -2, "maximum": 2},
        unjudged=FOR_NUMBERS,
    ),
    _Row(
        name="ignore_eos",
        line=157,
        type="boolean",
        default="True",
        quote="Whether to ignore the EOS token and continue generating tokens after the EOS token is generated.",
        schema={"type": "boolean"},
        unjudged=(NULL, *FOR_BOOLEANS),
    ),
    _Row(
        name="use_beam_search",
        line=158,
        type="boolean",
        default="False",
        quote="Whether to use beam search instead of sampling. In such case, `best_of` must be greater than `1` and "
        "`temperature` must be `0`.",
        schema={"type": "boolean"},
        unjudged=(NULL, *FOR_BOOLEANS),
        companions={"best_of": 2, "temperature": 0},
    ),
    _Row(
        name="stop_token_ids",
        line=159,
        type="array",
        default="null",
        quote="List of IDs for tokens that, when generated, stop further token generation. The returned output "
        "contains the stop tokens unless the stop tokens are special tokens.",
        # Small ids exist in every vocabulary; a server may refuse one that lies outside its own.
        schema={
            "type": ["array", "null"],
            "minItems": 1,
            "items": {"type": "integer", "minimum": 0, "maximum": 255},
        },
        unjudged=({"type": "array", "items": {"anyOf": [{"type": "integer"}, *FOR_NUMBERS]}},),
    ),
    _Row(
        name="skip_special_tokens",
        line=160,
        type="boolean",
        default="null",
        quote="Whether to skip special tokens in the output.",
        schema={"type": ["boolean", "null"]},
        unjudged=FOR_BOOLEANS,
    ),
)

_BEAM_CONDITIONS = "In such case, `best_of` must be greater than `1` and `temperature` must be `0`."
_QUOTA_NOTE = "Note: Because this parameter generates many completions, it can quickly consume your token quota."

_PROMISES = (
    _Promise(row="max_tokens", name="bound", quote="The maximum number of tokens to generate in the completion."),
    _Promise(
        row="max_tokens",
        name="context",
        quote="The token count of your prompt plus `max_tokens` can't exceed the model's context length.",
    ),
    _Promise(row="max_tokens", name="default", quote="`max_tokens` | `integer` | `16`"),
    _Promise(row="temperature", name="greedy", quote="Zero means greedy sampling."),
    _Promise(
        row="temperature",
        name="broadens",
        quote="Higher values mean the model samples more broadly the distribution of tokens.",
        level="SHOULD",
    ),
    _Promise(
        row="top_p",
        name="nucleus",
        quote="So 0.1 means only the tokens comprising the top 10% probability mass are considered.",
        level="SHOULD",
    ),
    _Promise(row="n", name="count", quote="How many completions to generate for each prompt."),
    _Promise(row="n", name="quota", quote=_QUOTA_NOTE, level="MAY", line=151),
    _Promise(
        row="stop",
        name="ends",
        quote="String or a list of strings containing the word where the API stops generating further tokens.",
    ),
    _Promise(row="stop", name="excluded", quote="The returned text won't contain the stop sequence."),
    _Promise(
        row="best_of",
        name="best",
        quote='Generates `best_of` completions server-side and returns the "best" (the one with the lowest log '
        "probability per token).",
        level="SHOULD",
    ),
    _Promise(
        row="best_of",
        name="count",
        quote="When used with `n`, `best_of` controls the number of candidate completions and `n` specifies how many "
        "to return",
    ),
    # What is sent in pieces was sent before the best could be known, or is no result of `best_of`.
    _Promise(row="best_of", name="streamed", quote="Results can't be streamed.", level="SHOULD"),
    _Promise(row="best_of", name="quota", quote=_QUOTA_NOTE, level="MAY", line=154),
    _Promise(
        row="logprobs",
        name="count",
        quote="For example, if `logprobs` is 10, the API returns a list of the 10 most likely tokens.",
    ),
    _Promise(
        row="logprobs",
        name="chosen",
        quote="the API always returns the logprob of the sampled token, so there might be up to `logprobs`+1 elements "
        "in the response.",
    ),
    _Promise(
        row="presence_penalty",
        name="effect",
        quote="Positive values penalize new tokens based on whether they appear in the text so far, increasing the "
        "model's likelihood to talk about new topics.",
        level="SHOULD",
    ),
    _Promise(
        row="ignore_eos",
        name="continues",
        quote="Whether to ignore the EOS token and continue generating tokens after the EOS token is generated.",
    ),
    _Promise(
        row="use_beam_search",
        name="search",
        quote="Whether to use beam search instead of sampling.",
        level="SHOULD",
    ),
    # The page says that they must be so, and not what happens otherwise (erratum.beam-conditions): what takes them
    # all the same does something else than it was asked for, without a word.
    _Promise(row="use_beam_search", name="candidates", quote=_BEAM_CONDITIONS, level="SHOULD"),
    _Promise(row="use_beam_search", name="temperature", quote=_BEAM_CONDITIONS, level="SHOULD"),
    _Promise(
        row="stop_token_ids",
        name="stops",
        quote="List of IDs for tokens that, when generated, stop further token generation. The returned output "
        "contains the stop tokens unless the stop tokens are special tokens.",
    ),
    _Promise(row="skip_special_tokens", name="skips", quote="Whether to skip special tokens in the output."),
)

# The only places where the chat table's words differ from the completions table's.
_CHAT_WORDS = {
    "how many to return–`best_of` must": "how many to return—`best_of` must",  # noqa: RUF001
    "the API always returns the logprob": "the API will always return the logprob",
}


def sampling_rows(place: Place) -> tuple[Param, ...]:
    """The rows `stream` to `skip_special_tokens` of one API, in the page's order."""
    return tuple(
        Param(
            id=f"{place.route}.request.{row.name}",
            level="MUST",
            quote=_words(row.quote, place),
            line=row.line + place.request,
            name=row.name,
            type=row.type,
            default=row.default,
            schema=row.schema,
            unjudged=row.unjudged,
            companions=row.companions,
        )
        for row in _ROWS
    )


def sampling_promises(place: Place) -> tuple[Requirement, ...]:
    """The sentences of those rows that promise a behaviour, each a requirement of its own."""
    lines = {row.name: row.line for row in _ROWS}
    return tuple(
        Requirement(
            id=f"{place.route}.request.{promise.row}.{promise.name}",
            level=promise.level,
            quote=_words(promise.quote, place),
            line=(promise.line or lines[promise.row]) + place.request,
        )
        for promise in _PROMISES
    )


def _words(quote: str, place: Place) -> str:
    if place == CHAT:
        for printed, instead in _CHAT_WORDS.items():
            quote = quote.replace(printed, instead)
    return quote

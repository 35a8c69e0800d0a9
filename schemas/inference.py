"""The contract `azure-inference`: the routes without /v1, which are another API with a reference of its own."""

from __future__ import annotations

from collections.abc import Mapping

from schemas import chat, limits
from schemas.answers import finish_schema
from schemas.azure_llama import CONTRACT as PAGE
from schemas.derive import Own, Says, Source, derived_contract, sentence
from schemas.extras import ERRATA as EXTRAS_ERRATA
from schemas.extras import extras_rows
from schemas.model import Erratum, Param, Reading, Requirement, Route
from schemas.page import FOR_NUMBERS, NULL
from schemas.practice_errors import NAMES

NAME = "Azure AI Model Inference API reference (Microsoft Learn, 2024)"
API_VERSION = "2024-05-01-preview"
REASONS = ("stop", "length", "content_filter", "tool_calls")

_TOP_P = (
    "An alternative to sampling with temperature, called nucleus sampling, where the model considers the results of "
    "the tokens with top_p probability mass. So 0.1 means only the tokens comprising the top 10% probability mass are "
    "considered."
)
_TEXT_TEMPERATURE = (
    "What sampling temperature to use, between 0 and 2. Higher values like 0.8 will make the output more random, while "
    "lower values like 0.2 will make it more focused and deterministic."
)
_SSE = "okens will be sent as data-only server-sent events as they become available"
_DONE = "with the stream terminated by a `data: [DONE]` message."
_STOP = "Sequences where the API will stop generating further tokens."
_REASON = (
    "The reason the model stopped generating tokens. This will be `stop` if the model hit a natural stop point or a "
    "provided stop sequence, `length` if the maximum number of tokens specified in the request was reached, "
    "`content_filter` if content was omitted due to a flag from our content filters, `tool_calls` if the model called "
    "a tool."
)
_CHAT_PRESENCE = (
    "Helps prevent the same topics from being repeated by penalizing a word if it exists in the completion already, "
    "even just once."
)
_TEXT_PRESENCE = (
    "Positive values penalize new tokens based on whether they appear in the text so far, increasing the model's "
    "likelihood to talk about new topics."
)
_PENALTY = {"type": "number", "minimum": -2, "maximum": 2}
_NUMBERS = (NULL, *FOR_NUMBERS)
# The reference goes to 2 or has no bound, the specification and the server of the same vendor stop at 1.
_TEMPERATURE = {"type": "number", "minimum": 0, "maximum": 1}

_REQUEST: Mapping[str, Says | str] = {
    "completions.request.prompt": Says(
        quote="The prompts to generate completions for, encoded as a string, array of strings, array of tokens, or "
        "array of token arrays.",
        unjudged=({"const": ""}, {"type": "array"}),
    ),
    "chat.request.messages": "A list of messages comprising the conversation so far. Returns a 422 error if at least "
    "some of the messages can't be understood by the model.",
    "chat.request.messages.content": "The contents of the message.",
    "chat.request.messages.role": "The role of the author of this message.",
    "completions.request.max_tokens": Says(
        quote="The maximum number of tokens that can be generated in the completion. The token count of your prompt "
        "plus `max_tokens` cannot exceed the model's context length.",
        default="256",
    ),
    # Null means the whole context here, which no check asks for.
    "chat.request.max_tokens": Says(
        quote="The maximum number of tokens that can be generated in the chat completion. Passing null causes the "
        "model to use its max context length.",
        default="",
    ),
    "completions.request.stream": f"Whether to stream back partial progress. If set, t{_SSE}, {_DONE}",
    "chat.request.stream": f"If set, partial message deltas will be sent. T{_SSE}, {_DONE}",
    "completions.request.temperature": Says(
        quote=_TEXT_TEMPERATURE,
        schema=_TEMPERATURE,
        unjudged=({"type": "number", "minimum": 1, "maximum": 2}, *_NUMBERS),
    ),
    "chat.request.temperature": Says(
        quote="Non-negative number. Return 422 if value is unsupported by model.",
        schema=_TEMPERATURE,
        unjudged=({"type": "number", "minimum": 1}, *_NUMBERS),
    ),
    "request.top_p": _TOP_P,
    "request.stop": Says(
        quote=_STOP,
        default="",
        schema={
            "type": ["array", "string"],
            "minLength": 1,
            "minItems": 1,
            "maxItems": 4,
            "items": {"type": "string", "minLength": 1},
        },
        unjudged=({"type": "string"}, {"type": "array", "items": {"type": "string"}}, NULL),
    ),
    "completions.request.presence_penalty": Says(
        quote=_TEXT_PRESENCE, level="SHOULD", default="0", schema=_PENALTY, unjudged=_NUMBERS
    ),
    "chat.request.presence_penalty": Says(
        quote=_CHAT_PRESENCE, level="SHOULD", default="0", schema=_PENALTY, unjudged=_NUMBERS
    ),
}

_PROSE: Mapping[str, Says | str] = {
    "completions.head.route": f"POST /completions?api-version={API_VERSION}",
    "chat.head.route": f"POST /chat/completions?api-version={API_VERSION}",
    "completions.head.method": "Creates a completion for the provided prompt and parameters.",
    "chat.head.method": "Creates a model response for the given chat conversation.",
    "head.authorization": "The token with the `Bearer:` prefix, e.g. `Bearer abcde12345`",
    "head.content_type": "Content-Type: application/json",
    "head.payload": "The Azure AI Model Inference API specifies a set of modalities and parameters that models can "
    "subscribe to.",
    "completions.request.max_tokens.bound": "The maximum number of tokens that can be generated in the completion.",
    "chat.request.max_tokens.bound": "The maximum number of tokens that can be generated in the chat completion.",
    "completions.request.max_tokens.context": "The token count of your prompt plus `max_tokens` cannot exceed the "
    "model's context length.",
    "chat.request.max_tokens.context": "The total length of input tokens and generated tokens is limited by the "
    "model's context length.",
    "completions.request.temperature.greedy": Says(
        quote="lower values like 0.2 will make it more focused and deterministic.", level="SHOULD"
    ),
    "completions.request.temperature.broadens": "Higher values like 0.8 will make the output more random",
    "request.top_p.nucleus": "So 0.1 means only the tokens comprising the top 10% probability mass are considered.",
    "request.stop.ends": _STOP,
    "completions.request.stop.excluded": "The returned text will not contain the stop sequence.",
    "completions.request.presence_penalty.effect": _TEXT_PRESENCE,
    "chat.request.presence_penalty.effect": _CHAT_PRESENCE,
    "completions.response.payload": "Represents a completion response from the API.",
    "chat.response.payload": "Represents a chat completion response returned by model, based on the provided input.",
    "completions.response.id.unique": "A unique identifier for the completion.",
    "chat.response.id.unique": "A unique identifier for the chat completion.",
    "response.usage.sum": "Total number of tokens used in the request (prompt + completion).",
    "completions.stream.events": f"If set, t{_SSE}",
    "chat.stream.events": f"T{_SSE}",
    "stream.finish_reason": "The reason the model stopped generating tokens.",
    "stream.incremental": "as they become available",
    "stream.done": _DONE,
    "stream.closes": _DONE,
    **dict.fromkeys(
        ("service.document", "service.parameters", "service.routes"),
        'wget -d --header="Authorization: Bearer <TOKEN>" <ENDPOINT_URI>/swagger.json',
    ),
    **dict.fromkeys(
        ("content_filter.acts", "content_filter.protects", "content_filter.passes"),
        "`content_filter` if content was omitted due to a flag from our content filters",
    ),
    "chat.stream.delta": "If set, partial message deltas will be sent.",
    "completions.type.text": "encoded as a string, array of strings, array of tokens, or array of token arrays.",
}

_RESPONSE: Mapping[str, Says | str] = {
    "completions.response.id": "A unique identifier for the completion.",
    "chat.response.id": "A unique identifier for the chat completion.",
    "completions.response.choices": "The list of completion choices the model generated for the input prompt.",
    "chat.response.choices": "A list of chat completion choices. Can be more than one if `n` is greater than 1.",
    "response.choices.index": "The index of the choice in the list of choices.",
    "completions.response.choices.text": "The generated text.",
    "chat.response.choices.message": "A chat completion message generated by the model.",
    "chat.response.choices.message.role": "The role of the author of this message.",
    "chat.response.choices.message.content": "The contents of the message.",
    "chat.chunk.choices.delta": "If set, partial message deltas will be sent.",
    "response.choices.finish_reason": Says(quote=_REASON, schema=finish_schema(reasons=REASONS)),
    "chunk.choices.finish_reason": Says(quote=_REASON, schema=finish_schema("chunk", REASONS)),
    "completions.response.created": "The Unix timestamp (in seconds) of when the completion was created.",
    "chat.response.created": "The Unix timestamp (in seconds) of when the chat completion was created.",
    "completions.response.model": "The model used for completion.",
    "chat.response.model": "The model used for the chat completion.",
    "completions.response.object": 'The object type, which is always "text_completion"',
    "chat.response.object": "The object type, which is always `chat.completion`.",
    "chat.chunk.object": Says(
        quote="The object type, which is always `chat.completion`.",
        schema={"type": "string", "enum": [chat.CHUNK_KIND, chat.KIND, ""]},
    ),
    "response.usage": "Usage statistics for the completion request.",
    "response.usage.prompt_tokens": "Number of tokens in the prompt.",
    "response.usage.completion_tokens": "Number of tokens in the generated completion.",
    "response.usage.total_tokens": "Total number of tokens used in the request (prompt + completion).",
}


def _own_rows(route: Route) -> tuple[Param, ...]:
    """The request rows that the page has not."""
    frequency = {
        "completions": "Positive values penalize new tokens based on their existing frequency in the text so far, "
        "decreasing the model's likelihood to repeat the same line verbatim.",
        "chat": "Helps prevent word repetitions by reducing the chance of a word being selected if it has already "
        "been used.",
    }
    penalty = Param(
        id=f"{route}.request.frequency_penalty",
        level="SHOULD",
        quote=frequency[route],
        source=NAME,
        name="frequency_penalty",
        type="number",
        default="0",
        schema=_PENALTY,
        unjudged=_NUMBERS,
    )
    seed = Param(
        id=f"{route}.request.seed",
        level="SHOULD",
        quote="If specified, our system will make a best effort to sample deterministically, such that repeated "
        "requests with the same `seed` and parameters should return the same result.",
        source=NAME,
        name="seed",
        type="integer",
        schema={"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
        unjudged=({"type": "integer"}, *_NUMBERS),
    )
    model = Param(
        id="chat.request.model",
        level="MUST",
        quote="Kept for compatibility reasons. This parameter is ignored.",
        source=NAME,
        name="model",
        type="string",
        schema={"type": "string"},
        unjudged=(NULL,),
    )
    return (penalty, seed, model) if route == "chat" else (penalty, seed)


def _closed(route: Route) -> Requirement:
    quote = (
        "The default value for `extra-parameters` is `error` which returns an error if an extra parameter is "
        "indicated in the payload."
    )
    return sentence(route, "head.extra_parameters", quote, NAME, level="MUST")


_PATHS: Mapping[Route, str] = {"completions": "/completions", "chat": "/chat/completions"}
_SOURCE = Source(name=NAME, rows={**_REQUEST, **_PROSE, **_RESPONSE})

_OWN = Own(
    paths=_PATHS,
    rows=_own_rows,
    closed=_closed,
    prose=(
        sentence(
            "limits",
            "paced",
            "You have hit your assigned rate limit and your request need to be paced.",
            NAME,
            level="MUST",
            untestable=limits.SPENDS_THE_QUOTA,
        ),
        sentence("chat", "request.tools", "Returns a 422 error if the tool is not supported by the model.", NAME),
        sentence(
            "chat",
            "request.response_format",
            "An object specifying the format that the model must output.",
            NAME,
        ),
        *extras_rows("completions", NAME, f"POST /completions?api-version={API_VERSION}"),
        *extras_rows("chat", NAME, f"POST /chat/completions?api-version={API_VERSION}"),
    ),
    errata=(
        Erratum(
            id="erratum.error-shape",
            place=0,
            says="Errors are flat objects with status, code and message; the samples beside them read them nested.",
            practice="The vendor's server nests them in `error`; its framework answers with `detail`.",
            readings=(
                Reading(name="flat", text="The body has `message` at its top."),
                Reading(name="nested", text="The body has an object `error`."),
                Reading(name="detail", text="The body has `detail`."),
                Reading(name="other", text="The body is another JSON object."),
            ),
            about=("completions.error.body", "chat.error.body"),
        ),
        Erratum(
            id="erratum.temperature-range",
            place=0,
            says="Temperatures go to 2 for completions and have no upper bound for chat.",
            practice="The specification and the server of the same vendor end at 1.",
            readings=(
                Reading(name="one", text="A temperature above 1 is refused."),
                Reading(name="two", text="A temperature above 1 is accepted."),
            ),
            about=("completions.request.temperature", "chat.request.temperature"),
        ),
        Erratum(
            id="erratum.unknown-parameters",
            place=0,
            says="An extra parameter gets an error unless the header `extra-parameters` says otherwise.",
            practice="So did the first servers; later ones pass extra parameters on by default.",
            readings=(
                Reading(name="refused", text="An extra parameter is refused."),
                Reading(name="ignored", text="An extra parameter is accepted without the header.", passes=False),
            ),
            about=("completions.head.extra_parameters", "chat.head.extra_parameters"),
        ),
        *EXTRAS_ERRATA,
    ),
)

CONTRACT = derived_contract(
    PAGE,
    _SOURCE,
    _OWN,
    name="azure-inference",
    title="The Azure AI Model Inference API: the routes without /v1",
    query={"api-version": API_VERSION},
    refusal=422,
    errata=(
        "erratum.type-coercion",
        "erratum.null-value",
        "erratum.top_p-zero",
        "erratum.max_tokens-zero",
        "erratum.refusal-status",
        "erratum.bare-key",
        "erratum.stream-usage",
        "erratum.done-spacing",
        "erratum.content-type",
        "erratum.role-chunk",
        "erratum.nul-character",
        "erratum.other-methods",
        "erratum.completions-model",
        "erratum.chunk-object",
        *NAMES,
        "erratum.content_filter-shape",
    ),
    requests_per_minute=limits.REQUESTS_PER_MINUTE,
    tokens_per_minute=limits.TOKENS_PER_MINUTE,
)

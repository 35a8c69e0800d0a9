"""The contract `openai`: what OpenAI's API reference promises and compatible servers such as vLLM keep.

Parameters that this reference has no row for (`ignore_eos`, beam search, token ids) are nobody's duty here, and neither
is `best_of`, which the servers have dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas import chat
from schemas.answers import CONTENT_LAYOUT, finish_schema
from schemas.azure_llama import CONTRACT as PAGE
from schemas.derive import Own, Says, Source, derived_contract, sentence
from schemas.model import Param, Route, Rule
from schemas.openai_errata import OWN, SHARED
from schemas.page import FOR_BOOLEANS, FOR_NUMBERS, NULL
from schemas.practice_errors import NAMES

NAME = "OpenAI API reference"
CHAT_REASONS = ("stop", "length", "content_filter", "tool_calls", "function_call")
TEXT_REASONS = ("stop", "length", "content_filter")

_TEMPERATURE = (
    "What sampling temperature to use, between 0 and 2. Higher values like 0.8 will make the output more random, while "
    "lower values like 0.2 will make it more focused and deterministic."
)
_TOP_P = (
    "An alternative to sampling with temperature, called nucleus sampling, where the model considers the results of "
    "the tokens with top_p probability mass. So 0.1 means only the tokens comprising the top 10% probability mass are "
    "considered."
)
_PRESENCE = (
    "Number between -2.0 and 2.0. Positive values penalize new tokens based on whether they appear in the text so far, "
    "increasing the model's likelihood to talk about new topics."
)
_STOP = "Up to 4 sequences where the API will stop generating further tokens."
_EXCLUDED = "The returned text will not contain the stop sequence."
_SSE = "tokens will be sent as data-only server-sent events as they become available"
_DONE = "with the stream terminated by a `data: [DONE]` message."
_REASON = (
    "The reason the model stopped generating tokens. This will be `stop` if the model hit a natural stop point or a "
    "provided stop sequence, `length` if the maximum number of tokens specified in the request was reached, "
)
_CHOSEN = (
    "The API will always return the `logprob` of the sampled token, so there may be up to `logprobs+1` elements in the "
    "response."
)
_CHOICE_LOGPROBS = "Log probability information for the choice."
_CHAT_LOGPROBS = (
    "Whether to return log probabilities of the output tokens or not. If true, returns the log probabilities of each "
    "output token returned in the `content` of `message`."
)
_TOP_LOGPROBS = (
    "An integer between 0 and 20 specifying the number of most likely tokens to return at each token position, each "
    "with an associated log probability. `logprobs` must be set to `true` if this parameter is used."
)

# -1 is how some servers spell 'no limit'.
_NO_LIMIT = ({"const": 0}, {"const": -1}, NULL, *FOR_NUMBERS)

_REQUEST: Mapping[str, Says | str] = {
    "completions.request.prompt": Says(
        quote="The prompt(s) to generate completions for, encoded as a string, array of strings, array of tokens, or "
        "array of token arrays.",
        unjudged=({"const": ""}, {"type": "array"}, NULL),
    ),
    "chat.request.messages": Says(
        quote="A list of messages comprising the conversation so far.",
        # The reference requires content and lets it be null; vLLM does without it and refuses null.
        unjudged=(
            {"type": "string"},
            {"type": "array", "maxItems": 0},
            {"type": "array", "not": {"items": {"required": ["content"]}}},
        ),
    ),
    "chat.request.messages.content": Says(
        quote="The contents of the user message.",
        unjudged=({"const": ""}, {"type": "array"}, NULL),
    ),
    "chat.request.messages.role": Says(
        quote="The role of the messages author, in this case `user`.",
        # Compatible servers hand a role that they do not know to the model's template.
        unjudged=({"type": "string"},),
    ),
    "completions.request.stream": f"Whether to stream back partial progress. If set, {_SSE}, {_DONE}",
    "chat.request.stream": f"If set, partial message deltas will be sent, like in ChatGPT. T{_SSE[1:]}, {_DONE}",
    "completions.request.max_tokens": Says(
        quote="The maximum number of tokens that can be generated in the completion.", unjudged=_NO_LIMIT
    ),
    "chat.request.max_tokens": Says(
        quote="The maximum number of tokens that can be generated in the chat completion.",
        default="inf",
        unjudged=_NO_LIMIT,
    ),
    "request.top_p": _TOP_P,
    "request.temperature": _TEMPERATURE,
    "completions.request.n": "How many completions to generate for each prompt.",
    "chat.request.n": "How many chat completion choices to generate for each input message.",
    "request.stop": _STOP,
    "completions.request.logprobs": Says(
        quote="Include the log probabilities on the `logprobs` most likely output tokens, as well the chosen tokens. "
        "The maximum value for `logprobs` is 5.",
        schema={"type": ["integer", "null"], "minimum": 0, "maximum": 5},
        unjudged=({"type": "integer", "minimum": 6}, *FOR_NUMBERS),
    ),
    "chat.request.logprobs": Says(
        quote=_CHAT_LOGPROBS,
        default="False",
        schema={"type": "boolean"},
        unjudged=(NULL, *FOR_BOOLEANS),
    ),
    "request.presence_penalty": Says(quote=_PRESENCE, default="0"),
    "rule.greedy_candidates": "lower values like 0.2 will make it more focused and deterministic.",
}

_PROSE: Mapping[str, Says | str] = {
    "completions.head.route": "https://api.openai.com/v1/completions",
    "chat.head.route": "https://api.openai.com/v1/chat/completions",
    "completions.head.method": "Creates a completion for the provided prompt and parameters.",
    "chat.head.method": "Creates a model response for the given chat conversation.",
    "head.authorization": "Authorization: Bearer $OPENAI_API_KEY",
    "head.content_type": "Content-Type: application/json",
    "head.payload": "requestBody: required: true content: application/json",
    "completions.request.max_tokens.bound": "The maximum number of tokens that can be generated in the completion.",
    "chat.request.max_tokens.bound": "The maximum number of tokens that can be generated in the chat completion.",
    "completions.request.max_tokens.context": "The token count of your prompt plus `max_tokens` cannot exceed the "
    "model's context length.",
    "chat.request.max_tokens.context": "The total length of input tokens and generated tokens is limited by the "
    "model's context length.",
    "request.temperature.greedy": Says(
        quote="lower values like 0.2 will make it more focused and deterministic.", level="SHOULD"
    ),
    "request.temperature.broadens": "Higher values like 0.8 will make the output more random",
    "request.top_p.nucleus": "So 0.1 means only the tokens comprising the top 10% probability mass are considered.",
    "completions.request.n.count": "How many completions to generate for each prompt.",
    "chat.request.n.count": "How many chat completion choices to generate for each input message.",
    "request.stop.ends": _STOP,
    "request.stop.excluded": _EXCLUDED,
    "completions.request.logprobs.count": "For example, if `logprobs` is 5, the API will return a list of the 5 most "
    "likely tokens.",
    "chat.request.logprobs.count": _TOP_LOGPROBS,
    "completions.request.logprobs.chosen": _CHOSEN,
    "chat.request.logprobs.chosen": _CHAT_LOGPROBS,
    "request.presence_penalty.effect": "Positive values penalize new tokens based on whether they appear in the text "
    "so far, increasing the model's likelihood to talk about new topics.",
    "completions.response.payload": "Represents a completion response from the API.",
    "chat.response.payload": "Represents a chat completion response returned by model, based on the provided input.",
    "completions.response.id.unique": "A unique identifier for the completion.",
    "chat.response.id.unique": "A unique identifier for the chat completion.",
    "response.choices.index.range": "The index of the choice in the list of choices.",
    "response.usage.sum": "Total number of tokens used in the request (prompt + completion).",
    "stream.events": _SSE,
    "stream.incremental": "as they become available",
    "stream.finish_reason": "The reason the model stopped generating tokens.",
    "stream.done": _DONE,
    "stream.closes": _DONE,
    **dict.fromkeys(
        ("content_filter.acts", "content_filter.protects", "content_filter.passes"),
        Says(quote="`content_filter` if content was omitted due to a flag from our content filters", level="SHOULD"),
    ),
    "chat.stream.delta": "A chat completion delta generated by streamed model responses.",
    "completions.type.text": "encoded as a string, array of strings, array of tokens, or array of token arrays.",
}

_RESPONSE: Mapping[str, Says | str] = {
    "completions.response.id": "A unique identifier for the completion.",
    "chat.response.id": "A unique identifier for the chat completion.",
    "completions.response.choices": "The list of completion choices the model generated for the input prompt.",
    "chat.response.choices": "A list of chat completion choices. Can be more than one if `n` is greater than 1.",
    "response.choices.index": "The index of the choice in the list of choices.",
    "completions.response.choices.text": "text: type: string",
    "chat.response.choices.message": "A chat completion message generated by the model.",
    "chat.response.choices.message.role": "The role of the author of this message.",
    "chat.response.choices.message.content": "The contents of the message.",
    "chat.chunk.choices.delta": "A chat completion delta generated by streamed model responses.",
    "completions.response.choices.finish_reason": Says(
        quote=f"{_REASON}or `content_filter` if content was omitted due to a flag from our content filters.",
        schema=finish_schema(reasons=TEXT_REASONS),
    ),
    "chat.response.choices.finish_reason": Says(
        quote=f"{_REASON}`content_filter` if content was omitted due to a flag from our content filters, `tool_calls` "
        "if the model called a tool, or `function_call` (deprecated) if the model called a function.",
        schema=finish_schema(reasons=CHAT_REASONS),
    ),
    "completions.chunk.choices.finish_reason": Says(
        quote="The reason the model stopped generating tokens.", schema=finish_schema("chunk", TEXT_REASONS)
    ),
    "chat.chunk.choices.finish_reason": Says(
        quote="The reason the model stopped generating tokens.", schema=finish_schema("chunk", CHAT_REASONS)
    ),
    "completions.response.choices.logprobs": "logprobs: type: object, nullable: true",
    "chat.response.choices.logprobs": Says(quote=_CHOICE_LOGPROBS, schema=CONTENT_LAYOUT),
    "chat.chunk.choices.logprobs": Says(quote=_CHOICE_LOGPROBS, schema=CONTENT_LAYOUT),
    "completions.response.logprobs.tokens": "tokens: type: array",
    "completions.response.logprobs.token_logprobs": "token_logprobs: type: array",
    "completions.response.logprobs.top_logprobs": "top_logprobs: type: array",
    "completions.response.logprobs.text_offsets": "text_offset: type: array",
    "completions.response.created": "The Unix timestamp (in seconds) of when the completion was created.",
    "chat.response.created": "The Unix timestamp (in seconds) of when the chat completion was created.",
    "completions.response.model": "The model used for completion.",
    "chat.response.model": "The model used for the chat completion.",
    "completions.response.object": 'The object type, which is always "text_completion"',
    "chat.response.object": "The object type, which is always `chat.completion`.",
    "chat.chunk.object": Says(
        quote="The object type, which is always `chat.completion.chunk`.",
        schema={"type": "string", "enum": [chat.CHUNK_KIND, ""]},
    ),
    "response.usage": Says(quote="Usage statistics for the completion request.", level="SHOULD"),
    "response.usage.prompt_tokens": "Number of tokens in the prompt.",
    "response.usage.completion_tokens": "Number of tokens in the generated completion.",
    "response.usage.total_tokens": "Total number of tokens used in the request (prompt + completion).",
}

_SOURCE = Source(name=NAME, rows={**_REQUEST, **_PROSE, **_RESPONSE}, foreign=frozenset({"service.info"}))


def _own_rows(route: Route) -> tuple[Param, ...]:
    """The request rows that the page has not."""
    penalty = Param(
        id=f"{route}.request.frequency_penalty",
        level="MUST",
        quote="Number between -2.0 and 2.0. Positive values penalize new tokens based on their existing frequency in "
        "the text so far, decreasing the model's likelihood to repeat the same line verbatim.",
        source=NAME,
        name="frequency_penalty",
        type="number",
        default="0",
        schema={"type": "number", "minimum": -2, "maximum": 2},
        unjudged=(NULL, *FOR_NUMBERS),
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
        # The reference allows all of 64 bits, servers less.
        unjudged=({"type": "integer"}, NULL, *FOR_NUMBERS),
    )
    top = Param(
        id="chat.request.top_logprobs",
        level="MUST",
        quote=_TOP_LOGPROBS,
        source=NAME,
        name="top_logprobs",
        type="integer",
        schema={"type": "integer", "minimum": 0, "maximum": 5},
        unjudged=({"type": "integer", "minimum": 6, "maximum": 20}, NULL, *FOR_NUMBERS),
        companions={"logprobs": True},
    )
    shared = (penalty, seed, *_client_rows(route))
    return (*shared, top) if route == "chat" else shared


def _client_rows(route: Route) -> tuple[Param, ...]:
    """What clients send along that changes nothing in the text."""
    options = Param(
        id=f"{route}.request.stream_options",
        level="SHOULD",
        quote="Options for streaming response. Only set this when you set `stream: true`.",
        source=NAME,
        name="stream_options",
        type="object",
        default="null",
        schema={"type": "object", "properties": {"include_usage": {"type": "boolean"}}, "required": ["include_usage"]},
        unjudged=(NULL, {"type": "object"}),
        companions={"stream": True},
    )
    user = Param(
        id=f"{route}.request.user",
        level="SHOULD",
        quote="A unique identifier representing your end-user, which can help OpenAI to monitor and detect abuse.",
        source=NAME,
        name="user",
        type="string",
        schema={"type": "string", "minLength": 1, "maxLength": 64},
        # Compatible servers have nobody to monitor, and never look at it.
        unjudged=({},),
    )
    return options, user


def _streaming_rule(route: Route) -> Rule:
    return Rule(
        id=f"{route}.rule.stream_options",
        level="MAY",
        quote="Only set this when you set `stream: true`.",
        source=NAME,
        schema={
            "if": {"required": ["stream_options"]},
            "then": {"properties": {"stream": {"const": True}}, "required": ["stream"]},
        },
        # Servers refuse the options without the stream, or do not look at them.
        unjudged=({"required": ["stream_options"]},),
    )


_OWN = Own(
    paths={"completions": "/v1/completions", "chat": "/v1/chat/completions"},
    rows=_own_rows,
    rules=(
        _streaming_rule("completions"),
        _streaming_rule("chat"),
        Rule(
            id="chat.rule.top_logprobs",
            level="MAY",
            quote="`logprobs` must be set to `true` if this parameter is used.",
            source=NAME,
            schema={
                "if": {"required": ["top_logprobs"]},
                "then": {"properties": {"logprobs": {"const": True}}, "required": ["logprobs"]},
            },
            # Servers refuse the number without the switch, or take it as the switch.
            unjudged=({"required": ["top_logprobs"]},),
        ),
    ),
    prose=(
        sentence("completions", "request.model", "ID of the model to use.", NAME),
        sentence("chat", "request.model", "ID of the model to use.", NAME),
        sentence(
            "chat",
            "response.logprobs.tokens",
            "A list of message content tokens with log probability information.",
            NAME,
            level="MUST",
        ),
        sentence(
            "chat",
            "response.logprobs.likeliest",
            "List of the most likely tokens and their log probability, at this token position.",
            NAME,
            level="SHOULD",
        ),
        sentence(
            "chat",
            "response.logprobs.bytes",
            "A list of integers representing the UTF-8 bytes representation of the token.",
            NAME,
            level="SHOULD",
        ),
    ),
    errata=OWN,
)

CONTRACT = derived_contract(
    PAGE,
    _SOURCE,
    _OWN,
    name="openai",
    title="A server compatible with OpenAI's API, such as vLLM",
    errata=(*SHARED, *NAMES),
    # A server of one's own has no quota; these only keep a run from being a load test.
    requests_per_minute=6_000,
    tokens_per_minute=2_000_000,
)

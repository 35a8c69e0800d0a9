"""Where the page is silent, or alone with what it says, and servers in practice differ."""

from __future__ import annotations

from schemas.errata import both, chat
from schemas.model import Erratum, Reading

PRACTICE = (
    Erratum(
        id="erratum.type-coercion",
        place=0,
        says="Each parameter has one type.",
        practice="Many servers read '0.5' as a number, 'True' as a boolean and 16.0 as an integer.",
        readings=(
            Reading(
                name="refused", text="A value of another type is refused even when it could be read as the right one."
            ),
            Reading(name="coerced", text="A value that can be read as the right type is accepted."),
        ),
        about=both("request.temperature", "request.max_tokens", "request.stream"),
    ),
    Erratum(
        id="erratum.null-value",
        place=0,
        says="Null is the default of some parameters and of no other.",
        practice="Clients send null for what they do not set, and most servers take it as absent.",
        readings=(
            Reading(name="accepted", text="Null is taken as absent for every optional parameter."),
            Reading(name="refused", text="Null is refused where it is not the printed default."),
        ),
        about=both("request.stream", "request.max_tokens", "request.temperature", "request.top_p", "request.n"),
    ),
    Erratum(
        id="erratum.top_p-zero",
        place=0,
        says="`top_p` has no printed bounds; a probability mass lies between 0 and 1.",
        practice="0 is refused by some engines and means the likeliest token to others.",
        readings=(
            Reading(name="refused", text="`top_p` 0 is refused."),
            Reading(name="accepted", text="`top_p` 0 is accepted."),
        ),
        about=both("request.top_p"),
    ),
    Erratum(
        id="erratum.max_tokens-zero",
        place=0,
        says="`max_tokens` has no printed lower bound.",
        practice="0 is refused by most engines; some only read the prompt.",
        readings=(
            Reading(name="refused", text="`max_tokens` 0 is refused."),
            Reading(name="accepted", text="`max_tokens` 0 is accepted."),
        ),
        about=both("request.max_tokens"),
    ),
    Erratum(
        id="erratum.greedy-n",
        place=0,
        says="`n` and `temperature` may be combined at will.",
        practice="vLLM refuses several choices at temperature 0, since they would all be the same.",
        readings=(
            Reading(name="refused", text="Several choices at temperature 0 are refused."),
            Reading(name="accepted", text="Several choices at temperature 0 are generated."),
        ),
        about=both("rule.greedy_candidates", "request.n"),
    ),
    Erratum(
        id="erratum.refusal-status",
        place=0,
        says="No status is given for a request that breaks the tables.",
        practice="400, or 422 where a validation library answers.",
        readings=(
            Reading(name="400", text="A broken request gets 400."),
            Reading(name="422", text="A broken request gets 422."),
        ),
        about=both("error.status"),
    ),
    Erratum(
        id="erratum.bare-key",
        place=0,
        says="The key follows the word Bearer.",
        practice="The vendor's own notebook sends the key without it, and the service answers.",
        readings=(
            Reading(name="refused", text="A key without Bearer is refused."),
            Reading(name="accepted", text="A key without Bearer is accepted."),
        ),
        about=both("head.authorization"),
    ),
    Erratum(
        id="erratum.request-model",
        place=0,
        says="A request has no `model`: the deployment is the model.",
        practice="Clients always send one; some servers ignore it, others answer 404 for a name they do not know.",
        readings=(
            Reading(name="ignored", text="An unknown `model` in the request is ignored."),
            Reading(name="404", text="An unknown `model` in the request gets 404."),
            Reading(name="refused", text="A `model` in the request is refused as an unknown parameter."),
        ),
        about=both("head.payload"),
    ),
    Erratum(
        id="erratum.stream-usage",
        place=0,
        says="Whether a stream reports its usage is not said.",
        practice="With the last chunk, in a chunk of its own without choices, or not at all.",
        readings=(
            Reading(name="last-chunk", text="The last chunk has the usage."),
            Reading(name="own-chunk", text="A chunk of its own, without choices, has the usage."),
            Reading(name="absent", text="A stream reports no usage."),
        ),
        about=both("chunk.usage"),
    ),
    Erratum(
        id="erratum.done-spacing",
        place=0,
        says="The payload is `[DONE]`.",
        practice="`data: [DONE]` mostly, `data:[DONE]` in the vendor's own notebook; an event stream allows both.",
        readings=(
            Reading(name="space", text="A space stands between the colon and `[DONE]`."),
            Reading(name="no-space", text="No space stands between the colon and `[DONE]`."),
        ),
        about=both("stream.done"),
    ),
    Erratum(
        id="erratum.content-type",
        place=0,
        says="The content type of a request is application/json; what follows from another one is not said.",
        practice="Refused with 400 or 415, or never looked at.",
        readings=(
            Reading(name="400", text="JSON under another content type gets 400 or 422."),
            Reading(name="415", text="JSON under another content type gets 415."),
            Reading(name="accepted", text="JSON under another content type is accepted."),
        ),
        about=both("head.content_type"),
    ),
    Erratum(
        id="erratum.role-chunk",
        place=0,
        says="Each choice of a chunk has `delta`.",
        practice="Mostly a first chunk has the role alone; some send it with the first text, in each chunk, or never.",
        readings=(
            Reading(name="first", text="A first chunk has the role and no text."),
            Reading(name="with-text", text="The role comes together with text."),
            Reading(name="absent", text="No chunk has a role."),
        ),
        about=chat("chunk.choices.delta"),
    ),
    Erratum(
        id="erratum.chat-logprobs",
        place=0,
        says="`logprobs` of chat is an integer, as for completions.",
        practice="OpenAI's chat API and plain vLLM want a boolean there and refuse the integer.",
        readings=(
            Reading(name="integer", text="Chat takes the number, as printed."),
            Reading(name="refused", text="Chat refuses the number that the table promises.", passes=False),
        ),
        about=chat("request.logprobs"),
    ),
    Erratum(
        id="erratum.offset-origin",
        place=0,
        says="`text_offsets` are positions in the completion output.",
        practice="Counted from the start of the output, or from the start of the prompt.",
        readings=(
            Reading(name="output", text="Offsets count from the start of the output."),
            Reading(name="prompt", text="Offsets count from the start of the prompt."),
        ),
        about=both("response.logprobs.text_offsets"),
    ),
    Erratum(
        id="erratum.nul-character",
        place=0,
        says="A prompt is a string, and JSON allows U+0000 in one when it is escaped.",
        practice="Most servers take it as any other character; some refuse it, since what is behind them cannot.",
        readings=(
            Reading(name="accepted", text="A prompt with U+0000 is answered."),
            Reading(name="refused", text="A prompt with U+0000 is refused."),
        ),
        about=both("text.characters"),
    ),
    Erratum(
        id="erratum.other-methods",
        place=0,
        says="The method is POST; what another one gets is not said.",
        practice="405 with the allowed method, or 404 from a gateway that knows only what it serves.",
        readings=(
            Reading(name="405", text="Another method gets 405."),
            Reading(name="404", text="Another method gets 404."),
        ),
        about=both("head.method"),
    ),
    Erratum(
        id="erratum.throttle-headers",
        place=0,
        says="There is a quota, and no word on how a client learns that it is spent.",
        practice="429 with Retry-After, with x-ratelimit headers, with both, or with words in the body only.",
        readings=(
            Reading(name="retry-after", text="A 429 says when to come back."),
            Reading(name="counters", text="A 429 has x-ratelimit headers and no Retry-After."),
            Reading(name="silent", text="A 429 has neither."),
        ),
        about=("limits.requests", "limits.tokens"),
    ),
)

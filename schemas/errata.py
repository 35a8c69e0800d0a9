"""Where the page contradicts itself: one row for each place, and how an endpoint may read it.

Law: `place` counts 1 to 34 without a gap. A reading that does not pass is one that no client of the page could use.
"""

from __future__ import annotations

from schemas.model import Erratum, Reading

_PAPER = "It concerns the documentation only; no request or answer depends on it."


def both(*names: str) -> tuple[str, ...]:
    """The rows of those names on both routes."""
    return tuple(f"{route}.{name}" for name in names for route in ("completions", "chat"))


def chat(*names: str) -> tuple[str, ...]:
    """The rows of those names on the chat route."""
    return tuple(f"chat.{name}" for name in names)


PAGE = (
    Erratum(
        id="erratum.routes",
        place=1,
        says="The steps name /completions and /chat/completions; the reference has the same two under /v1.",
        practice="Both families exist: two APIs with different defaults and different rules for unknown parameters.",
        readings=(
            Reading(name="v1", text="Only the routes under /v1 are served."),
            Reading(name="both", text="The routes without /v1 are served as well."),
        ),
        about=both("head.route"),
    ),
    Erratum(
        id="erratum.messages-type",
        place=2,
        says="`messages` is a string in the table, an object in the sentence below it, and an array in the example.",
        practice="An array of objects; some servers take a string as one user message.",
        readings=(
            Reading(name="array", text="Only an array is taken."),
            Reading(name="array-or-text", text="A string is taken as well."),
        ),
        about=chat("request.messages"),
    ),
    Erratum(
        id="erratum.message-key",
        place=3,
        says="The key of a chat choice is `messages` in the table and the tip, `message` in the example.",
        practice="`message`; earlier versions of the page and every client say so.",
        readings=(
            Reading(name="message", text="The key is `message`."),
            Reading(name="messages", text="The key is `messages`, which no client reads.", passes=False),
        ),
        about=chat("response.choices.message"),
    ),
    Erratum(
        id="erratum.message-type",
        place=4,
        says="`messages` and `delta` of a choice are strings in the table, an object in the example.",
        practice="An object with `role` and `content`.",
        readings=(
            Reading(name="object", text="The message is an object."),
            Reading(name="text", text="The message is a string, which no client reads.", passes=False),
        ),
        about=chat("response.choices.message", "chunk.choices.delta"),
    ),
    Erratum(
        id="erratum.choices-type",
        place=5,
        says="`choices` is an array in the table, and 'the `choices` object is a dictionary' below it.",
        practice="An array of objects.",
        readings=(
            Reading(name="array", text="`choices` is an array of objects."),
            Reading(name="object", text="`choices` is one object, so `n` has no place.", passes=False),
        ),
        about=both("response.choices"),
    ),
    Erratum(
        id="erratum.response-model",
        place=6,
        says="`model` is listed as a field of the answer; one example has none, the other an empty one.",
        practice="Servers give the name of the model; clients do without.",
        readings=(
            Reading(name="named", text="`model` names the model."),
            Reading(name="empty", text="`model` is the empty string."),
            Reading(name="absent", text="There is no `model`."),
        ),
        about=both("response.model", "chunk.model"),
    ),
    Erratum(
        id="erratum.logprobs-absent",
        place=7,
        says="`logprobs` is listed for each choice; one example has null, the other no such key.",
        practice="Null or absent unless asked for.",
        readings=(
            Reading(name="null", text="Without being asked for, `logprobs` is null."),
            Reading(name="absent", text="Without being asked for, `logprobs` is absent."),
        ),
        about=both("response.choices.logprobs"),
    ),
    Erratum(
        id="erratum.stop-type",
        place=8,
        says="`stop` is an array in the table, 'String or a list of strings' in its description.",
        practice="Both are taken.",
        readings=(
            Reading(name="text-or-array", text="A string and an array of strings are taken."),
            Reading(name="array", text="Only an array is taken, against the description.", passes=False),
        ),
        about=both("request.stop"),
    ),
    Erratum(
        id="erratum.best_of-equals-n",
        place=9,
        says="`best_of` must be greater than `n`, yet both defaults are 1.",
        practice="Engines ask for `best_of` at or above `n`, so equal numbers are served.",
        readings=(
            Reading(name="refused", text="`best_of` equal to `n` is refused, as the sentence says."),
            Reading(name="accepted", text="`best_of` equal to `n` is accepted, as the defaults imply."),
        ),
        about=both("rule.best_of_exceeds_n", "request.best_of"),
    ),
    Erratum(
        id="erratum.best_of-index",
        place=10,
        says="With `best_of` above 1 the indices may not be 0 to n-1, although `n` says how many are returned.",
        practice="Engines number what they return from 0 to n-1; older ones kept the candidate's number.",
        readings=(
            Reading(name="renumbered", text="The returned choices are numbered 0 to n-1."),
            Reading(name="kept", text="The returned choices keep the numbers of their candidates."),
        ),
        about=both("response.choices.index"),
    ),
    Erratum(
        id="erratum.best_of-lowest",
        place=11,
        says="The best candidate is the one with the lowest log probability per token, which is the least likely one.",
        practice="Engines return the most likely one: the highest log probability, the lowest negative one.",
        readings=(
            Reading(name="highest", text="The most likely candidate is returned."),
            Reading(name="lowest", text="The least likely candidate is returned and called the best.", passes=False),
        ),
        about=both("request.best_of.best"),
    ),
    Erratum(
        id="erratum.best_of-streamed",
        place=12,
        says="Results of `best_of` cannot be streamed; what happens to a request for it is not said.",
        practice="Some refuse it, some send the finished answer as one event, newer ones no longer know `best_of`.",
        readings=(
            Reading(name="refused", text="`best_of` above 1 with `stream` is refused."),
            Reading(name="accepted", text="`best_of` above 1 with `stream` is answered in some way."),
        ),
        about=both("rule.best_of_not_streamed"),
    ),
    Erratum(
        id="erratum.beam-conditions",
        place=13,
        says="Beam search needs `best_of` above 1 and `temperature` 0; both defaults break that, no error is defined.",
        practice="Older engines refuse, newer ones take the number of beams from elsewhere and accept.",
        readings=(
            Reading(name="refused", text="Beam search without its conditions is refused."),
            Reading(name="accepted", text="Beam search without its conditions is answered."),
        ),
        about=both("rule.beam_best_of", "rule.beam_temperature"),
    ),
    Erratum(
        id="erratum.null-default",
        place=14,
        says="The default of some numbers, booleans and arrays is null, which is none of these types.",
        practice="Null means that the parameter is not given.",
        readings=(
            Reading(name="accepted", text="Null is accepted where the table prints it."),
            Reading(name="refused", text="Null is refused where the table prints it as the default.", passes=False),
        ),
        about=both(
            "request.presence_penalty",
            "request.skip_special_tokens",
            "request.stop",
            "request.stop_token_ids",
            "request.logprobs",
        ),
    ),
    Erratum(
        id="erratum.ignore_eos-default",
        place=15,
        says="`ignore_eos` is True by default, yet both examples end with `stop` well below their `max_tokens`.",
        practice="False everywhere else: in the model cards, in vLLM and in Microsoft's own clients.",
        readings=(
            Reading(name="off", text="By default an answer ends at the end-of-sequence token."),
            Reading(name="on", text="By default an answer runs on to `max_tokens`."),
        ),
        about=both("request.ignore_eos"),
    ),
    Erratum(
        id="erratum.max_tokens-default",
        place=16,
        says="`max_tokens` is 16 by default for chat as well, yet the samples send none and expect whole answers.",
        practice="16 for completions; for chat mostly what the context leaves.",
        readings=(
            Reading(name="16", text="Without `max_tokens` an answer ends after 16 tokens."),
            Reading(name="unlimited", text="Without `max_tokens` an answer goes beyond 16 tokens."),
        ),
        about=both("request.max_tokens.default"),
    ),
    Erratum(
        id="erratum.top_logprobs-value",
        place=17,
        says="The values of `top_logprobs` are probabilities, yet `token_logprobs` are selected from them.",
        practice="Log probabilities in both.",
        readings=(
            Reading(name="logprob", text="Both hold log probabilities."),
            Reading(name="prob", text="`top_logprobs` holds probabilities, so nothing can be selected.", passes=False),
        ),
        about=both("response.logprobs.top_logprobs", "response.logprobs.token_logprobs"),
    ),
    Erratum(
        id="erratum.text_offset",
        place=18,
        says="The key is `text_offsets`.",
        practice="`text_offset` in OpenAI's API, in vLLM and in Microsoft's own server.",
        readings=(
            Reading(name="text_offsets", text="The key is `text_offsets`, as printed."),
            Reading(name="text_offset", text="The key is `text_offset`, as everywhere else."),
        ),
        about=both("response.logprobs.text_offsets"),
    ),
    Erratum(
        id="erratum.logprobs-layout",
        place=19,
        says="One layout of log probabilities, that of completions, is printed for chat too.",
        practice="Chat servers have `logprobs.content`, a list of tokens.",
        readings=(
            Reading(name="arrays", text="Parallel arrays, as printed."),
            Reading(name="content", text="A list `content` of tokens, as in OpenAI's chat API."),
        ),
        about=chat("response.choices.logprobs"),
    ),
    Erratum(
        id="erratum.chunk-object",
        place=20,
        says="`object` is always `chat.completion`.",
        practice="The chunks of a stream say `chat.completion.chunk`.",
        readings=(
            Reading(name="chunk", text="Chunks say `chat.completion.chunk`."),
            Reading(name="whole", text="Chunks say `chat.completion`, as printed."),
        ),
        about=chat("chunk.object", "response.object"),
    ),
    Erratum(
        id="erratum.done-event",
        place=21,
        says="The last chunk 'is terminated by a payload `[DONE]`': a part of that chunk, or an event of its own.",
        practice="An event of its own, after the chunk with the finish_reason.",
        readings=(
            Reading(name="own-event", text="`[DONE]` is an event of its own."),
            Reading(
                name="in-chunk", text="`[DONE]` stands within the last chunk, which is then no JSON.", passes=False
            ),
        ),
        about=both("stream.done"),
    ),
    Erratum(
        id="erratum.content_filter_error",
        place=22,
        says="`content_filter_error` is a finish_reason.",
        practice="Elsewhere it is an error code inside the filter's result, beside an ordinary finish_reason.",
        readings=(
            Reading(name="reason", text="It is a finish_reason."),
            Reading(name="code", text="It is an error code."),
        ),
        about=both("response.choices.finish_reason"),
        unobservable="The filter would have to fail while an answer passes it; no request makes it do so.",
    ),
    Erratum(
        id="erratum.trailing-comma",
        place=23,
        says="The chat example ends with a comma before the closing brace, which is not JSON.",
        practice="Strict parsers refuse the page's own example.",
        readings=(
            Reading(name="refused", text="The example is refused until its comma is removed."),
            Reading(name="accepted", text="The example is accepted as printed."),
        ),
        about=chat("head.payload"),
    ),
    Erratum(
        id="erratum.answer-escapes",
        place=24,
        says="The text of the chat answer has escapes and doubled quotes that are not JSON.",
        practice="Answers are JSON.",
        readings=(Reading(name="slip", text="A slip of the example."),),
        about=chat("response.payload"),
        unobservable=_PAPER,
    ),
    Erratum(
        id="erratum.example-usage",
        place=25,
        says="The counts of both examples do not fit their texts under any known tokenizer; their sums are right.",
        practice="Counts come from the model's own tokenizer.",
        readings=(Reading(name="slip", text="Numbers made up for the example."),),
        about=both("response.usage"),
        unobservable=_PAPER,
    ),
    Erratum(
        id="erratum.example-created",
        place=26,
        says="`created` is a day of January 1970 in both examples.",
        practice="The time of the answer.",
        readings=(Reading(name="slip", text="Placeholders."),),
        about=both("response.created"),
        unobservable=_PAPER,
    ),
    Erratum(
        id="erratum.example-id",
        place=27,
        says="The id of the examples looks like a UUID, but its last group is not hexadecimal.",
        practice="An opaque string with a prefix of the server's choice.",
        readings=(
            Reading(name="opaque", text="An id is any string."),
            Reading(name="uuid", text="An id is a UUID."),
        ),
        about=both("response.id"),
    ),
    Erratum(
        id="erratum.regions",
        place=28,
        says="The prerequisites list seven regions, a step below only two of them.",
        practice="The list grew, the step did not.",
        readings=(Reading(name="slip", text="A step left behind."),),
        unobservable=_PAPER,
    ),
    Erratum(
        id="erratum.foreign-samples",
        place=29,
        says="The table of samples is that of another model family, and a heading speaks of Llama 2.",
        practice="The samples of this family are elsewhere in the same repository.",
        readings=(Reading(name="slip", text="Rows copied from another page."),),
        unobservable=_PAPER,
    ),
    Erratum(
        id="erratum.unknown-parameters",
        place=30,
        says="Parameters such as `model`, `seed` or `tools` have no row, and nothing is said on unknown ones.",
        practice="The routes under /v1 ignore them; the routes without refuse them unless a header says otherwise.",
        readings=(
            Reading(name="ignored", text="A parameter without a row changes nothing."),
            Reading(name="refused", text="A parameter without a row is refused."),
        ),
        about=both("head.payload"),
    ),
    Erratum(
        id="erratum.content_filter-shape",
        place=31,
        says="Prompts and completions are filtered; the shape of a filtered answer is not given.",
        practice="A refusal with the code `content_filter`, nested in `error` or at the top, or with words only; an "
        "answer that is filtered has a finish_reason for it.",
        readings=(
            Reading(name="nested", text="A filtered prompt gets an `error` with the code `content_filter`."),
            Reading(name="flat", text="A filtered prompt gets the code `content_filter` at the top of the body."),
            Reading(name="words", text="A filtered prompt gets words on the filter and no code of its own."),
        ),
        about=("content_filter.acts",),
    ),
    Erratum(
        id="erratum.error-shape",
        place=32,
        says="No status, no body and no header of any error is defined.",
        practice="At least three shapes of body are in use, and one server may use several.",
        readings=(
            Reading(name="nested", text="The body has an object `error`."),
            Reading(name="detail", text="The body has `detail`."),
            Reading(name="flat", text="The body has `message` at its top."),
            Reading(name="other", text="The body is another JSON object."),
        ),
        about=both("error.body"),
    ),
    Erratum(
        id="erratum.completions-model",
        place=33,
        says="The model named for the completions API is not among those offered.",
        practice="A chat model serves the route as well, or nobody does.",
        readings=(
            Reading(name="served", text="The completions route is served."),
            Reading(name="absent", text="The completions route is not served."),
        ),
        about=("completions.head.route",),
    ),
    Erratum(
        id="erratum.offer-name",
        place=34,
        says="The subscription steps speak of an offer that is not in the list of offers.",
        practice="The offers are the Instruct models.",
        readings=(Reading(name="slip", text="An offer that was withdrawn or never made."),),
        unobservable=_PAPER,
    ),
)

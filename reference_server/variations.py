"""Legal variations of a conformant server: what a harness must take without a word, since no contract forbids it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from conformance.wire.answer import Answer, Ask
from reference_server import asgi, chunks, content_filter, readings, relay, shapes
from schemas.model import ROUTES


@dataclass(frozen=True)
class Variation:
    """One way to be different and right: a changed request, a changed answer, another cut of its bytes, or leniency.

    `warned` are the checks that warn of it: it breaks no MUST, but departs from what a SHOULD advises.
    """

    name: str
    title: str
    ask: Callable[[Ask], Ask] | None = None
    answer: Callable[[Answer], Answer] | None = None
    cut: Callable[[Answer], Sequence[bytes]] | None = None
    forgets: frozenset[tuple[str, str]] = frozenset()
    lenient: bool = False
    warned: frozenset[str] = frozenset()


class Varied:
    """An ASGI app that varies another one; `variation` None changes nothing."""

    def __init__(self, app: asgi.App, variation: Variation | None = None) -> None:
        self._app = app
        self.variation = variation

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request in the varied way."""
        variation = self.variation
        if variation is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[asgi.LENIENT] = variation.lenient
        scope[asgi.FORGETS] = scope.get(asgi.FORGETS, frozenset()) | variation.forgets
        ask = await relay.asked(scope, receive, send)
        if ask is None:
            return
        answer = await relay.answered(self._app, scope, variation.ask(ask) if variation.ask else ask, receive)
        if variation.answer:
            answer = variation.answer(answer)
        await relay.deliver(answer, send, variation.cut(answer) if variation.cut else None)


def _both(*names: str) -> frozenset[str]:
    """The checks of those names on both routes."""
    return frozenset(f"{route}.{name}" for route in ROUTES for name in names)


# Conditions that the page states, and does not say are enforced. The best of several is still streamed in one piece.
_CONDITIONS = _both("beam.one-candidate", "beam.warm")


def _named(*variations: Variation) -> Mapping[str, Variation]:
    return {variation.name: variation for variation in variations}


_SHAPES = _named(
    Variation("turned-keys", "keys in the opposite order", answer=shapes.rewritten(shapes.turned)),
    Variation("extra-fields", "a field more in every object", answer=shapes.rewritten(shapes.extended)),
    Variation("pretty", "documents with white space, in UTF-8 instead of escapes", answer=shapes.pretty),
    # No more than that: a long stream in one write would be one that nobody could watch.
    Variation("coalesced", "the whole answer in one write, of a stream 16 events", cut=shapes.gathered(16)),
    Variation("odd-cuts", "writes of seven bytes, which cut events and characters", cut=shapes.slices(7)),
    Variation("byte-by-byte", "every byte in a write of its own", cut=lambda a: [bytes((b,)) for b in shapes.whole(a)]),
    Variation("charset", "a charset in the content type", answer=shapes.charset),
    Variation("offset-spelling", "`text_offset` for `text_offsets`", answer=shapes.choices(shapes.spelled)),
    Variation(
        "logprobs-absent", "no `logprobs` where they are null", answer=shapes.choices(shapes.without_null_logprobs)
    ),
    Variation("no-model", "no `model` field", answer=shapes.documents(lambda value: value.pop("model", None))),
    Variation("empty-model", "an empty `model` field", answer=shapes.documents(lambda value: value.update(model=""))),
    Variation("uuid-id", "an id like the page's", answer=shapes.documents(readings.uuid_id)),
)

_REFUSALS = _named(
    Variation("status-422", "422 for a request that breaks the tables", answer=shapes.status(400, 422)),
    Variation("status-400-for-415", "400 for another content type", answer=shapes.status(415, 400)),
    Variation("status-404-for-405", "404 for another method", answer=shapes.status(405, 404)),
    Variation("error-flat", "refusals without an `error` object", answer=shapes.refusals(lambda error: error)),
    Variation("error-detail", 'refusals as {"detail": …}', answer=shapes.refusals(lambda e: {"detail": e["message"]})),
    Variation(
        "error-openai",
        "refusals with a numeric code and no status",
        answer=shapes.refusals(lambda e: {"error": {**{k: e[k] for k in e if k != "status"}, "code": e["status"]}}),
    ),
    Variation(
        "error-string", "refusals whose `error` is a text", answer=shapes.refusals(lambda e: {"error": e["message"]})
    ),
)

_STREAMS = _named(
    Variation("sse-comments", "a comment before each event", answer=shapes.events(lambda event: b": here\n\n" + event)),
    Variation("sse-crlf", "lines that end in CRLF", answer=shapes.events(lambda e: e.replace(b"\n", b"\r\n"))),
    Variation("sse-no-space", "no space after `data:`", answer=shapes.events(lambda e: e.replace(b": ", b":", 1))),
    Variation("sse-cr", "lines that end in CR", answer=shapes.events(lambda e: e.replace(b"\n", b"\r"))),
    Variation("sse-lines", "each chunk spread over several `data:` lines", answer=shapes.events(shapes.several_lines)),
    Variation("sse-bom", "a byte order mark before the first event", answer=shapes.marked),
    Variation("sse-ids", "an id and a retry time in each event", answer=shapes.events(shapes.numbered)),
    Variation(
        "sse-named", "events with the name that all have", answer=shapes.events(lambda e: b"event: message\n" + e)
    ),
    Variation("sse-last-words", "a comment after the last event", answer=shapes.last_words),
    Variation("sse-utf8", "chunks in UTF-8 with a field beyond ASCII", answer=shapes.events(shapes.unescaped)),
    Variation("usage-apart", "the usage in a last chunk without choices", answer=shapes.chunks(chunks.usage_apart)),
    Variation("usage-null", "a null usage in every chunk but the last", answer=shapes.chunks(chunks.usage_null)),
    Variation("no-stream-usage", "no usage in streams", answer=shapes.chunks(chunks.without_usage)),
    Variation(
        "no-role-chunk",
        "no role before the first text",
        answer=shapes.chunks(chunks.without_role_chunk),
        warned=frozenset({"chat.stream.introduced"}),
    ),
    Variation("role-only", "a first delta with nothing but the role", answer=shapes.choices(chunks.role_only)),
    Variation("role-everywhere", "the role in every delta", answer=shapes.choices(chunks.role_everywhere)),
    Variation("role-with-text", "the role in the delta of the first text", answer=shapes.chunks(chunks.role_with_text)),
    Variation(
        "filter-chunk", "a first chunk with filter results and no choices", answer=shapes.chunks(chunks.filter_chunk)
    ),
    Variation(
        "finish-with-text",
        "the finish reason on the chunk with the last text",
        answer=shapes.chunks(chunks.finish_with_text),
    ),
    Variation("merged-tokens", "three tokens to an event", answer=shapes.chunks(chunks.merged)),
    Variation("whole-object", "the same `object` in chunks", answer=shapes.documents(readings.whole_object)),
)

_READINGS = _named(
    Variation("candidate-indices", "indices of candidates, in any order", answer=readings.candidate_indices),
    Variation("greedy-n-refused", "several greedy answers are refused", answer=readings.greedy_n_refused),
    Variation("bare-key", "the key is taken without `Bearer` too", ask=readings.bearer_added),
    Variation("eos-ignored", "`ignore_eos` is true unless said", ask=readings.filled("ignore_eos", True)),
    Variation(
        "long-default",
        "`max_tokens` is long unless said",
        ask=readings.filled("max_tokens", 200),
        warned=frozenset({"completions.length.default-kept"}),
    ),
    Variation("content-logprobs", "chat's log probabilities as a `content` list", answer=readings.content_logprobs),
    Variation("offsets-in-prompt", "offsets from the beginning of the prompt", answer=readings.offsets_in_prompt),
    Variation("extras-refused", "unknown parameters are refused", answer=readings.refused(readings.unknown_parameter)),
    Variation(
        "nulls-refused", "nulls that are no default are refused", answer=readings.refused(readings.misplaced_null)
    ),
    Variation("model-checked", "another model is not found", answer=readings.refused(readings.foreign_model, 404)),
    Variation("any-content-type", "JSON under any content type", ask=readings.any_content_type),
    Variation("trailing-comma", "JSON with a comma too many is read", ask=readings.trailing_comma),
    Variation("lenient-json", "what is nearly JSON is read", ask=readings.lenient_json),
    Variation("first-of-a-key", "of a repeated key the first value counts", ask=readings.first_of_a_key),
    Variation("api-key-header", "the key is taken in `api-key` too", ask=readings.key_in_its_own_header),
    Variation(
        "no-challenge",
        "a 401 without `WWW-Authenticate`",
        answer=readings.without_challenge,
        warned=_both("auth.challenge"),
    ),
    Variation("messages-as-text", "`messages` may be a string", ask=readings.messages_as_text),
    Variation("short-routes", "the routes without `/v1` too", ask=readings.short_routes),
    Variation(
        "rules-relaxed",
        "the conditions on `best_of` and beams are not enforced",
        forgets=readings.RELAXED,
        warned=_CONDITIONS,
    ),
    Variation(
        "lenient",
        "values that the contract leaves open are accepted",
        lenient=True,
        warned=_CONDITIONS | _both("type.numbers"),
    ),
)

_SERVICE = _named(
    Variation("undescribed", "no document on itself and no `/info`", answer=readings.undescribed),
    Variation(
        "described-without-v1", "a document on the routes without /v1 only", answer=readings.described_without_v1
    ),
)

_FILTERED = _named(
    Variation("filter-flat", "a filtered prompt's error at the top of the body", answer=content_filter.flat),
    Variation("filter-words", "a filtered prompt's error without a code of its own", answer=content_filter.coded),
    Variation("filter-severity", "a filtered prompt's error with severities", answer=content_filter.innermost),
    Variation("filter-failed", "a failing filter on output, beside an ordinary reason", answer=content_filter.failed),
    Variation("filter-failed-reason", "a failing filter on output, as the reason", answer=content_filter.failed_reason),
)

VARIATIONS: Mapping[str, Variation] = {**_SHAPES, **_REFUSALS, **_STREAMS, **_READINGS, **_SERVICE, **_FILTERED}

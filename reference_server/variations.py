"""Legal variations of a conformant server: what a harness must take without a word, since no contract forbids it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.wire.answer import Answer, Ask, frame, payload
from reference_server import asgi, relay

Json = Any


@dataclass(frozen=True)
class Variation:
    """One way to be different and right: a changed request, a changed answer, another cut of its bytes, or leniency."""

    name: str
    title: str
    ask: Callable[[Ask], Ask] | None = None
    answer: Callable[[Answer], Answer] | None = None
    cut: Callable[[Answer], Sequence[bytes]] | None = None
    lenient: bool = False


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
        try:
            ask = await relay.asked(scope, receive)
        except asgi.DisconnectError:
            return
        except asgi.TooLargeError:
            await asgi.send_json(send, 413, asgi.error_body(413, "the body is too large"))
            return
        answer = await relay.answered(self._app, scope, variation.ask(ask) if variation.ask else ask, receive)
        if variation.answer:
            answer = variation.answer(answer)
        await relay.deliver(answer, send, variation.cut(answer) if variation.cut else None)


def _made(*variations: Variation) -> Mapping[str, Variation]:
    named = {variation.name: variation for variation in variations}
    assert len(named) == len(variations)
    return named


VARIATIONS: Mapping[str, Variation] = _made(
    Variation("turned-keys", "keys in the opposite order", answer=rewritten(turned)),
    Variation("extra-fields", "a field more in every object", answer=rewritten(extended)),
    Variation("pretty", "documents with white space, in UTF-8 instead of escapes", answer=pretty),
    Variation("sse-comments", "a comment before each event", answer=events(lambda event: b": still here\n\n" + event)),
    Variation("sse-crlf", "lines that end in CRLF", answer=events(lambda event: event.replace(b"\n", b"\r\n"))),
    Variation("sse-no-space", "no space after `data:`", answer=events(lambda e: e.replace(b"data: ", b"data:", 1))),
    Variation("coalesced", "the whole answer in one write", cut=lambda answer: (whole(answer),)),
    Variation("byte-by-byte", "every byte in a write of its own", cut=lambda a: [bytes((b,)) for b in whole(a)]),
    Variation("charset", "a charset in the content type", answer=charset),
    Variation("status-422", "422 for a request that breaks the tables", answer=status(400, 422)),
    Variation("status-400-for-415", "400 for another content type", answer=status(415, 400)),
    Variation("status-404-for-405", "404 for another method", answer=status(405, 404)),
    Variation("error-flat", "refusals without an `error` object around them", answer=refusals(lambda error: error)),
    Variation("error-detail", 'refusals as {"detail": …}', answer=refusals(lambda e: {"detail": e["message"]})),
    Variation(
        "error-openai",
        "refusals with a numeric code and no status",
        answer=refusals(lambda e: {"error": {**{k: v for k, v in e.items() if k != "status"}, "code": e["status"]}}),
    ),
    Variation("error-string", "refusals whose `error` is a text", answer=refusals(lambda e: {"error": e["message"]})),
    Variation("offset-spelling", "`text_offset` for `text_offsets`", answer=choices(spelled)),
    Variation("logprobs-absent", "no `logprobs` where they are null", answer=choices(without_null_logprobs)),
    Variation("no-model", "no `model` field", answer=edited(lambda document: document.pop("model", None))),
    Variation("empty-model", "an empty `model` field", answer=edited(lambda document: document.update(model=""))),
    Variation("usage-apart", "the usage in a last chunk without choices", answer=chunks(usage_apart)),
    Variation("usage-null", "a null usage in every chunk but the last", answer=chunks(usage_null)),
    Variation(
        "no-stream-usage",
        "no usage in streams",
        answer=chunks(lambda chunks: [{k: v for k, v in chunk.items() if k != "usage"} for chunk in chunks]),
    ),
    Variation("no-role-chunk", "no chunk with the role before the first text", answer=chunks(without_role_chunk)),
    Variation("role-only", "a first delta with nothing but the role", answer=choices(role_only)),
    Variation("role-everywhere", "the role in every delta", answer=choices(role_everywhere)),
    Variation("filter-chunk", "a first chunk with filter results and no choices", answer=chunks(filter_chunk)),
    Variation(
        "finish-with-text", "the finish reason on the chunk with the last text", answer=chunks(finish_with_text)
    ),
    Variation("merged-tokens", "three tokens to an event", answer=chunks(merged)),
    Variation("candidate-indices", "with `best_of`, indices of candidates in any order", answer=candidate_indices),
    Variation("greedy-n-refused", "several greedy answers are refused", answer=greedy_n_refused),
    Variation("bare-key", "the key is taken without `Bearer` too", ask=bearer_added),
    Variation("lenient", "values that the contract leaves open are accepted", lenient=True),
)

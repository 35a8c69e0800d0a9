"""Which way an endpoint reads a contradiction of the page: recorded, and wrong only where no client could live with it.

Law: whatever the reading, the server answers or refuses; a crash is a violation of each row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.api import Api
from conformance.check import Declaration, Skip, When, check, expect
from conformance.checks.basics import REFUSED, plain
from conformance.checks.stopping import ENDINGS
from conformance.checks.streaming import choices as streamed_choices
from conformance.checks.streaming import chunks, greedy_stream
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange
from schemas.model import ROUTES, Route

NO_SUCH_MODEL = "seatrial-no-such-model"


def probe(
    name: str,
    title: str,
    cites: str,
    erratum: str,
    body: Mapping[str, Any] | bytes,
    readings: Mapping[int, str],
    *,
    routes: tuple[Route, ...] = ROUTES,
    when: When = "together",
) -> Declaration:
    """A check that sends one request, plain but for `body`, and records the reading that its status stands for."""

    def run(api: Api) -> None:
        exchange = api.send(body if isinstance(body, bytes) else api.body(**body))
        status = exchange.status or 0
        wanted = " or ".join(map(str, readings))
        expect(status in readings, f"{_shown(body)} got status {status}, not {wanted}", exchange)
        api.reading(f"erratum.{erratum}", readings[status], exchange)

    def crashes(answer: Answer) -> Answer:
        asked = answer.ask.raw == body if isinstance(body, bytes) else _holds(answer.ask.body, body)
        return answer.with_error(500) if asked else answer

    run.__doc__ = title
    crashes.__doc__ = "Answers this request with an internal error."
    declaration = check(
        f"reading.{name}", cites=[cites], routes=routes, needs=[".answers"], settles=[f"erratum.{erratum}"], when=when
    )(run)
    declaration.mutant(crashes)
    return declaration


def _holds(sent: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    return all(name in sent and sent[name] == value for name, value in body.items())


def _shown(body: Mapping[str, Any] | bytes) -> str:
    return (
        body.decode()
        if isinstance(body, bytes)
        else " and ".join(f"`{name}` {value!r}" for name, value in body.items())
    )


def either(accepted: str = "accepted", refused: str = "refused") -> dict[int, str]:
    """The readings of a request that may be answered (200) or refused (400, 422)."""
    return {200: accepted, **dict.fromkeys(REFUSED, refused)}


NULLS = {"presence_penalty": None, "skip_special_tokens": None, "stop": None, "stop_token_ids": None, "logprobs": None}
TRAILING_COMMA = b'{"messages": [{"role": "user", "content": "Ahoy"}], "max_tokens": 4,}'

null_default = probe(
    "null-default",
    "Null is accepted where the table prints it as the default.",
    ".request.presence_penalty",
    "null-default",
    NULLS,
    either(),
)
null_value = probe(
    "null-value",
    "Null for another parameter is taken as absent or refused.",
    ".request.temperature",
    "null-value",
    {"temperature": None, "top_p": None},
    either(),
)
type_coercion = probe(
    "type-coercion",
    "A number in a string is refused or read as a number.",
    ".request.temperature",
    "type-coercion",
    {"temperature": "0.5"},
    either("coerced"),
)
top_p_zero = probe(
    "top_p-zero", "`top_p` 0 is answered or refused.", ".request.top_p", "top_p-zero", {"top_p": 0}, either()
)
max_tokens_zero = probe(
    "max_tokens-zero",
    "`max_tokens` 0 is answered or refused.",
    ".request.max_tokens",
    "max_tokens-zero",
    {"max_tokens": 0},
    either(),
    when="last",
)
greedy_n = probe(
    "greedy-n",
    "Several choices at temperature 0 are generated or refused.",
    ".request.n",
    "greedy-n",
    {"n": 2, "temperature": 0},
    either(),
)
stop_type = probe(
    "stop-type",
    "`stop` may be a string.",
    ".request.stop",
    "stop-type",
    {"stop": "zz"},
    either("text-or-array", "array"),
)
unknown_parameter = probe(
    "unknown-parameter",
    "A parameter without a row is ignored or refused.",
    ".head.payload",
    "unknown-parameters",
    {"seatrial_unknown": 1},
    either("ignored"),
)
request_model = probe(
    "request-model",
    "An unknown `model` in the request is ignored, not found or refused.",
    ".head.payload",
    "request-model",
    {"model": NO_SUCH_MODEL},
    {**either("ignored"), 404: "404"},
)
refusal_status = probe(
    "refusal-status",
    "A broken request gets 400 or 422.",
    ".error.status",
    "refusal-status",
    {"temperature": 7.5},
    {400: "400", 422: "422"},
)
messages_type = probe(
    "messages-type",
    "A string for `messages` is refused or read as one message.",
    "chat.request.messages",
    "messages-type",
    {"messages": "Ahoy"},
    either("array-or-text", "array"),
    routes=("chat",),
)
trailing_comma = probe(
    "trailing-comma",
    "The page's own example, with its trailing comma, is refused or read.",
    "chat.head.payload",
    "trailing-comma",
    TRAILING_COMMA,
    either(),
    routes=("chat",),
)
chat_logprobs = probe(
    "chat-logprobs",
    "Chat takes a number for `logprobs`.",
    "chat.request.logprobs",
    "chat-logprobs",
    {"logprobs": 2},
    either("integer"),
    routes=("chat",),
)


@check("reading.routes", cites=[".head.route"], needs=[".answers"], settles=["erratum.routes"])
def the_other_routes_answer_or_not(api: Api) -> None:
    """The route without /v1 answers or is not there."""
    exchange = api.send(api.body(), path=api.operation.path.removeprefix("/v1"))
    status = exchange.status or 0
    expect(status < 500, f"{exchange.sent.path} got status {status}", exchange)
    api.reading("erratum.routes", "both" if status == 200 else "v1", exchange)


@the_other_routes_answer_or_not.mutant
def crashes_on_the_other_route(answer: Answer) -> Answer:
    """Answers the route without /v1 with an internal error."""
    return answer if answer.ask.path.startswith("/v1/") else answer.with_error(503)


@check(
    "reading.answer-shape",
    cites=[".response.choices"],
    needs=[".answers"],
    settles=[
        "erratum.choices-type",
        "erratum.message-key",
        "erratum.message-type",
        "erratum.response-model",
        "erratum.logprobs-absent",
        "erratum.example-id",
    ],
    tier="quick",
)
def the_answer_has_a_readable_shape(api: Api) -> None:
    """An answer has the shape that clients read: an array of choices, each with its text or `message` object."""
    exchange = plain(api)
    document = api.document(exchange)
    api.reading("erratum.choices-type", "array" if isinstance(document.get("choices"), list) else "object", exchange)
    choice = api.choices(exchange)[0]
    if api.route == "chat":
        api.reading("erratum.message-key", "messages" if "messages" in choice else "message", exchange)
        api.reading("erratum.message-type", "text" if isinstance(choice.get("message"), str) else "object", exchange)
    api.texts(exchange)
    model = document.get("model")
    api.reading("erratum.response-model", "named" if model else "absent" if model is None else "empty")
    api.reading("erratum.logprobs-absent", "null" if "logprobs" in choice else "absent")
    api.reading("erratum.example-id", "uuid" if _is_uuid(str(document.get("id"))) else "opaque")


@the_answer_has_a_readable_shape.mutant
def answers_one_choice_bare(answer: Answer) -> Answer:
    """Gives the only choice without an array around it."""
    return answer.edit(lambda document: document["choices"] and document.update(choices=document["choices"][0]))


@the_answer_has_a_readable_shape.mutant
def hides_the_text(answer: Answer) -> Answer:
    """Names the key of the text as the table does for chat: `messages`."""

    def change(choice: dict[str, Any]) -> None:
        choice["messages"] = choice.pop("message", None) or choice.pop("text", None)

    return answer.edit_choices(change)


@the_answer_has_a_readable_shape.mutant
def answers_with_bare_text(answer: Answer) -> Answer:
    """Gives the message as a string, as the table's type says, and the text of completions as an object."""

    def change(choice: dict[str, Any]) -> None:
        if "message" in choice:
            choice["message"] = choice["message"]["content"]
        else:
            choice["text"] = {"content": choice.get("text")}

    return answer.edit_choices(change)


def _is_uuid(text: str) -> bool:
    groups = text.split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and all(c in "0123456789abcdefABCDEF-" for c in text)


@check(
    "reading.stream-shape",
    cites=[".stream.done"],
    needs=[".stream.opens"],
    settles=["erratum.done-event", "erratum.done-spacing", "erratum.chunk-object", "erratum.role-chunk"],
    tier="quick",
)
def the_stream_has_a_readable_shape(api: Api) -> None:
    """`[DONE]` is an event of its own; spacing, `object` and the role's place are noted."""
    exchange = greedy_stream(api)
    last = exchange.events[-1].data
    glued = "[DONE]" in last and last != "[DONE]"
    expect(not glued, "[DONE] stands within the last chunk, which is then no JSON", exchange)
    api.reading("erratum.done-event", "own-event", exchange)
    api.reading("erratum.done-spacing", "space" if b"data: [DONE]" in exchange.body else "no-space")
    if api.route == "chat":
        objects = {str(chunk.get("object")) for chunk in chunks(exchange)}
        api.reading("erratum.chunk-object", "whole" if "chat.completion" in objects else "chunk")
        api.reading("erratum.role-chunk", _role_place(exchange))


@the_stream_has_a_readable_shape.mutant
def glues_done_to_the_last_chunk(answer: Answer) -> Answer:
    """Puts `[DONE]` behind the last chunk, within its event."""
    if not answer.frames or len(answer.frames) < 2:
        return answer
    glued = answer.frames[-2].rstrip(b"\n") + b" [DONE]\n\n"
    return answer.with_frames((*answer.frames[:-2], glued))


def _role_place(exchange: Exchange) -> str:
    for choice in streamed_choices(exchange):
        delta = choice.get("delta")
        if isinstance(delta, dict) and delta.get("role"):
            return "with-text" if delta.get("content") else "first"
    return "absent"


@check(
    "reading.ignore_eos-default",
    cites=[".request.ignore_eos"],
    needs=[".answers"],
    settles=["erratum.ignore_eos-default"],
)
def ignore_eos_may_be_absent(api: Api) -> None:
    """Without `ignore_eos` an answer ends by itself or runs on to `max_tokens`."""
    if _ends_by_itself(api):
        api.reading("erratum.ignore_eos-default", "off")
    elif _ends_by_itself(api, ignore_eos=False):
        api.reading("erratum.ignore_eos-default", "on")
    else:
        raise Skip("no answer ended by itself within 64 tokens, so the default did not show")


def _ends_by_itself(api: Api, **params: Any) -> bool:
    # Asked one by one and no further than needed: mostly the first or second answer shows it.
    prompts = (f"{ending} {again}" for again in ("", "And then", "So") for ending in ENDINGS)
    answers = (api.answer(**api.prompt(text), temperature=1, max_tokens=64, **params) for text in prompts)
    return any(api.choices(exchange)[0].get("finish_reason") == "stop" for exchange in answers)


@ignore_eos_may_be_absent.mutant
def insists_on_ignore_eos(answer: Answer) -> Answer:
    """Refuses a request without `ignore_eos`."""
    wanted = answer.ask.body and "ignore_eos" not in answer.ask.body
    return answer.with_error(400) if wanted and answer.succeeded else answer


@check(
    "reading.best_of-index",
    cites=[".response.choices.index", ".request.best_of"],
    needs=[".answers"],
    settles=["erratum.best_of-index"],
)
def the_best_keep_distinct_indices(api: Api) -> None:
    """The best of several candidates have distinct indices, below the number of candidates."""
    exchange = api.answer(n=2, best_of=4, temperature=0.8)
    indices = [choice.get("index") for choice in api.choices(exchange)]
    distinct = all(type(index) is int and 0 <= index < 4 for index in indices) and len(set(indices)) == len(indices)
    expect(distinct, f"2 of 4 candidates have the indices {indices}", exchange)
    api.reading("erratum.best_of-index", "renumbered" if set(indices) == {0, 1} else "kept")


@the_best_keep_distinct_indices.mutant
def gives_the_best_one_index(answer: Answer) -> Answer:
    """Gives each of the best candidates the index 0."""
    return answer.edit_choices(lambda choice: choice.update(index=0)) if answer.ask.body.get("best_of") else answer

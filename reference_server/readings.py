"""Readings of the page's contradictions that an endpoint may follow: each is a server that understood it so.

Law: each is a change of what is asked or answered; where it does not apply, nothing changes.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.wire.answer import Answer, Ask
from reference_server.description import PATHS as DESCRIBED
from schemas.contracts import get
from schemas.model import ROUTES

Json = Any

CONTRACT = get("azure-llama")

# What may be null by the page's own defaults.
_NULLABLE = ("stop", "logprobs", "presence_penalty", "stop_token_ids", "skip_special_tokens")
_KNOWN: dict[str, set[str]] = {
    operation.route: {p.name for p in operation.request.params} for operation in CONTRACT.operations
}
_TRAILING_COMMA = re.compile(rb",\s*(?=[}\]])")

RELAXED = frozenset(
    (f"{route}.rule.{rule}", "then")
    for route in ROUTES
    for rule in ("best_of_not_streamed", "beam_best_of", "beam_temperature")
)


def candidate_indices(answer: Answer) -> Answer:
    """The indices of the best candidates, best last, where `best_of` made more candidates than answers."""
    best_of = answer.ask.body.get("best_of")
    if not isinstance(best_of, int | float) or best_of <= 1:
        return answer

    def renumber(document: dict[str, Json]) -> None:
        document["choices"] = [{**choice, "index": 2 * choice["index"] + 1} for choice in document["choices"][::-1]]

    return answer if answer.frames is not None else answer.edit(renumber)


def greedy_n_refused(answer: Answer) -> Answer:
    """A server that has one greedy answer to give."""
    body = answer.ask.body
    refused = answer.succeeded and body.get("temperature") == 0 and (body.get("n") or 1) > 1
    return answer.with_error(400, "n must be 1 when using greedy sampling") if refused else answer


def bearer_added(ask: Ask) -> Ask:
    """A key without its scheme, as one of the page's samples sends it."""
    token = ask.header("authorization")
    return ask.with_header("authorization", f"Bearer {token}") if token and " " not in token.strip() else ask


def filled(name: str, value: Json) -> Callable[[Ask], Ask]:
    """Another default for a parameter."""

    def fill(ask: Ask) -> Ask:
        body = ask.body
        return ask.with_body(**{name: value}) if ask.route and body and body.get(name) is None else ask

    return fill


def refused(fault: Callable[[Ask], str], status: int = 400) -> Callable[[Answer], Answer]:
    """A refusal of requests in which `fault` finds something to say."""

    def refuse(answer: Answer) -> Answer:
        message = fault(answer.ask) if answer.succeeded and answer.ask.route else ""
        return answer.with_error(status, message) if message else answer

    return refuse


def unknown_parameter(ask: Ask) -> str:
    """The parameters that the page does not know."""
    extra = set(ask.body) - _KNOWN[ask.route]
    return f"extra parameters {sorted(extra)} are not allowed" if extra else ""


def misplaced_null(ask: Ask) -> str:
    """The parameters that are null although their default is not."""
    nulls = [name for name, value in ask.body.items() if value is None and name not in _NULLABLE]
    return f"{nulls[0]} must not be null" if nulls else ""


def foreign_model(ask: Ask) -> str:
    """The model that is not served here."""
    name = ask.body.get("model")
    return f"the model {name!r} does not exist" if name not in (None, "", "seatrial-tiny") else ""


def any_content_type(ask: Ask) -> Ask:
    """JSON whatever its label says."""
    return ask.with_header("content-type", "application/json")


def trailing_comma(ask: Ask) -> Ask:
    """JSON with a comma too many, as the page's own example has it."""
    return replace(ask, raw=_TRAILING_COMMA.sub(b"", ask.raw)) if ask.raw and not ask.body else ask


def lenient_json(ask: Ask) -> Ask:
    """The first value of what came, behind a byte order mark or not, with other bytes replaced and no NaN."""
    text = ask.raw.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        value, _ = json.JSONDecoder(parse_constant=lambda _: None).raw_decode(text)
    except (ValueError, RecursionError):
        return ask
    return replace(ask, raw=json.dumps(value).encode()) if isinstance(value, dict) else ask


def first_of_a_key(ask: Ask) -> Ask:
    """Of a repeated key the first value."""

    def firsts(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        return dict(reversed(pairs))

    try:
        value = json.loads(ask.raw, object_pairs_hook=firsts)
    except (ValueError, RecursionError):
        return ask
    return replace(ask, raw=json.dumps(value).encode())


def key_in_its_own_header(ask: Ask) -> Ask:
    """The key in `api-key`, as other services of the vendor take it."""
    key = ask.header("api-key")
    return ask.with_header("authorization", f"Bearer {key}") if key else ask


def without_challenge(answer: Answer) -> Answer:
    """A 401 that names no scheme."""
    return answer.with_header("www-authenticate", None) if answer.status == 401 else answer


def messages_as_text(ask: Ask) -> Ask:
    """`messages` as the string that the page's table says it is."""
    said = ask.body.get("messages")
    return ask.with_body(messages=[{"role": "user", "content": said}]) if isinstance(said, str) else ask


def short_routes(ask: Ask) -> Ask:
    """The routes without `/v1` too."""
    return replace(ask, path=f"/v1{ask.path}") if ask.route and not ask.path.startswith("/v1/") else ask


def undescribed(answer: Answer) -> Answer:
    """No document on itself, and no `/info`."""
    path = answer.ask.path.split("?")[0]
    return answer.with_error(404, "no such route") if path in ("/info", *DESCRIBED) else answer


def described_without_v1(answer: Answer) -> Answer:
    """A document on the other API that the same deployment speaks."""

    def shorten(document: dict[str, Json]) -> None:
        document["paths"] = {path.replace("/v1/", "/"): item for path, item in document["paths"].items() if "c" in path}

    return answer.edit(shorten) if answer.ask.path in DESCRIBED else answer


def uuid_id(document: dict[str, Json]) -> None:
    """An id like the one in the page's example."""
    if "id" in document:
        document["id"] = str(uuid.UUID(document["id"].rsplit("-", 1)[-1]))


def whole_object(document: dict[str, Json]) -> None:
    """The same `object` in chunks as in documents."""
    if "object" in document:
        document["object"] = document["object"].removesuffix(".chunk")


def content_logprobs(answer: Answer) -> Answer:
    """Chat's log probabilities in the layout of OpenAI's API."""

    def lay_out(choice: dict[str, Json]) -> None:
        lists = choice.get("logprobs")
        if lists:
            rows = zip(lists["tokens"], lists["token_logprobs"], lists["top_logprobs"], strict=True)
            choice["logprobs"] = {
                "content": [
                    {**_row(token, value), "top_logprobs": [_row(*t) for t in top.items()]}
                    for token, value, top in rows
                ]
            }

    return answer.edit_choices(lay_out) if answer.ask.route == "chat" else answer


def offsets_in_prompt(answer: Answer) -> Answer:
    """Offsets counted from the beginning of the prompt."""
    prompt = answer.ask.body.get("prompt")

    def shift(choice: dict[str, Json]) -> None:
        logprobs = choice.get("logprobs")
        if logprobs and isinstance(prompt, str):
            logprobs["text_offsets"] = [offset + len(prompt) for offset in logprobs["text_offsets"]]

    return answer.edit_choices(shift)


def _row(token: str, value: float) -> dict[str, Json]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}

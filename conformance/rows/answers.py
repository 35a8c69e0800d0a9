"""The checks and mutants that the rows of an answer imply: each looks for its own row's faults in shared answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.check import Check, Inconclusive, Mutant, Skip, Violation
from conformance.rows.owners import owner_of
from conformance.strategies.bodies import in_place, items_of, properties_of
from conformance.strategies.culprits import wrong
from conformance.strategies.dialect import Document, Json, Schema, document_of
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange
from schemas.model import Route

if TYPE_CHECKING:
    from conformance.api import Api

Seen = list[tuple[dict[str, Json], Exchange]]
# Which answers a row is judged by: their name among what the checks of a run share, and the answers.
Look = Callable[["Api", "Row"], tuple[str, Seen]]
# In a path: each item of an array.
EACH = "*"


@dataclass(frozen=True)
class Row:
    """One row of an answer's table: whose it is, where it stands, and whether it has to be there."""

    owner: str
    path: tuple[str, ...]
    schema: Schema
    required: bool

    @property
    def name(self) -> str:
        """The row as a message names it: `choices.index`."""
        return ".".join(step for step in self.path if step != EACH)


def response_checks(schema: Mapping[str, Any], route: Route) -> list[Check]:
    """One check for each row of the response table, all about the same one or two answers."""
    return _checks(schema, route, "response", _answers)


def chunk_checks(schema: Mapping[str, Any], route: Route) -> list[Check]:
    """One check for each row of the response table as it applies to the chunks of a stream."""
    return _checks(schema, route, "chunk", _chunks)


def rows_of(document: Document) -> list[Row]:
    """The rows that a schema came from, in its order, each where it stands first."""
    found: dict[str, Row] = {}
    for row in _rows(document, document.root, ()):
        found.setdefault(row.owner, row)
    return list(found.values())


def _rows(document: Document, schema: Schema, path: tuple[str, ...]) -> Iterator[Row]:
    required = {name for member in in_place(document, schema) for name in member.get("required", ())}
    for name, member in properties_of(document, schema).items():
        owner = owner_of(member)
        if owner:
            yield Row(owner, (*path, name), member, name in required)
        yield from _rows(document, member, (*path, name))
    items = items_of(document, schema)
    if isinstance(items, Mapping):
        yield from _rows(document, items, (*path, EACH))


def _checks(schema: Mapping[str, Any], route: Route, part: str, look: Look) -> list[Check]:
    document = document_of(schema)
    checks = []
    for row in rows_of(document):
        check_id = row.owner if row.owner.startswith(f"{route}.") else f"{route}.{part}.{row.name}"
        mutants = _mutants(document, row, check_id)
        if mutants:
            checks.append(
                Check(
                    id=check_id,
                    title=_title(document, row, part),
                    cites=(row.owner,),
                    run=_judge(document, row, look),
                    area=part,
                    route=route,
                    needs=(f"{route}.answers",),
                    mutants=mutants,
                )
            )
    return checks


def _judge(document: Document, row: Row, look: Look) -> Callable[[Api], None]:
    def run(api: Api) -> None:
        name, seen = look(api, row)
        # Judged once for all rows: each of them would walk the same answers again.
        faults = api.shared(f"{name}.faults", lambda _: [document.first_faults(answer) for answer, _ in seen])
        for found, (_, exchange) in zip(faults, seen, strict=True):
            if fault := found.get(row.owner):
                raise Violation(f"{fault.pointer or 'the answer'}: {_short(fault.message)}", exchange)
        if not any(True for answer, _ in seen for _ in parents(answer, row.path)):
            raise Skip(f"no answer has a part in which `{row.name}` could stand")

    return run


def _answers(api: Api, row: Row) -> tuple[str, Seen]:
    """The shared plain answer; for rows about log probabilities the one that was asked for them."""
    if "logprobs" not in row.path:
        exchange = api.shared("plain", lambda view: view.ask())
        return "plain", [(api.document(exchange), exchange)]
    asked = _asking_for_logprobs(api)
    exchange = api.shared("logprobs.rows", lambda view: view.ask(**asked))
    if exchange.status is not None and 400 <= exchange.status < 500:
        raise Skip(f"logprobs are not supported: status {exchange.status}")
    return "logprobs.rows", [(api.document(exchange), exchange)]


def _asking_for_logprobs(api: Api) -> dict[str, Json]:
    """The parameters that ask for log probabilities, by what the request's schema accepts."""
    api.insist(["logprobs"])
    document = document_of(api.schema("request"))
    stated = properties_of(document, document.root)
    for value in (2, True):
        if "logprobs" in stated and document.accepts(stated["logprobs"], value):
            more = {"top_logprobs": 2} if value is True and "top_logprobs" in stated else {}
            return {"logprobs": value, **more}
    return {}


def _chunks(api: Api, _row: Row) -> tuple[str, Seen]:
    """The chunks of one shared stream."""
    exchange = api.shared("stream.rows", lambda view: view.stream())
    seen: Seen = []
    for event in exchange.events:
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError):
            # `[DONE]` is no chunk; whether anything else may be there is another check's business.
            continue
        if isinstance(value, dict):
            seen.append((value, exchange))
    if not seen:
        raise Inconclusive("the stream had no chunk to look at")
    return "stream.rows", seen


def parents(value: Json, path: tuple[str, ...]) -> Iterator[dict[str, Json]]:
    """The objects in a document in which the last step of the path stands or could stand."""
    if not path:
        return
    if path[0] == EACH:
        for item in value if isinstance(value, list) else ():
            yield from parents(item, path[1:])
    elif isinstance(value, dict):
        if len(path) == 1:
            yield value
        elif path[0] in value:
            yield from parents(value[path[0]], path[1:])


def _mutants(document: Document, row: Row, check_id: str) -> tuple[Mutant, ...]:
    found = []

    def drop(answer: Answer) -> Answer:
        return answer.edit(lambda body: [parent.pop(row.path[-1], None) for parent in parents(body, row.path)])

    if row.required:
        found.append(Mutant(f"{check_id}/drops", f"Leaves `{row.name}` out.", answer=drop))
    value = wrong(document, row.schema)
    if value is not ...:

        def spoil(answer: Answer) -> Answer:
            return answer.edit(
                lambda body: [parent.update({row.path[-1]: value}) for parent in parents(body, row.path)]
            )

        found.append(Mutant(f"{check_id}/spoils", f"Answers with {json.dumps(value)} as `{row.name}`.", answer=spoil))
    return tuple(found)


def _title(document: Document, row: Row, part: str) -> str:
    where = "an answer" if part == "response" else "a chunk"
    words = []
    for member in in_place(document, row.schema):
        if "const" in member:
            words.append(f"`{member['const']}`")
        elif "enum" in member:
            words.append("one of " + ", ".join(f"`{'null' if value is None else value}`" for value in member["enum"]))
        elif "type" in member:
            types = member["type"] if isinstance(member["type"], list) else [member["type"]]
            words.append(
                " or ".join(f"{'an' if kind[0] in 'aio' else 'a'} {kind}" if kind != "null" else kind for kind in types)
            )
    presence = "is always there and is" if row.required else "is, where it is there,"
    return f"`{row.name}` of {where} {presence} {words[0] if words else 'as its schema has it'}."


def _short(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:120]} … {message[-60:]}"

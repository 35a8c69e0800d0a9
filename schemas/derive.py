"""Makes a table of another contract out of one that exists: the same rows, with another source's words and differences.

Law: a row survives only when the other source says it too; its words then come with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from schemas.model import Contract, Erratum, JsonSchema, Level, Object, Operation, Param, Requirement, Route, Rule


@dataclass(frozen=True, kw_only=True)
class Says:
    """What the other source says of a row, and where its row differs; None leaves what the row has."""

    quote: str
    level: Level | None = None
    default: str | None = None
    required: bool | None = None
    schema: JsonSchema | None = None
    unjudged: tuple[JsonSchema, ...] | None = None
    companions: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Another document: its name, and what it says by requirement id.

    A key is a whole id (`chat.request.stop`), or one without its route where both APIs have the same words. A row of a
    chunk takes the words of the response's row when it has none of its own.
    """

    name: str
    rows: Mapping[str, Says | str]
    # Rows that rest on neither the page nor a standard, and that this document has nothing to do with.
    foreign: frozenset[str] = frozenset()

    def says(self, requirement_id: str) -> Says | None:
        """What the document says of that row; None when it says nothing."""
        route, _, rest = requirement_id.partition(".")
        found = self.rows.get(requirement_id, self.rows.get(rest))
        if found is not None:
            return found if isinstance(found, Says) else Says(quote=found)
        if not rest.startswith("chunk."):
            return None
        response = self.says(f"{route}.response.{rest.removeprefix('chunk.')}")
        return response and Says(quote=response.quote)


def _open(_: Route) -> None:
    """No sentence forbids other keys."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """What only the other document has: its paths, request rows with the rules between them, sentences and errata.

    A rule belongs to the route that its id begins with; `closed` gives the sentence by which a route refuses other
    keys, if there is one.
    """

    paths: Mapping[Route, str]
    rows: Callable[[Route], tuple[Param, ...]]
    rules: tuple[Rule, ...] = ()
    closed: Callable[[Route], Requirement | None] = _open
    prose: tuple[Requirement, ...] = ()
    errata: tuple[Erratum, ...] = ()


def derived_contract(
    contract: Contract, source: Source, own: Own, *, name: str, title: str, errata: Iterable[str], **more: Any
) -> Contract:
    """The contract as the other document has it; `errata` names those that hold there too, `more` has other fields."""
    bare = Contract(
        name=name,
        title=title,
        source=source.name,
        operations=tuple(_operation(one, source, own) for one in contract.operations),
        prose=(*derived_prose(contract.prose, source), *own.prose),
        errata=own.errata,
        **more,
    )
    return replace(bare, errata=(*derived_errata(contract.errata, errata, bare), *own.errata))


def derived(table: Object, source: Source) -> Object:
    """The rows of a table that the other document has too, with its words."""
    params = tuple(param for row in table.params if (param := _param(row, source)) is not None)
    names = frozenset(param.name for param in params)
    rules = (_rule(rule, source, names) for rule in table.rules)
    return replace(table, params=params, rules=tuple(rule for rule in rules if rule is not None))


def derived_prose(rows: Iterable[Requirement], source: Source) -> tuple[Requirement, ...]:
    """The sentences that the other document says too; those of no document but HTTP stay as they are."""
    kept = []
    for row in rows:
        says = source.says(row.id)
        if says is not None:
            level = says.level or row.level
            kept.append(replace(row, quote=says.quote, line=0, source=source.name, level=level))
        elif row.source != "page" and row.id not in source.foreign:
            kept.append(row)
    return tuple(kept)


def derived_errata(errata: Iterable[Erratum], names: Iterable[str], contract: Contract) -> tuple[Erratum, ...]:
    """The errata of those names, about the rows that this contract has, with no place on the page."""
    wanted, known = set(names), {row.id for row in contract.rows()}
    return tuple(
        replace(erratum, place=0, about=tuple(row for row in erratum.about if row in known))
        for erratum in errata
        if erratum.id in wanted
    )


def sentence(route: str, name: str, quote: str, source: str, level: Level = "MAY", untestable: str = "") -> Requirement:
    """A requirement of a document that is not the page."""
    return Requirement(id=f"{route}.{name}", level=level, quote=quote, source=source, untestable=untestable)


def _operation(operation: Operation, source: Source, own: Own) -> Operation:
    route, request = operation.route, derived(operation.request, source)
    rules = tuple(rule for rule in own.rules if rule.id.startswith(f"{route}."))
    return replace(
        operation,
        path=own.paths[route],
        request=replace(
            request,
            params=(*request.params, *own.rows(route)),
            rules=(*request.rules, *rules),
            closed=own.closed(route),
        ),
        response=derived(operation.response, source),
        chunk=derived(operation.chunk, source),
    )


def _param(param: Param, source: Source) -> Param | None:
    says = source.says(param.id)
    if says is None:
        return None
    changes = {
        name: value
        for name in ("level", "default", "required", "schema", "unjudged", "companions")
        if (value := getattr(says, name)) is not None
    }
    fields = param.fields and derived(param.fields, source)
    return replace(param, quote=says.quote, line=0, source=source.name, fields=fields, **changes)


def _rule(rule: Rule, source: Source, names: frozenset[str]) -> Rule | None:
    says = source.says(rule.id)
    if says is None:
        return None
    return replace(rule, quote=says.quote, line=0, source=source.name, schema=_about(rule.schema, names))


def _about(schema: JsonSchema, names: frozenset[str]) -> JsonSchema:
    """A rule's schema without the parameters that the table no longer has, which no request of it names."""
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            kept[keyword] = {name: each for name, each in value.items() if name in names}
        elif keyword in ("if", "then", "else"):
            kept[keyword] = _about(value, names)
        # What forbids a parameter that nobody sends forbids nothing.
        elif keyword != "not" or names.issuperset(value.get("required", ())):
            kept[keyword] = value
    return kept

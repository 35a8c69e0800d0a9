"""The rows that a contract is made of: frozen values, refused at construction when they make no sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["MUST", "SHOULD", "MAY"]
Route = Literal["completions", "chat"]
JsonSchema = Mapping[str, Any]

LEVELS: tuple[Level, ...] = ("MUST", "SHOULD", "MAY")
ROUTES: tuple[Route, ...] = ("completions", "chat")


class ContractError(ValueError):
    """A table of rows contradicts itself: our fault, found when the module is imported."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One sentence that an endpoint can be held to.

    `quote` has the source's own English words; `line` is the line of the project's source page (0 where the words come
    from `source` instead). `untestable` argues why nobody outside the endpoint can check it, and is empty otherwise.
    """

    id: str
    level: Level
    quote: str
    line: int = 0
    source: str = "page"
    untestable: str = ""

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ContractError(f"{self.id}: level {self.level!r} is not one of {', '.join(LEVELS)}")
        if not self.quote.strip():
            raise ContractError(f"{self.id}: a requirement without its quote is an opinion")
        if self.source == "page" and self.line <= 0:
            raise ContractError(f"{self.id}: a row of the page names its line")


@dataclass(frozen=True, kw_only=True)
class Param(Requirement):
    """A row of one of the page's tables: a key with its type and default, as printed and as a JSON Schema.

    `type` and `default` repeat the page's cells; `schema` has the keywords that a *certainly valid* value satisfies.
    A value that breaks `schema` but satisfies one in `unjudged` may be accepted or refused: an erratum or a silence of
    the page is behind it, and neither answer is held against an endpoint. `companions` are the other parameters that a
    request needs for a value of this one to be valid; `fields` are the rows of a nested object or of an array's items.
    """

    name: str
    type: str
    default: str = ""
    required: bool = False
    schema: JsonSchema
    unjudged: tuple[JsonSchema, ...] = ()
    companions: Mapping[str, Any] = field(default_factory=dict)
    fields: Object | None = None


@dataclass(frozen=True, kw_only=True)
class Rule(Requirement):
    """A condition between parameters: a JSON Schema that a valid request body satisfies as a whole.

    `unjudged` has schemas of whole bodies that break the rule but may still be accepted.
    """

    schema: JsonSchema
    unjudged: tuple[JsonSchema, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Object:
    """An object of the page: its rows in the page's order, and the rules between them.

    `closed` is the sentence that forbids every other key; without one, other keys are nobody's business.
    """

    title: str
    params: tuple[Param, ...]
    rules: tuple[Rule, ...] = ()
    closed: Requirement | None = None

    def __post_init__(self) -> None:
        names = [param.name for param in self.params]
        if len(set(names)) != len(names):
            raise ContractError(f"{self.title}: two rows with one name in {names}")

    def rows(self) -> Iterator[Requirement]:
        """Every row below this object, depth first, in the page's order."""
        for param in self.params:
            yield param
            if param.fields is not None:
                yield from param.fields.rows()
        yield from self.rules
        if self.closed is not None:
            yield self.closed


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to understand a contradiction, and whether an endpoint that follows it passes."""

    name: str
    text: str
    passes: bool = True


@dataclass(frozen=True, kw_only=True)
class Erratum:
    """A place where the page contradicts itself or the practice.

    `place` is the number in the list of the page's contradictions (0 for one against practice only). `about` names the
    requirements concerned. `unobservable` argues why no traffic can show which reading an endpoint took.
    """

    id: str
    place: int
    says: str
    practice: str
    readings: tuple[Reading, ...]
    about: tuple[str, ...] = ()
    unobservable: str = ""

    def __post_init__(self) -> None:
        if not self.unobservable and len(self.readings) < 2:
            raise ContractError(f"{self.id}: an observable erratum has at least two readings")

    def reading(self, name: str) -> Reading:
        """The reading of that name; `KeyError` when there is none."""
        for reading in self.readings:
            if reading.name == name:
                return reading
        raise KeyError(f"{self.id} has no reading {name!r}; it has {', '.join(r.name for r in self.readings)}")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route of a contract: how it is called, what goes in, what comes back."""

    route: Route
    path: str
    request: Object
    response: Object
    chunk: Object
    example: Mapping[str, Any]
    method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A contract by name: its operations, its prose requirements and its errata. Refuses a duplicate id."""

    name: str
    title: str
    source: str
    operations: tuple[Operation, ...]
    prose: tuple[Requirement, ...]
    errata: tuple[Erratum, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    # The status of a body that breaks the rows, where the document says one.
    refusal: int = 400
    requests_per_minute: int = 1_000
    tokens_per_minute: int = 200_000

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in (*(row.id for row in self.rows()), *(erratum.id for erratum in self.errata)):
            if name in seen:
                raise ContractError(f"{self.name}: two rows have the id {name!r}")
            seen.add(name)
        known = {row.id for row in self.rows()}
        for erratum in self.errata:
            for about in erratum.about:
                if about not in known:
                    raise ContractError(f"{self.name}: erratum {erratum.id} is about {about!r}, which is no row")

    def rows(self) -> Iterator[Requirement]:
        """Every requirement of the contract, in the page's order."""
        yield from self.prose
        for operation in self.operations:
            for part in (operation.request, operation.response, operation.chunk):
                yield from part.rows()

    def row(self, requirement_id: str) -> Requirement:
        """The requirement of that id; `KeyError` when the contract has none."""
        for row in self.rows():
            if row.id == requirement_id:
                return row
        raise KeyError(requirement_id)

    def erratum(self, erratum_id: str) -> Erratum:
        """The erratum of that id; `KeyError` when the contract has none."""
        for erratum in self.errata:
            if erratum.id == erratum_id:
                return erratum
        raise KeyError(erratum_id)

    def operation(self, route: Route) -> Operation:
        """The operation of that route; `KeyError` when the contract has none."""
        for operation in self.operations:
            if operation.route == route:
                return operation
        raise KeyError(route)

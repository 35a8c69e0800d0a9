"""How a check is declared: one function, what it cites, and the mutants that it must kill.

A check passes by returning. `Violation` says that the endpoint is wrong; `Skip` that it cannot be judged here; any
other exception is a fault of ours and is never held against the endpoint.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange
from schemas.model import ROUTES, Contract, Route

if TYPE_CHECKING:
    from conformance.api import Api

Body = Callable[["Api"], None]
# The smallest selection that a check belongs to; each has all of those before it.
Tier = Literal["quick", "standard", "thorough"]
TIERS: tuple[Tier, ...] = ("quick", "standard", "thorough")
# "together" with others; "alone", for what looks at what a request leaves behind or at times; "last", alone and after
# all others, for what may upset the endpoint.
When = Literal["together", "alone", "last"]
WHENS: tuple[When, ...] = ("together", "alone", "last")


class Violation(Exception):
    """The endpoint broke its contract; `exchanges` are the evidence, the decisive one last."""

    def __init__(self, message: str, *exchanges: Exchange) -> None:
        super().__init__(message)
        self.message = message
        self.exchanges = exchanges


class Skip(Exception):
    """The check does not apply to this endpoint, for the reason given (not offered, too little said)."""


class Unsupported(Skip):
    """The endpoint refuses the plainest use of a documented option, so nothing that rests on it can be judged.

    `evidence` are the ids of the exchanges that show it, the decisive one last.
    """

    def __init__(self, message: str, *evidence: str) -> None:
        super().__init__(message)
        self.evidence = evidence


class Inconclusive(Exception):
    """No judgement was possible, for a reason that is not the contract's: throttled, out of budget, no evidence."""


class Throttled(Inconclusive):
    """The endpoint answered 429 to the end of our patience."""


def expect(holds: object, message: str, *exchanges: Exchange) -> None:
    """Raise `Violation` with that message and evidence unless `holds`."""
    if not holds:
        raise Violation(message, *exchanges)


@dataclass(frozen=True)
class Mutant:
    """One fault of a server. Any of: a changed request, a changed answer, keywords of rows that are not enforced.

    `forgets` has pairs of a requirement's id and the JSON Schema keyword that is no longer enforced for it.
    """

    id: str
    title: str
    ask: Callable[[Ask], Ask] | None = None
    answer: Callable[[Answer], Answer] | None = None
    forgets: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Check:
    """A check bound to one contract: ready to run.

    `id` is a name and never a position; `cites` are requirement ids, the first the one that a failure is filed under;
    `settles` are the errata whose reading the check records; `when` is beside whom it runs, and `cost` the order among
    those (cheap first); `tier` is the smallest profile that plans the check.
    """

    id: str
    title: str
    cites: tuple[str, ...]
    run: Body
    area: str
    route: Route | None = None
    needs: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    when: When = "together"
    cost: int = 0
    deadline: float = 60.0
    # A check that a row implies knows how to ask little where little is wanted.
    tier: Tier = "quick"


@dataclass
class Declaration:
    """What `@check` makes of a function: the same check for each route, once a contract says which routes there are.

    A name in `cites`, `needs` or `settles` that begins with a dot is completed by the route: `.stream.done` becomes
    `chat.stream.done`.
    """

    function: Body
    name: str
    cites: tuple[str, ...]
    routes: tuple[Route, ...]
    needs: tuple[str, ...]
    settles: tuple[str, ...]
    when: When
    cost: int
    deadline: float
    tier: Tier
    _mutants: list[Mutant] = field(default_factory=list)

    def mutant(self, function: Callable[[Answer], Answer]) -> Callable[[Answer], Answer]:
        """Declare a server that changes its answers; the function's docstring is the mutant's title."""
        self._mutants.append(Mutant(function.__name__, _title(function), answer=function))
        return function

    def deaf_mutant(self, function: Callable[[Ask], Ask]) -> Callable[[Ask], Ask]:
        """Declare a server that misunderstands what it is asked; the function's docstring is the mutant's title."""
        self._mutants.append(Mutant(function.__name__, _title(function), ask=function))
        return function

    def bind(self, contract: Contract) -> Iterator[Check]:
        """The checks that this declaration means under that contract; none where it lacks a cited requirement."""
        known = {row.id for row in contract.rows()}
        errata = {erratum.id for erratum in contract.errata}
        offered = {operation.route for operation in contract.operations}
        for route in self.routes or (None,):
            cites = _completed(self.cites, route)
            if (route is not None and route not in offered) or not known.issuperset(cites):
                continue
            check_id = f"{route}.{self.name}" if route else self.name
            yield Check(
                id=check_id,
                title=_title(self.function),
                cites=cites,
                run=self.function,
                area=self.name.split(".")[0],
                route=route,
                needs=_completed(self.needs, route),
                settles=tuple(e for e in _completed(self.settles, route) if e in errata),
                mutants=tuple(replace(m, id=f"{check_id}/{m.id}") for m in self._mutants),
                when=self.when,
                cost=self.cost,
                deadline=self.deadline,
                tier=self.tier,
            )


def check(  # noqa: PLR0913 - the words of a declaration, each of them optional
    name: str,
    *,
    cites: Iterable[str],
    routes: Iterable[Route] = ROUTES,
    needs: Iterable[str] = (),
    settles: Iterable[str] = (),
    when: When = "together",
    cost: int = 0,
    deadline: float = 60.0,
    tier: Tier = "standard",
) -> Callable[[Body], Declaration]:
    """Declare a check; its docstring states the fact that holds when it passes, and is its title in every report.

    `routes` empty means that the check belongs to the endpoint as a whole; the rest is as in `Check`. `tier` is "quick"
    for a check that is worth its few requests in every run, "thorough" for one that costs more than it usually finds.
    Raises `ValueError` at import for a check without a title or without a citation.
    """
    cited = tuple(cites)
    if not cited:
        raise ValueError(f"check {name!r} cites no requirement")

    def declare(function: Body) -> Declaration:
        _title(function)
        return Declaration(
            function, name, cited, tuple(routes), tuple(needs), tuple(settles), when, cost, deadline, tier
        )

    return declare


def declared(modules: Iterable[Any], contract: Contract) -> list[Check]:
    """The checks that those modules declare, in the order of the source, bound to that contract."""
    return [
        bound
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Declaration)
        for bound in value.bind(contract)
    ]


def unique(checks: Iterable[Check]) -> dict[str, Check]:
    """The checks by id; `ValueError` for two with one id or for a `needs` that names no check."""
    by_id: dict[str, Check] = {}
    for one in checks:
        if one.id in by_id:
            raise ValueError(f"two checks have the id {one.id!r}")
        by_id[one.id] = one
    for one in by_id.values():
        for needed in one.needs:
            if needed not in by_id:
                raise ValueError(f"check {one.id!r} needs {needed!r}, which is no check")
    return by_id


def _title(function: Callable[..., Any]) -> str:
    doc = inspect.getdoc(function)
    if not doc:
        raise ValueError(f"{function.__qualname__} has no docstring, so reports would have no title for it")
    return " ".join(doc.split("\n\n")[0].split())


def _completed(names: Iterable[str], route: Route | None) -> tuple[str, ...]:
    return tuple(f"{route}{name}" if name.startswith(".") else name for name in names)


def cited_by(checks: Iterable[Check]) -> Mapping[str, tuple[str, ...]]:
    """For each requirement that is cited: the ids of the checks that cite it."""
    cited: dict[str, list[str]] = {}
    for one in checks:
        for requirement in one.cites:
            cited.setdefault(requirement, []).append(one.id)
    return {key: tuple(value) for key, value in cited.items()}

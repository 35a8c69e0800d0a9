"""Many valid values in one request, for a run that is to ask little.

Law: what an endpoint accepts together it accepts one by one; what it refuses together proves nothing about any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance.rows.places import Place
from conformance.strategies.bodies import with_property
from conformance.strategies.dialect import Document, Json, canonical

# The last value of each place, its first, and one between them: its edges, and what is usual.
ROUNDS = 3


@dataclass(frozen=True)
class Ensemble:
    """One valid request with values of many places; `held` has its value by the name of the place."""

    name: str
    body: dict[str, Json]
    held: Mapping[str, Json]


def ensembles(document: Document, base: dict[str, Json], places: Sequence[Place]) -> list[Ensemble]:
    """As few valid requests as hold the last, the first and a middle value of every place that can stand with others.

    A place that never fits beside the others, or that stands within another, is in none of them.
    """
    found: list[Ensemble] = []
    top = [place for place in places if len(place.path) == 1 and place.values]
    for number in range(ROUNDS):
        wanted = [(place, value) for place in top for value in _decisive(place.values)[number : number + 1]]
        found += _filled(document, base, wanted, number)
    return found


def _filled(
    document: Document, base: dict[str, Json], wanted: list[tuple[Place, Json]], number: int
) -> Iterator[Ensemble]:
    """Requests with those values, in turn: what a rule keeps out of one may stand in the next."""
    for turn in range(2):
        body, held, left = dict(base), dict[str, Json](), list[tuple[Place, Json]]()
        for place, value in wanted:
            name = place.path[0]
            fuller = with_property(document, body, name, value)
            kept = all(canonical(fuller[key]) == canonical(each) for key, each in held.items() if key in fuller)
            if kept and held.keys() <= fuller.keys() and document.accepts(document.root, fuller):
                body, held[name] = fuller, value
            else:
                left.append((place, value))
        if held:
            yield Ensemble(f"together-{number + 1}{'b' * turn}", body, held)
        wanted = left


def _decisive(values: Sequence[Json]) -> list[Json]:
    """The last, the first and the one between them, each once."""
    chosen = {canonical(value): value for value in (values[-1], values[0], values[len(values) // 2])}
    return list(chosen.values())

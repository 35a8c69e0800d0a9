"""How the same requests ended on both sides: statuses, the shape of refusals, and the headers that clients rely on.

Law: only answers to the same request are held against each other, and what a check has judged is not judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.wire.exchange import Exchange
from reports.compare.evident import counts_differ
from reports.compare.model import Difference, Grade, Table
from reports.compare.traffic import Pair, Traffic, ending, kind_of, parsed, place, route_of, whole
from reports.judge import counted, listed
from reports.visible import one_line, shortened

_REQUEST_IDS = frozenset(
    {"x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-correlation-id"}
)
_DEEPEST, _MOST_KEYS = 3, 12
_CLASSES = ("2xx", "4xx", "429", "5xx", "no whole answer", "other")


@dataclass
class _Group:
    """Requests that differ in the same way: the first pair as the example, the checks that sent them."""

    first: Pair
    count: int = 0
    checks: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)

    def take(self, pair: Pair) -> None:
        self.count += 1
        for found, value in ((self.checks, pair.candidate.scope), (self.routes, route_of(pair.candidate) or "other")):
            if value not in found:
                found.append(value)


def error_differences(traffic: Traffic, grades: Mapping[str, Grade]) -> list[Difference]:
    """The requests that ended otherwise, by how; `grades` has those of the checks whose verdict differs."""
    endings: dict[tuple[str, str], _Group] = {}
    bodies: dict[tuple[str, str], _Group] = {}
    for pair in traffic.pairs:
        before, after = pair.sides
        how = (ending(before), ending(after))
        if how[0] != how[1]:
            endings.setdefault(how, _Group(pair)).take(pair)
        if all(map(whole, pair.sides)) and all((one.status or 0) >= 400 for one in pair.sides):
            shape = (_shape_of(before), _shape_of(after))
            if shape[0] != shape[1]:
                bodies.setdefault(shape, _Group(pair)).take(pair)
    return [
        *(_ending(how, group, grades) for how, group in sorted(endings.items(), key=_most_first)),
        *(_body(shape, group) for shape, group in sorted(bodies.items(), key=_most_first)),
    ]


def _most_first(item: tuple[tuple[str, str], _Group]) -> tuple[int, tuple[str, str]]:
    return -item[1].count, item[0]


def _ending(how: tuple[str, str], group: _Group, grades: Mapping[str, Grade]) -> Difference:
    before, after = group.first.sides
    judged = [check for check in group.checks if check in grades]
    # Its check says how much a refusal or an acceptance matters; that something broke down needs no contract.
    worse = _class(after) in {"5xx", "no whole answer"} and _class(before) in {"2xx", "4xx"}
    better = _class(before) in {"5xx", "no whole answer"} and _class(after) in {"2xx", "4xx"}
    alone = len(judged) < len(group.checks)
    grade: Grade = "warning" if worse and alone else "better" if better and alone else "information"
    by = f"judged by {listed(judged, 3)}" if judged else "no check's verdict differs for it"
    by += "; no verdict of the other checks differs for it" if judged and alone else ""
    return Difference(
        area="errors",
        grade=grade,
        subject=f"{how[0]} became {how[1]}",
        title=f"{counted(group.count, 'request')} of {listed(group.checks, 4)}",
        baseline=how[0],
        candidate=how[1],
        note=by,
        places=tuple(group.routes),
        exchanges=(before.id, after.id),
    )


def _body(shape: tuple[str, str], group: _Group) -> Difference:
    before, after = group.first.sides
    return Difference(
        area="errors",
        grade="information",
        subject="body of a refusal",
        title=f"{counted(group.count, 'refused request')} of {listed(group.checks, 4)}",
        baseline=shape[0],
        candidate=shape[1],
        places=tuple(group.routes),
        exchanges=(before.id, after.id),
    )


def _shape_of(exchange: Exchange) -> str:
    """The keys of a refusal's body without their values, or what it is instead of an object."""
    if not exchange.body:
        return "no body"
    value = parsed(exchange.body)
    if isinstance(value, dict | list):
        return shortened(_keys(value, 0), 300)
    return f"{one_line(exchange.media_type, 60) or 'no media type'}, no JSON object"


def _keys(value: Any, depth: int) -> str:
    if depth >= _DEEPEST or not isinstance(value, dict | list):
        return "…"
    if isinstance(value, list):
        return f"[{_keys(value[0], depth + 1) if value else ''}]"
    names = sorted(value)
    inner = (
        one_line(name, 40) + (f": {_keys(value[name], depth + 1)}" if isinstance(value[name], dict | list) else "")
        for name in names[:_MOST_KEYS]
    )
    return "{" + ", ".join(inner) + (", …" if len(names) > _MOST_KEYS else "") + "}"


def _class(exchange: Exchange) -> str:
    if exchange.failure or exchange.status is None:
        return "no whole answer"
    if exchange.status == 429:
        return "429"
    name = f"{exchange.status // 100}xx"
    return name if name in _CLASSES else "other"


def ending_table(traffic: Traffic) -> Table:
    """How many requests of each run ended how, by route."""
    sides = [
        Counter((route_of(one) or "other", _class(one)) for one in side)
        for side in (traffic.baseline, traffic.candidate)
    ]
    seen = [
        (route, name) for route in ("chat", "completions", "other") for name in _CLASSES
        if any((route, name) in side for side in sides)
    ]  # fmt: skip
    rows = tuple((f"{route}: {name}", *(f"{side[route, name]:,}" for side in sides)) for route, name in seen)
    return Table(name="How requests ended", head=("route and answer", "baseline", "candidate"), rows=rows)


_HEADERS: tuple[tuple[str, Callable[[str], bool], Callable[[Exchange], bool]], ...] = (
    ("content-type", lambda name: name == "content-type", whole),
    ("a request id", lambda name: name in _REQUEST_IDS, whole),
    ("rate limits", lambda name: "ratelimit" in name or "rate-limit" in name, whole),
    ("retry-after on 429", lambda name: name == "retry-after", lambda one: one.status == 429),
    ("allow on 405", lambda name: name == "allow", lambda one: one.status == 405),
    ("www-authenticate on 401", lambda name: name == "www-authenticate", lambda one: one.status == 401),
    ("cache-control on streams", lambda name: name == "cache-control", lambda one: kind_of(one) == "stream"),
)


def header_differences(traffic: Traffic) -> Iterator[Difference]:
    """The headers that only one side sends, and the media types that differ for the same kind of answer."""
    for name, (hits, totals) in _header_counts(traffic).items():
        before, after = zip(hits, totals, strict=True)
        if counts_differ(before, after):
            lost = hits[1] * totals[0] < hits[0] * totals[1]
            yield Difference(
                area="headers",
                grade="information",
                subject=name,
                title="A header that clients rely on" + (" is rarer." if lost else " is more frequent."),
                baseline=_of(*before),
                candidate=_of(*after),
            )
    yield from _media_types(traffic.pairs)


def _media_types(pairs: Iterable[Pair]) -> Iterator[Difference]:
    groups: dict[tuple[str, str], _Group] = {}
    places: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        before, after = pair.sides
        if all(map(whole, pair.sides)) and before.status == after.status and before.media_type != after.media_type:
            types = (one_line(before.media_type, 60) or "none", one_line(after.media_type, 60) or "none")
            groups.setdefault(types, _Group(pair)).take(pair)
            if (name := place(before)) not in places.setdefault(types, []):
                places[types].append(name)
    for types, group in sorted(groups.items(), key=_most_first):
        yield Difference(
            area="headers",
            grade="information",
            subject="media type",
            title=f"{counted(group.count, 'answer')} to the same requests with the same status",
            baseline=types[0],
            candidate=types[1],
            places=tuple(places[types]),
            exchanges=(group.first.baseline.id, group.first.candidate.id),
        )


def header_table(traffic: Traffic) -> Table:
    """How many answers of each run have the headers that clients rely on."""
    rows = tuple(
        (name, *(_of(*side) for side in zip(hits, totals, strict=True)))
        for name, (hits, totals) in _header_counts(traffic).items()
        if any(totals)
    )
    return Table(name="Headers", head=("header", "baseline", "candidate"), rows=rows)


def _header_counts(traffic: Traffic) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    found = {}
    for name, wanted, about in _HEADERS:
        counts = []
        for side in (traffic.baseline, traffic.candidate):
            asked = [one for one in side if about(one)]
            counts.append((sum(any(wanted(key.lower()) for key, _ in one.headers) for one in asked), len(asked)))
        found[name] = ((counts[0][0], counts[1][0]), (counts[0][1], counts[1][1]))
    return found


def _of(hits: int, total: int) -> str:
    return f"{hits:,} of {total:,}" if total else "none seen"

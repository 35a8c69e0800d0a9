"""JSON Schema to Hypothesis strategies of valid values, cheap ones.

Law: every value satisfies the schema, is JSON, and is no integer written as a float (which servers may refuse).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from conformance.strategies import numbers
from conformance.strategies.bodies import companions
from conformance.strategies.caps import RELAXED, Caps
from conformance.strategies.dialect import Document, Json, Schema, Unsatisfiable, canonical
from conformance.strategies.plain import TYPES, Plain, alternatives
from conformance.strategies.texts import matching, samples, texts

Strategy = st.SearchStrategy[Any]
Accepts = Callable[[Json], bool]
# What stands for "anything": the schema does not say, so something simple will do.
ANYTHING: tuple[Json, ...] = (None, False, True, 0, 1, -1, 0.5, "", "a", [], ["a"], {}, {"a": 0})
_REJECTED = object()


def valid(schema: Schema, caps: Caps | None = None, *, document: Document | None = None, name: str = "") -> Strategy:
    """Values that satisfy the schema and its rules, within the caps where it allows that.

    `document` resolves references when the schema is a part of one; `name` is the property that the value is for, so
    that its cap is known. Raises `Unsatisfiable` when no value can be found.
    """
    document = document or Document(schema)
    reason = ""
    for bounds in (caps or Caps(), RELAXED):
        try:
            made = Compiler(document, bounds).strategy(schema, name)
        except Unsatisfiable as error:
            reason = str(error)
            continue
        if made.certain or samples(made.strategy, 1, among=200):
            return made.strategy
        reason = f"{name or 'the schema'}: its conditions leave no value that could be found"
    raise Unsatisfiable(reason)


@dataclass(frozen=True)
class Made:
    """A strategy; `domain` has all its values where they can be listed; `certain` tells that it surely has one."""

    strategy: Strategy
    domain: tuple[Json, ...] | None = None
    certain: bool = True


class Compiler:
    """Makes the strategies of one document's schemas, each once."""

    def __init__(self, document: Document, caps: Caps) -> None:
        self.document = document
        self.caps = caps
        self._made: dict[tuple[str, str, int], Made | Unsatisfiable] = {}

    def strategy(self, schema: Schema, name: str = "", depth: int = 0) -> Made:
        """The strategy of a schema; `Unsatisfiable` when it plainly has no value, or none of bounded depth."""
        key = (json.dumps(schema, sort_keys=True), name, depth)
        if key not in self._made:
            try:
                self._made[key] = self._compile(schema, name, depth)
            except Unsatisfiable as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, Unsatisfiable):
            raise made
        return made

    def _compile(self, schema: Schema, name: str, depth: int) -> Made:
        where = name or "the schema"
        if depth > self.caps.nesting:
            raise Unsatisfiable(f"{where}: it needs recursion deeper than {self.caps.nesting}")
        reason = Unsatisfiable(f"{where}: no value satisfies it")
        accepts = partial(self.document.accepts, schema)
        parts: list[Made] = []
        for way in alternatives(self.document, schema):
            listed = [value for value in listable(way, self.caps.drawn(name)) if accepts(value)]
            if listed:
                parts.append(Made(st.sampled_from(listed), tuple(listed)))
            for make in self._wide(way):
                try:
                    parts.append(make(way, name, depth, accepts))
                except Unsatisfiable as error:
                    reason = error
        if not parts:
            raise reason
        return _joined(parts)

    def _wide(self, plain: Plain) -> list[Callable[[Plain, str, int, Accepts], Made]]:
        """How to make the types whose values cannot be listed."""
        if plain.enum is not None or _says_nothing(plain):
            return []
        makers = {"string": self._string, "array": self._array, "object": self._object}
        return [makers[kind] for kind in plain.kinds() if kind in makers]

    def _string(self, plain: Plain, name: str, _depth: int, accepts: Accepts) -> Made:
        longest = self.caps.string_length
        if plain.max_length is not None:
            longest = min(longest, plain.max_length)
        longest = max(longest, plain.min_length)
        if plain.max_length is not None and plain.min_length > plain.max_length:
            raise Unsatisfiable(f"{name or 'the schema'}: minLength is above maxLength")
        if plain.patterns:
            found: Strategy = matching(plain.patterns, plain.min_length, longest, plain.max_length)
            return Made(found if plain.exact else found.filter(accepts), certain=False)
        found = texts(plain.min_length, longest)
        return Made(found if plain.exact else found.filter(accepts), certain=plain.exact)

    def _array(self, plain: Plain, name: str, depth: int, accepts: Accepts) -> Made:
        deeper = depth + plain.recursive
        fewest, most = plain.min_items, max(self.caps.array_length, plain.min_items, len(plain.prefix))
        most = most if plain.max_items is None else min(most, plain.max_items)
        prefix: list[Strategy] = []
        for member in plain.prefix:
            try:
                prefix.append(self.strategy(member, name, deeper).strategy)
            except Unsatisfiable:
                most = min(most, len(prefix))
                break
        rest: Made | None = None
        if most > len(prefix):
            try:
                rest = self._items(plain, name, deeper)
            except Unsatisfiable:
                most = min(most, len(prefix))
        if plain.unique and rest is not None and rest.domain is not None and not prefix:
            most = min(most, len(rest.domain))
        if fewest > most:
            raise Unsatisfiable(f"{name or 'the schema'}: no array has the {fewest} items that it needs")
        exact = plain.exact and not (plain.unique and prefix)
        found = _arrays(prefix, None if rest is None else rest.strategy, fewest, most, unique=plain.unique)
        return Made(found if exact else found.filter(accepts), certain=exact)

    def _items(self, plain: Plain, name: str, depth: int) -> Made:
        if plain.items is True:
            return Made(st.sampled_from(["a", "b", "c"]), ("a", "b", "c"))
        return self.strategy(plain.items, name, depth)

    def _object(self, plain: Plain, name: str, depth: int, accepts: Accepts) -> Made:
        deeper = depth + plain.recursive
        required = {key: self._property(plain, key, deeper).strategy for key in plain.required}
        optional: dict[str, Strategy] = {}
        for key in (*plain.properties, *unnamed(plain)):
            if key not in required:
                try:
                    optional[key] = self._property(plain, key, deeper).strategy
                except Unsatisfiable:
                    continue
        # With too few properties the object is none; some of the optional ones have to come along.
        lacking = plain.min_properties - len(required)
        for key in list(optional)[: max(0, lacking)]:
            required[key] = optional.pop(key)
        room = None if plain.max_properties is None else plain.max_properties - len(required)
        if len(required) < plain.min_properties or (room is not None and room < 0):
            raise Unsatisfiable(f"{name or 'the schema'}: no object has as many properties as it needs")
        if room is None or room >= len(optional):
            found: Strategy = st.fixed_dictionaries(required, optional=optional)
        else:
            found = _some(required, optional, room)
        return self._completed(found, plain, accepts)

    def _property(self, plain: Plain, key: str, depth: int) -> Made:
        schema = plain.property(key)
        if schema is False:
            raise Unsatisfiable(f"{key}: no value satisfies it")
        return self.strategy(schema, key, depth)

    def _completed(self, found: Strategy, plain: Plain, accepts: Accepts) -> Made:
        """Objects with the companions that their properties need, validated where conditions are left."""
        needs = {key: companions(self.document, schema) for key, schema in plain.properties.items()}
        needs = {key: needed for key, needed in needs.items() if needed}
        if not needs:
            return Made(found if plain.exact else found.filter(accepts), certain=plain.exact)

        def complete(body: dict[str, Json]) -> Json:
            # Where rules say when companions are needed, a body that keeps them has all it needs.
            if not plain.exact and accepts(body):
                return body
            whole = dict(body)
            for key, needed in needs.items():
                if key in body:
                    whole.update(needed)
            return whole if accepts(whole) else _REJECTED

        return Made(found.map(complete).filter(lambda body: body is not _REJECTED), certain=False)


def listable(plain: Plain, cap: float | None = None) -> list[Json]:
    """The values of a way that can be listed: an enum's, null, booleans, numbers up to the cap."""
    kinds = plain.kinds()
    if plain.enum is not None:
        return [
            value
            for value in plain.enum
            if not (isinstance(value, float) and value.is_integer() and "integer" in kinds)
        ]
    if _says_nothing(plain):
        return list(ANYTHING)
    found: list[Json] = []
    if "null" in kinds:
        found.append(None)
    if "boolean" in kinds:
        found += [False, True]
    for kind in ("integer", "number"):
        if kind in kinds:
            found += numbers.choices(plain, whole=kind == "integer", cap=cap)
    return found


def unnamed(plain: Plain) -> list[str]:
    """Names of properties beyond those stated, where the schema says what they hold."""
    found = [name for pattern in plain.by_pattern for name in samples(matching((pattern,), 0, 16, None), 2)]
    # As many others as are needed, and two more where their schema is stated.
    wanted = max(
        2 if isinstance(plain.others, Mapping) else 0, plain.min_properties - len(plain.properties) - len(found)
    )
    names = (f"extra_{number}" for number in range(wanted))
    found += [name for name in names if plain.property(name) is not False]
    return [name for name in dict.fromkeys(found) if name not in plain.properties]


def _says_nothing(plain: Plain) -> bool:
    return plain == Plain(exact=plain.exact, recursive=plain.recursive) and plain.kinds() == TYPES[:2] + TYPES[3:]


def _joined(parts: list[Made]) -> Made:
    if all(part.domain is not None for part in parts):
        domain = list({canonical(value): value for part in parts for value in part.domain or ()}.values())
        return Made(st.sampled_from(domain), tuple(domain))
    return Made(st.one_of([part.strategy for part in parts]), None, any(part.certain for part in parts))


def _arrays(prefix: list[Strategy], rest: Strategy | None, fewest: int, most: int, *, unique: bool) -> Strategy:
    if not prefix:
        if rest is None:
            return st.builds(list)
        return st.lists(rest, min_size=fewest, max_size=most, unique_by=canonical if unique else None)
    lengths = []
    for length in range(fewest, most + 1):
        beyond = [rest] * (length - len(prefix)) if rest is not None else []
        lengths.append(st.tuples(*prefix[:length], *beyond).map(list))
    return st.one_of(lengths)


def _some(required: Mapping[str, Strategy], optional: Mapping[str, Strategy], room: int) -> Strategy:
    """Objects with at most `room` of the optional properties."""
    if room == 0:
        return st.fixed_dictionaries(required)
    names = st.lists(st.sampled_from(list(optional)), max_size=room, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({**required, **{key: optional[key] for key in chosen}}))

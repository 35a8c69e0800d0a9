"""The titles of the checks that rows imply: facts in plain English, as every report prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from conformance.strategies.bodies import in_place, items_of, property_of
from conformance.strategies.broken import Broken
from conformance.strategies.dialect import Document, Json, Schema
from conformance.strategies.plain import alternatives

Facts = Mapping[str, Json]
TITLES: Mapping[str, Callable[[str, Facts], str]] = {
    "below": lambda name, facts: f"{name} {_below(facts)} is refused.",
    "above": lambda name, facts: f"{name} {_above(facts)} is refused.",
    "multiple": lambda name, facts: f"{name} that is no multiple of {facts['multipleOf']} is refused.",
    "type": lambda name, _: f"{name} of a wrong type is refused.",
    "missing": lambda name, _: f"A request without {name} is refused.",
    "enum": lambda name, facts: f"{name} other than {_listed(facts['enum'])} is refused.",
    "const": lambda name, facts: f"{name} other than {_listed(facts['enum'])} is refused.",
    "too-short": lambda name, facts: f"{name} with fewer than {facts['minLength']} characters is refused.",
    "too-long": lambda name, facts: f"{name} with more than {facts['maxLength']} characters is refused.",
    "pattern": lambda name, _: f"{name} that does not match its pattern is refused.",
    "too-few": lambda name, _: f"{name} with too few members is refused.",
    "too-many": lambda name, _: f"{name} with too many members is refused.",
    "repeated": lambda name, _: f"{name} with the same item twice is refused.",
    "items": lambda name, _: f"{name} with an item of a wrong kind is refused.",
    "extra": lambda name, _: f"{name} with a property that does not exist is refused.",
    "excluded": lambda name, _: f"{name} with an excluded value is refused.",
}


def accepted_title(name: str) -> str:
    """The title of the check that a parameter is accepted."""
    return f"`{name}` is accepted at its boundaries and between them."


def refused_title(document: Document, name: str, kind: str, group: Sequence[Broken]) -> str:
    """The title of the check that these values are refused."""
    if kind == "rule":
        names = [f"`{key}`" for key in dict.fromkeys(key for one in group for key in one.path)]
        return f"A request that breaks the rule on {_joined(names, 'and')} ({name.rsplit('.', 1)[-1]}) is refused."
    subject = f"`{name}`" if name else "A body"
    facts: dict[str, Json] = {"multipleOf": "its step", "enum": (), "minLength": "enough", "maxLength": "the allowed"}
    for member in _at(document, name):
        facts.update(member)
    if isinstance(facts.get("const"), str | int | float):
        facts["enum"] = [facts["const"]]
    facts["values"] = [one.culprit for one in group]
    return TITLES[kind](subject, facts) if kind in TITLES else f"{subject} that breaks its schema is refused."


def _at(document: Document, name: str) -> list[Facts]:
    """What the schema states for a property, from all the schemas that hold for it."""
    schema: Schema = document.root
    for step in name.split(".") if name else ():
        items = items_of(document, schema)
        inner = property_of(document, items, step) if isinstance(items, Mapping) else True
        schema = inner if inner is not True else property_of(document, schema, step)
    found: list[Facts] = [*in_place(document, schema)]
    return found + [{"low": way.low, "high": way.high} for way in alternatives(document, schema)[:1]]


def _below(facts: Facts) -> str:
    bound, excluded = facts.get("low") or ("its minimum", False)
    return f"of {bound} or less" if excluded and bound in facts["values"] else f"below {bound}"


def _above(facts: Facts) -> str:
    bound, excluded = facts.get("high") or ("its maximum", False)
    return f"of {bound} or more" if excluded and bound in facts["values"] else f"above {bound}"


def _listed(values: Sequence[Json]) -> str:
    return _joined([f"`{value}`" for value in values]) or "its own"


def _joined(words: Sequence[str], last: str = "or") -> str:
    return f" {last} ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} {last} {words[-1]}"

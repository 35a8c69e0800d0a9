"""The conditions between request parameters that both APIs state, as JSON Schemas of whole bodies."""

from __future__ import annotations

from schemas.model import JsonSchema, Rule
from schemas.page import Place

# JSON Schema cannot compare two properties, so the rule on `best_of` and `n` is spelled out up to this `n`.
COMPARED = 8
_NUMBERS = range(1, COMPARED + 1)

_BEAM: JsonSchema = {"properties": {"use_beam_search": {"const": True}}, "required": ["use_beam_search"]}


def sampling_rules(place: Place) -> tuple[Rule, ...]:
    """The conditions between those rows; the two that are no duty (MAY) only mark what nobody promises to accept."""
    return (*_best_of_rules(place), *_beam_rules(place), _greedy_rule(place))


def _best_of_rules(place: Place) -> tuple[Rule, ...]:
    route, line = place.route, 153 + place.request
    return (
        Rule(
            id=f"{route}.rule.best_of_exceeds_n",
            level="MUST",
            quote="`best_of` must be greater than `n`.",
            line=line,
            schema={"if": {"required": ["n", "best_of"]}, "then": {"anyOf": [_above(n) for n in _NUMBERS]}},
            unjudged=(
                *(_both(n) for n in _NUMBERS),
                {"properties": {"n": {"minimum": COMPARED + 1}}, "required": ["n", "best_of"]},
            ),
        ),
        Rule(
            id=f"{route}.rule.best_of_not_streamed",
            level="MUST",
            quote="Results can't be streamed.",
            line=line,
            schema={
                "if": {"properties": {"stream": {"const": True}}, "required": ["stream"]},
                "then": {"properties": {"best_of": {"maximum": 1}}},
            },
            # Refusing is one way not to stream; answering all at once is another (erratum.best_of-streamed).
            unjudged=({"required": ["stream", "best_of"]},),
        ),
    )


def _beam_rules(place: Place) -> tuple[Rule, ...]:
    route, line = place.route, 158 + place.request
    conditions = "In such case, `best_of` must be greater than `1` and `temperature` must be `0`."
    # Servers differ on what follows when a condition is not met (erratum.beam-conditions).
    return (
        Rule(
            id=f"{route}.rule.beam_best_of",
            level="MUST",
            quote=conditions,
            line=line,
            schema={"if": _BEAM, "then": {"properties": {"best_of": {"minimum": 2}}, "required": ["best_of"]}},
            unjudged=(_BEAM,),
        ),
        Rule(
            id=f"{route}.rule.beam_temperature",
            level="MUST",
            quote=conditions,
            line=line,
            schema={"if": _BEAM, "then": {"properties": {"temperature": {"maximum": 0}}, "required": ["temperature"]}},
            unjudged=(_BEAM,),
        ),
        Rule(
            id=f"{route}.rule.beam_nucleus",
            level="MAY",
            quote="Whether to use beam search instead of sampling.",
            line=line,
            schema={"if": _BEAM, "then": {"properties": {"top_p": {"minimum": 1}}}},
            unjudged=({"required": ["top_p"]},),
        ),
    )


def _greedy_rule(place: Place) -> Rule:
    return Rule(
        id=f"{place.route}.rule.greedy_candidates",
        level="MAY",
        quote="Zero means greedy sampling.",
        line=149 + place.request,
        # Several greedy candidates are all the same, and some servers refuse them (erratum.greedy-n).
        schema={
            "if": {"properties": {"temperature": {"maximum": 0.01}}, "required": ["temperature"], "not": _BEAM},
            "then": {"properties": {"n": {"maximum": 1}, "best_of": {"maximum": 1}}},
        },
        unjudged=({"required": ["temperature"]},),
    )


def _above(n: int) -> JsonSchema:
    return {"properties": {"n": {"maximum": n}, "best_of": {"minimum": n + 1}}}


def _both(n: int) -> JsonSchema:
    return {"properties": {"n": {"const": n}, "best_of": {"const": n}}, "required": ["n", "best_of"]}

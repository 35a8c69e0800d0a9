"""Stop sequences with white space at their ends, which is a part of them.

Law: a sequence is one whose bare form stands earlier in what the endpoint says greedily, so that the place where the
answer ends tells which of the two was looked for.
"""

from __future__ import annotations

from collections.abc import Callable

from conformance.api import Api
from conformance.check import Inconclusive, check
from conformance.checks.stop_sequences import said, stopped
from conformance.wire.answer import Ask

# Longest first: the more of a sequence there is, the less depends on one character.
LENGTHS = (5, 4, 3, 2)


def spaced(text: str, bare_of: Callable[[str], str]) -> str | None:
    """A part of `text` that `bare_of` takes one space from, and that stands well behind its bare form."""
    for length in LENGTHS:
        for place in range(1, len(text) - length + 1):
            part = text[place : place + length]
            bare = bare_of(part)
            if text.index(part) != place or len(bare) != length - 1 or bare != bare.strip():
                continue
            # A visible character in between, since white space at the end of an answer may be dropped.
            if text[: text.index(bare)].rstrip() != text[:place].rstrip():
                return part
    return None


@check("stop.spaces", cites=[".request.stop.ends"], needs=[".stop.ends"])
def spaces_are_a_part_of_a_sequence(api: Api) -> None:
    """A stop sequence with a space at its beginning or end ends the answer where it stands with that space."""
    whole = said(api)
    parts = [part for part in (spaced(whole.text, str.lstrip), spaced(whole.text, str.rstrip)) if part is not None]
    if not parts:
        raise Inconclusive(f"in the greedy answer {whole.text!r} no part with a space stands behind its bare form")
    for part in parts:
        stopped(api, part, whole.cut_at(part), f"{part!r} comes later than {part.strip()!r}")
    if len(parts) == 2:
        first = min(parts, key=whole.text.index)
        stopped(api, parts, whole.cut_at(first), f"{first!r} is the first of {parts!r}")


@spaces_are_a_part_of_a_sequence.deaf_mutant
def trims_a_string(ask: Ask) -> Ask:
    """Trims a stop sequence that is given as a string."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=stop.strip() or stop) if isinstance(stop, str) else ask


@spaces_are_a_part_of_a_sequence.deaf_mutant
def trims_each_of_a_list(ask: Ask) -> Ask:
    """Trims each stop sequence of a list."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=[one.strip() or one for one in stop]) if isinstance(stop, list) else ask


@spaces_are_a_part_of_a_sequence.deaf_mutant
def trims_the_end(ask: Ask) -> Ask:
    """Takes white space from the end of a stop sequence and leaves it at the beginning."""
    stop = ask.body.get("stop")
    return ask.with_body(stop=stop.rstrip() or stop) if isinstance(stop, str) else ask

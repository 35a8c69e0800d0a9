"""What an endpoint does not offer at all, and what the gate makes of that: options and whole routes.

Law: unsupported is never taken for passed. An option that a MUST promises fails the gate unless the gate accepts that
an endpoint does without it; then the reports still say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.gate import Gate, matches
from reports.model import Capability, Run
from schemas.model import LEVELS, Requirement


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A documented option that the endpoint refuses in every form.

    `level` is that of the option's row, and `grade` what the gate makes of it: `fail`, `warn`, `note` or `accepted`.
    """

    capability: Capability
    level: str
    grade: str

    @property
    def name(self) -> str:
        """The option with its route: `chat.logprobs`."""
        return self.capability.name

    @property
    def line(self) -> str:
        """The option and how it is refused, in one line."""
        return f"{self.name} ({self.capability.message})"


def lacking_of(run: Run, gate: Gate, requirements: Mapping[str, Requirement]) -> tuple[Lacking, ...]:
    """The options that the endpoint does not support, what fails first, then by name.

    A run of selected checks is only about those options that one of them came to.
    """
    met = {outcome.exchanges for outcome in run.outcomes if outcome.status == "unsupported"}
    found = []
    for one in run.capabilities:
        if not one.supported and (one.exchanges in met or not run.partial):
            # As for a failing check: not knowing a requirement must not make the gate milder.
            level = requirements[one.requirement].level if one.requirement in requirements else LEVELS[0]
            accepted = gate.accepts_unsupported(one.route, one.parameter)
            found.append(Lacking(capability=one, level=level, grade="accepted" if accepted else gate.grade(level)))
    grades = ("fail", "warn", "note", "accepted")
    return tuple(sorted(found, key=lambda one: (grades.index(one.grade), one.name)))


def option_doubts(run: Run, gate: Gate) -> Iterator[str]:
    """Why options and routes leave the run unjudged."""
    unsupported = [outcome.check for outcome in run.outcomes if outcome.status == "unsupported"]
    if unsupported and all(one.supported for one in run.capabilities):
        yield f"{len(unsupported)} checks rest on an option that nothing in the log shows to be unsupported"
    judged = {outcome.check for outcome in run.outcomes}
    for route in gate.routes:
        if (run.planned or run.outcomes) and not run.partial and f"{route}.answers" not in judged:
            yield f"the gate requires the route {route}, and no check of this run says whether it is served"


def option_notes(run: Run, gate: Gate, lacking: tuple[Lacking, ...]) -> Iterator[str]:
    """What a reader has to know of options besides the reasons."""
    accepted = [one.name for one in lacking if one.grade == "accepted"]
    if accepted:
        yield f"unsupported, and accepted by this gate: {', '.join(accepted)}"
    others = [one for one in lacking if one.grade in {"warn", "note"}]
    yield from (f"unsupported {one.level}: {one.line}" for one in others)
    names = {name for one in run.capabilities for name in (one.name, one.parameter)}
    for pattern in gate.accept_unsupported:
        if names and run.complete and not run.partial and not any(matches(pattern, name) for name in names):
            yield f"this run asked for no option that {pattern!r} in [accept] unsupported names; is it spelled right?"


def route_reasons(run: Run, gate: Gate) -> Iterator[str]:
    """The required routes that the endpoint does not serve."""
    ends = {outcome.check: outcome for outcome in run.outcomes}
    for route in gate.routes:
        outcome = ends.get(f"{route}.answers")
        if outcome is not None and outcome.status == "skip":
            yield f"the route {route} is required and not served: {outcome.message}"

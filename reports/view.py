"""What every format says in the same words: headline, counts, facts, coverage in numbers, figures of a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.wire.curl import curl_line
from reports.coverage import STATES, Coverage
from reports.judge import Finding, Status, Verdict, counted
from reports.limit_slo import LimitSummary
from reports.limits import limit_rows
from reports.loads import PERCENTS, LoadSummary
from reports.model import Run
from reports.options import Lacking
from reports.visible import one_line, visible
from schemas.model import LEVELS, Requirement

HEADLINES: Mapping[Status, str] = {
    "conforms": "Conforms",
    "measured": "Measured; no objectives set, nothing judged",
    "does-not-conform": "Does not conform",
    "could-not-judge": "Could not judge",
}
GRADE_TITLES: Mapping[str, str] = {
    "fail": "Failed",
    "warn": "Warned",
    "note": "Noted",
    "waived": "Waived",
}
_UNJUDGED: Mapping[str, str] = {
    "error": "Errors of Seatrial",
    "inconclusive": "Inconclusive",
    "blocked": "Blocked",
    "unsupported": "Unsupported",
    "skip": "Skipped",
}
# What the gate makes of an option that the endpoint does not support.
LACKING: Mapping[str, str] = {
    "fail": "unsupported",
    "warn": "unsupported, warned",
    "note": "unsupported, noted",
    "accepted": "unsupported, accepted by the gate",
}
# Counted even when zero: a report without these two would leave the reader guessing.
_ALWAYS = ("passed", "failed")


@dataclass(frozen=True)
class Group:
    """One finding: the checks that failed for one requirement on one route, the first of them in full."""

    lead: Finding
    others: tuple[Finding, ...]

    @property
    def checks(self) -> tuple[str, ...]:
        """The ids of its checks."""
        return tuple(finding.outcome.check for finding in (self.lead, *self.others))

    @property
    def instances(self) -> int:
        """How often it was seen, by all its checks."""
        return sum(max(1, finding.outcome.count) for finding in (self.lead, *self.others))

    @property
    def extent(self) -> str:
        """How many checks and instances it has; empty for a single check."""
        return f"{len(self.checks)} checks of this requirement, {self.instances} instances" if self.others else ""


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """One group for each requirement and route, in the order of their first findings."""
    found: dict[tuple[str | None, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.outcome.route, finding.requirement_id), []).append(finding)
    return [Group(lead, tuple(others)) for lead, *others in found.values()]


def grade_title(grade: str, findings: Iterable[Finding]) -> tuple[str, str]:
    """The title of a grade's part of a report, and its number of checks, with that of the findings where it differs."""
    every = list(findings)
    groups = len(grouped(every))
    return GRADE_TITLES[grade], str(len(every)) if groups == len(every) else f"{len(every)} checks, {groups} findings"


def again(run: Run, lacking: Lacking) -> list[str]:
    """The request that shows an option to be unsupported, as a command; none where the log has no such exchange."""
    found = (run.exchanges.get(name) for name in reversed(lacking.capability.exchanges))
    return [visible(curl_line(exchange.sent, run.target)) for exchange in found if exchange is not None][:1]


def counts_line(verdict: Verdict) -> str:
    """How many checks ended how, in one line that is the same in every format."""
    return ", ".join(f"{count} {name}" for name, count in shown_counts(verdict)) or "none ran"


def shown_counts(verdict: Verdict) -> list[tuple[str, int]]:
    """Name and number of what a report counts; nothing where no check ran, as in a load alone."""
    if not any(verdict.counts.values()):
        return []
    return [(name, count) for name, count in verdict.counts.items() if count or name in _ALWAYS]


def unjudged(run: Run) -> list[tuple[str, int, list[tuple[str, list[str]]]]]:
    """What neither passed nor failed: a title, how many checks, and for each reason its checks."""
    found = []
    for status, title in _UNJUDGED.items():
        outcomes = [outcome for outcome in run.outcomes if outcome.status == status]
        by_reason: dict[str, list[str]] = {}
        for outcome in outcomes:
            hint = f" ({outcome.hint})" if outcome.hint else ""
            by_reason.setdefault(f"{outcome.message}{hint}", []).append(outcome.check)
        if outcomes:
            found.append((title, len(outcomes), list(by_reason.items())))
    return found


def unstable(run: Run) -> list[tuple[str, list[str]]]:
    """The checks whose verdict changed, by how their rounds ended."""
    found: dict[str, list[str]] = {}
    for outcome in run.outcomes:
        if outcome.unstable:
            found.setdefault(", ".join(outcome.rounds), []).append(outcome.check)
    return list(found.items())


UNSTABLE = "Unstable: the verdict changed from round to round"


def facts(run: Run, verdict: Verdict) -> list[tuple[str, str]]:
    """Name and value of what identifies a run, each in one line."""
    end = run.end
    pairs = [
        ("Target", run.target),
        ("Contract", run.contract),
        ("Command", run.command),
        ("Profile", run.profile),
        ("Checks", _check_profile(run)),
        ("Started", run.started),
        ("Took", f"{end.seconds:,.1f} s" if end else ""),
        ("Requests", f"{end.requests:,}" if end else ""),
        ("Tokens", f"{end.tokens:,} at most" if end else ""),
        ("Seed", str(run.seed)),
        ("Gate", verdict.gate.source),
        ("Seatrial", run.seatrial),
        ("Run", run.id),
    ]
    return [(name, one_line(value)) for name, value in pairs if value]


def _check_profile(run: Run) -> str:
    """The check profile with how many of the contract's checks it planned; empty for a run that named none."""
    name, left_out = run.settings.get("check_profile"), run.settings.get("left_out")
    if not isinstance(name, str) or not isinstance(left_out, int) or not run.planned:
        return ""
    return (
        f"{name}, {len(run.planned)} of {len(run.planned) + left_out}"
        if not (run.settings.get("only") or run.settings.get("skip"))
        else name
    )


def place(requirement: Requirement | None) -> str:
    """Where a requirement's words stand."""
    if requirement is None:
        return "a requirement that this version does not know"
    return f"page, line {requirement.line}" if requirement.source == "page" else one_line(requirement.source, 160)


def quote(finding: Finding) -> str:
    """The words that a finding is about; empty when this version does not know them."""
    return one_line(finding.requirement.quote, 600) if finding.requirement else ""


def seen(finding: Finding) -> str:
    """What was found, with how often where that is more than once."""
    count = finding.outcome.count
    times = f" (seen {count} times)" if count > 1 else ""
    unsteady = f" (unstable: {', '.join(finding.outcome.rounds)})" if finding.outcome.unstable else ""
    return finding.outcome.message + times + unsteady


def waiver_line(finding: Finding) -> str:
    """Why and until when a finding is waived; empty when it is not."""
    waiver = finding.waiver
    return f"waived until {waiver.until}: {one_line(waiver.reason)}" if waiver else ""


def coverage_counts(coverage: Iterable[Coverage]) -> dict[str, dict[str, int]]:
    """For each level that occurs: how many requirements are in each state; zeros included."""
    every = Counter((one.requirement.level, one.state) for one in coverage)
    levels = [level for level in LEVELS if any(key[0] == level for key in every)]
    return {level: {state: every[level, state] for state in STATES} for level in levels}


def chapters(coverage: Iterable[Coverage]) -> dict[str, list[Coverage]]:
    """The coverage by chapter of the contract (the first two parts of an id), in the contract's order."""
    found: dict[str, list[Coverage]] = {}
    for one in coverage:
        parts = one.requirement.id.split(".")
        found.setdefault(".".join(parts[:2]) if len(parts) > 2 else parts[0], []).append(one)
    return {name: sorted(rows, key=_place_and_id) for name, rows in found.items()}


def _place_and_id(one: Coverage) -> tuple[int, str]:
    """The page's order, and a row before the sentences within it."""
    return one.requirement.line, one.requirement.id


def milliseconds(value: float) -> str:
    """A time in milliseconds to three or four digits, with its unit."""
    return f"{value:,.0f} ms" if value >= 1000 else f"{value:.4g} ms" if value >= 100 else f"{value:.3g} ms"


def load_rows(load: LoadSummary) -> list[list[str]]:
    """One line for each latency: name, percentiles, maximum, number of values."""
    return [
        [
            one.measure.name,
            *(milliseconds(one.percentiles[percent]) for percent in PERCENTS),
            milliseconds(one.largest),
            f"{one.distribution.total:,}",
        ]
        for one in load.latencies
    ]


def load_line(load: LoadSummary) -> str:
    """A load's requests by outcome, tokens, time and rate, in one line."""
    counts = ", ".join(f"{count:,} {one_line(name, 40)}" for name, count in load.load.counts.items() if count)
    rate = f"{load.rate:,.2f} whole answers per second; " if load.load.valid else ""
    return (
        f"{counted(load.load.requests, 'request')} in {load.load.seconds:,.1f} s ({counts or 'none'}); "
        f"{rate}{load.load.generated:,} tokens"
    )


def limit_facts(limit: LimitSummary) -> list[list[str]]:
    """What a search for a limit found: a name and its text in each line."""
    return [[name, one_line(text, 400)] for name, text in limit_rows(limit.limit)]


def slo_rows(load: LoadSummary | LimitSummary) -> list[list[str]]:
    """One line for each objective: name, limit, measured, bounds, result."""
    words = {"pass": "kept", "fail": "missed", "not-enough": "not enough samples", "not-judged": "not judged"}
    return [
        [
            slo.name,
            slo.figure(slo.limit),
            slo.figure(slo.value),
            slo.bounds or "-",
            words[slo.state],
        ]
        for slo in load.slos
    ]


LOAD_HEAD = ["measure", *(f"p{percent:g}" for percent in PERCENTS), "max", "values"]
SLO_HEAD = ["objective", "limit", "measured", "95 % bounds", "result"]

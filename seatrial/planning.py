"""A run in words before it begins: its checks, its caps, and what a rehearsal of it spent."""

from __future__ import annotations

from collections.abc import Mapping

from reports.judge import counted
from reports.visible import one_line
from schemas.model import Requirement
from seatrial.options import Options, Plan
from seatrial.rehearsal import Bill, Spending


def cap_line(options: Options, plan: Plan) -> str:
    """What a run is about to do, and what it may spend at most, in one line."""
    rounds = f", {options.repeat} times" if options.repeat > 1 else ""
    return (
        f"profile {options.profile.name}: {counted(len(plan.checks), 'check')}{rounds}, "
        f"at most {options.budget_requests:,} requests and {options.budget_tokens:,} tokens"
    )


def told(options: Options, plan: Plan, bill: Bill) -> str:
    """What a run would do: the caps, the cost by a rehearsal, then a line for each check."""
    with_key = "with a key" if options.key else "without a key"
    judged, every = _musts(options, plan)
    head = [
        f"{options.target.url} by {options.contract.name}, seed {options.seed}, {with_key}",
        f"profile {options.profile.name}: {counted(len(plan.checks), 'check')}, {options.jobs} at a time",
        f"left to larger profiles: {counted(plan.left_out, 'check')}",
        f"about {judged} of {every} MUST requirements that can be tested",
        f"at most {options.budget_requests:,} requests and {options.budget_tokens:,} tokens",
        f"at most {_limit(options.rpm)} requests and {_limit(options.tpm)} tokens per minute",
        *_repeats(options),
        "",
    ]
    width = max((len(check.id) for check in plan.checks), default=0)
    lines = [f"{check.id:<{width}}  {check.title}" for check in plan.checks]
    return "\n".join([*map(one_line, head), *_cost(options, bill), "", *lines, ""])


def _repeats(options: Options) -> list[str]:
    if options.repeat == 1:
        return []
    seeds = "the same seed each time" if options.same_seed else "a seed of its own each time"
    return [f"{options.repeat} rounds, {seeds}; caps and costs are for all of them together"]


def _cost(options: Options, bill: Bill) -> list[str]:
    named = [*bill.areas.items(), *((f"route {route or '(none)'}", one) for route, one in bill.routes.items())]
    lines = [
        "Rehearsed on the embedded reference server; nothing was sent to the target.",
        "Tokens are upper bounds. A check that fails costs more, within the caps: it looks for a simpler request.",
        "",
        *_table(dict(named) | {"total, with the preflight": bill.total}),
        "",
        f"tokens: at most {bill.prompt:,} in and {bill.completion:,} out",
    ]
    price = options.prices.of(bill.prompt, bill.completion)
    if price:
        lines.append(f"price: at most {one_line(price)}")
    minutes = bill.minutes(options.rpm, options.tpm)
    lines.append(
        f"time: at least {counted(minutes, 'minute')}, to stay within the limits per minute"
        if minutes
        else "time: the limits per minute do not slow it down"
    )
    if bill.total.requests > options.budget_requests or bill.total.tokens > options.budget_tokens:
        lines.append("This is more than the caps allow: raise --budget-requests or --budget-tokens, or ask for less.")
    if bill.open:
        lines.append(f"{counted(len(bill.open), 'check')} did not pass in the rehearsal and may cost more.")
    return lines


def _table(rows: Mapping[str, Spending]) -> list[str]:
    width = max(len(name) for name in rows)
    head = f"{'':<{width}}  {'checks':>7} {'requests':>9} {'tokens':>9}"
    return [head, *(f"{n:<{width}}  {one.checks:>7,} {one.requests:>9,} {one.tokens:>9,}" for n, one in rows.items())]


def _musts(options: Options, plan: Plan) -> tuple[int, int]:
    """How many MUST requirements the plan is about, of how many that can be tested."""
    rows: dict[str, Requirement] = {row.id: row for row in (*options.contract.rows(), *plan.rows)}
    every = {row.id for row in rows.values() if row.level == "MUST" and not row.untestable}
    cited = {requirement for check in plan.checks for requirement in check.cites}
    return len(every & cited), len(every)


def _limit(value: int | None) -> str:
    return "any number of" if value is None else f"{value:,}"

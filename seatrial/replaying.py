"""A recorded run judged again: its checks run against its own log, and nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.capabilities import probe, unsupported
from conformance.catalogue import checks_of
from conformance.check import TIERS
from conformance.replay import Replay
from conformance.rounds import in_round, seed_of_round
from conformance.runner import Runner
from conformance.settings import Settings
from conformance.strategies.dialect import SchemaFault
from conformance.wire.redact import PLACEHOLDER
from reports.model import Outcome, Run
from reports.rounds import merged
from schemas.contracts import get
from schemas.model import ROUTES, ContractError
from seatrial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A run with the outcomes that this version finds in it, and in what they differ from the recorded ones."""

    run: Run
    differences: tuple[str, ...]


def replayed(run: Run) -> Replayed:
    """Judge the recorded answers again, with the recorded contract, seed, examples and schemas.

    Raises `UserError` for a log that has nothing to replay, or that another version of the contract made.
    """
    if not run.outcomes:
        raise UserError("the log has no outcome of a check, so there is nothing to replay; `seatrial report` shows it")
    settings = _settings(run)
    try:
        contract = get(run.contract)
        checks = checks_of(contract, settings.request_schemas)
    except (ContractError, SchemaFault) as error:
        raise UserError(f"this version cannot replay the log: {error}") from None
    chosen = [checks[one.check] for one in run.outcomes if one.check in checks]
    courier = Replay(run.exchanges.values())
    # A log from before options were asked for has no answers to that, and then all count as supported.
    asked = dict.fromkeys(one.route for one in run.capabilities)
    capabilities = probe(courier, contract, settings, [route for route in ROUTES if route in asked])
    settings = replace(settings, unsupported=unsupported(capabilities))
    same = bool(run.settings.get("same_seed", False))
    every: list[Outcome] = []
    for number in range(1, max([1, *(len(one.rounds) for one in run.outcomes)]) + 1):
        seeded = replace(settings, seed=seed_of_round(run.seed, number, same=same))
        # One at a time, so that a replay of one log always says the same.
        outcomes = Runner(chosen, in_round(courier, number), contract, seeded, jobs=1).run()
        every += [replace(one, round=number) for one in outcomes]
    found = merged(every)
    return Replayed(
        run=replace(run, capabilities=capabilities, outcomes=found),
        differences=tuple(_differences(run.outcomes, {one.check: one for one in found})),
    )


def _settings(run: Run) -> Settings:
    said = run.settings
    try:
        return Settings(
            seed=run.seed,
            examples=int(said.get("examples", 5)),
            depth=next((tier for tier in TIERS if tier == said.get("check_profile")), "standard"),
            shrink=bool(said.get("shrink", True)),
            key=PLACEHOLDER if said.get("key", True) else None,
            model=said.get("model"),
            filter_prompts=tuple(map(str, said.get("filter_prompts") or ())),
            request_schemas=_schemas(said.get("schemas") or {}),
        )
    except (TypeError, ValueError, AttributeError):
        raise UserError("the log's settings are not those of a run; it was changed after it was written") from None


def _schemas(said: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {route: said[route] for route in ROUTES if route in said}


def _differences(recorded: tuple[Outcome, ...], found: Mapping[str, Outcome]) -> list[str]:
    lines = []
    for before in recorded:
        after = found.get(before.check)
        if after is None:
            lines.append(f"{before.check}: recorded {before.status}; this version has no such check")
        elif after.status != before.status:
            why = f" ({after.message})" if after.message else ""
            lines.append(f"{before.check}: recorded {before.status}, replayed {after.status}{why}")
    return lines

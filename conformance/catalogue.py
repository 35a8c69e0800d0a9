"""All checks of a contract by id: the hand-written ones in the order of their modules, then those its rows imply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from conformance.check import TIERS, Check, Tier, declared, unique
from conformance.checks import (
    auth,
    basics,
    candidates,
    chunks,
    content_filter,
    crowd,
    distribution,
    extra,
    history,
    incremental,
    isolation,
    length,
    likeliest,
    limits,
    logprobs,
    malformed,
    prompt_size,
    readings,
    refusals,
    sampling,
    selection,
    service,
    special,
    stop_sequences,
    stop_spaces,
    stopping,
    strangers,
    streaming,
    strict,
    text,
    token_ids,
    usage,
    verbatim,
)
from conformance.rows.answers import chunk_checks, response_checks
from conformance.rows.owners import extra_rows as extra_rows_of
from conformance.rows.random_broken import random_broken_checks
from conformance.rows.requests import request_checks
from conformance.runner import with_needs
from schemas import emit
from schemas.model import Contract, Requirement

# Explicit, so that a module is a part of the catalogue because this line says so and not because it was imported.
MODULES = (
    basics,
    malformed,
    refusals,
    auth,
    usage,
    length,
    stopping,
    stop_sequences,
    stop_spaces,
    token_ids,
    special,
    sampling,
    selection,
    candidates,
    distribution,
    logprobs,
    likeliest,
    streaming,
    incremental,
    chunks,
    text,
    verbatim,
    prompt_size,
    history,
    isolation,
    crowd,
    readings,
    strict,
    strangers,
    extra,
    content_filter,
    service,
    limits,
)


class NoSuchCheck(ValueError):
    """A pattern of the user's matches no check."""


def checks_of(contract: Contract, request_schemas: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Check]:
    """Every check of that contract by id. `request_schemas` (by route) replace the contract's request rows."""
    own = request_schemas or {}
    every = declared(MODULES, contract)
    for operation in contract.operations:
        route = operation.route
        request = own.get(route) or emit.schema(contract, route, "request")
        every += request_checks(request, route)
        every += random_broken_checks(request, route)
        every += response_checks(emit.schema(contract, route, "response"), route)
        every += chunk_checks(emit.schema(contract, route, "chunk"), route)
    return unique(every)


def extra_rows(request_schemas: Mapping[str, Mapping[str, Any]]) -> list[Requirement]:
    """The requirements that the user's own schemas state, for the log and the reports."""
    return [row for route, schema in request_schemas.items() for row in extra_rows_of(schema, route)]


def select(checks: Mapping[str, Check], patterns: Iterable[str]) -> list[str]:
    """The ids that match any of the shell patterns (all without one); `NoSuchCheck` for a pattern without a match."""
    wanted: dict[str, None] = {}
    patterns = list(patterns)
    for pattern in patterns:
        matching = [
            check_id for check_id in checks if fnmatchcase(check_id, pattern) or pattern == checks[check_id].area
        ]
        if not matching:
            raise NoSuchCheck(f"no check matches {pattern!r}; `seatrial list` shows them all")
        wanted.update(dict.fromkeys(matching))
    return list(wanted) if patterns else list(checks)


def within(checks: Mapping[str, Check], tier: Tier) -> dict[str, Check]:
    """The checks that a profile of that tier plans: its own, those of smaller tiers, and what they need."""
    chosen = [one.id for one in checks.values() if TIERS.index(one.tier) <= TIERS.index(tier)]
    return {one.id: one for one in with_needs(checks, chosen)}

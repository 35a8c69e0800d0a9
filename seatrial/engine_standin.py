"""`seatrial serve` on the embedded stand-in: a tiny language model, conformant or with one fault."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from conformance.catalogue import checks_of
from conformance.check import Mutant
from reference_server.limits import Limits
from reference_server.serve import run, standin_app
from reference_server.standin import StandinOptions
from schemas.model import Contract
from seatrial.errors import UserError


@dataclass(frozen=True, kw_only=True)
class StandinAsked:
    """The options that only the stand-in has."""

    ttft_ms: float
    itl_ms: float
    seed: int
    mutant: str | None
    variation: str | None


def serve(
    asked: StandinAsked,
    contract: Contract,
    *,
    key: str | None,
    limits: Limits,
    lenient: bool,
    place: tuple[str, int],
    on_started: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; `UserError` for a mutant that there is not, and an address that is not free."""
    app = standin_app(
        contract,
        key=key,
        options=StandinOptions(seed=asked.seed, ttft_s=asked.ttft_ms / 1000, itl_s=asked.itl_ms / 1000),
        limits=limits,
        mutant=_mutant(contract, asked.mutant) if asked.mutant else None,
        variation=asked.variation,
        lenient=lenient,
    )
    try:
        run(app, *place, on_started)
    except OSError as error:
        raise UserError(f"{error.strerror or error}; choose another --port or --host") from None


def _mutant(contract: Contract, mutant_id: str) -> Mutant:
    mutants = {mutant.id: mutant for check in checks_of(contract).values() for mutant in check.mutants}
    if mutant_id not in mutants:
        near = difflib.get_close_matches(mutant_id, mutants, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`seatrial list --mutants` shows them"
        raise UserError(f"no mutant is named {mutant_id!r}; {hint}")
    return mutants[mutant_id]

"""No false alarms: the conformant stand-in passes every check, under every seed and in every legal variation."""

from __future__ import annotations

from collections import Counter

import pytest

from reference_server.variations import VARIATIONS
from reports.model import Outcome
from schemas.contracts import names
from tests.laws.bench import bench

SEEDS = range(20)


def not_passed(outcomes: list[Outcome]) -> dict[str, str]:
    return {o.check: f"{o.status}: {o.message} {o.hint}" for o in outcomes if o.status not in {"pass", "skip"}}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standin_passes_under_every_seed(seed: int) -> None:
    with bench(seed=seed) as server:
        outcomes = server.run(seed)
    assert not_passed(outcomes) == {}
    # A skip is no alarm, but a check that is skipped on the stand-in sees nothing there.
    skipped = Counter(outcome.check for outcome in outcomes if outcome.status == "skip")
    assert skipped == {}


@pytest.mark.parametrize("contract", names())
def test_the_standin_keeps_every_contract(contract: str) -> None:
    with bench(contract) as server:
        assert not_passed(server.run()) == {}


@pytest.mark.parametrize("name", sorted(VARIATIONS))
def test_a_legal_variation_passes(name: str) -> None:
    with bench(variation=name) as server:
        assert not_passed(server.run()) == {}

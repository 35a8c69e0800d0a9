"""Rounds ask under names of their own, and one check out of all rounds is the worst of them."""

from __future__ import annotations

from conformance.rounds import in_round, seed_of_round
from tests.laws.bench import Bench, bench


def test_the_first_round_is_a_run_of_its_own() -> None:
    with bench() as server:
        assert in_round(server.endpoint, 1) is server.endpoint
        assert in_round(server.endpoint, 2) is not server.endpoint


def test_each_round_has_a_seed_of_its_own_unless_told_otherwise() -> None:
    seeds = [seed_of_round(7, number) for number in range(1, 6)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert {seed_of_round(7, number, same=True) for number in range(1, 6)} == {7}


def few(server: Bench) -> dict[str, str]:
    return {one.check: one.status for one in server.run(tier="quick", examples=1)}


def test_no_verdict_changes_on_the_reference_server() -> None:
    with bench() as server:
        # Those that rows imply ask the same of the same, and there are many.
        server.checks = {one.id: one for one in server.checks.values() if one.area != "request"}
        first, *others = [few(server) for _ in range(3)]
    assert all(other == first for other in others)

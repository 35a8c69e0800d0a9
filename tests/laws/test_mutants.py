"""Detection power: every check has a mutant, and every mutant is killed by its own check's `Violation`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from conformance.catalogue import checks_of
from conformance.check import Check, Mutant
from schemas.contracts import get, names
from tests.laws.bench import KEY, Bench, bench

CONTRACT = "azure-llama"
CHECKS = list(checks_of(get(CONTRACT)).values())
# These look back on the 429s of a run, so their mutants need a server with limits: tests/conformance/test_limits.py.
LOOK_BACK = ("limits.answer", "limits.wait-suffices", "limits.retry-after")
MUTANTS = [(check, mutant) for check in CHECKS if check.id not in LOOK_BACK for mutant in check.mutants]


SHORT: dict[str, object] = {"max_tokens": 4, "temperature": 0.8}
# What any mutant may be asked, whatever its check asks.
ASKED: tuple[dict[str, object], ...] = (
    SHORT, {**SHORT, "n": 2}, {**SHORT, "stream": True}, {**SHORT, "stream": True, "n": 2}, {"max_tokens": "many"},
    {**SHORT, "stream": True, "stream_options": {"include_usage": True}},
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Bench]:
    with bench(CONTRACT) as one:
        yield one


@pytest.mark.parametrize("contract", names())
def test_every_check_has_a_mutant(contract: str) -> None:
    without = [check.id for check in checks_of(get(contract)).values() if not check.mutants]
    assert without == []


def test_mutants_have_distinct_ids() -> None:
    ids = [mutant.id for _, mutant in MUTANTS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("check", "mutant"), MUTANTS, ids=[mutant.id for _, mutant in MUTANTS])
def test_a_mutant_is_killed_by_its_own_check(server: Bench, check: Check, mutant: Mutant) -> None:
    outcome = server.judge(check, mutant)
    assert outcome.status == "fail", f"{mutant.title} -> {outcome.status}: {outcome.message} {outcome.hint}"


@pytest.mark.parametrize("contract", names())
def test_no_mutant_breaks_down_whatever_it_is_asked(contract: str) -> None:
    """A check asks only what it needs, `serve --mutant` is asked everything; a 500 of ours is not the fault shown."""
    broken = []
    with bench(contract) as one, httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
        for mutant in (mutant for check in one.checks.values() for mutant in check.mutants):
            one.app.mutant = mutant
            for operation in one.contract.operations:
                for change in ASKED:
                    if "stream_options" in change and contract != "openai":
                        continue
                    # What it answers is its own business, and some close the connection in the middle.
                    with contextlib.suppress(httpx.HTTPError):
                        client.post(one.endpoint.target.url + operation.path, json={**operation.example, **change})
            if (error := one.broken()) is not None:
                broken.append(f"{mutant.id}: {error!r}")
    assert broken == []


@pytest.mark.parametrize("contract", [name for name in names() if name != CONTRACT])
def test_every_check_that_applies_to_another_contract_can_fail_there(contract: str) -> None:
    """Some mutants need a parameter that the other contract lacks, so one that is killed is enough here."""
    blind = []
    with bench(contract) as server:
        for check in server.checks.values():
            if server.judge(check).status == "pass":
                killed = any(server.judge(check, mutant).status == "fail" for mutant in check.mutants)
                blind += [] if killed else [check.id]
    assert blind == []

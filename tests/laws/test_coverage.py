"""Every MUST and SHOULD is cited by a check or argues why nobody can check it; every erratum is read, or argues too."""

from __future__ import annotations

import pytest

from conformance.catalogue import MODULES, checks_of
from conformance.check import Declaration, cited_by
from schemas.contracts import get, names


@pytest.mark.parametrize("name", names())
def test_every_duty_is_cited_or_argued(name: str) -> None:
    contract = get(name)
    cited = cited_by(checks_of(contract).values())
    bare = [
        row.id
        for row in contract.rows()
        if row.level in {"MUST", "SHOULD"} and row.id not in cited and not row.untestable
    ]
    assert bare == []


@pytest.mark.parametrize("name", names())
def test_no_row_is_both_cited_and_called_untestable(name: str) -> None:
    contract = get(name)
    cited = cited_by(checks_of(contract).values())
    assert [row.id for row in contract.rows() if row.untestable and row.id in cited] == []


@pytest.mark.parametrize("name", names())
def test_checks_cite_rows_that_exist(name: str) -> None:
    contract = get(name)
    known = {row.id for row in contract.rows()}
    assert set(cited_by(checks_of(contract).values())) <= known


def test_every_erratum_is_read_or_argued() -> None:
    contract = get("azure-llama")
    settled = {erratum for check in checks_of(contract).values() for erratum in check.settles}
    assert [e.id for e in contract.errata if not e.unobservable and e.id not in settled] == []


def test_a_check_settles_only_errata_that_exist() -> None:
    known = {erratum.id for name in names() for erratum in get(name).errata}
    # `bind` drops what a contract lacks, so the declarations are looked at, not the checks.
    declared = {e for module in MODULES for v in vars(module).values() if isinstance(v, Declaration) for e in v.settles}
    assert declared <= known


def test_titles_state_facts() -> None:
    for check in checks_of(get("azure-llama")).values():
        words = check.title.lower()
        assert not words.startswith(("test", "check")), check.id
        assert " should " not in words, check.id
        assert check.title.endswith("."), check.id

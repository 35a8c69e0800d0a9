from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from schemas import contracts
from schemas.model import (
    Contract,
    ContractError,
    Erratum,
    Object,
    Param,
    Reading,
    Requirement,
)

PAGE = contracts.get("azure-llama")
OTHERS = [name for name in contracts.names() if name != "azure-llama"]


def test_the_page_is_the_default_contract() -> None:
    assert contracts.names() == ("azure-llama", "azure-inference", "openai")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ContractError, match="'azure'; choose from azure-llama, azure-inference, openai"):
        contracts.get("azure")


def test_each_contract_has_its_routes() -> None:
    paths = {name: [o.path for o in contracts.get(name).operations] for name in contracts.names()}
    assert paths["azure-llama"] == paths["openai"] == ["/v1/completions", "/v1/chat/completions"]
    assert paths["azure-inference"] == ["/completions", "/chat/completions"]
    assert contracts.get("azure-inference").query == {"api-version": "2024-05-01-preview"}
    assert not PAGE.query


def test_the_quota_is_the_pages() -> None:
    assert (PAGE.requests_per_minute, PAGE.tokens_per_minute) == (1_000, 200_000)


@pytest.mark.parametrize("name", OTHERS)
def test_another_contract_never_quotes_the_page(name: str) -> None:
    contract = contracts.get(name)
    assert contract.source != PAGE.source
    for row in contract.rows():
        assert row.source != "page"
        assert row.line == 0


@pytest.mark.parametrize("name", OTHERS)
def test_another_contract_keeps_the_ids_of_what_it_shares(name: str) -> None:
    shared = {row.id for row in PAGE.rows()} & {row.id for row in contracts.get(name).rows()}
    for route in ("completions", "chat"):
        assert {
            f"{route}.head.authorization",
            f"{route}.request.temperature",
            f"{route}.request.stop.ends",
            f"{route}.response.usage.sum",
            f"{route}.stream.done",
            f"{route}.error.body",
        } <= shared


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("lost", ["ignore_eos", "use_beam_search", "stop_token_ids", "skip_special_tokens", "best_of"])
def test_another_contract_promises_no_extras(name: str, lost: str) -> None:
    assert not [row.id for row in contracts.get(name).rows() if lost in row.id]


def test_only_the_inference_contract_forbids_other_keys() -> None:
    closed = {
        (name, operation.route)
        for name in contracts.names()
        for operation in contracts.get(name).operations
        if operation.request.closed is not None
    }
    assert closed == {("azure-inference", "completions"), ("azure-inference", "chat")}


def test_a_chat_without_limit_has_no_default() -> None:
    ids = {row.id for row in contracts.get("openai").rows()}
    assert "chat.request.max_tokens" in ids
    assert "chat.request.max_tokens.default" not in ids


def test_rows_errata_and_operations_are_found_by_name() -> None:
    assert PAGE.row("chat.request.n").level == "MUST"
    assert PAGE.erratum("erratum.text_offset").place == 18
    assert PAGE.operation("chat").path.endswith("/chat/completions")
    for find in (PAGE.row, PAGE.erratum, PAGE.operation):
        with pytest.raises(KeyError):
            find("nothing")  # type: ignore[arg-type]


def requirement(name: str = "a.b") -> Requirement:
    return Requirement(id=name, level="MUST", quote="It does.", line=1)


def param(name: str) -> Param:
    return Param(id=f"a.{name}", level="MUST", quote="It is.", line=1, name=name, type="string", schema={})


def contract(**changes: object) -> Contract:
    return replace(PAGE, **{"name": "x", "operations": (), "prose": (), "errata": (), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"level": "must"}, "MUST, SHOULD, MAY"),
        ({"quote": "  "}, "without its quote"),
        ({"line": 0}, "names its line"),
    ],
)
def test_a_requirement_without_its_parts_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        replace(requirement(), **changes)  # type: ignore[arg-type]


def test_a_duplicate_is_refused() -> None:
    with pytest.raises(ContractError, match=r"two rows have the id 'a\.b'"):
        contract(prose=(requirement(), requirement()))
    with pytest.raises(ContractError, match="two rows with one name"):
        Object(title="Two", params=(param("x"), param("x")))


def test_an_erratum_is_about_rows_and_has_two_readings() -> None:
    readings = (Reading(name="a", text="A."), Reading(name="b", text="B."))
    stray = Erratum(id="erratum.x", place=0, says="S.", practice="P.", readings=readings, about=("no.row",))
    with pytest.raises(ContractError, match=r"'no\.row', which is no row"):
        contract(errata=(stray,))
    with pytest.raises(ContractError, match="at least two readings"):
        replace(stray, readings=readings[:1])
    with pytest.raises(KeyError, match="it has a, b"):
        stray.reading("c")
    assert stray.reading("b").text == "B."


def _mentioned(schema: Any) -> set[str]:
    """The names of parameters in a rule: those it has a schema for, and those it requires."""
    if isinstance(schema, Mapping):
        own = {*schema.get("properties", {}), *schema.get("required", ())}
        return own.union(*(_mentioned(value) for key, value in schema.items() if key != "properties"))
    if isinstance(schema, list | tuple):
        return set().union(*(_mentioned(value) for value in schema))
    return set()


@pytest.mark.parametrize("name", contracts.names())
def test_a_rule_speaks_of_parameters_that_the_table_has(name: str) -> None:
    for operation in contracts.get(name).operations:
        known = {param.name for param in operation.request.params}
        for rule in operation.request.rules:
            # Otherwise a parameter without a row would be a part of valid requests.
            assert _mentioned(rule.schema) <= known, rule.id

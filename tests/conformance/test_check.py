"""Declaring a check: what it must say, and what it becomes for each route and contract."""

from __future__ import annotations

import types

import pytest

from conformance.api import Api
from conformance.check import Check, Declaration, Violation, check, cited_by, declared, expect, unique
from conformance.wire.answer import Answer, Ask
from tests.conformance.fakes import CONTRACT


def declare() -> Declaration:
    @check("area.fact", cites=[".head.route"], needs=[".answers"], settles=["erratum.nowhere"], when="alone")
    def fact(_: Api) -> None:
        """A fact holds.

        With details that are not in the title.
        """

    @fact.mutant
    def breaks_it(answer: Answer) -> Answer:
        """Breaks the fact."""
        return answer.with_status(500)

    @fact.deaf_mutant
    def mishears(ask: Ask) -> Ask:
        """Mishears the fact."""
        return ask

    return fact


def test_a_declaration_becomes_a_check_for_each_route() -> None:
    bound = list(declare().bind(CONTRACT))
    assert [one.id for one in bound] == ["completions.area.fact", "chat.area.fact"]
    assert [one.cites for one in bound] == [("completions.head.route",), ("chat.head.route",)]
    assert bound[0].needs == ("completions.answers",)
    assert bound[0].title == "A fact holds."
    assert bound[0].area == "area"
    assert bound[0].settles == ()


def test_mutants_belong_to_the_check_and_say_what_they_do() -> None:
    (first, second) = next(iter(declare().bind(CONTRACT))).mutants
    assert (first.id, first.title) == ("completions.area.fact/breaks_it", "Breaks the fact.")
    assert first.answer is not None
    assert first.ask is None
    assert second.ask is not None
    assert second.answer is None


def test_a_check_that_cites_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cites no requirement"):
        check("a.b", cites=[])


def test_a_check_without_a_title_is_refused() -> None:
    with pytest.raises(ValueError, match="no docstring"):

        @check("a.b", cites=["x"])
        def nameless(_: Api) -> None: ...


def test_a_check_of_what_a_contract_does_not_ask_is_left_out() -> None:
    @check("a.b", cites=[".request.nowhere"])
    def fact(_: Api) -> None:
        """A fact holds."""

    assert list(fact.bind(CONTRACT)) == []


def test_the_catalogue_takes_declarations_in_the_order_of_the_source() -> None:
    module = types.SimpleNamespace(b=declare(), a=3)
    assert [one.id for one in declared([module], CONTRACT)] == ["completions.area.fact", "chat.area.fact"]


def bare(name: str, *needs: str) -> Check:
    return Check(id=name, title="t", cites=("r",), run=lambda _: None, area="a", needs=needs)


def test_two_checks_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two checks"):
        unique([bare("a"), bare("a")])


def test_a_need_that_is_no_check_is_refused() -> None:
    with pytest.raises(ValueError, match="which is no check"):
        unique([bare("a", "b")])


def test_expect_keeps_its_message() -> None:
    expect(holds=True, message="never raised")
    with pytest.raises(Violation, match="what is wrong"):
        expect(holds=False, message="what is wrong")


def test_citations_are_turned_round() -> None:
    assert cited_by([bare("a"), bare("b")]) == {"r": ("a", "b")}

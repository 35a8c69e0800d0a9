"""Fields side by side: what is missing, of which type, how often, and what is data and no field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reports.compare.runs import answered, compared, document, of, only, story

MANY = 12
Change = Callable[[dict[str, Any]], object]


def changed_documents(change: Change, count: int = MANY, *, every: int = 1) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        one = copy.deepcopy(document())
        if number % every == 0:
            change(one)
        found.append(one)
    return found


def side(change: Change = lambda _: None, count: int = MANY, *, every: int = 1) -> Any:
    return story(answered(changed_documents(change, count, every=every)))


def test_a_required_field_that_is_missing_breaks(tmp_path: Path) -> None:
    comparison = compared(tmp_path, side(), side(lambda one: one.pop("id")))
    found = only(comparison, "fields")
    assert (found.subject, found.grade, found.requirement_id) == ("id", "breaking", "chat.response.id")
    assert (found.baseline, found.candidate) == ("in 12 of 12", "absent (0 of 12)")
    assert found.places == ("chat document",)
    assert comparison.exit_code == 1
    assert only(compared(tmp_path, side(lambda one: one.pop("id")), side()), "fields").grade == "better"


def test_a_documented_field_that_may_be_absent_is_a_warning(tmp_path: Path) -> None:
    found = only(compared(tmp_path, side(), side(lambda one: one.pop("model"))), "fields")
    assert (found.subject, found.grade) == ("model", "warning")


def test_a_field_that_no_contract_knows_is_information(tmp_path: Path) -> None:
    more: Change = lambda one: one["choices"][0]["message"].update(x_note={"a": {"b": 1}})  # noqa: E731
    found = only(compared(tmp_path, side(), side(more)), "fields")
    # What lies below is gone or come with it, and needs no line of its own.
    assert (found.subject, found.grade) == ("choices[].message.x_note", "information")
    assert only(compared(tmp_path, side(more), side()), "fields").grade == "information"


def test_a_type_that_the_contract_does_not_allow_breaks(tmp_path: Path) -> None:
    found = of(compared(tmp_path, side(), side(lambda one: one.update(created="now"))), "fields")
    assert {(one.subject, one.grade) for one in found} == {("created", "breaking"), ("created", "information")}


def test_a_value_that_is_sometimes_null_is_told(tmp_path: Path) -> None:
    null: Change = lambda one: one["choices"][0]["message"].update(content=None)  # noqa: E731
    found = only(compared(tmp_path, side(), side(null, every=2)), "fields")
    assert (found.subject, found.grade) == ("choices[].message.content", "information")
    assert (found.baseline, found.candidate) == ("null (0 of 12)", "null in 6 of 12")


def test_a_field_that_became_rare_is_told(tmp_path: Path) -> None:
    found = only(compared(tmp_path, side(), side(lambda one: one.pop("usage"), every=2)), "fields")
    assert (found.subject, found.grade, found.candidate) == ("usage", "breaking", "in 6 of 12")


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_answers_say_nothing(count: int, tmp_path: Path) -> None:
    assert not of(compared(tmp_path, side(count=count), side(lambda one: one.pop("id"), count)), "fields")


def test_a_rare_field_is_not_called_absent(tmp_path: Path) -> None:
    assert not of(compared(tmp_path, side(lambda one: one.update(x=1), 40, every=40), side(count=40)), "fields")


def test_keys_that_are_data_are_folded(tmp_path: Path) -> None:
    def logprobs(word: str) -> Change:
        def change(one: dict[str, Any]) -> None:
            one["choices"][0]["logprobs"] = {"top_logprobs": [{f"{word}{n}": -0.5 for n in range(5)}]}

        return change

    assert not of(compared(tmp_path, side(logprobs("a")), side(logprobs("b"))), "fields")


def test_many_keys_are_taken_for_data_and_memory_stays_bounded(tmp_path: Path) -> None:
    def hostile(word: str) -> Any:
        return story(answered([document(extra={f"{word}{n}.{k}": k for k in range(200)}) for n in range(MANY)]))

    assert not of(compared(tmp_path, hostile("a"), hostile("b")), "fields")


def test_a_whole_number_among_others_is_a_number(tmp_path: Path) -> None:
    sides = [story(answered([document(score=value) for _ in range(MANY)])) for value in (0.5, 0)]
    assert [one.baseline for one in of(compared(tmp_path, *sides), "fields")] == []


def test_one_difference_in_several_places_is_one(tmp_path: Path) -> None:
    def made(extra: bool) -> Any:
        more: dict[str, Any] = {"trace": 1} if extra else {}
        chunk = "data: " + '{"choices": [], "trace": 1}\n\n' if extra else "data: " + '{"choices": []}\n\n'
        answers = [{"error": {"message": "no"}, **more}] * MANY + [document(**more)] * MANY + [chunk.encode()] * MANY
        return story(answered(answers, statuses=[400] * MANY + [200] * 2 * MANY))

    found = only(compared(tmp_path, made(False), made(True)), "fields")
    assert found.places == ("chat document", "chat error 400", "chat stream")
    assert found.candidate == "in 36 of 36"


def test_only_answers_of_one_kind_are_held_against_each_other(tmp_path: Path) -> None:
    """Where one side refuses, the fields of the other side's answer are not missing from it."""
    more = [document(extra=1)] * MANY
    plain = [document()] * MANY
    before = story(answered([*plain, *more]))
    after = story(answered([*plain, *([{"error": {}}] * MANY)], statuses=[200] * MANY + [400] * MANY))
    assert not of(compared(tmp_path, before, after), "fields")


def test_runs_that_asked_other_things_are_compared_as_a_whole(tmp_path: Path) -> None:
    other = answered(changed_documents(lambda one: one.pop("id"), 2 * MANY))[MANY:]
    comparison = compared(tmp_path, side(), story(other))
    assert any("too few, so answers are compared as a whole" in note for note in comparison.notes)
    assert only(comparison, "fields").subject == "id"


def test_a_contract_that_is_not_known_has_fields_but_no_rows(tmp_path: Path) -> None:
    sides = [side(), side(lambda one: one.pop("id"))]
    for one in sides:
        one.contract = "mine"
    found = only(compared(tmp_path, *sides), "fields")
    assert (found.subject, found.grade) == ("id", "information")

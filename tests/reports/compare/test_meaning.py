"""What answers say: compared under one model's name, and never between two models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.compare.model import Comparison, Table
from tests.reports.compare.runs import answered, compared, document, of, only, story


def table(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    found: Table = next(one for one in comparison.tables if one.name == "What the answers say")
    return {row[0]: row[1:] for row in found.rows}


def side(count: int = 12, **changes: Any) -> Any:
    return story(answered([document(**changes)] * count))


def usage(prompt: int, total: int = 0) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": 3, "total_tokens": total or prompt + 3}


def test_prompt_tokens_of_one_model_are_compared(tmp_path: Path) -> None:
    comparison = compared(tmp_path, side(), side(usage=usage(10)))
    found = only(comparison, "meaning")
    assert (found.subject, found.grade) == ("prompt tokens", "warning")
    assert (found.baseline, found.candidate) == ("9 prompt tokens", "10 prompt tokens")
    assert table(comparison)["prompt tokens alike"] == ("-", "0 of 12")


@pytest.mark.parametrize("name", ["another", None, ""])
def test_two_models_are_never_compared_as_equal(name: str | None, tmp_path: Path) -> None:
    other = story(answered([document("Near.", usage=usage(10), model=name)] * 12))
    comparison = compared(tmp_path, side(), other)
    assert not of(comparison, "meaning")
    assert table(comparison)["prompt tokens alike"] == ("n/a", "n/a")
    assert any("the models are not known to be the same" in note for note in comparison.notes)


def test_an_endpoint_of_several_models_is_not_one_model(tmp_path: Path) -> None:
    two = story(answered([document(), document(model="b")] * 6))
    assert table(compared(tmp_path, two, two))["greedy answers alike"] == ("n/a", "n/a")


def test_reasons_to_finish_are_shown_and_told_where_they_differ(tmp_path: Path) -> None:
    cut = [{"index": 0, "message": {"role": "assistant", "content": "Far"}, "finish_reason": "length"}]
    comparison = compared(tmp_path, side(), side(choices=cut))
    assert {one.subject for one in of(comparison, "meaning")} == {"finish_reason length", "finish_reason stop"}
    assert table(comparison)["finish_reason stop"] == ("12 of 12", "0 of 12")
    assert comparison.exit_code == 0
    other = compared(tmp_path, side(), side(choices=cut, model="another"))
    assert not of(other, "meaning")
    assert table(other)["finish_reason length"] == ("0 of 12", "12 of 12")


def test_usage_that_does_not_add_up_is_shown(tmp_path: Path) -> None:
    assert table(compared(tmp_path, side(), side(usage=usage(9, 13))))["usage adds up"] == ("12 of 12", "0 of 12")


def test_greedy_answers_are_counted_for_information_only(tmp_path: Path) -> None:
    def greedy(text: str) -> Any:
        made = answered([document(text)] * 6)
        for one in made:
            object.__setattr__(one.sent, "body", one.sent.body.replace(b"{", b'{"temperature": 0, ', 1))
        return story(made)

    comparison = compared(tmp_path, greedy("Far."), greedy("Near."))
    assert table(comparison)["greedy answers alike"] == ("-", "0 of 6")
    assert not comparison.differences

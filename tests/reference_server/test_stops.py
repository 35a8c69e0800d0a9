"""Stop strings end a text wherever tokens are cut, and nothing of them is shown early."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.stops import StopScanner


def shown(parts: list[str], stops: list[str]) -> str:
    scanner = StopScanner(stops)
    out = ""
    for part in parts:
        out += scanner.feed(part)
        if scanner.stopped:
            return out
    return out + scanner.flush()


def letter_by_letter(text: str, stops: list[str]) -> str:
    """The text up to the first stop string to be complete; up to the longest of those that end together."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@pytest.mark.parametrize(
    ("parts", "stops", "expected"),
    [
        (["abc"], ["b"], "a"),
        (["a", "b", "c", "d"], ["bcd"], "a"),
        (["aab"], ["ab"], "a"),
        (["a", "a", "b"], ["aab"], ""),
        (["abab", "c"], ["abc"], "ab"),
        (["abcd"], ["abcd", "bc"], "a"),
        (["abcd"], ["cd", "bcd"], "a"),
        (["no stop"], ["x"], "no stop"),
        (["half a st"], ["stop"], "half a st"),
        (["kept"], [""], "kept"),
        (["日本", "語"], ["本語"], "日"),
    ],
)
def test_a_stop_string_is_cut_off(parts: list[str], stops: list[str], expected: str) -> None:
    assert shown(parts, stops) == expected


def test_a_possible_beginning_is_held_back() -> None:
    scanner = StopScanner(["stop"])
    assert scanner.feed("now st") == "now "
    assert scanner.feed("ay") == "stay"
    assert scanner.feed(" sto") == " "
    assert scanner.flush() == "sto"


TEXTS = st.text(alphabet="ab", max_size=12)


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=3))
@settings(deadline=None, database=None, max_examples=300)
def test_the_cut_does_not_depend_on_the_tokens(parts: list[str], stops: list[str]) -> None:
    assert shown(parts, stops) == letter_by_letter("".join(parts), stops)

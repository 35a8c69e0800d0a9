from __future__ import annotations

import pytest

from conformance.check import Inconclusive
from conformance.checks.stop_spaces import spaced, spaces_are_a_part_of_a_sequence
from tests.conformance.fakes import api_over, document


@pytest.mark.parametrize("bare_of", [str.lstrip, str.rstrip])
def test_a_part_stands_well_behind_its_bare_form(bare_of: object) -> None:
    text = "a seaman and the land of the sea and salt "
    part = spaced(text, bare_of)  # type: ignore[arg-type]
    assert part is not None
    assert part != part.strip()
    assert text[: text.index(part.strip())].rstrip() != text[: text.index(part)].rstrip()


def test_white_space_alone_parts_no_two_places() -> None:
    assert spaced("ab  abc", str.lstrip) == " ab"
    assert spaced("x   yz", str.lstrip) is None
    assert spaced("calm", str.lstrip) is None


def test_a_text_without_spaces_shows_nothing() -> None:
    api, courier = api_over(lambda _: (200, document("calmseasandgoodwinds")))
    with pytest.raises(Inconclusive, match="with a space"):
        spaces_are_a_part_of_a_sequence.function(api)
    assert len(courier.sent) == 1

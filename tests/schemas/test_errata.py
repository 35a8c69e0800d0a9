from __future__ import annotations

import re

import pytest

from schemas import contracts
from schemas.errata import PAGE
from schemas.practice import PRACTICE

ALL = (*PAGE, *PRACTICE)


def test_every_contradiction_of_the_page_has_its_row() -> None:
    assert [erratum.place for erratum in PAGE] == list(range(1, 35))
    assert {erratum.place for erratum in PRACTICE} == {0}


@pytest.mark.parametrize("erratum", ALL, ids=lambda erratum: erratum.id)
def test_a_row_is_complete(erratum: object) -> None:
    assert erratum in ALL
    for one in ALL:
        assert re.fullmatch(r"erratum\.[a-z0-9_-]+", one.id)
        assert one.says.endswith(".")
        assert one.practice.endswith(".")
        names = [reading.name for reading in one.readings]
        assert len(names) == len(set(names)) >= 1
        assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in names)
        assert all(reading.text.endswith(".") for reading in one.readings)
        assert any(reading.passes for reading in one.readings)


@pytest.mark.parametrize("name", contracts.names())
def test_an_observable_erratum_is_about_something(name: str) -> None:
    for one in contracts.get(name).errata:
        assert one.unobservable or (one.about and len(one.readings) >= 2), one.id


def test_an_unobservable_erratum_argues() -> None:
    argued = {one.id for one in ALL if one.unobservable}
    assert {"erratum.regions", "erratum.foreign-samples", "erratum.offer-name", "erratum.example-created"} <= argued
    assert all(len(one.unobservable) > 40 for one in ALL if one.unobservable)


def test_a_reading_that_fails_is_the_exception() -> None:
    failing = {(one.id, reading.name) for one in ALL for reading in one.readings if not reading.passes}
    assert failing == {
        ("erratum.message-key", "messages"),
        ("erratum.message-type", "text"),
        ("erratum.choices-type", "object"),
        ("erratum.stop-type", "array"),
        ("erratum.best_of-lowest", "lowest"),
        ("erratum.null-default", "refused"),
        ("erratum.top_logprobs-value", "prob"),
        ("erratum.done-event", "in-chunk"),
        ("erratum.chat-logprobs", "refused"),
    }


@pytest.mark.parametrize("name", ["azure-inference", "openai"])
def test_another_contract_has_no_places_on_the_page(name: str) -> None:
    contract = contracts.get(name)
    assert {one.place for one in contract.errata} == {0}
    assert contract.erratum("erratum.stream-usage").reading("own-chunk").passes
    assert contract.erratum("erratum.error-shape").reading("nested").passes

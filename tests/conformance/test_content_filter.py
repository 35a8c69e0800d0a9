"""The checks of the content filter: silent without the user's prompts, and right about each documented shape."""

from __future__ import annotations

import pytest

from conformance.api import Api
from conformance.runner import judged
from conformance.settings import Settings
from conformance.shared import Shared
from reference_server.content_filter import TRIGGERS
from reports.model import Outcome
from tests.laws.bench import KEY, Bench, bench


def judge(server: Bench, name: str, *prompts: str) -> Outcome:
    check = server.checks[name]
    settings = Settings(key=KEY, filter_prompts=prompts)
    return judged(check, Api(server.endpoint, server.contract, settings, Shared(), scope=name, route=check.route))


@pytest.mark.parametrize("name", ["acts", "refusal", "stream", "choices"])
def test_nothing_is_asked_without_the_users_prompts(name: str) -> None:
    with bench() as server:
        outcome = judge(server, f"chat.filter.{name}")
    assert outcome.status == "skip"
    assert "--filter-prompt" in outcome.message
    assert outcome.requests == 0


def test_an_ordinary_answer_is_a_breach_of_the_users_word() -> None:
    with bench() as server:
        outcome = judge(server, "completions.filter.acts", "Is the sea calm today?")
    assert outcome.status == "fail"
    assert "did not act" in outcome.message


@pytest.mark.parametrize(
    ("variation", "reading"),
    [
        (None, "nested"),
        ("filter-flat", "flat"),
        ("filter-words", "words"),
        ("filter-severity", "nested"),
        ("error-detail", "words"),
    ],
)
def test_each_documented_shape_is_told_apart(variation: str | None, reading: str) -> None:
    with bench(variation=variation) as server:
        outcome = judge(server, "chat.filter.refusal", *TRIGGERS)
    assert outcome.status == "pass"
    assert outcome.readings == {"erratum.content_filter-shape": reading}


@pytest.mark.parametrize("variation", ["filter-failed", "filter-failed-reason"])
@pytest.mark.parametrize("name", ["acts", "stream", "choices"])
def test_a_filter_that_fails_and_says_so_is_documented(variation: str, name: str) -> None:
    with bench(variation=variation) as server:
        assert judge(server, f"chat.filter.{name}", TRIGGERS[1]).status == "pass"

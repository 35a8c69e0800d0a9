"""An endpoint that ignores `logprobs`: only the checks of `logprobs` hold it against it."""

from __future__ import annotations

import pytest

from conformance.check import Declaration, Inconclusive, Violation
from conformance.checks import candidates, distribution, logprobs, sampling, usage
from tests.conformance.fakes import api_over, document

OTHERS = (
    candidates.choices_are_samples_of_their_own,
    candidates.a_search_finds_likely_answers,
    distribution.tokens_are_drawn_as_likely_as_they_are,
    distribution.a_low_temperature_is_low,
    distribution.a_high_temperature_is_high,
    distribution.nothing_outside_the_nucleus_is_drawn,
    sampling.greedy_takes_the_likeliest,
    usage.tokens_with_logprobs_are_counted,
)


@pytest.mark.parametrize("declared", OTHERS, ids=lambda one: one.name)
def test_missing_log_probabilities_are_no_evidence_of_anything_else(declared: Declaration) -> None:
    api, _ = api_over(lambda _: (200, document("a calm sea")))
    with pytest.raises(Inconclusive, match="the answer has none"):
        declared.function(api)


def test_missing_log_probabilities_are_held_against_it_once() -> None:
    api, _ = api_over(lambda _: (200, document("a calm sea")))
    with pytest.raises(Violation, match="`logprobs` is not an object"):
        logprobs.the_chosen_token_has_a_logprob.function(api)

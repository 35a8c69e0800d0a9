"""Several candidates: `n`, `best_of` and beam search, and the conditions between them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Violation, check, expect
from conformance.checks.basics import REFUSED, expect_refused
from conformance.checks.logprobs import wanted
from conformance.checks.sampling import sampled
from conformance.layouts import has_tokens, tokens_of
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

PROMPT = "In the log of that day"
TEN_PROMPTS = (
    "The anchor",
    "A lantern",
    "Two sailors",
    "The east wind",
    "Salt and",
    "Every rope",
    "The cook",
    "At noon",
    "A gull",
    "Below deck",
)
# Candidates that are sampled need a temperature: several greedy ones would be the same, and some servers refuse that.
SAMPLED = {"temperature": 0.8}


def three(api: Api) -> Exchange:
    """An answer of three choices, asked once in a run."""
    return api.shared("three", lambda view: view.answer(**view.prompt(PROMPT), n=3, **SAMPLED))


@check("n.count", cites=[".request.n.count"], needs=[".answers"], tier="quick")
def n_gives_n_choices(api: Api) -> None:
    """`n` gives n choices."""
    for n in api.few((3, 2, 1)):
        exchange = three(api) if n == 3 else api.answer(**api.prompt(PROMPT), n=n, **SAMPLED)
        count = len(api.choices(exchange))
        expect(count == n, f"`n` {n} gave {count} choices", exchange)


@n_gives_n_choices.deaf_mutant
def ignores_n(ask: Ask) -> Ask:
    """Generates one choice whatever `n` says."""
    return ask.with_body(n=1) if "n" in ask.body else ask


@n_gives_n_choices.mutant
def drops_a_choice(answer: Answer) -> Answer:
    """Leaves out the last of several choices."""
    return answer.edit(lambda document: document["choices"].pop() if len(document["choices"]) > 1 else None)


@check("n.indices", cites=[".response.choices.index.range"], needs=[".answers"], tier="quick")
def choices_are_numbered(api: Api) -> None:
    """The choices have the indices 0 to n-1, each once."""
    exchange = three(api)
    indices = [choice.get("index") for choice in api.choices(exchange)]
    numbered = all(type(index) is int for index in indices) and sorted(map(str, indices)) == ["0", "1", "2"]
    expect(numbered, f"three choices have the indices {indices}", exchange)


@choices_are_numbered.mutant
def numbers_from_one(answer: Answer) -> Answer:
    """Counts choices from 1."""
    return answer.edit_choices(lambda choice: choice.update(index=choice["index"] + 1))


@choices_are_numbered.mutant
def repeats_an_index(answer: Answer) -> Answer:
    """Gives every choice the index 0."""
    return answer.edit_choices(lambda choice: choice.update(index=0))


@check("best_of.count", cites=[".request.best_of.count"], needs=[".answers"])
def best_of_returns_n(api: Api) -> None:
    """With `best_of` candidates, `n` still says how many are returned."""
    for n, best_of in ((1, 3), (2, 4)):
        exchange = api.answer(**api.prompt(PROMPT), n=n, best_of=best_of, **SAMPLED)
        count = len(api.choices(exchange))
        expect(count == n, f"`n` {n} of `best_of` {best_of} gave {count} choices", exchange)


@best_of_returns_n.deaf_mutant
def returns_all_candidates(ask: Ask) -> Ask:
    """Returns every candidate."""
    best_of = ask.body.get("best_of")
    return ask.with_body(n=best_of, best_of=best_of) if best_of else ask


@check("best_of.best", cites=[".request.best_of.best"], needs=[".answers"], settles=["erratum.best_of-lowest"])
def best_of_is_the_likeliest(api: Api) -> None:
    """The best of six candidates is more likely, token for token, than six others usually are."""
    # The best of six lies below the middle of six others with a chance of 1/11, since the three likeliest of twelve
    # would all have to be others. Eight times in ten happens to a sound endpoint once in six million runs.
    above, below, evidence = 0, 0, []
    for prompt in TEN_PROMPTS:
        params = {**api.prompt(prompt), "temperature": 1, "max_tokens": 6, **wanted(api, 1)}
        best, others = api.ask(best_of=6, **params), api.ask(n=6, **params)
        if best.status != 200 or others.status != 200:
            raise Inconclusive(f"without log probabilities (status {best.status}) candidates cannot be compared")
        means, chosen = _means(api, others), _means(api, best)
        if not means or not chosen:
            continue
        middle, likelihood = statistics.median(means), chosen[0]
        above, below = above + (likelihood > middle), below + (likelihood < middle)
        evidence += [others, best]
        if max(above, below) == 8:
            break  # the rest changes nothing
    if below >= 8:
        api.reading("erratum.best_of-lowest", "lowest", *evidence[-2:])
        message = f"the best of six is less likely than the middle of six others in {below} of 10"
        raise Violation(f"{message}: the least likely is returned, or no best is chosen", *evidence[-2:])
    if above < 8:
        raise Inconclusive(f"the best of six is above the middle of six others in {above} of 10: nothing follows")
    api.reading("erratum.best_of-lowest", "highest")


@best_of_is_the_likeliest.deaf_mutant
def returns_an_unlikely_one(ask: Ask) -> Ask:
    """Returns an unlikely candidate as the best."""
    return ask.with_body(best_of=1, temperature=2) if "best_of" in ask.body else ask


def _means(api: Api, exchange: Exchange) -> list[float]:
    """The mean log probability per token of each choice that has tokens."""
    choices = api.choices(exchange)
    if not all(has_tokens(choice) for choice in choices):
        raise Inconclusive("without log probabilities (the answer has none) this cannot be judged")
    every = [tokens_of(choice, exchange) for choice in choices]
    return [statistics.fmean(token.logprob for token in tokens) for tokens in every if tokens]


@check(
    "best_of.exceeds-n",
    cites=[".rule.best_of_exceeds_n"],
    needs=[".answers"],
    settles=["erratum.best_of-equals-n"],
    tier="quick",
)
def best_of_below_n_is_refused(api: Api) -> None:
    """`best_of` below `n` is refused."""
    expect_refused(api.send(api.body(n=3, best_of=2, **SAMPLED)), "`best_of` 2 with `n` 3")
    equal = api.send(api.body(n=2, best_of=2, **SAMPLED))
    _read(api, "erratum.best_of-equals-n", equal, "`best_of` 2 with `n` 2")


@best_of_below_n_is_refused.mutant
def takes_too_few_candidates(answer: Answer) -> Answer:
    """Accepts fewer candidates than choices."""
    body = answer.ask.body
    return answer.with_success() if body.get("n") == 3 and body.get("best_of") == 2 else answer


@best_of_below_n_is_refused.mutant
def crashes_on_equal_numbers(answer: Answer) -> Answer:
    """Answers `best_of` equal to `n` with an internal error."""
    body = answer.ask.body
    return answer.with_error(500) if body.get("n") == body.get("best_of") == 2 else answer


def streamed_best_of(api: Api) -> Exchange:
    """What a stream of the best of several candidates got; asked once in a run."""
    return api.shared("best_of-streamed", lambda view: view.send(view.body(stream=True, best_of=3, **SAMPLED)))


@check(
    "best_of.not-streamed",
    cites=[".rule.best_of_not_streamed"],
    needs=[".answers"],
    settles=["erratum.best_of-streamed"],
    tier="quick",
)
def best_of_is_not_streamed(api: Api) -> None:
    """A stream of the best of several candidates is refused or at least never a crash."""
    exchange = streamed_best_of(api)
    _read(api, "erratum.best_of-streamed", exchange, "`best_of` 3 with `stream`")


@best_of_is_not_streamed.mutant
def crashes_on_a_streamed_best_of(answer: Answer) -> Answer:
    """Answers `best_of` with `stream` with an internal error."""
    body = answer.ask.body
    return answer.with_error(500) if body.get("stream") and body.get("best_of") else answer


# A request for beam search that breaks one of its conditions, by the parameter that breaks it.
BEAM_CONDITIONS: Mapping[str, Mapping[str, int]] = {
    "temperature": {"temperature": 1, "best_of": 2},
    "best_of": {"temperature": 0, "best_of": 1},
}


def beam_search_against(api: Api, broken: str) -> Exchange:
    """What beam search without one of its conditions got; asked once in a run."""
    body = BEAM_CONDITIONS[broken]
    return api.shared(f"beam-{broken}", lambda view: view.send(view.body(use_beam_search=True, **body)))


@check(
    "beam.conditions",
    cites=[".rule.beam_best_of", ".rule.beam_temperature"],
    needs=[".answers"],
    settles=["erratum.beam-conditions"],
)
def beam_search_has_conditions(api: Api) -> None:
    """Beam search with a temperature, or with a single beam, is refused or at least never a crash."""
    for broken in BEAM_CONDITIONS:
        exchange = beam_search_against(api, broken)
        shown = " and ".join(f"`{name}` {value}" for name, value in BEAM_CONDITIONS[broken].items())
        _read(api, "erratum.beam-conditions", exchange, f"beam search with {shown}")


@beam_search_has_conditions.mutant
def crashes_on_one_beam(answer: Answer) -> Answer:
    """Answers beam search with a single beam with an internal error."""
    body = answer.ask.body
    return answer.with_error(500) if body.get("use_beam_search") and body.get("best_of") == 1 else answer


@check("beam.search", cites=[".request.use_beam_search.search"], needs=[".answers"])
def beam_search_is_a_search(api: Api) -> None:
    """Beam search does not sample: the same request gets the same text."""
    params: dict[str, Any] = {"use_beam_search": True, "best_of": 2, "temperature": 0, "max_tokens": 10}
    first, second, third = (api.answer(**api.prompt(PROMPT), **params) for _ in range(3))
    same = api.text(first) == api.text(second) == api.text(third)
    expect(same, "the same beam search gave different texts", first, second, third)


@beam_search_is_a_search.deaf_mutant
def samples_its_beams(ask: Ask) -> Ask:
    """Samples at temperature 1.5 when asked to search."""
    if "use_beam_search" not in ask.body:
        return ask
    return sampled(ask.with_body(use_beam_search=False, best_of=1), 1.6)


def _read(api: Api, erratum: str, exchange: Exchange, what: str) -> None:
    """Record whether the endpoint refused or accepted; `Violation` for anything else."""
    status = exchange.status
    expect(status in (200, *REFUSED), f"{what} got status {status}, neither an answer nor a refusal", exchange)
    api.reading(erratum, "accepted" if status == 200 else "refused", exchange)

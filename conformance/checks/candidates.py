"""Several candidates, further: choices are samples of their own, their tokens are counted, and a search finds more."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.basics import REFUSED
from conformance.checks.logprobs import given, wanted
from conformance.checks.sampling import FALSE_ALARM, TIE, sampled
from conformance.checks.streaming import DONE
from conformance.checks.streaming import choices as streamed_choices
from conformance.layouts import TokenLogprob, has_tokens, tokens_of
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

PROMPTS = ("On the quay that night", "A letter from the island said", "The keeper of the light", "Under full sail")
N = 4
TOKENS = 8


def sampled_choices(api: Api, prompt: str) -> Exchange:
    """Several choices drawn for a prompt, with their log probabilities, asked once in a run."""

    def make(view: Api) -> Exchange:
        params = {**view.prompt(prompt), "temperature": 1, "top_p": 1, "n": N, "max_tokens": TOKENS}
        return view.ask(**params, **wanted(view, 1))

    return api.shared(f"sampled-choices-{PROMPTS.index(prompt)}", make)


@check("n.distinct", cites=[".request.n.count"], needs=[".answers"])
def choices_are_samples_of_their_own(api: Api) -> None:
    """The choices of an answer are drawn apart, and not one choice several times."""
    # A copy is as likely as its text. However many of the m choices repeat an earlier one, the product of those
    # chances is below FALSE_ALARM / 2**m less often than FALSE_ALARM: each factor 1/p has an expectation below 2.
    log_chance, compared, evidence = 0.0, 0, []
    for prompt in PROMPTS:
        exchange = sampled_choices(api, prompt)
        if exchange.status in (*REFUSED, 501):
            raise Skip(f"without log probabilities (status {exchange.status}) the chance of a copy is not known")
        if len(set(api.texts(exchange))) == N:
            return
        given(api, exchange)
        likelihood = _likelihoods(api, exchange)
        if any("\ufffd" in text for text in api.texts(exchange)):
            continue  # different tokens may look alike here, so texts that are equal need not be copies
        evidence.append(exchange)
        compared += N - 1
        log_chance += _chance_of_copies(api.texts(exchange), likelihood)
        if log_chance < math.log(FALSE_ALARM) - compared * math.log(2):
            raise Violation(
                f"choices repeat one another; that samples do so has a chance of 10^{log_chance / math.log(10):.0f}",
                *evidence,
            )
    if not evidence:
        raise Inconclusive("every answer has choices that look alike and have a token that is half a character")
    raise Inconclusive("choices repeat one another, but the model is so sure of itself that samples would do so too")


def _likelihoods(api: Api, exchange: Exchange) -> list[float]:
    """The log probability of each choice's text."""
    every = [tokens_of(choice, exchange) for choice in api.choices(exchange)]
    # Rounding, or a token that looks like another, must not make a copy less likely than it is.
    return [sum(min(0.0, token.logprob) for token in tokens) for tokens in every]


def _chance_of_copies(texts: list[str], likelihood: list[float]) -> float:
    """The log of the chance that those choices which repeat an earlier one do so."""
    total, earlier = 0.0, dict[str, float]()
    for text, logprob in zip(texts, likelihood, strict=True):
        if text in earlier:
            total += min(0.0, math.log(sum(math.exp(value) for value in earlier.values()) or 1e-300))
        earlier[text] = max(logprob, earlier.get(text, -math.inf))
    return total


@choices_are_samples_of_their_own.mutant
def copies_the_first(answer: Answer) -> Answer:
    """Generates one choice and returns it n times."""

    def change(document: dict[str, Any]) -> None:
        first = document["choices"][0]
        document["choices"] = [{**first, "index": choice["index"]} for choice in document["choices"]]

    return answer if answer.streams else answer.edit(change)


@choices_are_samples_of_their_own.mutant
def copies_in_pairs(answer: Answer) -> Answer:
    """Generates half of the choices and returns each twice."""

    def change(document: dict[str, Any]) -> None:
        every = document["choices"]
        document["choices"] = [{**every[place // 2], "index": place} for place in range(len(every))]

    return answer if answer.streams else answer.edit(change)


@check("logprobs.each-choice", cites=[".response.logprobs.tokens"], needs=[".answers"])
def each_choice_has_its_own_logprobs(api: Api) -> None:
    """The tokens of each of several choices spell its own text, and their offsets begin where the first choice's do."""
    for prompt in PROMPTS:
        exchange = sampled_choices(api, prompt)
        if exchange.status in (*REFUSED, 501):
            raise Skip(f"log probabilities of several choices are not offered here (status {exchange.status})")
        every = list(zip(api.choices(exchange), api.texts(exchange), strict=True))
        if not any(has_tokens(choice) for choice, _ in every):
            raise Inconclusive("the choices have no log probabilities, which is for other checks to say")
        starts, told = set[int](), set[str]()
        for place, (choice, text) in enumerate(every):
            if not text:
                continue  # ended at once, so that there may be no token to list
            found = tokens_of(choice, exchange)
            spelt = "".join(token.text for token in found)
            expect(_spell(found, text), f"the tokens of choice {place} spell {spelt!r}, its text is {text!r}", exchange)
            told |= {part for part in (_read(found, text),) if part}
            starts |= {token.offset for token in found[:1] if token.offset is not None}
        expect(len(starts) <= 1, f"the offsets of {N} choices begin at {sorted(starts)}, not all alike", exchange)
        if len(told) > 1:
            return
    raise Inconclusive("all choices are alike as far as they can be read, so whose log probabilities they have is open")


def _spell(tokens: list[TokenLogprob], text: str) -> bool:
    """Whether the tokens spell the text, up to the first that is half a character or may be left out of it."""
    named = [token.text for token in takewhile(_plain, tokens)]
    if len(named) == len(tokens) and "\ufffd" not in text:
        # The token that ended the answer may be listed and yet not be a part of the text.
        return text in ("".join(named), "".join(named[:-1]))
    spelt, legible = "".join(named), text.partition("\ufffd")[0]
    return spelt.startswith(legible) or legible.startswith(spelt)


def _read(tokens: list[TokenLogprob], text: str) -> str:
    """The beginning of the text that has been compared with its tokens."""
    spelt = "".join(token.text for token in takewhile(_plain, tokens))
    return spelt[: len(text.partition("\ufffd")[0])]


def _plain(token: TokenLogprob) -> bool:
    """Whether a token stands in the text as it is listed; one like `<|end|>` may be special, and sampled anywhere."""
    return token.legible and not (len(token.text) > 2 and token.text[0] in "<[" and token.text[-1] in ">]")


@each_choice_has_its_own_logprobs.mutant
def lists_the_first_for_all(answer: Answer) -> Answer:
    """Gives every choice the log probabilities of the first."""

    def change(document: dict[str, Any]) -> None:
        first = document["choices"][0].get("logprobs")
        document["choices"] = [{**choice, "logprobs": first} for choice in document["choices"]]

    return answer if answer.streams else answer.edit(change)


@each_choice_has_its_own_logprobs.mutant
def lists_the_first_only(answer: Answer) -> Answer:
    """Gives none but the first choice log probabilities."""
    return answer if answer.streams else answer.edit_choices(_bare_unless_first)


def _bare_unless_first(choice: dict[str, Any]) -> None:
    if choice.get("index"):
        choice["logprobs"] = None


@each_choice_has_its_own_logprobs.mutant
def counts_on_from_choice_to_choice(answer: Answer) -> Answer:
    """Lets the offsets of a choice go on from those of the choice before."""
    before = 0

    def change(choice: dict[str, Any]) -> None:
        nonlocal before
        logprobs = choice.get("logprobs") or {}
        for name in ("text_offsets", "text_offset"):
            if logprobs.get(name):
                logprobs[name] = [offset + before for offset in logprobs[name]]
        before += sum(map(len, logprobs.get("tokens") or ()))

    return answer if answer.streams else answer.edit_choices(change)


@check("usage.candidates", cites=[".response.usage.completion_tokens", ".request.best_of"], needs=[".answers"])
def candidates_are_counted(api: Api) -> None:
    """With `best_of` the usage counts at least what is returned, and at most what all candidates may have."""
    n, best_of, most = 2, 4, 6
    exchange = api.answer(**api.prompt(PROMPTS[0]), n=n, best_of=best_of, max_tokens=most, temperature=0.8)
    counted = api.usage(exchange)["completion_tokens"]
    returned = api.choices(exchange)
    texts = api.texts(exchange)
    reasons = [choice.get("finish_reason") for choice in returned]
    least = sum(most if reason == "length" else bool(text) for reason, text in zip(reasons, texts, strict=True))
    where = f"{len(texts)} of {best_of} candidates with `max_tokens` {most}"
    expect(least <= counted <= best_of * most, f"{where} count {counted} tokens, not {least} at least", exchange)


@candidates_are_counted.mutant
def counts_the_best_only(answer: Answer) -> Answer:
    """Counts the tokens of the best candidate, and not of the others that it returns."""
    return _counted(answer, lambda used, choices: used // max(1, choices))


@candidates_are_counted.mutant
def counts_candidates_twice(answer: Answer) -> Answer:
    """Counts each candidate once when it is made and once when it is compared, for each choice."""
    return _counted(answer, lambda used, choices: used * 4 * choices)


def _counted(answer: Answer, count_of: Any) -> Answer:
    def change(document: dict[str, Any]) -> None:
        usage = document["usage"]
        usage["completion_tokens"] = count_of(usage["completion_tokens"], len(document["choices"]))
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    return answer.edit(change) if answer.ask.body.get("best_of") and not answer.streams else answer


@check("best_of.streamed", cites=[".rule.best_of_not_streamed", ".request.best_of.count"], needs=[".stream.opens"])
def a_streamed_best_is_still_the_best(api: Api) -> None:
    """A stream with `best_of` is refused, or it has the `n` best candidates and none of the others."""
    params: dict[str, Any] = {**api.prompt(PROMPTS[1]), "temperature": 0.8, "max_tokens": 6, "stream": True}
    for n, best_of in ((1, 3), (2, 4)):
        exchange = api.ask(**params, n=n, best_of=best_of)
        if exchange.status in (*REFUSED, 501):
            continue
        expect(exchange.status == 200, f"`best_of` {best_of} with `stream` got status {exchange.status}", exchange)
        if exchange.media_type != "text/event-stream":
            got = len(api.choices(exchange))
        else:
            indices = [choice.get("index") for choice in streamed_choices(exchange)]
            got = len(set(map(str, indices)))
            last = exchange.events[-1].data
            expect(last == DONE, f"a stream of the best ends with {last[:60]!r}, not [DONE]", exchange)
        expect(got == n, f"`n` {n} of `best_of` {best_of} streams {got} choices", exchange)


@a_streamed_best_is_still_the_best.deaf_mutant
def streams_all_candidates(ask: Ask) -> Ask:
    """Streams every candidate, since it cannot know which will be the best."""
    best_of = ask.body.get("best_of")
    return ask.with_body(n=best_of, best_of=...) if ask.body.get("stream") and best_of else ask


@a_streamed_best_is_still_the_best.mutant
def breaks_down_on_it(answer: Answer) -> Answer:
    """Answers a stream of two of four candidates with an internal error."""
    body = answer.ask.body
    return answer.with_error(500) if body.get("stream") and body.get("best_of") == 4 else answer


@check("beam.likelier", cites=[".request.use_beam_search.search"], needs=[".answers"])
def a_search_finds_likely_answers(api: Api) -> None:
    """What beam search finds is about as likely as the greedy answer, or likelier."""
    # A beam may lose the greedy answer on its way, so being below it once says nothing; being below it well and each
    # time does.
    below = 0
    evidence: list[Exchange] = []
    going_on = {"ignore_eos": True} if api.offers("ignore_eos") else {}
    for prompt in PROMPTS:
        params = {**api.prompt(prompt), "temperature": 0, "max_tokens": TOKENS, **wanted(api, 1), **going_on}
        greedy = api.ask(**params)
        found = api.ask(**params, use_beam_search=True, best_of=4)
        for exchange, what in ((greedy, "greedy answers"), (found, "beam search")):
            if exchange.status in (*REFUSED, 501):
                raise Skip(f"{what} come without log probabilities here (status {exchange.status})")
        means = [_mean(api, exchange) for exchange in (greedy, found)]
        if means[0] is None or means[1] is None:
            continue
        if means[1] >= means[0] - TIE:
            return
        below, evidence = below + 1, [*evidence, greedy, found]
    if below < len(PROMPTS):
        raise Inconclusive(f"beam search is below the greedy answer in {below} of {below}, which is too few to judge")
    message = f"beam search is less likely, token for token, than the greedy answer for each of {below} prompts"
    raise Violation(message, *evidence[-2:])


def _mean(api: Api, exchange: Exchange) -> float | None:
    tokens = given(api, exchange)
    return sum(token.logprob for token in tokens) / len(tokens) if tokens else None


@a_search_finds_likely_answers.deaf_mutant
def searches_at_random(ask: Ask) -> Ask:
    """Samples as many candidates as there are beams and returns any."""
    if "use_beam_search" not in ask.body:
        return ask
    return sampled(ask.with_body(use_beam_search=False, best_of=1), 1.8)


@a_search_finds_likely_answers.mutant
def returns_a_lost_beam(answer: Answer) -> Answer:
    """Returns a beam that was given up, far less likely than the best."""

    def change(choice: dict[str, Any]) -> None:
        logprobs = choice.get("logprobs") or {}
        if logprobs.get("token_logprobs"):
            logprobs["token_logprobs"] = [value - 2 for value in logprobs["token_logprobs"]]

    return answer.edit_choices(change) if answer.ask.body.get("use_beam_search") else answer

"""The counts of `usage`: they add up, they follow the prompt, and they are the same when the request is."""

from __future__ import annotations

from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, check, expect
from conformance.checks.basics import plain
from conformance.checks.logprobs import PROMPTS, asked, given
from conformance.checks.selection import three
from conformance.checks.text import START, start
from conformance.wire.answer import Answer


@check("usage.sum", cites=[".response.usage.sum"], needs=[".answers"], tier="quick")
def usage_adds_up(api: Api) -> None:
    """The total is the sum of prompt and completion tokens."""
    several = [three(api)] if api.offers("n") else []
    for exchange in (plain(api), *several):
        usage = api.usage(exchange)
        total = usage["prompt_tokens"] + usage["completion_tokens"]
        expect(
            usage["total_tokens"] == total, f"`total_tokens` is {usage['total_tokens']}, the sum is {total}", exchange
        )


@usage_adds_up.mutant
def miscounts_the_total(answer: Answer) -> Answer:
    """Reports one token more than prompt and completion have."""
    return answer.edit_usage(lambda usage, _: _add(usage, "total_tokens", 1))


@usage_adds_up.mutant
def forgets_the_prompt(answer: Answer) -> Answer:
    """Reports the completion's tokens as the total."""
    return answer.edit_usage(lambda usage, _: usage.update(total_tokens=usage["completion_tokens"]))


@check("usage.prompt-grows", cites=[".response.usage.prompt_tokens"], needs=[".answers"], tier="quick")
def longer_prompts_count_more(api: Api) -> None:
    """A longer prompt has more prompt tokens, and the same prompt as many."""
    _, short = start(api)
    again = api.answer(**api.prompt(START), temperature=0)
    long = api.answer(**api.prompt(f"{START} " + "Gulls and ropes, tar and salt. " * 4))
    counts = [api.usage(exchange)["prompt_tokens"] for exchange in (short, again, long)]
    expect(counts[0] > 0, "a prompt has no tokens", short)
    expect(counts[0] == counts[1], f"one prompt counts {counts[0]} and then {counts[1]} tokens", short, again)
    expect(
        counts[0] < counts[2],
        f"a prompt four times as long counts {counts[2]} tokens, not more than {counts[0]}",
        short,
        long,
    )


@longer_prompts_count_more.mutant
def counts_every_prompt_alike(answer: Answer) -> Answer:
    """Reports seven prompt tokens for any prompt."""

    def change(usage: dict[str, Any], _: object) -> None:
        usage["prompt_tokens"], usage["total_tokens"] = 7, 7 + usage["completion_tokens"]

    return answer.edit_usage(change)


@longer_prompts_count_more.mutant
def counts_by_temperature(answer: Answer) -> Answer:
    """Counts the same prompt differently when it samples greedily."""
    return (
        answer.edit_usage(lambda usage, _: _add(usage, "prompt_tokens", 1))
        if "temperature" in answer.ask.body
        else answer
    )


@check("usage.completion", cites=[".response.usage.completion_tokens"], needs=[".answers"], tier="quick")
def every_choice_is_counted(api: Api) -> None:
    """The completion tokens of several choices are counted together, each at most `max_tokens`."""
    several = {"n": 3} if api.offers("n") else {}
    exchange = api.answer(max_tokens=6, temperature=0.8, **several)
    counted = api.usage(exchange)["completion_tokens"]
    # A choice that ran into the limit used all of it; of any other with a text it is only known that it used a token.
    reasons = [choice.get("finish_reason") for choice in api.choices(exchange)]
    texts = api.texts(exchange)
    least = sum(6 if reason == "length" else bool(text) for reason, text in zip(reasons, texts, strict=True))
    most = 6 * len(texts)
    expect(
        least <= counted <= most,
        f"choices that ended with {', '.join(map(str, reasons))} at `max_tokens` 6 count {counted} tokens, "
        f"not between {least} and {most}",
        exchange,
    )


@every_choice_is_counted.mutant
def counts_half(answer: Answer) -> Answer:
    """Counts every second token of the completion."""

    def change(usage: dict[str, Any], _: object) -> None:
        _completion(usage, usage["completion_tokens"] // 2)

    return answer.edit_usage(change)


@every_choice_is_counted.mutant
def counts_one_choice(answer: Answer) -> Answer:
    """Counts the tokens of the first choice only."""

    def change(usage: dict[str, Any], document: dict[str, Any]) -> None:
        # A chunk that has nothing but the usage has no choices.
        _completion(usage, usage["completion_tokens"] // max(1, len(document["choices"])))

    return answer.edit_usage(change)


@check("usage.best-of", cites=[".response.usage.completion_tokens"], needs=[".answers"])
def candidates_may_be_counted(api: Api) -> None:
    """With `best_of` the completion tokens are at least those of the answer, at most those of all candidates."""
    exchange = api.answer(max_tokens=6, best_of=3, temperature=0.8)
    counted, choices = api.usage(exchange)["completion_tokens"], api.choices(exchange)
    texts = api.texts(exchange)
    reasons = [choice.get("finish_reason") for choice in choices]
    least = sum(6 if reason == "length" else bool(text) for reason, text in zip(reasons, texts, strict=True))
    most = 6 * 3
    expect(
        least <= counted <= most,
        f"`best_of` 3 with `max_tokens` 6 counts {counted} completion tokens, not between {least} and {most}",
        exchange,
    )


@candidates_may_be_counted.mutant
def counts_the_losers_twice(answer: Answer) -> Answer:
    """Counts every candidate both as one and as part of the answer."""
    best_of = answer.ask.body.get("best_of")
    if not isinstance(best_of, int):
        return answer
    tokens = (answer.ask.body.get("max_tokens") or 16) * (best_of + 1)
    return answer.edit_usage(lambda usage, _: _completion(usage, tokens))


@candidates_may_be_counted.mutant
def forgets_the_winner(answer: Answer) -> Answer:
    """Counts nothing where the best of several is chosen."""
    return answer.edit_usage(lambda usage, _: _completion(usage, 0)) if "best_of" in answer.ask.body else answer


@check("usage.prompt-once", cites=[".response.usage.prompt_tokens"], needs=[".answers"], tier="quick")
def a_prompt_is_counted_once(api: Api) -> None:
    """The prompt's tokens are counted once however many choices are made of it."""
    one, three = plain(api), api.answer(n=3, max_tokens=2, temperature=0.8)
    counts = [api.usage(exchange)["prompt_tokens"] for exchange in (one, three)]
    expect(counts[0] == counts[1], f"a prompt counts {counts[0]} tokens, with `n` 3 it counts {counts[1]}", one, three)


@a_prompt_is_counted_once.mutant
def bills_the_prompt_for_each_choice(answer: Answer) -> Answer:
    """Counts the prompt once for every choice."""

    def change(usage: dict[str, Any], document: dict[str, Any]) -> None:
        usage["prompt_tokens"] *= len(document["choices"])
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    return answer.edit_usage(change) if not answer.streams else answer


@check("usage.logprobs", cites=[".response.usage.completion_tokens", ".request.logprobs"], needs=[".answers"])
def tokens_with_logprobs_are_counted(api: Api) -> None:
    """An answer cut by `max_tokens` has as many tokens in its log probabilities as in its usage."""
    judged = 0
    for prompt in PROMPTS:
        exchange = asked(api, prompt=prompt)
        found, counted = given(api, exchange), api.usage(exchange)["completion_tokens"]
        whole = api.choices(exchange)[0].get("finish_reason") == "length"
        # The end token and the halves of a character are listed by some and not by others.
        if whole and found and all(token.legible for token in found) and "\ufffd" not in api.texts(exchange)[0]:
            message = f"the usage counts {counted} tokens, the log probabilities list {len(found)}"
            expect(counted == len(found), message, exchange)
            judged += 1
    if not judged:
        raise Inconclusive("no answer was cut off with all of its tokens legible")


@tokens_with_logprobs_are_counted.mutant
def counts_words(answer: Answer) -> Answer:
    """Counts the words of the completion."""

    def change(usage: dict[str, Any], document: dict[str, Any]) -> None:
        texts = [
            str(choice.get("text") or (choice.get("message") or {}).get("content")) for choice in document["choices"]
        ]
        _completion(usage, sum(len(text.split()) for text in texts))

    return answer.edit_usage(change) if not answer.streams else answer


@tokens_with_logprobs_are_counted.mutant
def counts_an_end_token(answer: Answer) -> Answer:
    """Counts an end token that the answer never came to."""

    def change(usage: dict[str, Any], _: object) -> None:
        _completion(usage, usage["completion_tokens"] + 1)

    return answer.edit_usage(change) if not answer.streams else answer


def _completion(usage: dict[str, Any], tokens: int) -> None:
    usage["completion_tokens"], usage["total_tokens"] = tokens, usage["prompt_tokens"] + tokens


def _add(usage: dict[str, Any], count: str, amount: int) -> None:
    usage[count] += amount

"""`max_tokens`: an upper bound that is kept, reported and held against the context length."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.api import Api
from conformance.check import check, expect
from conformance.checks.basics import REFUSED, expect_refused
from conformance.wire.answer import Answer, Ask
from conformance.wire.exchange import Exchange

# No model has such a context, so prompt and `max_tokens` together cannot fit.
BEYOND_ANY_CONTEXT = 100_000_000
# The default that the page prints.
DEFAULT = 16
PROMPTS = ("The tide", "A ship at anchor", "Before the storm", "Rope and")


@check("length.bound", cites=[".request.max_tokens.bound"], needs=[".answers"], tier="quick")
def max_tokens_is_kept(api: Api) -> None:
    """An answer has at most `max_tokens` tokens."""
    for limit in api.few((1, 2, 7)):
        exchange = api.answer(max_tokens=limit)
        counted = api.usage(exchange)["completion_tokens"]
        expect(counted <= limit, f"`max_tokens` {limit} gave {counted} tokens", exchange)


@max_tokens_is_kept.deaf_mutant
def generates_more(ask: Ask) -> Ask:
    """Generates five tokens more than it was allowed to."""
    allowed = ask.body.get("max_tokens")
    return ask.with_body(max_tokens=allowed + 5, ignore_eos=True) if isinstance(allowed, int) else ask


@max_tokens_is_kept.deaf_mutant
def ignores_the_limit(ask: Ask) -> Ask:
    """Generates 40 tokens whatever it was allowed to."""
    return ask.with_body(max_tokens=40, ignore_eos=True) if "max_tokens" in ask.body else ask


@check("length.reason", cites=[".response.choices.finish_reason"], needs=[".answers"], tier="quick")
def length_is_reported(api: Api) -> None:
    """`finish_reason` is `length` when `max_tokens` ended the answer, and only then."""
    for prompt in api.few(PROMPTS):
        one = api.answer(**api.prompt(prompt), max_tokens=1)
        reason = api.choices(one)[0].get("finish_reason")
        # One token that is not the end of the text, and no more allowed: nothing but the limit can have ended it.
        if api.text(one).strip() and api.usage(one)["completion_tokens"] == 1:
            expect(reason == "length", f"one token of one allowed ended with {reason!r}, not 'length'", one)
        exchange = api.answer(**api.prompt(prompt), max_tokens=12)
        counted = api.usage(exchange)["completion_tokens"]
        reason = api.choices(exchange)[0].get("finish_reason")
        expect(reason != "length" or counted == 12, f"'length' after {counted} tokens of 12 allowed", exchange)
        expect(reason != "stop" or counted <= 12, f"'stop' after {counted} tokens of 12 allowed", exchange)


@length_is_reported.mutant
def always_says_stop(answer: Answer) -> Answer:
    """Reports `stop` for every answer."""
    return answer.edit_choices(lambda choice: choice.update(finish_reason="stop"))


@length_is_reported.deaf_mutant
def stops_early(ask: Ask) -> Ask:
    """Generates half of what is allowed and reports `length`."""
    allowed = ask.body.get("max_tokens")
    return ask.with_body(max_tokens=max(1, allowed // 2)) if isinstance(allowed, int) else ask


def beyond_the_context(api: Api) -> Exchange:
    """What more tokens than any context has get; asked once in a run."""
    # If the endpoint generates after all, a stop at nearly any character keeps it short.
    return api.shared(
        "beyond-context", lambda view: view.send(view.body(max_tokens=BEYOND_ANY_CONTEXT, stop=[" ", "e", "a", "\n"]))
    )


@check("length.context", cites=[".request.max_tokens.context"], needs=[".answers"], cost=5)
def the_context_length_is_kept(api: Api) -> None:
    """A request that cannot fit the context length is refused."""
    expect_refused(beyond_the_context(api), f"`max_tokens` {BEYOND_ANY_CONTEXT:,}", 413)


@the_context_length_is_kept.deaf_mutant
def cuts_to_the_context(ask: Ask) -> Ask:
    """Silently generates what fits."""
    return ask.with_body(max_tokens=8) if ask.body.get("max_tokens") == BEYOND_ANY_CONTEXT else ask


def without_max_tokens(api: Api) -> Iterator[Exchange]:
    """What requests without `max_tokens` get, each asked only if it is wanted."""
    # Not shared: what is asked without a bound is asked in the name of a check that is about the bound, and last.
    return (api.send(api.body(**api.prompt(prompt), max_tokens=...)) for prompt in PROMPTS)


@check(
    "length.default",
    cites=[".request.max_tokens.default"],
    needs=[".answers"],
    settles=["erratum.max_tokens-default"],
    when="last",
)
def max_tokens_may_be_absent(api: Api) -> None:
    """A request without `max_tokens` is answered, with at most 16 tokens where the page's default holds."""
    for exchange in without_max_tokens(api):
        counted = api.usage(exchange)["completion_tokens"]
        reason = api.choices(exchange)[0].get("finish_reason")
        # An answer that ended by itself earlier shows nothing of the default; another prompt may.
        if counted > DEFAULT or reason == "length":
            message = f"an answer without `max_tokens` ended with `length` after {counted} tokens, not after {DEFAULT}"
            expect(counted >= DEFAULT, message, exchange)
            api.reading("erratum.max_tokens-default", "unlimited" if counted > DEFAULT else "16", exchange)
            return


@max_tokens_may_be_absent.deaf_mutant
def gives_one_token(ask: Ask) -> Ask:
    """Generates one token where it is not told how many."""
    return ask.with_body(max_tokens=1) if ask.body and "max_tokens" not in ask.body else ask


@max_tokens_may_be_absent.mutant
def insists_on_max_tokens(answer: Answer) -> Answer:
    """Refuses a request without `max_tokens`."""
    wanted = answer.ask.body and "max_tokens" not in answer.ask.body
    return answer.with_error(REFUSED[0]) if wanted and answer.succeeded else answer


@check(
    "length.default-kept",
    cites=["completions.default.max_tokens"],
    routes=("completions",),
    needs=[".length.default"],
    when="last",
)
def the_default_is_kept(api: Api) -> None:
    """Without `max_tokens` an answer has at most the 16 tokens that the table prints."""
    for exchange in without_max_tokens(api):
        counted = api.usage(exchange)["completion_tokens"]
        expect(counted <= DEFAULT, f"an answer without `max_tokens` has {counted} tokens, not {DEFAULT}", exchange)
        if api.choices(exchange)[0].get("finish_reason") == "length":
            return


@the_default_is_kept.deaf_mutant
def takes_what_the_context_leaves(ask: Ask) -> Ask:
    """Generates on and on where it is not told how many tokens."""
    open_ended = ask.body and "max_tokens" not in ask.body
    return ask.with_body(max_tokens=120, ignore_eos=True) if open_ended else ask

"""The content filter, with prompts that the user supplies and says must be filtered; without them nothing is asked.

Law: no prompt of ours is ever meant to be harmful, and a user's prompt goes out as it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.checks.streaming import DONE, chunks
from conformance.wire.answer import Answer
from conformance.wire.exchange import Exchange, NotJson

REFUSALS = (400, 403, 422)
CODE, FAILED = "content_filter", "content_filter_error"
HARMLESS = "The lighthouse keeper counts the ships."
_WORDS = re.compile(
    rb"content[_ ]?filter|was filtered|content (safety|management)|responsible ?ai|moderat", re.IGNORECASE
)
_NONE_GIVEN = "no prompt was given that must be filtered; give one with --filter-prompt"


def prompts(api: Api) -> tuple[str, ...]:
    """The user's prompts; `Skip` without any."""
    if not api.settings.filter_prompts:
        raise Skip(_NONE_GIVEN)
    return api.settings.filter_prompts


def answers(api: Api) -> list[Exchange]:
    """The answer to each of the user's prompts, asked once in a run."""
    given = prompts(api)
    return api.shared("filter", lambda view: [view.ask(**view.prompt(text)) for text in given])


def filtered(choice: dict[str, Any]) -> bool:
    """Whether a choice says that it was filtered, or that the filter failed, in one of the documented ways."""
    if choice.get("finish_reason") in (CODE, FAILED):
        return True
    for name in ("content_filter_result", "content_filter_results"):
        result = choice.get(name)
        error = result.get("error") if isinstance(result, dict) else None
        if isinstance(error, dict) and error.get("code") == FAILED:
            return True
    return False


def refused(exchange: Exchange) -> bool:
    """Whether the answer is a refusal, whatever it says."""
    return exchange.status in REFUSALS


@check(
    "filter.acts",
    cites=["content_filter.acts", "content_filter.protects", "content_filter.passes"],
    needs=[".answers"],
)
def the_filter_acts(api: Api) -> None:
    """Each prompt that the user calls harmful is refused, or its answer says that it was filtered."""
    for exchange in answers(api):
        if not refused(exchange):
            acted = any(filtered(choice) for choice in api.choices(exchange))
            expect(acted, "the filter did not act: the prompt got an ordinary answer", exchange)


@the_filter_acts.mutant
def filters_no_prompt(answer: Answer) -> Answer:
    """Answers what the filter on prompts would refuse."""
    return answer.with_success() if answer.status == 400 and CODE.encode() in answer.body else answer


@the_filter_acts.mutant
def filters_no_output(answer: Answer) -> Answer:
    """Ends what the filter on output would keep back with an ordinary reason."""
    return answer.edit_choices(_ordinary)


@the_filter_acts.mutant
def crashes_when_it_filters(answer: Answer) -> Answer:
    """Answers a filtered prompt with an internal error."""
    return answer.with_error(500) if answer.status == 400 and CODE.encode() in answer.body else answer


@check(
    "filter.refusal",
    cites=["content_filter.refusal"],
    needs=[".filter.acts"],
    settles=["erratum.content_filter-shape"],
)
def a_filtered_prompt_is_named(api: Api) -> None:
    """The refusal of a filtered prompt is a JSON object that names the filter, in its code or in its words."""
    refusals = [exchange for exchange in answers(api) if refused(exchange)]
    if not refusals:
        raise Skip("no prompt was refused; the filter acted on the answers")
    for exchange in refusals:
        try:
            document = exchange.json
        except NotJson as error:
            raise Violation(f"the body of a {exchange.status} is not JSON: {error}", exchange) from None
        expect(isinstance(document, dict), "the body of a refusal is not a JSON object", exchange)
        said = document.get("error", document)
        empty = isinstance(said, dict) and said.get("message") == ""
        expect(not empty, "the message of a filtered prompt's refusal is empty", exchange)
        named = _WORDS.search(exchange.body)
        expect(named, "a refused prompt does not learn that it was filtered", exchange)
        api.reading("erratum.content_filter-shape", _shape(document), exchange)


def _shape(document: dict[str, Any]) -> str:
    error = document.get("error")
    if isinstance(error, dict) and error.get("code") == CODE:
        return "nested"
    return "flat" if document.get("code") == CODE else "words"


@a_filtered_prompt_is_named.mutant
def has_a_code_and_no_words(answer: Answer) -> Answer:
    """Refuses a filtered prompt with its code and an empty message."""
    if CODE.encode() not in answer.body or answer.status != 400 or not isinstance(answer.json, dict):
        return answer
    document = answer.json
    said = document.get("error", document)
    if isinstance(said, dict):
        said["message"] = ""
    return answer.with_json(document)


@a_filtered_prompt_is_named.mutant
def refuses_without_a_reason(answer: Answer) -> Answer:
    """Refuses a filtered prompt without a word on the filter."""
    return answer.with_error(400, "bad request") if CODE.encode() in answer.body and answer.status == 400 else answer


@a_filtered_prompt_is_named.mutant
def refuses_with_text(answer: Answer) -> Answer:
    """Refuses a filtered prompt with plain text."""
    is_one = CODE.encode() in answer.body and answer.status == 400
    return Answer(answer.ask, 400, (("content-type", "text/plain"),), b"content_filter") if is_one else answer


@check("filter.next", cites=["content_filter.passes"], needs=[".filter.acts"], when="alone")
def what_follows_is_not_filtered(api: Api) -> None:
    """A harmless prompt that comes right after a filtered one is answered as ever."""
    for text in prompts(api):
        before = api.ask(**api.prompt(text))
        after = api.ask(**api.prompt(HARMLESS), max_tokens=4)
        said = f"a harmless prompt right after a filtered one got status {after.status}"
        expect(not refused(after), said, before, after)
        acted = any(filtered(choice) for choice in api.choices(after))
        expect(not acted, "the answer to a harmless prompt right after a filtered one is filtered too", before, after)


@what_follows_is_not_filtered.mutant
def goes_on_filtering(answer: Answer) -> Answer:
    """Refuses a harmless prompt as if it were the filtered one before it."""
    return answer.with_error(400, "content_filter") if HARMLESS.encode() in answer.ask.raw else answer


@what_follows_is_not_filtered.mutant
def keeps_the_next_answer_back(answer: Answer) -> Answer:
    """Ends the answer to a harmless prompt as a filtered one."""
    if HARMLESS.encode() not in answer.ask.raw or answer.status != 200:
        return answer
    return answer.edit_choices(lambda choice: choice.update(finish_reason=CODE))


@check("filter.stream", cites=[".response.choices.finish_reason", "content_filter.acts"], needs=[".filter.acts"])
def a_filtered_stream_says_so(api: Api) -> None:
    """A stream for such a prompt is refused, or its last chunk says that it was filtered before it ends in order."""
    for text in prompts(api):
        exchange = api.ask(stream=True, **api.prompt(text))
        if refused(exchange):
            continue
        expect(exchange.status == 200, f"a stream for a filtered prompt got status {exchange.status}", exchange)
        found = chunks(exchange)
        if any(_WORDS.search(str(chunk.get("error")).encode()) for chunk in found if chunk.get("error")):
            continue
        expect(any(filtered(choice) for choice in _choices(found)), "the stream does not say that it was filtered",
               exchange)  # fmt: skip
        expect(exchange.events[-1].data == DONE, "a filtered stream does not end with [DONE]", exchange)


def _choices(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for chunk in found:
        listed = chunk.get("choices")
        yield from (choice for choice in listed or () if isinstance(choice, dict))


@a_filtered_stream_says_so.mutant
def streams_past_the_filter(answer: Answer) -> Answer:
    """Ends a filtered stream with an ordinary reason."""
    return answer.edit_choices(_ordinary) if answer.streams else answer


@a_filtered_stream_says_so.mutant
def breaks_off_when_it_filters(answer: Answer) -> Answer:
    """Breaks a stream off where the filter acts."""
    acts = answer.frames is not None and any(CODE.encode() in frame for frame in answer.frames)
    return answer.without_last_event() if acts else answer


@check("filter.choices", cites=[".response.choices.finish_reason", ".request.n"], needs=[".filter.acts"])
def each_choice_is_filtered_by_itself(api: Api) -> None:
    """Of two choices all are there, each with a reason of its own, and a filtered one among them."""
    whole = [text for text, one in zip(prompts(api), answers(api), strict=True) if not refused(one)]
    if not whole:
        raise Skip("every prompt was refused, so no choice was filtered")
    for text in whole:
        exchange = api.ask(n=2, temperature=1, **api.prompt(text))
        if refused(exchange):
            continue
        found = api.choices(exchange)
        expect(len(found) == 2, f"two choices were asked for, {len(found)} came", exchange)
        reasons = [choice.get("finish_reason") for choice in found]
        expect(all(isinstance(reason, str) for reason in reasons), f"the finish reasons are {reasons}", exchange)
        expect(any(filtered(choice) for choice in found), "no choice says that it was filtered", exchange)


@each_choice_is_filtered_by_itself.mutant
def leaves_the_filtered_choice_out(answer: Answer) -> Answer:
    """Returns only those of several choices that were not filtered."""

    def drop(document: dict[str, Any]) -> None:
        kept = [choice for choice in document.get("choices", []) if not filtered(choice)]
        document["choices"] = kept or document.get("choices", [])

    return answer if answer.streams else answer.edit(drop)


@each_choice_is_filtered_by_itself.mutant
def gives_a_filtered_choice_no_reason(answer: Answer) -> Answer:
    """Gives a filtered choice beside others no finish reason."""
    if answer.streams or answer.ask.body.get("n") != 2:
        return answer
    return answer.edit_choices(lambda one: one.update(finish_reason=None) if filtered(one) else None)


def _ordinary(choice: dict[str, Any]) -> None:
    """What a choice would look like if the filter had not acted."""
    if choice.get("finish_reason") == CODE:
        choice["finish_reason"] = "stop"

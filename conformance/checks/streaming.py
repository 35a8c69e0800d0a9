"""Streams: they open as server-sent events, are framed as such, end once, and say what the answer would have said."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from conformance.api import Api
from conformance.check import Skip, Violation, check, expect
from conformance.wire.answer import Answer, frame, payload
from conformance.wire.exchange import Exchange

PROMPT = "The first mate wrote that"
DONE = "[DONE]"
FINISHES = ("stop", "length", "content_filter", "content_filter_error", "tool_calls")


def greedy_stream(api: Api) -> Exchange:
    """A greedy stream of 12 tokens, asked once in a run."""
    return api.shared("stream", lambda view: view.stream(**view.prompt(PROMPT), temperature=0, max_tokens=12))


def whole_greedy(api: Api) -> Exchange:
    """The same without a stream, asked once in a run."""
    return api.shared("stream-whole", lambda view: view.answer(**view.prompt(PROMPT), temperature=0, max_tokens=12))


def stream_of_two(api: Api) -> Exchange | None:
    """A sampled stream of two choices, asked once in a run; None where the contract has no `n`."""
    if not api.offers("n"):
        return None
    params = {**api.prompt(PROMPT), "temperature": 0.8, "n": 2, "max_tokens": 6}
    return api.shared("stream-2", lambda view: view.stream(**params))


def chunks(exchange: Exchange) -> list[dict[str, Any]]:
    """The JSON objects of a stream in order, without `[DONE]`; `Violation` for an event that is neither."""
    found = []
    for event in exchange.events:
        if event.data == DONE:
            continue
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError):
            raise Violation(f"an event carries {event.data[:80]!r}, which is not JSON", exchange) from None
        if not isinstance(value, dict):
            raise Violation(f"an event carries {event.data[:80]!r}, which is not an object", exchange)
        found.append(value)
    return found


def choices(exchange: Exchange) -> list[dict[str, Any]]:
    """The choices of all chunks of a stream, in order; a chunk may have none (usage, prompt filter results)."""
    lists = [chunk.get("choices") or [] for chunk in chunks(exchange)]
    if not all(isinstance(one, list) for one in lists):
        raise Violation("`choices` of a chunk is no list", exchange)
    found = [choice for one in lists for choice in one]
    if not found or not all(isinstance(choice, dict) for choice in found):
        raise Violation("the stream has no choices", exchange)
    return found


def streamed_text(exchange: Exchange, index: int = 0) -> str:
    """The text of one choice of a stream, put together; for both routes."""
    return "".join(piece_of(choice) for choice in choices(exchange) if choice.get("index", 0) == index)


def piece_of(choice: Mapping[str, Any]) -> str:
    """The text that one choice of a chunk brings; for both routes."""
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, Mapping) else choice.get("text")
    return text if isinstance(text, str) else ""


@check("stream.opens", cites=[".stream.events"], needs=[".answers"], tier="quick")
def a_stream_opens(api: Api) -> None:
    """A stream is sent as `text/event-stream` with at least one event."""
    exchange = greedy_stream(api)
    media = exchange.media_type
    expect(media == "text/event-stream", f"a stream has the content type {media!r}, not text/event-stream", exchange)
    expect(exchange.events, "a stream has no event", exchange)


@a_stream_opens.mutant
def streams_as_json(answer: Answer) -> Answer:
    """Sends a stream as `application/json`."""
    return answer.with_header("content-type", "application/json") if answer.streams else answer


@a_stream_opens.mutant
def opens_and_says_nothing(answer: Answer) -> Answer:
    """Opens a stream and closes it without an event."""
    return answer.with_frames(()) if answer.streams else answer


@check("stream.frames", cites=[".stream.events"], needs=[".stream.opens"], tier="quick")
def events_are_data_only(api: Api) -> None:
    """Every event is data only, ends with an empty line, and carries one JSON object or `[DONE]`."""
    exchange = greedy_stream(api)
    for number, event in enumerate(exchange.events):
        expect(event.terminated, f"event {number} is cut off: no empty line ends it", exchange)
        expect(event.valid_utf8, f"event {number} is not UTF-8", exchange)
        named = event.event not in ("", "message")
        expect(not named, f"event {number} is named {event.event!r}; data-only events have no name", exchange)
    chunks(exchange)


@events_are_data_only.mutant
def splits_json_over_events(answer: Answer) -> Answer:
    """Cuts the first JSON object in two events."""
    if not answer.frames:
        return answer
    text = answer.frames[0].decode().removeprefix("data: ").rstrip("\n")
    return answer.with_frames((frame(text[:20]), frame(text[20:]), *answer.frames[1:]))


@events_are_data_only.mutant
def names_its_events(answer: Answer) -> Answer:
    """Gives every event the name `completion`."""
    return answer.with_frames(tuple(b"event: completion\n" + one for one in answer.frames)) if answer.frames else answer


@events_are_data_only.mutant
def cuts_the_last_event(answer: Answer) -> Answer:
    """Closes the stream before the empty line of the last event."""
    return answer.with_frames((*answer.frames[:-1], answer.frames[-1].rstrip(b"\n"))) if answer.frames else answer


@events_are_data_only.mutant
def breaks_utf8(answer: Answer) -> Answer:
    """Sends half a character in the first event."""
    if not answer.frames:
        return answer
    return answer.with_frames((answer.frames[0].replace(b'"object":"', b'"object":"\xc3'), *answer.frames[1:]))


@check("stream.done", cites=[".stream.done"], needs=[".stream.opens"], settles=["erratum.done-spacing"], tier="quick")
def a_stream_ends_with_done(api: Api) -> None:
    """The last event of a stream is `[DONE]`, and no other is, however many choices it has."""
    for exchange in (greedy_stream(api), stream_of_two(api)):
        if exchange is None:
            continue
        last = exchange.events[-1].data if exchange.events else ""
        expect(last == DONE, f"the last event carries {last[:60]!r}, not [DONE]", exchange)
        count = sum(event.data == DONE for event in exchange.events)
        expect(count == 1, f"[DONE] came {count} times", exchange)


@a_stream_ends_with_done.mutant
def drops_done(answer: Answer) -> Answer:
    """Closes the stream after the last token."""
    return answer.without_last_event()


@a_stream_ends_with_done.mutant
def goes_on_after_done(answer: Answer) -> Answer:
    """Repeats the first chunk after `[DONE]`."""
    return answer.with_frames((*answer.frames, answer.frames[0])) if answer.frames else answer


@a_stream_ends_with_done.mutant
def says_done_twice(answer: Answer) -> Answer:
    """Sends `[DONE]` twice."""
    return answer.with_frames((*answer.frames, answer.frames[-1])) if answer.frames else answer


@a_stream_ends_with_done.mutant
def ends_each_choice_with_done(answer: Answer) -> Answer:
    """Sends `[DONE]` when each of several choices ends."""
    if not answer.frames:
        return answer
    kept: list[bytes] = []
    for one in answer.frames[:-1]:
        ended = any(choice.get("finish_reason") for choice in (payload(one) or {}).get("choices", ()))
        kept += [one, answer.frames[-1]] if ended else [one]
    several = (answer.ask.body.get("n") or 1) > 1
    return answer.with_frames(tuple(kept)) if several else answer


@check("stream.finish", cites=[".stream.finish_reason"], needs=[".stream.opens"], tier="quick")
def a_stream_finishes_once(api: Api) -> None:
    """For each choice `finish_reason` is null in every chunk but its last, and there it is a reason."""
    two = stream_of_two(api)
    for exchange, n in [(greedy_stream(api), 1), *([(two, 2)] if two else [])]:
        reasons: dict[Any, list[Any]] = {}
        for choice in choices(exchange):
            index = choice.get("index", 0)
            expect(isinstance(index, int), f"a choice has the index {index!r}", exchange)
            reasons.setdefault(index, []).append(choice.get("finish_reason"))
        expect(
            sorted(map(str, reasons)) == [str(i) for i in range(n)],
            f"`n` {n} streams the indices {list(reasons)}",
            exchange,
        )
        for index, seen in reasons.items():
            early = [reason for reason in seen[:-1] if reason is not None]
            expect(
                not early,
                f"choice {index} has the finish_reason {early and early[0]!r} before its last chunk",
                exchange,
            )
            expect(
                seen[-1] in FINISHES, f"the last chunk of choice {index} has the finish_reason {seen[-1]!r}", exchange
            )


@a_stream_finishes_once.mutant
def never_finishes(answer: Answer) -> Answer:
    """Streams without any finish_reason."""
    return answer.edit_choices(lambda choice: choice.update(finish_reason=None)) if answer.streams else answer


@a_stream_finishes_once.mutant
def finishes_in_every_chunk(answer: Answer) -> Answer:
    """Sends the finish_reason with every chunk."""
    return answer.edit_choices(lambda choice: choice.update(finish_reason="length")) if answer.streams else answer


@a_stream_finishes_once.mutant
def streams_one_of_two(answer: Answer) -> Answer:
    """Streams the first choice only."""

    def change(chunk: dict[str, Any]) -> None:
        chunk["choices"] = [choice for choice in chunk.get("choices", ()) if choice["index"] == 0]

    return answer.edit(change) if answer.streams else answer


@check("stream.delta", cites=["chat.stream.delta"], routes=("chat",), needs=[".stream.opens"], tier="quick")
def chunks_have_delta(api: Api) -> None:
    """Each choice of a chunk has `delta`, and none has `message`."""
    exchange = greedy_stream(api)
    for choice in choices(exchange):
        expect(isinstance(choice.get("delta"), dict), "a choice of a chunk has no `delta`", exchange)
        other = [name for name in ("message", "messages") if name in choice]
        expect(not other, f"a choice of a chunk has {other and other[0]!r}", exchange)


@chunks_have_delta.mutant
def streams_messages(answer: Answer) -> Answer:
    """Names the key `message` in chunks as well."""
    return answer.edit_choices(lambda choice: "delta" in choice and choice.update(message=choice.pop("delta")))


@chunks_have_delta.mutant
def sends_both_keys(answer: Answer) -> Answer:
    """Sends `message` beside `delta`."""
    return answer.edit_choices(lambda choice: "delta" in choice and choice.update(message=choice["delta"]))


@check("stream.same-text", cites=[".request.stream"], needs=[".stream.opens"], tier="quick")
def streamed_text_is_the_text(api: Api) -> None:
    """The streamed text equals the text of the same greedy request without a stream."""
    streamed = greedy_stream(api)
    whole = whole_greedy(api)
    texts = streamed_text(streamed), api.text(whole)
    expect(texts[0] == texts[1], f"streamed: {texts[0]!r}, in one piece: {texts[1]!r}", whole, streamed)


@streamed_text_is_the_text.mutant
def loses_a_chunk(answer: Answer) -> Answer:
    """Loses a chunk with text in the middle of the stream."""
    if not answer.frames or len(answer.frames) < 5:
        return answer
    return answer.with_frames((*answer.frames[:3], *answer.frames[4:]))


@streamed_text_is_the_text.mutant
def repeats_a_chunk(answer: Answer) -> Answer:
    """Sends the third chunk twice."""
    return answer.with_frames((*answer.frames[:3], *answer.frames[2:])) if answer.frames else answer


@streamed_text_is_the_text.mutant
def answers_in_one_piece(answer: Answer) -> Answer:
    """Ignores `stream` in what it says: every chunk repeats the text so far."""
    said = ""

    def change(choice: dict[str, Any]) -> None:
        nonlocal said
        holder = choice.get("delta", choice)
        key = "content" if "delta" in choice else "text"
        said += holder.get(key) or ""
        holder[key] = said

    return answer.edit_choices(change) if answer.streams else answer


@check("stream.one-id", cites=[".chunk.id"], needs=[".stream.opens"], tier="quick")
def a_stream_has_one_id(api: Api) -> None:
    """All chunks of a stream have the same id, and the same `created` and `model`, however many choices it has."""
    for exchange in (greedy_stream(api), stream_of_two(api)):
        if exchange is None:
            continue
        told = [chunk for chunk in chunks(exchange) if chunk.get("choices")]
        for name in ("id", "created", "model"):
            values = {json.dumps(chunk[name]) for chunk in told if chunk.get(name)}
            expect(len(values) <= 1, f"the chunks of one stream have {len(values)} values of `{name}`", exchange)


@a_stream_has_one_id.mutant
def numbers_its_chunks(answer: Answer) -> Answer:
    """Gives every chunk an id of its own."""
    if answer.frames is None:
        return answer
    numbers = itertools.count()
    return answer.edit(lambda chunk: chunk.update(id=f"chunk-{next(numbers)}"))


@a_stream_has_one_id.mutant
def dates_its_chunks(answer: Answer) -> Answer:
    """Gives every chunk the time at which it was made."""
    seconds = itertools.count(1_700_000_000)
    return answer.edit(lambda chunk: chunk.update(created=next(seconds))) if answer.streams else answer


@a_stream_has_one_id.mutant
def names_its_choices(answer: Answer) -> Answer:
    """Gives the chunks of each choice an id of their own."""

    def change(chunk: dict[str, Any]) -> None:
        for choice in chunk.get("choices", ()):
            chunk["id"] = f"{chunk['id']}-{choice['index']}"

    return answer.edit(change) if answer.streams else answer


@a_stream_has_one_id.mutant
def forgets_its_model(answer: Answer) -> Answer:
    """Names another model in all chunks but the first."""
    names = itertools.chain(["a-model"], itertools.repeat("another-model"))
    return answer.edit(lambda chunk: chunk.update(model=next(names))) if answer.streams else answer


@check(
    "stream.usage", cites=[".stream.events"], needs=[".stream.opens"], settles=["erratum.stream-usage"], tier="quick"
)
def streamed_usage_is_the_usage(api: Api) -> None:
    """Where a stream reports usage, it is that of the same request without a stream."""
    exchange = greedy_stream(api)
    found = [chunk for chunk in chunks(exchange) if isinstance(chunk.get("usage"), dict)]
    if not found:
        api.reading("erratum.stream-usage", "absent", exchange)
        raise Skip("the stream reports no usage")
    whole = whole_greedy(api)
    streamed, usage = found[-1]["usage"], api.usage(whole)
    for name, value in usage.items():
        expect(
            streamed.get(name) == value,
            f"streamed `{name}` is {streamed.get(name)!r}, without a stream {value}",
            whole,
            exchange,
        )
    api.reading("erratum.stream-usage", "last-chunk" if found[-1].get("choices") else "own-chunk", exchange)


@streamed_usage_is_the_usage.mutant
def counts_chunks_as_tokens(answer: Answer) -> Answer:
    """Reports one completion token in the usage of a stream."""

    def change(chunk: dict[str, Any]) -> None:
        if isinstance(chunk.get("usage"), dict):
            chunk["usage"]["completion_tokens"] = 1

    return answer.edit(change) if answer.streams else answer

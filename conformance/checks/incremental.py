"""Streams in time: tokens are sent as they are made, the end is the end, and who leaves early harms nobody.

Law: a stream is called buffered only where its text came all at once in each of several streams, although making it
took long enough to see; where it did not take long, nothing is said. It is called open only where several were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.api import Api
from conformance.check import Inconclusive, Violation, check, expect
from conformance.checks import sampling
from conformance.checks.logprobs import wanted
from conformance.checks.sampling import Answered, expect_same, greedy_answer
from conformance.checks.streaming import DONE, choices, greedy_stream, piece_of, streamed_text
from conformance.layouts import tokens_of
from conformance.wire.answer import Answer, frame, payload
from conformance.wire.exchange import Exchange
from conformance.wire.timing import timing

PROMPT = "Long after the storm the harbour master told the crew"
LONG = 48
# A busy machine may hand over a short stream in one piece, several times running, but hardly a long one.
ATTEMPTS = (LONG, LONG, LONG, 160, 160)
FEWEST = 3
# What asks for a long text, and how long it is to be at least (characters): far more than a server puts together into
# one event to save work. A filter that reads more than that before it lets it through is warned of, as its source says.
LONG_PROMPTS = (
    PROMPT,
    "Count from one to five hundred, in words: one, two, three, four,",
    "Tell the whole story of the harbour from its beginning, and leave nothing out.",
    "List all the ships that you know, one to a line:",
    "Write down every word that comes to your mind, and do not stop.",
)
LONG_TOKENS, LONG_TEXT = 256, 600
# Below this the difference between now and as soon as possible is that of two turns of a busy machine.
SHORTEST_NS = 80_000_000
# The share of the time of making a text over which it has to arrive, and the share below which it came at once.
SPREAD, AT_ONCE = 0.25, 0.1
# The end of a body follows its last event at once. A busy machine may hold it up for so long, but not thrice.
OPEN_NS = 500_000_000
OPEN_TIMES = 3


@dataclass(frozen=True)
class Spread:
    """How long a stream's text took to make, as far as a client can know, and how long it took to arrive (ns)."""

    exchange: Exchange
    making: int
    arriving: int

    @property
    def visible(self) -> bool:
        """Whether the text arrived in pieces."""
        return self.arriving > 0 and self.arriving >= SPREAD * self.making

    @property
    def at_once(self) -> bool:
        """Whether it took long to make and then came all together."""
        return self.making >= SHORTEST_NS and self.arriving <= AT_ONCE * self.making


def spread_of(exchange: Exchange, quick_ns: int) -> Spread:
    """The spread of a stream; `quick_ns` is what the way there and back and the first token took without a stream."""
    times = timing(exchange).content
    if len(times) < 2:
        return Spread(exchange, max(0, exchange.end_ns - quick_ns), 0)
    return Spread(exchange, max(0, times[-1] - quick_ns), times[-1] - times[0])


# By itself, so that no request of ours is what keeps a server busy.
@check("stream.incremental", cites=[".stream.incremental"], needs=[".stream.opens"], when="alone")
def tokens_are_sent_as_they_are_made(api: Api) -> None:
    """The text of a stream arrives while it is being made, and not all at once at its end."""
    going_on = {"ignore_eos": True} if api.offers("ignore_eos") else {}
    params = {**api.prompt(PROMPT), "temperature": 0, **going_on}
    # The first request may find the model or a cache cold, so the quicker of two is the round trip.
    quick = min(api.answer(**{**params, "max_tokens": 1}).end_ns for _ in range(2))
    seen = []
    for length in ATTEMPTS:
        spread = spread_of(api.stream(**params, max_tokens=length), quick)
        if spread.visible:
            return
        seen.append(spread)
        if len(seen) >= FEWEST and not all(spread.at_once for spread in seen):
            break
    longest = max(spread.making for spread in seen) / 1e6
    if not all(spread.at_once for spread in seen):
        raise Inconclusive(
            f"{len(seen)} streams took at most {longest:.0f} ms beyond the round trip of {quick / 1e6:.0f} ms: too "
            "fast or too uneven to tell whether their text was held back"
        )
    widest = max(spread.arriving for spread in seen) / 1e6
    raise Violation(
        f"the text of each of {len(seen)} streams came within {widest:.1f} ms, after {longest:.0f} ms of making it",
        *(spread.exchange for spread in seen),
    )


@tokens_are_sent_as_they_are_made.mutant
def sends_everything_at_the_end(answer: Answer) -> Answer:
    """Collects the events of a stream and sends them together when the answer is complete."""
    return answer.with_frames((b"".join(answer.frames),)) if answer.frames else answer


@tokens_are_sent_as_they_are_made.mutant
def opens_early_and_sends_late(answer: Answer) -> Answer:
    """Sends the first event at once, empty of text, and all the others together at the end."""
    if not answer.frames:
        return answer
    first = answer.frames[0]
    said = payload(first) or {}
    empty = any("text" in choice for choice in said.get("choices", ()))
    held = answer.frames if empty else answer.frames[1:]
    return answer.with_frames((b": open\n\n" if empty else first, b"".join(held)))


@check("stream.pieces", cites=[".stream.incremental"], needs=[".stream.opens"])
def a_long_text_comes_in_pieces(api: Api) -> None:
    """The text of a long stream comes in more than one event, however fast it is made."""
    if len(pieces(greedy_stream(api))) > 1:
        return
    going_on = {"ignore_eos": True} if api.offers("ignore_eos") else {}
    seen: list[Exchange] = []
    for prompt in LONG_PROMPTS:
        stream = api.stream(**api.prompt(prompt), temperature=0, **going_on, max_tokens=LONG_TOKENS)
        found = pieces(stream)
        if len(found) > 1:
            return
        seen += [stream] if sum(map(len, found)) >= LONG_TEXT else []
        if len(seen) == FEWEST:
            break
    if len(seen) < FEWEST:
        raise Inconclusive(f"{len(seen)} of {len(LONG_PROMPTS)} streams had a text of {LONG_TEXT} characters or more")
    lengths = ", ".join(str(sum(map(len, pieces(stream)))) for stream in seen)
    raise Violation(f"each of {len(seen)} streams brought its whole text, {lengths} characters, in one event", *seen)


def pieces(stream: Exchange) -> list[str]:
    """The texts that the events of a stream bring, without the empty ones."""
    return [piece for piece in map(piece_of, choices(stream)) if piece]


@a_long_text_comes_in_pieces.mutant
def sends_one_chunk(answer: Answer) -> Answer:
    """Waits for the whole of a long text, and sends it as the only chunk of a stream."""
    if not answer.frames:
        return answer
    most = answer.ask.body.get("max_tokens") or 1
    told = [value for value in map(payload, answer.frames) if value and value.get("choices")]
    said = "".join(piece_of(value["choices"][0]) for value in told)
    last = told[-1]["choices"][0]
    holder, key = (last["delta"], "content") if "delta" in last else (last, "text")
    holder[key] = (said * most)[: 4 * most]
    return answer.with_frames((frame(told[-1]), frame(DONE)))


@check("stream.closes", cites=[".stream.closes"], needs=[".stream.done"])
def a_stream_ends_at_its_end(api: Api) -> None:
    """The body of a stream ends with its last event, and is not left open."""
    seen = [greedy_stream(api)]
    while open_ns(seen[-1]) >= OPEN_NS and len(seen) < OPEN_TIMES:
        seen.append(api.stream(**api.prompt(PROMPT), temperature=0, max_tokens=4))
    shortest = min(map(open_ns, seen))
    message = f"{len(seen)} streams were left open for at least {shortest / 1e6:.0f} ms after their last event"
    expect(shortest < OPEN_NS, message, *seen)


def open_ns(stream: Exchange) -> int:
    """How long the body of a stream stayed open after its last event (ns)."""
    return stream.end_ns - timing(stream).events[-1]


@a_stream_ends_at_its_end.mutant
def waits_for_the_client_to_go(answer: Answer) -> Answer:
    """Leaves the connection open for a while after the last event of a stream."""
    return replace(answer, lingers=1.2 * OPEN_NS / 1e9) if answer.frames else answer


@check("stream.left", cites=[".stream.left"], needs=[".stream.opens"], tier="quick")
def leaving_early_harms_nobody(api: Api) -> None:
    """After a client has closed its connection in the middle of a stream, the next requests are answered as before."""
    before = greedy_answer(api)
    for events in api.few((1, 3)):
        # Unlike what follows, so that what is left of it would show.
        api.leave(events, **api.prompt(PROMPT), temperature=0, max_tokens=LONG)
        after = _again(api, before)
        expect_same([before, after], "after a client left its stream, a greedy answer is another one")
    streamed = api.stream(**api.prompt(PROMPT), temperature=0, max_tokens=4)
    last = streamed.events[-1].data if streamed.events else ""
    expect(last == DONE, f"after a client left its stream, the next one ends with {last[:60]!r}", streamed)
    streamed_text(streamed)


def _again(api: Api, before: Answered) -> Answered:
    """The same request once more; unlike the first time, anything but an answer is a `Violation`."""
    told = wanted(api, 5) if before.tokens else {}
    exchange = api.answer(**api.prompt(sampling.PROMPT), temperature=0, max_tokens=12, **told)
    choice = api.choices(exchange)[0]
    return Answered(exchange, api.text(exchange), tokens_of(choice, exchange) if before.tokens else [])


# What the mutants remember between two requests.
_left: dict[str, str] = {}


@leaving_early_harms_nobody.mutant
def gives_the_rest_to_the_next(answer: Answer) -> Answer:
    """Puts what is left of an abandoned stream before the next answer."""
    route = answer.ask.route
    if answer.streams:
        _left[route] = "and he said no more"
        return answer
    rest = _left.pop(route, "")

    def change(choice: dict[str, object]) -> None:
        message = choice.get("message")
        if isinstance(message, dict):
            message["content"] = f"{rest}{message['content']}"
        elif "text" in choice:
            choice["text"] = f"{rest}{choice['text']}"

    return answer.edit_choices(change) if rest else answer


_broken: set[str] = set()


@leaving_early_harms_nobody.mutant
def needs_a_moment(answer: Answer) -> Answer:
    """Answers the first request after an abandoned stream with an internal error."""
    route = answer.ask.route
    if answer.streams:
        _broken.add(route)
    elif route in _broken:
        _broken.discard(route)
        return answer.with_error(500)
    return answer

"""What the chunks of a stream say beside their text: whose they are, their role, log probabilities and usage."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, takewhile
from typing import Any

from conformance.api import Api
from conformance.check import Inconclusive, Skip, Violation, check, expect
from conformance.checks.basics import REFUSED
from conformance.checks.logprobs import wanted
from conformance.checks.sampling import TIE
from conformance.checks.streaming import PROMPT, choices, chunks, greedy_stream, stream_of_two, streamed_text
from conformance.layouts import TokenLogprob, tokens_of
from conformance.wire.answer import Answer, Ask, frame, payload
from conformance.wire.exchange import Exchange

# Neither sampling nor greedy in name: some servers refuse several greedy choices, none this.
ALIKE: dict[str, Any] = {"temperature": 1, "top_p": 0.001, "n": 3, "max_tokens": 8}
# An engine in half precision computes a stream and a document with other roundings.
ROUNDING = 0.1


@check("stream.role", cites=["chat.chunk.choices.delta"], routes=("chat",), needs=[".stream.delta"], tier="quick")
def the_role_comes_first(api: Api) -> None:
    """A role in a stream is `assistant`, and comes before the text of its choice or not at all."""
    two = stream_of_two(api)
    for exchange in (greedy_stream(api), *([two] if two else [])):
        introduced: set[Any] = set()
        begun: set[Any] = set()
        for choice in choices(exchange):
            index, delta = choice.get("index", 0), choice.get("delta")
            role = delta.get("role") if isinstance(delta, Mapping) else None
            expect(role in (None, "", "assistant"), f"the delta of an answer has the role {role!r}", exchange)
            # A server may repeat the role; what counts is that no client has to guess it.
            late = role and index in begun and index not in introduced
            expect(not late, f"the role of choice {index} comes after its text has begun", exchange)
            introduced |= {index} if role else set()
            begun |= {index} if isinstance(delta, Mapping) and delta.get("content") else set()


@the_role_comes_first.mutant
def speaks_as_the_user(answer: Answer) -> Answer:
    """Gives the deltas of an answer the role of the prompt's author."""

    def change(choice: dict[str, Any]) -> None:
        if "role" in choice.get("delta", {}):
            choice["delta"]["role"] = "user"

    return answer.edit_choices(change) if answer.streams else answer


@the_role_comes_first.mutant
def introduces_itself_at_the_end(answer: Answer) -> Answer:
    """Sends the role with the last delta instead of the first."""

    def change(choice: dict[str, Any]) -> None:
        if "delta" in choice:
            choice["delta"].pop("role", None)
            if choice.get("finish_reason"):
                choice["delta"]["role"] = "assistant"

    return answer.edit_choices(change) if answer.streams else answer


@check("stream.choices", cites=[".chunk.choices.index", ".request.n.count"], needs=[".stream.finish"], tier="quick")
def each_choice_is_streamed_whole(api: Api) -> None:
    """The texts of several choices, put together by `index`, are those of the same answer without a stream."""
    whole = api.answer(**api.prompt(PROMPT), **ALIKE)
    texts = {choice.get("index"): text for choice, text in zip(api.choices(whole), api.texts(whole), strict=True)}
    if len(set(texts.values())) != 1:
        raise Inconclusive("with a nucleus of one token three choices differ, so what each would say is not known")
    streamed = api.stream(**api.prompt(PROMPT), **ALIKE)
    indices = {choice.get("index") for choice in choices(streamed)}
    expect(indices == {0, 1, 2}, f"`n` 3 streams the indices {sorted(map(str, indices))}", streamed)
    parts = [streamed_text(streamed, index) for index in range(3)]
    if len(set(parts)) == 1 and parts[0] != texts[0]:
        raise Inconclusive("all three choices are streamed alike, yet unlike the answer without a stream")
    for index, part in enumerate(parts):
        if part == texts[0]:
            continue
        # Either may be the one that is not greedy.
        if _parts_at_a_tie(api, part) or _parts_at_a_tie(api, str(texts[0])):
            raise Inconclusive(f"choice {index} is streamed as another text, but two tokens are about as likely")
        again = api.answer(**api.prompt(PROMPT), **ALIKE)
        if set(api.texts(again)) != {texts[0]}:
            raise Inconclusive(f"choice {index} is streamed as another text, but without a stream it varies too")
        message = f"choice {index} is streamed as {part!r}, without a stream it is {texts[0]!r}"
        raise Violation(message, whole, streamed)


def _parts_at_a_tie(api: Api, text: str) -> bool:
    """Whether a text leaves the greedy one with a token that is about as likely there, as far as that can be seen."""
    if not api.offers("logprobs"):
        return False
    exchange = api.ask(**api.prompt(PROMPT), temperature=0, max_tokens=ALIKE["max_tokens"], **wanted(api, 2))
    if exchange.status != 200:
        return False
    for token in tokens_of(api.choices(exchange)[0], exchange):
        if not token.legible:
            return True
        if not text.startswith(token.text):
            near = (other for other, value in token.top.items() if other and value >= token.logprob - TIE)
            return any(text.startswith(other) for other in near)
        text = text.removeprefix(token.text)
    return False


@each_choice_is_streamed_whole.mutant
def takes_choices_for_one(answer: Answer) -> Answer:
    """Sends the text of every choice under the index 0, and only their ends under their own."""

    def change(choice: dict[str, Any]) -> None:
        if not choice.get("finish_reason"):
            choice["index"] = 0

    return answer.edit_choices(change) if answer.streams else answer


@each_choice_is_streamed_whole.mutant
def loses_a_piece_of_the_last(answer: Answer) -> Answer:
    """Loses the first text of the last of several choices."""
    lost = False

    def change(choice: dict[str, Any]) -> None:
        nonlocal lost
        holder, key = (choice["delta"], "content") if "delta" in choice else (choice, "text")
        if choice["index"] == 2 and holder.get(key) and not lost:
            holder[key], lost = "", True

    return answer.edit_choices(change) if answer.streams else answer


def logprobs_streamed(api: Api) -> tuple[Exchange, Exchange]:
    """The same greedy answer with log probabilities, in one piece and as a stream; `Skip` where none are given."""

    def make(view: Api) -> tuple[Exchange, Exchange]:
        params = {**view.prompt(PROMPT), "temperature": 0, "max_tokens": 10, **wanted(view, 2)}
        whole = view.ask(**params)
        if whole.status in (*REFUSED, 501):
            raise Skip(f"log probabilities are not offered here (status {whole.status})")
        view.document(whole)
        return whole, view.stream(**params)

    return api.shared("stream-logprobs", make)


def streamed_tokens(exchange: Exchange) -> list[TokenLogprob]:
    """The tokens of a stream's first choice, out of all its chunks."""
    parts = [choice for choice in choices(exchange) if choice.get("index", 0) == 0]
    # Text that is held back may come in another chunk than its tokens, so a chunk may have one without the other.
    bare = [{"logprobs": choice["logprobs"]} for choice in parts if choice.get("logprobs")]
    return [token for choice in bare for token in tokens_of(choice, exchange)]


@check("stream.logprobs", cites=[".chunk.choices.logprobs", ".request.logprobs"], needs=[".stream.opens"])
def chunks_bring_their_logprobs(api: Api) -> None:
    """The log probabilities of all chunks are those of the answer without a stream, and none comes after its text."""
    whole, streamed = logprobs_streamed(api)
    expected, found = tokens_of(api.choices(whole)[0], whole), streamed_tokens(streamed)
    expect(found or not expected, "log probabilities were asked for, no chunk has any", whole, streamed)
    _never_behind(streamed)
    if streamed_text(streamed) != api.text(whole):
        raise Inconclusive("the two greedy answers have different texts, so their tokens may differ too")
    # Whether the token that ended the answer is listed is nobody's business, as without a stream.
    shorter = min(len(expected), len(found))
    many = f"the chunks list {len(found)} tokens, the answer in one piece {len(expected)}"
    expect(abs(len(expected) - len(found)) <= 1, many, whole, streamed)
    if not any(token.legible for token in expected):
        raise Inconclusive("no token names itself, so nothing can be compared")
    for position in range(shorter):
        mine, theirs = found[position], expected[position]
        if not (mine.legible and theirs.legible):
            continue  # half a character, which a stream may show otherwise
        message = f"token {position} is streamed as {mine.text!r}, without a stream it is {theirs.text!r}"
        expect(mine.text == theirs.text, message, whole, streamed)
        near = abs(mine.logprob - theirs.logprob) <= ROUNDING + 0.05 * abs(theirs.logprob)
        expect(near, f"token {position} has {mine.logprob} in the stream, {theirs.logprob} without", whole, streamed)


def _never_behind(streamed: Exchange) -> None:
    """`Violation` when text of the first choice comes before the tokens that it is made of, as far as they spell it."""
    every = streamed_tokens(streamed)
    spelt = "".join(token.text for token in takewhile(lambda one: one.legible, every))
    whole = streamed_text(streamed).partition("\ufffd")[0]
    if not (whole.startswith(spelt) or spelt.startswith(whole)):
        return  # other forms of the tokens than those in the text: that is for `logprobs.spell` to say
    most = len(whole) if all(token.legible for token in every) else min(len(whole), len(spelt))
    text, listed = "", ""
    for choice in choices(streamed):
        if choice.get("index", 0) != 0:
            continue
        delta = choice.get("delta")
        part = delta.get("content") if isinstance(delta, Mapping) else choice.get("text")
        text += part if isinstance(part, str) else ""
        if choice.get("logprobs"):
            listed += "".join(token.text for token in tokens_of({"logprobs": choice["logprobs"]}, streamed))
        # Tokens may be ahead of text that is held back, but a client shows each text with its own tokens.
        late = min(len(text), most) > len(listed)
        expect(not late, f"the text {text!r} is sent when only the tokens of {listed!r} are listed", streamed)


@chunks_bring_their_logprobs.mutant
def streams_one_chunk_late(answer: Answer) -> Answer:
    """Sends with each text the log probabilities of the text before it."""
    held: Any = None

    def change(choice: dict[str, Any]) -> None:
        nonlocal held
        held, choice["logprobs"] = choice.get("logprobs"), held

    return answer.edit_choices(change) if answer.streams else answer


@chunks_bring_their_logprobs.mutant
def streams_no_logprobs(answer: Answer) -> Answer:
    """Leaves the log probabilities out of streams."""
    return answer.edit_choices(lambda choice: choice.update(logprobs=None)) if answer.streams else answer


@chunks_bring_their_logprobs.mutant
def repeats_the_first_logprobs(answer: Answer) -> Answer:
    """Sends the log probabilities of the first token with every chunk."""
    first: Any = None

    def change(choice: dict[str, Any]) -> None:
        nonlocal first
        if choice.get("logprobs"):
            first = first or choice["logprobs"]
            choice["logprobs"] = first

    return answer.edit_choices(change) if answer.streams else answer


@chunks_bring_their_logprobs.mutant
def repeats_all_logprobs_so_far(answer: Answer) -> Answer:
    """Sends with each chunk the log probabilities of all tokens so far."""
    so_far: dict[str, list[Any]] = {}

    def change(choice: dict[str, Any]) -> None:
        for name, value in (choice.get("logprobs") or {}).items():
            if isinstance(value, list):
                so_far[name] = [*so_far.get(name, []), *value]
                choice["logprobs"][name] = so_far[name]

    return answer.edit_choices(change) if answer.streams else answer


@check("stream.offsets", cites=[".response.logprobs.text_offsets"], needs=[".stream.opens"])
def offsets_go_on_from_chunk_to_chunk(api: Api) -> None:
    """The offsets of a stream go on from one chunk to the next, as they do without a stream."""
    _, streamed = logprobs_streamed(api)
    found = streamed_tokens(streamed)
    offsets = [token.offset for token in found]
    if not found or None in offsets:
        raise Skip("the chunks have no offsets")
    gaps = [(after or 0) - (before or 0) for before, after in pairwise(offsets)]
    # Half a character has a length of its own, and characters or bytes may be counted.
    wrong = [
        gap for gap, token in zip(gaps, found, strict=False)
        if token.legible and gap not in (len(token.text), len(token.text.encode()))
    ]  # fmt: skip
    lengths = [len(token.text) for token in found[:-1]]
    expect(not wrong, f"the offsets grow by {gaps}, the tokens have the lengths {lengths}", streamed)


@offsets_go_on_from_chunk_to_chunk.mutant
def starts_anew_in_each_chunk(answer: Answer) -> Answer:
    """Counts the offsets of each chunk from 0."""

    def change(choice: dict[str, Any]) -> None:
        logprobs = choice.get("logprobs") or {}
        for name in ("text_offsets", "text_offset"):
            if logprobs.get(name):
                logprobs[name] = [offset - logprobs[name][0] for offset in logprobs[name]]

    return answer.edit_choices(change) if answer.streams else answer


@check(
    "stream.usage-asked", cites=[".request.stream_options"], needs=[".stream.opens"], settles=["erratum.stream-usage"]
)
def usage_comes_when_asked_for(api: Api) -> None:
    """With `include_usage` the chunk before `[DONE]` has no choices and the usage, and no chunk before it has one."""
    params = {**api.prompt(PROMPT), "temperature": 0, "max_tokens": 12}
    asked = api.stream(**params, stream_options={"include_usage": True})
    documents = chunks(asked)
    last = documents[-1] if documents else {}
    expect(isinstance(last.get("usage"), dict), "usage was asked for, the last chunk has none", asked)
    expect(last.get("choices") == [], "the chunk with the usage has choices too", asked)
    early = sum(isinstance(chunk.get("usage"), dict) for chunk in documents[:-1])
    expect(not early, f"{early} chunks before the last have a usage", asked)
    plain = greedy_stream(api)
    unasked = [chunk for chunk in chunks(plain) if isinstance(chunk.get("usage"), dict)]
    if unasked:
        # Nobody asked for it, and it harms nobody: a reading, as under every other contract.
        api.reading("erratum.stream-usage", "last-chunk" if unasked[-1].get("choices") else "own-chunk", plain)
    whole = api.answer(**params)
    if streamed_text(asked) != api.text(whole):
        raise Inconclusive("the two greedy answers have different texts, so their counts may differ too")
    for name, value in api.usage(whole).items():
        told = last["usage"].get(name)
        expect(told == value, f"streamed `{name}` is {told!r}, without a stream {value}", whole, asked)


@usage_comes_when_asked_for.deaf_mutant
def ignores_stream_options(ask: Ask) -> Ask:
    """Never looks at `stream_options`."""
    return ask.with_body(stream_options=...) if "stream_options" in ask.body else ask


@usage_comes_when_asked_for.mutant
def counts_as_it_goes(answer: Answer) -> Answer:
    """Sends the usage so far with every chunk."""
    return answer.edit(lambda chunk: chunk.setdefault("usage", {"total_tokens": 1})) if answer.streams else answer


@usage_comes_when_asked_for.mutant
def counts_nothing_in_streams(answer: Answer) -> Answer:
    """Reports no completion tokens in the usage of a stream."""
    if not answer.frames:
        return answer
    changed = []
    for one in answer.frames:
        document = payload(one)
        if document and document.get("usage"):
            document["usage"]["completion_tokens"] = 0
        changed.append(one if document is None else frame(document))
    return answer.with_frames(tuple(changed))

"""How the tiny model's probabilities become answers: greedy, sampled, best of several, or by beam search.

Law: streaming and waiting see the same text, since both read the same pieces; reported log probabilities are the
model's own, before temperature, `top_p` and penalties.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from reference_server.stops import StopScanner
from reference_server.tinylm import Key, TinyLM, tiny_lm

# `Work` yields between slices of work, so that a server can attend to others, and returns its result.
Work = Generator[None, None, "tuple[Completion, ...]"]

_SLICE = 32  # tokens


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What a request asks of the sampler, every default filled in.

    `seed` decides the draws together with the prompt and with what shapes the distribution, and with nothing else: a
    longer answer, another stop string or more candidates continue the same draws.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None
    n: int = 1
    best_of: int = 1
    beam: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Entry:
    """One token of the output: its text, its log probability, where it begins, and the likeliest at its place."""

    text: str
    logprob: float
    offset: int
    top: dict[str, float]


@dataclass(frozen=True)
class Piece:
    """What one more token brought: text that may be shown, its entries, and the reason to stop once there is one."""

    text: str
    entries: tuple[Entry, ...]
    finish_reason: str | None = None


@dataclass(frozen=True)
class Completion:
    """A whole answer. `tokens` counts all that was generated; `mean` is the log probability per token."""

    text: str
    entries: tuple[Entry, ...]
    finish_reason: str
    tokens: int
    mean: float


def pieces(prompt: Sequence[int], asked: Sampling, index: int, model: TinyLM | None = None) -> Iterator[Piece]:
    """The answer with that index, one piece for each token; the last piece has the finish reason."""
    lm = model or tiny_lm()
    return _generated(lm, _Writer(lm, asked), prompt, asked, index)


def complete(prompt: Sequence[int], asked: Sampling, model: TinyLM | None = None) -> Work:
    """The `n` answers to return, best first where `best_of` makes more of them than that."""
    lm = model or tiny_lm()
    if asked.beam:
        return (yield from _beam_search(lm, prompt, asked))
    made: list[Completion] = []
    for index in range(max(asked.n, asked.best_of)):
        writer = _Writer(lm, asked)
        parts = []
        for count, piece in enumerate(_generated(lm, writer, prompt, asked, index), start=1):
            parts.append(piece)
            if count % _SLICE == 0:
                yield
        made.append(_completion(parts, writer))
    if asked.best_of > asked.n:
        made.sort(key=lambda one: -one.mean)
    return tuple(made[: asked.n])


def finished(work: Work) -> tuple[Completion, ...]:
    """The result of work that nobody needs to interrupt."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: tuple[Completion, ...] = stop.value
            return result


def draw_seed(*parts: object) -> int:
    """A seed that depends on all of the parts and on nothing else."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest())


class _Writer:
    """Turns generated tokens into pieces: stop strings, end token, token limit and log probabilities."""

    def __init__(self, lm: TinyLM, asked: Sampling) -> None:
        self._lm = lm
        self._asked = asked
        self._scanner = StopScanner(asked.stop)
        self._seen_length = 0
        self._shown_length = 0
        self._waiting: list[Entry] = []
        self.tokens = 0
        self.logprob = 0.0

    def write(self, token: int, key: Key) -> Piece:
        """The piece that `token` brings in that context; to be called until it has a finish reason."""
        lm, asked = self._lm, self._asked
        ranked = lm.ranked_by_key(key)
        logprob = ranked.logprobs[lm.place(token)]
        self.tokens += 1
        self.logprob += logprob
        ends = (token == lm.end and not asked.ignore_eos) or token in asked.stop_token_ids
        # A special token that ends the answer is never shown; another one only when it is asked for.
        hidden = lm.is_special(token) and (ends or asked.skip_special_tokens)
        text = "" if hidden else lm.token_text(token)
        if text and asked.logprobs is not None:
            top = {lm.token_text(lm.support[place]): ranked.logprobs[place] for place in ranked.order[: asked.logprobs]}
            top[lm.token_text(token)] = logprob
            self._waiting.append(Entry(text, logprob, self._seen_length, top))
        self._seen_length += len(text)
        shown = self._scanner.feed(text)
        if self._scanner.stopped:
            return self._piece(shown, "stop")
        if ends:
            return self._piece(shown + self._scanner.flush(), "stop")
        if self.tokens >= asked.max_tokens:
            return self._piece(shown + self._scanner.flush(), "length")
        return self._piece(shown, None)

    def _piece(self, text: str, reason: str | None) -> Piece:
        self._shown_length += len(text)
        ready = tuple(entry for entry in self._waiting if entry.offset < self._shown_length)
        del self._waiting[: len(ready)]
        return Piece(text, ready, reason)


def _generated(lm: TinyLM, writer: _Writer, prompt: Sequence[int], asked: Sampling, index: int) -> Iterator[Piece]:
    seed = draw_seed(asked.seed, tuple(prompt), asked.temperature, asked.top_p, asked.presence_penalty, index)
    random = Random(seed)  # noqa: S311 - repeatable draws are the point
    key = lm.key(prompt)
    said: set[int] = set()
    reason: str | None = None
    while reason is None:
        token = _draw(lm, key, said, asked, random)
        piece = writer.write(token, key)
        said.add(token)
        key = lm.key((*key, token))
        reason = piece.finish_reason
        yield piece


def _draw(lm: TinyLM, key: Key, said: Iterable[int], asked: Sampling, random: Random) -> int:
    if asked.presence_penalty and said:
        penalised = list(lm.ranked_by_key(key).logprobs)
        for token in said:
            penalised[lm.place(token)] -= asked.presence_penalty
        places, sums = _shape(penalised, asked.temperature, asked.top_p)
    else:
        places, sums = _shaped(lm, key, asked.temperature, asked.top_p)
    if len(places) == 1:
        return lm.support[places[0]]
    drawn = bisect_left(sums, random.random() * sums[-1])
    return lm.support[places[min(drawn, len(places) - 1)]]


def _completion(parts: Sequence[Piece], writer: _Writer) -> Completion:
    return Completion(
        text="".join(part.text for part in parts),
        entries=tuple(entry for part in parts for entry in part.entries),
        finish_reason=parts[-1].finish_reason or "length",
        tokens=writer.tokens,
        mean=writer.logprob / writer.tokens,
    )


@lru_cache(maxsize=1024)
def _shaped(lm: TinyLM, key: Key, temperature: float, top_p: float) -> tuple[Sequence[int], Sequence[float]]:
    ranked = lm.ranked_by_key(key)
    if temperature <= 0:
        return ranked.order[:1], (1.0,)
    if temperature == 1 and top_p >= 1:
        return range(len(ranked.logprobs)), ranked.cumulative
    return _shape(ranked.logprobs, temperature, top_p)


def _shape(logits: Sequence[float], temperature: float, top_p: float) -> tuple[Sequence[int], Sequence[float]]:
    """The places that may be drawn, and running sums of their weights; one place when the choice is greedy."""
    if temperature <= 0:
        return (max(range(len(logits)), key=logits.__getitem__),), (1.0,)
    highest = max(logits)
    weights = [math.exp((value - highest) / temperature) for value in logits]
    places: Sequence[int] = range(len(weights))
    goal = math.inf
    if top_p < 1:
        places = sorted(places, key=lambda place: -weights[place])
        goal = top_p * math.fsum(weights)
    kept, sums, running = [], [], 0.0
    for place in places:
        running += weights[place]
        kept.append(place)
        sums.append(running)
        # The nucleus is the smallest set that reaches the mass, so the token that crosses the line belongs to it.
        if running >= goal:
            break
    return kept, sums


@dataclass(frozen=True)
class _Beam:
    tokens: tuple[int, ...]
    key: Key
    score: float
    text: str


def _beam_search(lm: TinyLM, prompt: Sequence[int], asked: Sampling) -> Work:
    """The `n` best of `best_of` beams, by log probability per token."""
    width = max(asked.best_of, asked.n)
    live = [_Beam((), lm.key(prompt), 0.0, "")]
    done: list[_Beam] = []
    for step in range(asked.max_tokens):
        grown = [beam for parent in live for beam in _grown(lm, parent, asked, width)]
        grown.sort(key=lambda beam: (-beam.score, beam.tokens))
        live = []
        for beam in grown[:width]:
            ended = step + 1 == asked.max_tokens or _ended(lm, beam, asked)
            (done if ended else live).append(beam)
        yield
        if not live:
            break
    done.sort(key=lambda beam: (-beam.score / len(beam.tokens), beam.tokens))
    return tuple(_told(lm, prompt, beam, asked) for beam in done[: asked.n])


def _grown(lm: TinyLM, beam: _Beam, asked: Sampling, width: int) -> Iterator[_Beam]:
    ranked = lm.ranked_by_key(beam.key)
    said = set(beam.tokens) if asked.presence_penalty else set()
    # A penalty changes the order, so the search looks further than its width.
    for place in ranked.order[: width + 4 * len(said)]:
        token = lm.support[place]
        score = ranked.logprobs[place] - (asked.presence_penalty if token in said else 0.0)
        hidden = lm.is_special(token) and asked.skip_special_tokens
        text = beam.text if hidden or not asked.stop else beam.text + lm.token_text(token)
        yield _Beam((*beam.tokens, token), lm.key((*beam.key, token)), beam.score + score, text)


def _ended(lm: TinyLM, beam: _Beam, asked: Sampling) -> bool:
    token = beam.tokens[-1]
    if (token == lm.end and not asked.ignore_eos) or token in asked.stop_token_ids:
        return True
    return any(stop and stop in beam.text for stop in asked.stop)


def _told(lm: TinyLM, prompt: Sequence[int], beam: _Beam, asked: Sampling) -> Completion:
    writer = _Writer(lm, asked)
    key = lm.key(prompt)
    parts = []
    for token in beam.tokens:
        parts.append(writer.write(token, key))
        key = lm.key((*key, token))
    return _completion(parts, writer)

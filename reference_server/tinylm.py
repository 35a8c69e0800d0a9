"""A tiny language model with true probabilities: an interpolated 4-gram model over a text of our own.

Law: the tokenizer loses nothing (`decode(encode(text)) == text`), every context's probabilities sum to one, and
the model gives probability only to whole characters and to its end token, so an answer never holds half a character.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from reference_server.text import TEXT

BEGIN = "<|begin_of_text|>"
END = "<|eot|>"
SPECIAL = (BEGIN, END, "<|system|>", "<|user|>", "<|assistant|>")

_BYTES = 256
_ORDER = 4
# Above one, the weight of shorter contexts: a text this small would otherwise be recited, and every sample be the same.
_DOUBT = 2.0
_CACHED_CONTEXTS = 1024
# A word is cut after five letters, so that stop strings and streams meet words of several tokens.
_PIECE = re.compile(r" ?[A-Za-z]{1,5}| ?[0-9]{1,3}|.", re.DOTALL)

Distribution = tuple[float, ...]
Key = tuple[int, ...]


@dataclass(frozen=True)
class Ranked:
    """The model's answer to one context, over the tokens that it can generate.

    `logprobs[i]` belongs to `TinyLM.support[i]`; `order` has the places by falling probability, ties by token id;
    `cumulative` are running sums of the probabilities in the order of the support.
    """

    logprobs: Distribution
    order: Key
    cumulative: Distribution


class TinyLM:
    """An immutable model; `tiny_lm()` builds the only one there is."""

    def __init__(self, text: str) -> None:
        documents = [_PIECE.findall(document + "\n") for document in text.strip("\n").split("\n\n")]
        pieces = sorted({piece for document in documents for piece in document})
        first = _BYTES + len(SPECIAL)
        self._ids = {piece: first + place for place, piece in enumerate(pieces)}
        self.begin = _BYTES + SPECIAL.index(BEGIN)
        self.end = _BYTES + SPECIAL.index(END)
        self.support: tuple[int, ...] = (self.end, *range(first, first + len(pieces)))
        self._places = {token: place for place, token in enumerate(self.support)}
        for fragment in _fragments(pieces):
            self._ids.setdefault(fragment, _BYTES + len(SPECIAL) + len(self._ids))
        self._spelled: dict[int, bytes] = {token: piece.encode() for piece, token in self._ids.items()}
        self.longest = max(map(len, self._ids))
        self.size = first + len(self._ids)
        self._counts = _counted([[self._ids[piece] for piece in document] for document in documents], self.end)
        self._ranked = lru_cache(maxsize=_CACHED_CONTEXTS)(self._rank)
        self._pieces_of = lru_cache(maxsize=4096)(self._fallback)

    def special(self, role: str) -> int:
        """The id of the token that opens a turn of that role."""
        return _BYTES + SPECIAL.index(f"<|{role}|>")

    def is_special(self, token: int) -> bool:
        """Whether the token is one that no text encodes to."""
        return _BYTES <= token < _BYTES + len(SPECIAL)

    def encode(self, text: str) -> list[int]:
        """The token ids of any text; a special token spelled out in the text stays plain text."""
        ids: list[int] = []
        for piece in _PIECE.findall(text):
            token = self._ids.get(piece)
            if token is not None:
                ids.append(token)
            else:
                ids.extend(self._pieces_of(piece))
        return ids

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of those tokens; bytes that are no UTF-8 become U+FFFD. `IndexError` for an unknown id."""
        raw = b"".join(self._spell(token, skip_special) for token in ids)
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace")

    def token_text(self, token: int) -> str:
        """The text of one token, special ones spelled out."""
        return self.decode((token,), skip_special=False)

    def logprobs(self, context: Sequence[int]) -> Distribution:
        """Log probabilities of the next token by id, -inf for what the model never says."""
        values = [-math.inf] * self.size
        for token, value in zip(self.support, self.ranked(context).logprobs, strict=True):
            values[token] = value
        return tuple(values)

    def ranked(self, context: Sequence[int]) -> Ranked:
        """The distribution after that context, kept for the contexts used last."""
        return self._ranked(self.key(context))

    def ranked_by_key(self, key: Key) -> Ranked:
        """The distribution of a key that `key` returned."""
        return self._ranked(key)

    def key(self, context: Sequence[int]) -> Key:
        """The part of a context that the model heeds: its longest ending seen in the text, turn markers left out."""
        tail: list[int] = []
        for token in reversed(context):
            if len(tail) == _ORDER - 1:
                break
            if token == self.end or not self.is_special(token):
                tail.append(token)
        tail.reverse()
        # An end token starts afresh: nothing before it tells what a new document is about.
        if self.end in tail:
            tail = tail[len(tail) - 1 - tail[::-1].index(self.end) :]
        key = tuple(tail)
        while key and key not in self._counts:
            key = key[1:]
        return key

    def place(self, token: int) -> int:
        """Where a token stands in the support; `KeyError` for one that is never generated."""
        return self._places[token]

    def _rank(self, key: Key) -> Ranked:
        probabilities = self._probabilities(key)
        total = math.fsum(probabilities)
        logprobs = tuple(math.log(value / total) for value in probabilities)
        running, cumulative = 0.0, []
        for value in probabilities:
            running += value / total
            cumulative.append(running)
        order = sorted(range(len(logprobs)), key=lambda place: -logprobs[place])
        return Ranked(logprobs, tuple(order), tuple(cumulative))

    def _probabilities(self, key: Key) -> list[float]:
        """Witten-Bell interpolation: the more different followers a context had, the more the shorter one counts."""
        counts = self._counts[key]
        seen = sum(counts.values())
        doubt = len(counts) * (_DOUBT if key else 1.0)
        lower = self._probabilities(key[1:]) if key else [1.0 / len(self.support)] * len(self.support)
        share = doubt / (seen + doubt)
        mixed = [value * share for value in lower]
        for token, count in counts.items():
            mixed[self._places[token]] += count / (seen + doubt)
        return mixed

    def _fallback(self, piece: str) -> tuple[int, ...]:
        """The longest known fragments of an unknown piece, and its bytes where there is none."""
        ids: list[int] = []
        start = 0
        while start < len(piece):
            for end in range(min(len(piece), start + self.longest), start, -1):
                token = self._ids.get(piece[start:end])
                if token is not None:
                    ids.append(token)
                    start = end
                    break
            else:
                ids.extend(piece[start].encode("utf-8", "surrogatepass"))
                start += 1
        return tuple(ids)

    def _spell(self, token: int, skip_special: bool) -> bytes:
        if 0 <= token < _BYTES:
            return bytes((token,))
        if self.is_special(token):
            return b"" if skip_special else SPECIAL[token - _BYTES].encode()
        try:
            return self._spelled[token]
        except KeyError:
            raise IndexError(f"token {token} is outside the vocabulary of {self.size}") from None


@cache
def tiny_lm() -> TinyLM:
    """The model, built once (about 10 ms)."""
    return TinyLM(TEXT)


def _fragments(pieces: list[str]) -> list[str]:
    """Letter pairs and triples that the text repeats, so that words it does not have cost fewer tokens than letters."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        for width in (2, 3):
            counts.update(piece[start : start + width] for start in range(len(piece) - width + 1))
    return sorted(fragment for fragment, count in counts.items() if count >= 2 and fragment.isascii())


def _counted(documents: list[list[int]], end: int) -> dict[Key, Counter[int]]:
    """How often each token followed each context of up to three tokens."""
    counts: dict[Key, Counter[int]] = {(): Counter()}
    for document in documents:
        tokens = [end, *document, end]
        for place in range(1, len(tokens)):
            token = tokens[place]
            for width in range(min(_ORDER, place + 1)):
                # Without a context the end is as good as impossible: an answer rarely ends in mid-sentence.
                if width or token != end:
                    counts.setdefault(tuple(tokens[place - width : place]), Counter())[token] += 1
    return counts

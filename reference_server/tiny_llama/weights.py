"""The tiny Llama's weights: a grammar of word classes, a taste for words, and layers that let the whole text matter.

The residual stream has parts: a constant, which keeps the norm steady and puts what must never be said far down; what
class may come next; the token's own code; the code of the token before; what is to be said; and what was said so far.

Law: no weight writes to the constant or the classes, so no text whatever makes a forbidden token likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reference_server.tiny_llama.tensors import Noise, Span, Tensor, bfloat16
from reference_server.tiny_llama.tokenizer import Tokenizer, byte_letters
from reference_server.tiny_llama.words import BEGIN, CLASSES, END_HEADER, PAD, START_HEADER

THETA = 500_000.0

# Where the parts of the residual stream begin. A larger model has more behind them, which no word depends on.
_CONSTANT, _BEGINS, _CLASS, _CODE, _BEFORE, _SAY, _SAID, _REST = 0, 1, 2, 34, 66, 98, 162, 192
_WIDTH = 32
# Of the code, the places of words; the one behind them is the end's.
_OWN = 31
# The squares of a token's vector: everything but the constant has about this, and as much for each place of the rest.
_LIVELY, _REST_DEVIATION = 62.0, 0.3
_MARK = 4.0

# Log probabilities: of what the grammar forbids, of an ASCII character by itself, of anything else that is no word.
_FLOOR, _LONE, _NEVER = 20.0, -90.0, -140.0
# Added to all, so that the likeliest tokens are near 0, where bfloat16 is finest and ties are rarest.
_SHIFT = -0.5
_CLASS_UNIT = 0.125
# The deviation of a log probability among the words of a class, of `taste` 1.
_SPREAD = 2.4
# How much a word's row reads of what is to be said, for that deviation.
_KEENNESS = 1.3


@dataclass(frozen=True)
class Size:
    """The shape of a Llama; the smallest that the construction fits into is `TINY`."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    context: int = 8_192

    @property
    def constant(self) -> float:
        """The constant that makes the root mean square of a token's vector about 1."""
        rest = max(0, self.hidden - _REST) * _REST_DEVIATION**2
        return math.sqrt(self.hidden - _LIVELY - rest)


TINY = Size(hidden=192, layers=2, heads=4, kv_heads=2, head_dim=32, intermediate=192)
BILLION = Size(hidden=2_048, layers=16, heads=32, kv_heads=8, head_dim=64, intermediate=8_192)


def tensors(size: Size, vocabulary: Tokenizer, seed: int) -> list[Tensor]:
    """All tensors of the model, in an order that fixes what each draws from the seed."""
    noise = Noise(seed, max(size.hidden, size.intermediate, size.heads * size.head_dim))
    embedded, read = _vocabulary(size, vocabulary, noise)
    found = [Tensor("model.embed_tokens.weight", (len(embedded), size.hidden), embedded)]
    for number in range(size.layers):
        found += _layer(size, number, noise)
    found.append(Tensor("model.norm.weight", (size.hidden,), _ones(size)))
    found.append(Tensor("lm_head.weight", (len(read), size.hidden), read))
    return found


def follows(name: str) -> Mapping[str, float]:
    """The log probability of each word, by its class, after a word of that class, before any taste."""
    after = CLASSES[name].after
    total = sum(after.values())
    found = {}
    for other, weight in after.items():
        row = CLASSES[other]
        # What taste adds to the sum of a class, less for few words, where no extreme is likely.
        deviation = _SPREAD * row.taste
        raised = min(deviation**2 / 2, deviation * math.sqrt(2 * math.log(len(row.words))) / 2)
        found[other] = math.log(weight / total) - math.log(len(row.words)) - raised
    return found


def class_of(token: str) -> str:
    """The class of a token that the grammar does not know, in byte letters, by what may come after it."""
    if token in (BEGIN, START_HEADER, END_HEADER, PAD):
        return "opening"
    if token.isdigit():
        return "figure"
    if len(token) == 1 and token.isascii() and not token.isalpha():
        return "comma"
    return "space" if set(token) == {byte_letters()[0x20]} else "unknown"


def _vocabulary(size: Size, vocabulary: Tokenizer, noise: Noise) -> tuple[list[bytes], list[bytes]]:
    """The rows of the embedding and of the head, by token id."""
    classes = list(CLASSES)
    known = {vocabulary.id_of(word): name for name, row in CLASSES.items() for word in row.words}
    embedded, read = [], []
    rest = max(0, size.hidden - _REST)
    for number, token in enumerate(vocabulary.tokens):
        name = known.get(number) or class_of(token)
        # The last place is the end's alone: where a text has just begun, or a turn ended, there is no place for one.
        code = [*noise.values(_OWN, 0.0 if token == BEGIN or name == "end" else 0.5), _ENDED if name == "end" else 0.0]
        if token == BEGIN:
            code[_OWN] = _BEGUN
        start = {_CONSTANT: size.constant, _BEGINS: _MARK if token == BEGIN else 0.0}
        start |= {
            _CLASS + classes.index(other): (value + _FLOOR) * _CLASS_UNIT for other, value in follows(name).items()
        }
        start |= {_CODE + place: value for place, value in enumerate(code)}
        embedded.append(noise.row(size.hidden, [(_SAY, 2 * _WIDTH, 0.25), (_REST, rest, _REST_DEVIATION)], start))
        end = {_CONSTANT: (_LONE if len(token) == 1 and " " <= token <= "~" else _NEVER) / size.constant}
        if number in known:
            taste = CLASSES[name].taste
            weary = CLASSES[name].weary or taste
            end[_CONSTANT] = (_SHIFT - _FLOOR + noise.uniform(-0.5, 0.5) * taste) / size.constant
            end[_CLASS + classes.index(name)] = 1 / _CLASS_UNIT
            words = [*(weary * value for value in code), *noise.values(_WIDTH, 0.5 * taste)]
            end |= {_SAY + place: value * _KEENNESS for place, value in enumerate(words)}
        read.append(noise.row(size.hidden, (), end))
    return embedded, read


def _ones(size: Size) -> list[bytes]:
    return [bfloat16([1.0] * size.hidden)]


def _layer(size: Size, number: int, noise: Noise) -> list[Tensor]:
    inner, outer = size.intermediate, size.hidden
    queries, keys = size.heads * size.head_dim, size.kv_heads * size.head_dim
    attention = _Attention(size, number, noise)
    into = _sees(size, 1.5)
    parts = [
        ("input_layernorm", (outer,), _ones(size)),
        ("self_attn.q_proj", (queries, outer), attention.queries()),
        ("self_attn.k_proj", (keys, outer), attention.keys()),
        ("self_attn.v_proj", (keys, outer), attention.values()),
        ("self_attn.o_proj", (outer, queries), attention.outputs()),
        ("post_attention_layernorm", (outer,), _ones(size)),
        ("mlp.gate_proj", (inner, outer), (noise.row(outer, into) for _ in range(inner))),
        ("mlp.up_proj", (inner, outer), (noise.row(outer, into) for _ in range(inner))),
        ("mlp.down_proj", (outer, inner), _written(size, number, noise, inner)),
    ]
    return [Tensor(f"model.layers.{number}.{name}.weight", shape, rows) for name, shape, rows in parts]


def _sees(size: Size, deviation: float) -> list[Span]:
    """Noise over all that varies, of a weight that brings the sum to that deviation."""
    energy = 45.0 + max(0, size.hidden - _REST) * _REST_DEVIATION**2
    return [(_CODE, size.hidden - _CODE, deviation / math.sqrt(energy))]


def _written(size: Size, number: int, noise: Noise, inner: int) -> Iterator[bytes]:
    """The rows of a matrix that writes to what is to be said, and to what no word depends on."""
    strength = (0.25 if number < 2 else 0.03) / math.sqrt(inner)
    for place in range(size.hidden):
        yield noise.row(inner, [(0, inner, strength)] if place >= _SAY and place != _SAY + _OWN else ())


class _Attention:
    """The four projections of a layer.

    The first two key-value heads are made: of the first, one query head looks at the token before, one at the last
    few dozen, to say no word of theirs again; of the second, one looks at whatever its noise likes, one at everything
    alike. All other heads are noise.
    """

    def __init__(self, size: Size, number: int, noise: Noise) -> None:
        self._size, self._noise = size, noise
        # What the token before is known by: its own code, and one layer on the code of the one before that.
        self._told = _BEFORE if number == 1 else _CODE
        self._group = size.heads // size.kv_heads
        self._made = number < 2
        self._half = size.head_dim // 2
        self._scale = math.sqrt(size.head_dim)

    def queries(self) -> Iterator[bytes]:
        """Rows of q_proj."""
        for head in range(self._size.heads):
            group, member = divmod(head, self._group)
            for place in range(self._size.head_dim):
                if self._made and group == 0 and member < 2:
                    fixed = self._look(member, place)
                    yield self._noise.row(self._size.hidden, (), {_CONSTANT: fixed / self._size.constant})
                elif self._made and group == 1 and member == 1:
                    yield self._noise.row(self._size.hidden, ())
                else:
                    yield self._noise.row(self._size.hidden, _sees(self._size, 1.4))

    def _look(self, member: int, place: int) -> float:
        """A made query at that place: turned, so that its product with a key is greatest at the wanted distance."""
        pair, imaginary = place % self._half, place >= self._half
        step = self._half // 16
        if pair == self._half - 1:
            # This pair hardly turns at all; of all keys only the text's beginning has it.
            return 0.0 if imaginary or member == 0 else _BEGINNING * self._scale / _KEY
        if pair % step or pair // step not in _LOOKS[member]:
            return 0.0
        strength = _STRENGTH[member] * self._scale / _KEY
        angle = -(THETA ** (-pair / self._half)) * (1 - member)
        return strength * (math.sin(angle) if imaginary else math.cos(angle))

    def keys(self) -> Iterator[bytes]:
        """Rows of k_proj."""
        for head in range(self._size.kv_heads):
            for place in range(self._size.head_dim):
                if not self._made or head != 0:
                    yield self._noise.row(self._size.hidden, _sees(self._size, 1.4))
                elif place < self._half - 1:
                    # The beginning's key is none, but for the pair that it has alone.
                    fixed = {_CONSTANT: _KEY / self._size.constant, _BEGINS: -_KEY / _MARK}
                    yield self._noise.row(self._size.hidden, (), fixed)
                else:
                    own = {_BEGINS: _KEY / _MARK} if place == self._half - 1 else {}
                    yield self._noise.row(self._size.hidden, (), own)

    def values(self) -> Iterator[bytes]:
        """Rows of v_proj."""
        for head in range(self._size.kv_heads):
            for place in range(self._size.head_dim):
                if self._made and head == 0:
                    fixed = {self._told + place: 1.0} if place < _WIDTH else {}
                    yield self._noise.row(self._size.hidden, (), fixed)
                else:
                    yield self._noise.row(self._size.hidden, _sees(self._size, 1.0))

    def outputs(self) -> Iterator[bytes]:
        """Rows of o_proj."""
        width = self._size.head_dim
        last = self._group * width
        every = self._size.heads * width
        free = [(0, every, 0.1 / math.sqrt(every))]
        for place in range(self._size.hidden):
            if not self._made:
                yield self._noise.row(every, free if place >= _SAY and place != _SAY + _OWN else ())
            elif place >= _SAY:
                spans = (
                    []
                    if place == _SAY + _OWN
                    else [*free, (0, _WIDTH, 0.07), (last, width, 0.05), (last + width, width, 0.12)]
                )
                again = place - _SAY
                fixed = {width + again: -_WEARY} if again < _WIDTH and self._told == _CODE else {}
                yield self._noise.row(every, () if place == _SAY + _OWN else spans, self._none(width) | fixed)
            else:
                told = place - _BEFORE
                fixed = {told: 1.0} if 0 <= told < _WIDTH and self._told == _CODE else {}
                yield self._noise.row(every, (), fixed)

    @staticmethod
    def _none(width: int) -> dict[int, float]:
        """The second made head says nothing but what `fixed` adds."""
        return dict.fromkeys(range(width, 2 * width), 0.0)


# Of the 16 speeds at which pairs of a head turn, those that tell a place from its neighbours, or a dozen from another.
_LOOKS: tuple[Iterable[int], ...] = ((0, 1, 2, 3), (4, 5, 6))
_STRENGTH = (10.0, 2.0)
_KEY = 6.0
# The beginning is looked at e^2.7 times as much as a token nearby, and says nothing: so few tokens weigh as many do.
_BEGINNING = 8.7
# How much of an end an end is, and the beginning, which is looked at by as much more as stands above.
_ENDED, _BEGUN = 2.8, 0.3
# How much less likely a word is for having been said, before it is shared out among all that is looked at.
_WEARY = 4.5

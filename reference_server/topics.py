"""The tiny model in a conversation: what was said before the last message makes its words likelier.

Law: probabilities still sum to one, and without earlier words the model is the plain one.
"""

from __future__ import annotations

import math
from functools import lru_cache

from reference_server.tinylm import Key, Ranked, TinyLM

# How much likelier, as a log probability, a word becomes by having been said.
_REMINDED = 0.75


class Reminded(TinyLM):
    """A model that shares everything with `lm` but its probabilities."""

    def __init__(self, lm: TinyLM, words: frozenset[int]) -> None:
        # The model is immutable, so sharing its tables is safe; only the cache of distributions is its own.
        self.__dict__.update(vars(lm))
        self._plain = lm
        self._said = tuple(token in words for token in lm.support)
        self._ranked = lru_cache(maxsize=256)(self._rank)

    def _rank(self, key: Key) -> Ranked:
        plain = self._plain.ranked_by_key(key).logprobs
        raised = [value + _REMINDED * said for value, said in zip(plain, self._said, strict=True)]
        total = math.log(math.fsum(map(math.exp, raised)))
        logprobs = tuple(value - total for value in raised)
        running, cumulative = 0.0, []
        for value in logprobs:
            running += math.exp(value)
            cumulative.append(running)
        order = sorted(range(len(logprobs)), key=lambda place: -logprobs[place])
        return Ranked(logprobs, tuple(order), tuple(cumulative))


@lru_cache(maxsize=64)
def reminded(lm: TinyLM, words: frozenset[int]) -> TinyLM:
    """The model after those words were said: `lm` itself when none of them is one that it can say."""
    known = words.intersection(lm.support)
    return Reminded(lm, known) if known else lm

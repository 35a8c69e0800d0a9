"""Synthetic prompts: seeded, of a given length, and no two alike, since a cached prompt flatters an endpoint."""

from __future__ import annotations

import random

# Plain words of one or two syllables: tokenizers of the Llama family spend about one token on each.
WORDS = tuple(
    """
    anchor arrow ballast barge beacon berth bow breeze bridge buoy cabin cable calm cargo chart clock cloud coast
    compass copper crane crew current dawn deck depth dock drift dusk engine ferry flag fleet fog frame gale gauge
    glass gull harbour hatch haul haven hull island jetty keel knot ladder lamp lantern launch league lever light
    line lock log mast mate mooring morning motor net night north oar ocean oil order paint pier pilot plank port
    pump quay radar rail rain reef rig river rope rudder sail salt sand screw sea shaft shallow shelf ship shoal
    shore signal sky sound south spar speed star steam steel stern storm strait stream surge swell tanker tide
    timber tower trial tug valve vessel voyage watch water wave weather west wharf wheel winch wind yard
    """.split()  # noqa: SIM905 - words in quotes, one a line, would fill three pages
)

_FRAME = "{}. Write a short story in which these words occur."
_FRAME_TOKENS = 12
# What the longest chat templates known add, with room to spare.
_TEMPLATE_TOKENS = 64
_LONGEST = 1 + max(map(len, WORDS))


def prompt(seed: int, number: int, tokens: int) -> str:
    """The `number`-th prompt of that seed, about `tokens` tokens long; unlike every other of the next three million.

    It differs within its first words, because a prefix cache matches from the beginning.
    """
    return _FRAME.format(words(seed, number, _length(tokens)).capitalize())


def words(seed: int, number: int, count: int) -> str:
    """At least three words, unlike those of every other number of the next three million, and about `count`."""
    draw = random.Random(f"prompt:{seed}:{number}")  # noqa: S311 - a prompt is no secret
    size = len(WORDS)
    chosen = [WORDS[(number // size**place) % size] for place in range(3)]
    chosen += [draw.choice(WORDS) for _ in range(count - len(chosen))]
    return " ".join(chosen)


def most_of_words(count: int) -> int:
    """An upper bound of the tokens of about `count` words."""
    return max(3, count) * _LONGEST


def most_tokens(tokens: int) -> int:
    """An upper bound of what a prompt of about `tokens` tokens costs: no tokenizer makes more of them than bytes."""
    return _length(tokens) * _LONGEST + len(_FRAME) + _TEMPLATE_TOKENS


def _length(tokens: int) -> int:
    """How many words are chosen."""
    return max(4, tokens - _FRAME_TOKENS)

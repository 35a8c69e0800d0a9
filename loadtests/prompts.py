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

# The words around the random ones, and what a chat template adds, in tokens.
FRAME_TOKENS = 24


def prompt(seed: int, number: int, tokens: int) -> str:
    """The `number`-th prompt of that seed, about `tokens` tokens long; unlike every other of the next three million.

    It differs within its first words, because a prefix cache matches from the beginning.
    """
    draw = random.Random(f"prompt:{seed}:{number}")  # noqa: S311 - a prompt is no secret
    size = len(WORDS)
    words = [WORDS[(number // size**place) % size] for place in range(3)]
    words += [draw.choice(WORDS) for _ in range(max(1, tokens - len(words) - FRAME_TOKENS // 2))]
    return f"{' '.join(words).capitalize()}. Write a short story in which these words occur."


def most_tokens(tokens: int) -> int:
    """An upper bound of what a prompt of about `tokens` tokens costs, whatever the tokenizer of the endpoint."""
    return 2 * max(4, tokens) + 2 * FRAME_TOKENS

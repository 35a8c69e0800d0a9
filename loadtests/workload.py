"""What each request of a load asks: lengths, shared prefixes, conversations, a file's prompts, a mix of routes.

Law: the number of a request and the seed decide everything about it, so that any worker asks the same under that
number; and no request costs more than the bounds that the plan was made with.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property

from loadtests.files import FilePrompt, Trace
from loadtests.lengths import Lengths
from loadtests.prompts import most_of_words, most_tokens, prompt, words
from schemas.model import ROUTES, Route

# What the longest chat templates known add to each message, with room to spare.
MESSAGE_TOKENS = 64
# Prefixes and the assistant's turns have numbers of their own, far from those of requests.
_PREFIXES, _ANSWERS = 1_000_000_000, 2_000_000_000


@dataclass(frozen=True)
class Kind:
    """One kind of request in a mix: a route, streamed or not, and how often it is sent in proportion to others."""

    route: Route
    stream: bool
    weight: float = 1.0

    @property
    def name(self) -> str:
        """As it is written in a mix: `chat`, or `chat-whole` for one that is not streamed."""
        return self.route if self.stream else f"{self.route}-whole"


@dataclass(frozen=True)
class Asked:
    """One request: its messages as (role, text), the most tokens of its answer, and what its prompt may cost."""

    kind: Kind
    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    likely_prompt: int
    most_prompt: int


def mixed(text: str) -> tuple[Kind, ...]:
    """The kinds in `chat=3,completions=1,chat-whole=1`; the weight may be left out. `ValueError` for what is none."""
    kinds = []
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        route, _, rest = name.partition("-")
        try:
            share = float(weight) if weight else 1.0
        except ValueError:
            share = 0.0
        if route not in ROUTES or rest not in ("", "whole") or not 0 < share <= 1_000_000:
            known = ", ".join(f"{one}, {one}-whole" for one in ROUTES)
            raise ValueError(f"mix is KIND=WEIGHT,… with {known} (whole: not streamed), not {text!r}")
        kinds.append(Kind(route, not rest, share))
    if len({kind.name for kind in kinds}) < len(kinds):
        raise ValueError(f"mix {text!r} has a kind twice")
    return tuple(kinds)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """How requests are made. `lanes` conversations of `turns` turns go on at a time, each with the next turn in turn.

    The assistant's turns are made up here; a closed loop has the endpoint's own in their place (`loadtests.talks`).

    `prefix_share` of a prompt (0 to below 1) are words that it has in common with others, one of `prefixes` texts.
    """

    kinds: tuple[Kind, ...]
    prompt_lengths: Lengths
    answer_lengths: Lengths
    prefix_share: float = 0.0
    prefixes: int = 1
    turns: int = 1
    lanes: int = 1
    prompts: tuple[FilePrompt, ...] = ()
    trace: Trace | None = None

    def asked(self, seed: int, number: int) -> Asked:
        """The `number`-th request of that seed; numbers below 0 are the warm-up's."""
        kind = self._kind(seed, number)
        if self.prompts:
            return self._of_file(kind, self.prompts[number % len(self.prompts)], seed, number)
        conversation, turn = self.place(number)
        messages: list[tuple[str, str]] = []
        likely = most = 0
        for index in range(turn + 1):
            # A conversation's earlier turns are what its earlier requests said, word for word.
            own = self._number_of(conversation, index) if self.turns > 1 else number
            size = self._prompt_length(seed, own)
            text = self._text(seed, own, size, conversation, first=index == 0)
            messages.append(("user", text))
            likely += size
            most += self._most(size)
            if index < turn:
                said = self._answer_length(seed, own)
                messages.append(("assistant", words(seed, _ANSWERS + own, said).capitalize() + "."))
                likely += said
                most += most_of_words(said) + 1 + MESSAGE_TOKENS
        return Asked(kind, tuple(messages), self._answer_length(seed, number), likely, most)

    @cached_property
    def most_prompt(self) -> int:
        """An upper bound of what any prompt costs in tokens."""
        if self.prompts:
            return max(one.size + MESSAGE_TOKENS * len(one.messages) for one in self.prompts)
        longest = max(self.trace.prompt_tokens) if self.trace and self.trace.prompt_tokens else self.prompt_lengths.most
        earlier = self._most(longest) + most_of_words(self._most_answer_drawn) + 1 + MESSAGE_TOKENS
        return self._most(longest) + (self.turns - 1) * earlier

    @cached_property
    def likely_prompt(self) -> float:
        """What a prompt costs on average where a word is a token."""
        if self.prompts:
            # Four bytes to a token, as English has them.
            return max(1.0, sum(one.size for one in self.prompts) / len(self.prompts) / 4)
        mean = _mean(self.trace.prompt_tokens) if self.trace and self.trace.prompt_tokens else self.prompt_lengths.mean
        return mean + (self.turns - 1) / 2 * (mean + self.likely_answer)

    @cached_property
    def most_answer(self) -> int:
        """The most tokens that any answer may have."""
        of_file = [one.max_tokens for one in self.prompts if one.max_tokens is not None]
        if of_file and len(of_file) == len(self.prompts):
            return max(of_file)
        return max([self._most_answer_drawn, *of_file])

    @cached_property
    def likely_answer(self) -> float:
        """The most tokens that an answer may have, on average."""
        drawn = _mean(self.trace.max_tokens) if self.trace and self.trace.max_tokens else self.answer_lengths.mean
        if not self.prompts:
            return drawn
        return math.fsum(drawn if one.max_tokens is None else one.max_tokens for one in self.prompts) / len(
            self.prompts
        )

    @property
    def _most_answer_drawn(self) -> int:
        return max(self.trace.max_tokens) if self.trace and self.trace.max_tokens else self.answer_lengths.most

    def _kind(self, seed: int, number: int) -> Kind:
        if len(self.kinds) == 1:
            return self.kinds[0]
        if number < 0:
            # The warm-up asks each kind in turn: a route that nobody had asked would be cold.
            return self.kinds[(-1 - number) % len(self.kinds)]
        draw = random.Random(f"kind:{seed}:{number}")  # noqa: S311 - a route is no secret
        return draw.choices(self.kinds, [kind.weight for kind in self.kinds])[0]

    def place(self, number: int) -> tuple[int, int]:
        """The conversation and its turn, from 0, that a number is."""
        if self.turns == 1 or number < 0:
            return number, 0
        block, within = divmod(number, self.lanes * self.turns)
        turn, lane = divmod(within, self.lanes)
        return block * self.lanes + lane, turn

    def _number_of(self, conversation: int, turn: int) -> int:
        """The number that a turn of a conversation has: the inverse of `place`."""
        if conversation < 0:
            return conversation
        block, lane = divmod(conversation, self.lanes)
        return block * self.lanes * self.turns + turn * self.lanes + lane

    def _text(self, seed: int, number: int, size: int, conversation: int, *, first: bool) -> str:
        shared = round(size * self.prefix_share) if first else 0
        if not shared:
            return prompt(seed, number, size)
        # The group goes by the conversation, so that each of them is asked for about equally often.
        common = words(seed, _PREFIXES + conversation % self.prefixes, shared).capitalize()
        return f"{common}.\n\n{prompt(seed, number, size - shared)}"

    def _most(self, size: int) -> int:
        shared = round(size * self.prefix_share)
        return most_tokens(size - shared) + (most_of_words(shared) + 3 if shared else 0)

    def _prompt_length(self, seed: int, number: int) -> int:
        if self.trace is not None and self.trace.prompt_tokens:
            return self.trace.prompt_tokens[number % len(self.trace.prompt_tokens)]
        return self.prompt_lengths.draw(seed, number, "prompt-length")

    def _answer_length(self, seed: int, number: int) -> int:
        if self.trace is not None and self.trace.max_tokens:
            return self.trace.max_tokens[number % len(self.trace.max_tokens)]
        return self.answer_lengths.draw(seed, number, "answer-length")

    def _of_file(self, kind: Kind, one: FilePrompt, seed: int, number: int) -> Asked:
        most = self._answer_length(seed, number) if one.max_tokens is None else one.max_tokens
        bound = one.size + MESSAGE_TOKENS * len(one.messages)
        return Asked(kind, one.messages, most, max(1, one.size // 4), bound)


def _mean(values: tuple[int, ...]) -> float:
    return math.fsum(values) / len(values)

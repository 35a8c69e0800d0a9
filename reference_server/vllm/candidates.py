"""The best of several candidates, sampled ones or beams: by the mean log probability of their tokens.

Law: the best come first and are the likeliest, token for token; a beam ends where an answer with its stops would end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reference_server.stops import StopScanner
from reference_server.vllm.requests import Order
from reference_server.vllm.tokens import Token

Json = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A finished choice: vLLM's own document of it, its text, all of its tokens with their ids, and why it ended."""

    choice: Json
    text: str
    tokens: tuple[Token, ...]
    ids: tuple[int, ...]
    reason: str

    @property
    def mean(self) -> float:
        """The mean log probability of its tokens; that of no tokens is the lowest."""
        return math.fsum(token.logprob for token in self.tokens) / len(self.tokens) if self.tokens else -math.inf

    def score(self, presence_penalty: float) -> float:
        """The mean with the penalty taken off for each token that was said before."""
        repeats = len(self.ids) - len(set(self.ids))
        return self.mean - presence_penalty * repeats / max(1, len(self.tokens))


def best(candidates: Sequence[Candidate], order: Order) -> list[Candidate]:
    """The candidates to return, best first; all as they came where no best is chosen."""
    if not order.beam:
        ranked = sorted(candidates, key=lambda one: -one.mean) if order.keep is not None else list(candidates)
        return ranked[: order.keep]
    beams = [_ended(one, order) for one in candidates]
    beams.sort(key=lambda one: -one.score(order.presence_penalty))
    # Beams that part only after they ended are one beam, which is given twice only for want of another.
    distinct = {(one.text, one.ids): one for one in reversed(beams)}
    first = [one for one in beams if distinct[one.text, one.ids] is one]
    again = [one for one in beams if distinct[one.text, one.ids] is not one]
    return [*first, *again][: order.keep]


def _ended(beam: Candidate, order: Order) -> Candidate:
    """The beam up to its first stop string, stop token or end token; vLLM's search knows but one of the last."""
    scanner = StopScanner(order.stops)
    text = ""
    for count, (token, number) in enumerate(zip(beam.tokens, beam.ids, strict=True), start=1):
        ends = number in order.stop_token_ids or (token.ends and not order.ignores_eos)
        hidden = token.special and (ends or order.skips_specials)
        text += scanner.feed("" if hidden else token.text)
        if ends and not scanner.stopped:
            text += scanner.flush()
        if count == len(beam.tokens) and beam.reason == "stop" and not scanner.stopped:
            break
        if ends or scanner.stopped:
            return replace(beam, text=text, tokens=beam.tokens[:count], ids=beam.ids[:count], reason="stop")
    return beam

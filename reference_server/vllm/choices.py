"""One choice, as it grows: text cut at stop strings, tokens in the place where their text is shown.

Law: no text comes before the tokens that it is made of, and none that may be the beginning of a stop string; what is
cut out of a stream is what is cut out of a document.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reference_server.stops import StopScanner
from reference_server.vllm.requests import Order
from reference_server.vllm.tokens import Token, without_special_end


@dataclass(frozen=True)
class Piece:
    """What may be shown: text, tokens with their offsets, and the reason to stop once there is one."""

    text: str
    placed: tuple[tuple[int, Token], ...]
    reason: str | None

    @property
    def silent(self) -> bool:
        """Whether there is nothing to show."""
        return not self.text and not self.placed and self.reason is None


class Writer:
    """Takes what vLLM says of a choice, in one part or in many, and gives what the client is shown."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._scanner = StopScanner(order.scan)
        self._waiting: list[tuple[int, Token]] = []
        self._offset = 0
        self._shown = 0
        self._done = False

    def write(self, text: str, tokens: Iterable[Token], reason: str | None) -> Piece:
        """The piece that one more part brings; a silent one after the end."""
        if self._done:
            return Piece("", (), None)
        if reason == "stop" and self._order.shows_ends:
            text = without_special_end(text)
        shown = self._scanner.feed(text)
        if self._scanner.stopped:
            reason = "stop"
        elif reason is not None:
            shown += self._scanner.flush()
        self._shown += len(shown)
        self._note(tokens)
        self._done = reason is not None
        return Piece(shown, self._ready(reason), reason)

    def _note(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            if token.special and self._order.skips_specials:
                continue
            self._waiting.append((self._offset, token))
            self._offset += len(token.text)

    def _ready(self, reason: str | None) -> tuple[tuple[int, Token], ...]:
        """The tokens that go with what is shown so far."""
        ready = self._waiting
        if reason == "stop" and ready and ready[-1][1].special:
            ready = ready[:-1]
        if self._order.stops and reason in (None, "stop"):
            # vLLM lists a token at once, and holds its text back while that may begin a stop string.
            ready = [pair for pair in ready if pair[0] < self._shown]
        self._waiting = self._waiting[len(ready) :]
        return tuple(ready)

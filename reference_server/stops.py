"""Cuts a growing text at the first stop string, and never lets go of text that may yet turn out to be one.

Law: the released text holds no stop string, and does not depend on how the text was cut into tokens.
"""

from __future__ import annotations

from collections.abc import Iterable


class StopScanner:
    """Text goes in token by token; what can no longer belong to a stop string comes out."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that is safe to show; `stopped` is set once a stop string is complete, which is never shown."""
        if not self._stops:
            return text
        held = self._held + text
        # The string that is complete first wins, as if the text had come letter by letter.
        found = [(place + len(stop), place) for stop in self._stops if (place := held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return held[: min(found)[1]]
        safe = min((self._safe(held, stop) for stop in self._stops), default=len(held))
        self._held = held[safe:]
        return held[:safe]

    def flush(self) -> str:
        """What was still held back, once no more text comes."""
        held, self._held = self._held, ""
        return held

    def _safe(self, held: str, stop: str) -> int:
        """The length of `held` that cannot be the beginning of `stop`."""
        start = max(0, len(held) - len(stop) + 1)
        while (start := held.find(stop[0], start)) >= 0:
            if stop.startswith(held[start:]):
                return start
            start += 1
        return len(held)

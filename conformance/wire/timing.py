"""When the parts of a streamed answer arrived, and the figures that follow: TTFT, ITL, TPOT, end to end.

Every time is in nanoseconds since the request was written, as the socket measured it. Events that arrived in one read
have one time: the gap between them is 0, and that is the truth of what a client saw.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.wire.exchange import Exchange


@dataclass(frozen=True)
class Timing:
    """The times of one streamed answer, in nanoseconds since the request was written.

    `events` has the arrival of every event, `content` of those that carry text of a choice. `tokens` is the
    `completion_tokens` that the stream reported, or the number of events with content when it reported none.
    """

    events: tuple[int, ...]
    content: tuple[int, ...]
    tokens: int
    end_to_end: int

    @property
    def ttft(self) -> int | None:
        """Time to first token: until the first non-empty content (ns); None without any content."""
        return self.content[0] if self.content else None

    @property
    def itl(self) -> tuple[int, ...]:
        """Inter-token latencies: the gaps between successive events with content (ns), one fewer than there are."""
        return tuple(later - earlier for earlier, later in zip(self.content, self.content[1:], strict=False))

    @property
    def tpot(self) -> float | None:
        """Time per output token: (last - first content) / (tokens - 1), in ns; None with fewer than two tokens."""
        if len(self.content) < 2 or self.tokens < 2:
            return None
        return (self.content[-1] - self.content[0]) / (self.tokens - 1)


def timing(exchange: Exchange) -> Timing:
    """The times of a streamed answer of either route; an answer without events has empty times."""
    sizes = [size for _, size in exchange.arrivals]
    events: list[int] = []
    content: list[int] = []
    tokens = 0
    for event in exchange.events:
        at = _at(exchange, sizes, event.end)
        events.append(at)
        chunk = chunk_of(event.data)
        if chunk is not None:
            if has_content(chunk):
                content.append(at)
            tokens = completion_tokens(chunk) or tokens
    return Timing(tuple(events), tuple(content), tokens or len(content), exchange.end_ns)


def arrival_ns(exchange: Exchange, offset: int) -> int:
    """When the first `offset` bytes of the body had arrived (ns); `end_ns` for more bytes than there are."""
    return _at(exchange, [size for _, size in exchange.arrivals], offset)


def _at(exchange: Exchange, sizes: Sequence[int], offset: int) -> int:
    index = bisect_left(sizes, offset)
    return exchange.arrivals[index][0] if index < len(sizes) else exchange.end_ns


def chunk_of(data: str) -> dict[str, Any] | None:
    """The JSON object that an event's data is; None for `[DONE]` and for anything else."""
    if not data.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def has_content(chunk: Mapping[str, Any]) -> bool:
    """Whether a choice of the chunk carries text: `delta.content` (chat) or `text` (completions), and not empty."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return False
    for choice in choices:
        if not isinstance(choice, dict):
            continue
        delta = choice.get("delta")
        text = delta.get("content") if isinstance(delta, dict) else choice.get("text")
        if isinstance(text, str) and text:
            return True
    return False


def completion_tokens(chunk: Mapping[str, Any]) -> int:
    """The `usage.completion_tokens` of a document or chunk; 0 when it reports none."""
    usage = chunk.get("usage")
    value = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def content_of(chunk: Mapping[str, Any]) -> str:
    """The text that the first choice of a chunk, or of a whole answer, carries; empty where it carries none."""
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return ""
    said = first.get("delta", first.get("message"))
    text = said.get("content") if isinstance(said, dict) else first.get("text")
    return text if isinstance(text, str) else ""

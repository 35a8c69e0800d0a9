"""What a successful answer says on a route: its document, choices, texts and usage.

Law: what cannot be read so is a `Violation`, with the answer as its evidence; nothing is judged beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.check import Violation
from conformance.wire.exchange import Exchange, NotJson
from schemas.model import Route


class Reader:
    """Reads the answers of one route, which says where a choice has its text."""

    @property
    def route(self) -> Route:
        """The route whose answers are read."""
        raise NotImplementedError

    def document(self, exchange: Exchange) -> dict[str, Any]:
        """The JSON object of a successful answer; anything else is a `Violation`."""
        if exchange.status != 200:
            raise Violation(f"a valid request got status {exchange.status}", exchange)
        try:
            value = exchange.json
        except NotJson as error:
            raise Violation(f"the body of a 200 is not JSON: {error}", exchange) from None
        if not isinstance(value, dict):
            raise Violation("the body of a 200 is not a JSON object", exchange)
        return value

    def choices(self, exchange: Exchange) -> list[dict[str, Any]]:
        """The choices of a successful answer, in its order; `Violation` when they are no list of objects, or empty."""
        choices = self.document(exchange).get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise Violation("`choices` is not a list of objects", exchange)
        if not choices:
            raise Violation("`choices` is empty", exchange)
        return choices

    def texts(self, exchange: Exchange) -> list[str]:
        """The text of each choice, in the answer's order; `Violation` when a choice has none."""
        return [self._text(choice, exchange) for choice in self.choices(exchange)]

    def text(self, exchange: Exchange) -> str:
        """The text of the only choice; `Violation` when there is not exactly one."""
        texts = self.texts(exchange)
        if len(texts) != 1:
            raise Violation(f"one choice was asked for, {len(texts)} came", exchange)
        return texts[0]

    def usage(self, exchange: Exchange) -> dict[str, int]:
        """The usage of a successful answer; `Violation` unless its three counts are whole numbers."""
        return usage_of(self.document(exchange), exchange)

    def _text(self, choice: Mapping[str, Any], exchange: Exchange) -> str:
        holder = choice if self.route == "completions" else choice.get("message")
        text = holder.get("text" if self.route == "completions" else "content") if isinstance(holder, Mapping) else None
        if not isinstance(text, str):
            raise Violation("a choice has no text", exchange)
        return text


def usage_of(document: Mapping[str, Any], exchange: Exchange) -> dict[str, int]:
    """The three counts of a document's `usage`; `Violation` unless each is a whole number of at least 0."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        raise Violation("the answer has no `usage` object", exchange)
    counts: dict[str, int] = {}
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        value = usage.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Violation(f"`usage.{name}` is {value!r}, which is no count", exchange)
        counts[name] = value
    return counts

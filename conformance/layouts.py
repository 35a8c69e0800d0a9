"""The two layouts of `logprobs`, read into one: parallel arrays (the page's) and `content[]` (OpenAI's chat)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.check import Violation
from conformance.wire.exchange import Exchange

# No log probability is near; some servers send -9999 or the least 32-bit float for an impossible token.
_BEYOND = 1e100
ARRAYS = ("tokens", "token_logprobs", "top_logprobs")


@dataclass(frozen=True)
class TokenLogprob:
    """One generated token: its text, natural log probability, the most likely tokens there, and its offset if given.

    `raw` has the token's bytes where the layout gives them; text alone cannot carry a token that is half a character.
    """

    text: str
    logprob: float
    top: Mapping[str, float]
    offset: int | None = None
    raw: bytes | None = None

    @property
    def legible(self) -> bool:
        """Whether the text names the token: half a character or a special token may be shown as others are."""
        return bool(self.text) and "\ufffd" not in self.text


def tokens_of(choice: Mapping[str, Any], exchange: Exchange) -> list[TokenLogprob]:
    """The tokens of a choice that was asked for with logprobs; `Violation` when they are missing or do not fit.

    Empty for an answer that ended before its first token.
    """
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, Mapping):
        raise Violation("log probabilities were asked for, `logprobs` is not an object", exchange)
    content = logprobs.get("content")
    tokens = _content(content, exchange) if isinstance(content, list) else _arrays(logprobs, exchange)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text")
    if not tokens and text:
        raise Violation("the answer has a text, and its `logprobs` have no tokens", exchange)
    return tokens


def has_tokens(choice: Mapping[str, Any]) -> bool:
    """Whether the choice comes with log probabilities at all, of whatever worth."""
    return choice.get("logprobs") is not None


def readable_tokens(choice: Mapping[str, Any], exchange: Exchange) -> list[TokenLogprob]:
    """The tokens of a choice, none where they are missing or do not fit: that is for the checks of them to say."""
    try:
        return tokens_of(choice, exchange) if has_tokens(choice) else []
    except Violation:
        return []


def layout_of(choice: Mapping[str, Any]) -> str:
    """`content` for OpenAI's chat layout, `arrays` for the page's."""
    logprobs = choice.get("logprobs")
    return "content" if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list) else "arrays"


def _arrays(logprobs: Mapping[str, Any], exchange: Exchange) -> list[TokenLogprob]:
    tokens, values, tops = (logprobs.get(name) for name in ARRAYS)
    if not isinstance(tokens, list) or not isinstance(values, list):
        raise Violation("`logprobs` has no arrays `tokens` and `token_logprobs`", exchange)
    if tops is None:
        tops = [None] * len(tokens)
    offsets = logprobs.get("text_offsets", logprobs.get("text_offset")) or [None] * len(tokens)
    if not isinstance(tops, list) or not isinstance(offsets, list):
        raise Violation("`top_logprobs` or the offsets of `logprobs` are no array", exchange)
    if any(offset is not None and (not isinstance(offset, int) or isinstance(offset, bool)) for offset in offsets):
        raise Violation("an offset of `logprobs` is no whole number", exchange)
    lengths = {"tokens": len(tokens), "token_logprobs": len(values), "top_logprobs": len(tops), "offsets": len(offsets)}
    if len(set(lengths.values())) != 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise Violation(f"the arrays of `logprobs` have different lengths: {shown}", exchange)
    return [
        TokenLogprob(str(token), _number(value, exchange), _top(top, exchange), offset)
        for token, value, top, offset in zip(tokens, values, tops, offsets, strict=True)
    ]


def _content(content: list[Any], exchange: Exchange) -> list[TokenLogprob]:
    tokens = []
    for item in content:
        if not isinstance(item, Mapping) or not isinstance(item.get("token"), str):
            raise Violation("an item of `logprobs.content` has no `token`", exchange)
        listed = item.get("top_logprobs") or []
        if not isinstance(listed, list):
            raise Violation("`top_logprobs` of a token is no array", exchange)
        top = {
            str(one.get("token")): _number(one.get("logprob"), exchange) for one in listed if isinstance(one, Mapping)
        }
        raw = item.get("bytes")
        given = bytes(raw) if isinstance(raw, list) and all(isinstance(b, int) and 0 <= b < 256 for b in raw) else None
        tokens.append(TokenLogprob(item["token"], _number(item.get("logprob"), exchange), top, None, given))
    return tokens


def _top(top: Any, exchange: Exchange) -> Mapping[str, float]:
    if top is None:
        return {}
    if not isinstance(top, Mapping):
        raise Violation("an entry of `top_logprobs` is not an object", exchange)
    return {str(token): _number(value, exchange) for token, value in top.items()}


def _number(value: Any, exchange: Exchange) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Violation(f"{value!r} stands where a log probability belongs", exchange)
    if not -_BEYOND < value < _BEYOND:
        raise Violation("a number beyond all bounds stands where a log probability belongs", exchange)
    return float(value)

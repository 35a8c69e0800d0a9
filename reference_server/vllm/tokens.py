"""Log probabilities: out of vLLM's two layouts into one value, and into the layout that the request asked for.

Law: a value is a finite number and never above 0; the chosen token is listed where the page promises it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference_server.vllm.requests import Order

Json = dict[str, Any]

# What vLLM itself puts where a token has no chance.
LEAST = -9999.0
# How the special tokens of Llama models look; as one token, text never looks like that.
_SPECIAL = re.compile(r"<\|[^|]*\|>|</?s>|<unk>|<pad>")

_ENDS = frozenset({"<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "</s>"})


@dataclass(frozen=True)
class Token:
    """One generated token: its text, its log probability, and those listed for its place, as vLLM lists them."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()

    @property
    def special(self) -> bool:
        """Whether it looks like a special token."""
        return _SPECIAL.fullmatch(self.text) is not None

    @property
    def ends(self) -> bool:
        """Whether it looks like one that ends an answer."""
        return self.text in _ENDS

    def likeliest(self, count: int) -> list[tuple[str, float]]:
        """The `count` likeliest of those listed, likeliest first."""
        return sorted(self.top, key=lambda pair: -pair[1])[:count]


def read_tokens(logprobs: Mapping[str, Any] | None) -> list[Token]:
    """The tokens of a choice or chunk; none where it has no log probabilities."""
    if not logprobs:
        return []
    if isinstance(content := logprobs.get("content"), list):
        return [Token(item["token"], _value(item["logprob"]), _pairs(item["top_logprobs"])) for item in content]
    tops: Sequence[Mapping[str, float] | None] = logprobs["top_logprobs"]
    rows = zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True)
    return [
        Token(text, _value(logprob), tuple((name, _value(value)) for name, value in (top or {}).items()))
        for text, logprob, top in rows
    ]


def laid_out(placed: Iterable[tuple[int, Token]], order: Order) -> Json | None:
    """Those tokens, each with its offset, in the layout of the order; None where none was asked for."""
    count = order.logprobs
    if count is None:
        return None
    if order.layout == "content":
        return {"content": [_item(token, count) for _, token in placed]}
    rows = list(placed)
    return {
        order.offsets: [offset for offset, _ in rows],
        "token_logprobs": [token.logprob for _, token in rows],
        "tokens": [token.text for _, token in rows],
        # The chosen token comes last: where two tokens are spelt alike, the entry has its value.
        "top_logprobs": [{**dict(reversed(token.likeliest(count))), token.text: token.logprob} for _, token in rows],
    }


def without_special_end(text: str) -> str:
    """The text without the one special token at its end."""
    found = list(_SPECIAL.finditer(text))
    return text[: found[-1].start()] if found and found[-1].end() == len(text) else text


def _item(token: Token, count: int) -> Json:
    top = [_entry(text, logprob) for text, logprob in token.likeliest(count)]
    return {**_entry(token.text, token.logprob), "top_logprobs": top}


def _entry(text: str, logprob: float) -> Json:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8", "replace"))}


def _pairs(listed: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((item["token"], _value(item["logprob"])) for item in listed)


def _value(logprob: float | None) -> float:
    # Comparisons with NaN are false, so that it becomes the least value too.
    return min(0.0, logprob) if logprob is not None and logprob > LEAST else LEAST

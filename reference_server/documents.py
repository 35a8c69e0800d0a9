"""The documents and chunks of an answer, as the contract's response tables want them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reference_server.sampling import Completion, Entry
from schemas.model import Route

Json = dict[str, Any]

_OBJECTS = {"completions": ("text_completion", "text_completion"), "chat": ("chat.completion", "chat.completion.chunk")}
_PREFIXES = {"completions": "cmpl", "chat": "chatcmpl"}


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    """The usage statistics of an answer."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


@dataclass(frozen=True)
class Paper:
    """What all documents of one answer share.

    `logprobs` says how log probabilities are laid out: not at all, the page's four lists, or the `content` list of
    OpenAI's chat API.
    """

    route: Route
    model: str
    logprobs: str | None = None
    id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, route: Route, model: str, logprobs: str | None) -> Paper:
        """A new answer's paper, with an id that no other answer has."""
        return cls(route, model, logprobs, f"{_PREFIXES[route]}-{uuid.uuid4().hex}")

    def document(self, completions: Sequence[Completion], prompt_tokens: int) -> Json:
        """The whole answer as one document."""
        choices = [self._choice(index, completion) for index, completion in enumerate(completions)]
        used = usage(prompt_tokens, sum(completion.tokens for completion in completions))
        return {**self._head(_OBJECTS[self.route][0]), "choices": choices, "usage": used}

    def chunk(
        self, index: int, text: str, entries: Sequence[Entry], finish_reason: str | None = None, *, role: bool = False
    ) -> Json:
        """One event of a stream, with one choice in it."""
        choice: Json = {"index": index}
        if self.route == "chat":
            choice["delta"] = {"role": "assistant", "content": text} if role else {"content": text}
        else:
            choice["text"] = text
        choice["logprobs"] = self._logprobs(entries) if entries else None
        choice["finish_reason"] = finish_reason
        return {**self._head(_OBJECTS[self.route][1]), "choices": [choice]}

    def usage_chunk(self, used: Json) -> Json:
        """The event of a stream that has the usage and no choice."""
        return {**self._head(_OBJECTS[self.route][1]), "choices": [], "usage": used}

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _choice(self, index: int, completion: Completion) -> Json:
        said: Json = {"text": completion.text}
        if self.route == "chat":
            said = {"message": {"role": "assistant", "content": completion.text}}
        logprobs = self._logprobs(completion.entries)
        return {"index": index, **said, "logprobs": logprobs, "finish_reason": completion.finish_reason}

    def _logprobs(self, entries: Sequence[Entry]) -> Json | None:
        if self.logprobs is None:
            return None
        if self.logprobs == "content":
            return {"content": [_content(entry) for entry in entries]}
        return {
            "text_offsets": [entry.offset for entry in entries],
            "token_logprobs": [entry.logprob for entry in entries],
            "tokens": [entry.text for entry in entries],
            "top_logprobs": [entry.top for entry in entries],
        }


def _content(entry: Entry) -> Json:
    top = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in entry.top.items()]
    return {"token": entry.text, "logprob": entry.logprob, "bytes": list(entry.text.encode()), "top_logprobs": top}

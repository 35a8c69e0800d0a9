"""A courier that answers from a function: an endpoint without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conformance.api import Api
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.wire.exchange import Exchange, Sent
from schemas.contracts import get
from schemas.model import Route

Reply = Callable[[Sent], tuple[int, Any]]
CONTRACT = get("azure-llama")


def document(text: str = "calm", route: str = "completions", **changes: Any) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choice |= {"text": text} if route == "completions" else {"message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return {
        "id": "x",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
        **changes,
    }


class FakeCourier:
    """Answers each request with what `reply` returns: a status with a JSON value or bytes, or a failure's name."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.sent: list[Sent] = []
        self.scopes: list[tuple[str, int]] = []

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        self.sent.append(sent)
        self.scopes.append((scope, ordinal))
        status, body = self.reply(sent)
        name = f"x{len(self.sent)}"
        if status == 0:
            return Exchange(name, scope, ordinal, sent, 0.0, failure=body, detail="by the fake")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = (("Content-Type", "application/json"),)
        return Exchange(name, scope, ordinal, sent, 0.0, status=status, headers=headers, body=raw)


def api_over(
    reply: Reply, *, route: Route = "completions", key: str | None = "a-key-for-tests", **kwargs: Any
) -> tuple[Api, FakeCourier]:
    courier = FakeCourier(reply)
    settings = Settings(key=key)
    return Api(courier, CONTRACT, settings, Shared(), scope="a.check", route=route, **kwargs), courier

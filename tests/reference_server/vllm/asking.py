"""Ways to ask an ASGI app, and what it answered: whole, in chunks, and message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reference_server import asgi
from reference_server.vllm.adapter import VllmAdapter
from schemas.contracts import get
from tests.reference_server.vllm.fake_app import MODEL, FakeVllm

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
SEA = {"prompt": "The sea was", "max_tokens": 8}
CALM = {"messages": [{"role": "user", "content": "Is the sea calm?"}], "max_tokens": 8}


@dataclass
class Answered:
    """The messages that an app sent for one request."""

    messages: list[asgi.Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def media(self) -> str:
        return str(dict(self.messages[0]["headers"])[b"content-type"].decode())

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.messages[1:]]

    @property
    def document(self) -> Any:
        return json.loads(b"".join(self.bodies))

    @property
    def events(self) -> list[str]:
        whole = b"".join(self.bodies).decode()
        assert whole.endswith("\n\n")
        return [event.removeprefix("data: ") for event in whole.split("\n\n")[:-1]]

    @property
    def chunks(self) -> list[Any]:
        assert self.events[-1] == "[DONE]"
        return [json.loads(event) for event in self.events[:-1]]

    def streamed(self, index: int = 0) -> list[Any]:
        return [one for chunk in self.chunks for one in chunk["choices"] if one["index"] == index]

    def text(self, index: int = 0) -> str:
        if self.media.startswith("text/event-stream"):
            parts = self.streamed(index)
            return "".join((one["delta"]["content"] if "delta" in one else one["text"]) or "" for one in parts)
        choice = self.document["choices"][index]
        return str(choice["message"]["content"] if "message" in choice else choice["text"])


def ask(app: asgi.App, path: str, body: Any, method: str = "POST", headers: Sequence[Any] = ()) -> Answered:
    """What the app answers to that body; the client waits until the end."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answered = Answered()

    async def send(message: asgi.Message) -> None:
        answered.messages.append(message)

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    scope = {"type": "http", "method": method, "path": path, "query_string": b"a=b", "headers": list(headers)}
    asyncio.run(_run(app(scope, receive, send)))
    return answered


async def _run(answering: Any) -> None:
    await answering


def adapter(app: asgi.App | None = None, contract: str = "azure-llama") -> tuple[FakeVllm, VllmAdapter]:
    """A fake vLLM and the adapter over it, or over another app."""
    fake = FakeVllm()
    return fake, VllmAdapter(app or fake, contract=get(contract), model=MODEL)


def asked(path: str, body: Mapping[str, Any], contract: str = "azure-llama") -> tuple[Any, Answered]:
    """What vLLM was asked for that body, and what the client got."""
    fake, adapted = adapter(contract=contract)
    answered = ask(adapted, path, body)
    return fake.asked[-1] if fake.asked else None, answered

"""An endpoint in memory that keeps a request schema to the letter, and can be made to fail."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator

from conformance.api import Api
from conformance.check import Check, Mutant
from conformance.runner import judged
from conformance.settings import Settings
from conformance.shared import Shared
from conformance.wire.answer import Answer, Ask, frame
from conformance.wire.exchange import Exchange, Sent
from reports.model import Outcome
from schemas.contracts import get
from schemas.model import Route

CONTRACT = get("azure-llama")
JSON = (("content-type", "application/json"),)


class StrictServer:
    """Answers what its schema accepts and refuses the rest with 400; `mutant` changes what it hears and says."""

    def __init__(self, schema: Mapping[str, Any], route: Route = "chat", *, object_name: str | None = None) -> None:
        self.route = route
        self.mutant: Mutant | None = None
        self.sent: list[Any] = []
        self.object_name = object_name or ("chat.completion" if route == "chat" else "text_completion")
        self._validator = Draft202012Validator(schema)

    def deliver(
        self, sent: Sent, *, scope: str, ordinal: int, deadline: float, tokens: int, honour_429: bool = True
    ) -> Exchange:
        ask = Ask(sent.method, sent.path, sent.headers, sent.body, self.route)
        self.sent.append(json.loads(sent.body))
        heard = self.mutant.ask(ask) if self.mutant and self.mutant.ask else ask
        answer = replace(self._answer(heard), ask=ask)
        if self.mutant and self.mutant.answer:
            answer = self.mutant.answer(answer)
        body = b"".join(answer.frames) if answer.frames is not None else answer.body
        return Exchange(
            f"x{len(self.sent)}", scope, ordinal, sent, 0.0, status=answer.status, headers=answer.headers, body=body
        )

    def _answer(self, ask: Ask) -> Answer:
        if not self._validator.is_valid(json.loads(ask.raw)):
            return Answer(ask, 400, JSON, b'{"error": {"message": "no"}}')
        if ask.body.get("stream"):
            chunks = (frame(self._chunk("stop" if last else None)) for last in (False, True))
            return Answer(ask, 200, (("content-type", "text/event-stream"),), frames=(*chunks, frame("[DONE]")))
        return Answer(ask, 200, JSON, json.dumps(self._document(ask.body)).encode())

    def _document(self, body: Mapping[str, Any]) -> dict[str, Any]:
        logprobs, count = None, body.get("n", 1) if isinstance(body.get("n", 1), int) else 1
        if body.get("logprobs"):
            top = [{"aye": -0.1, "no": -2.5}]
            logprobs = {"text_offsets": [0], "token_logprobs": [-0.1], "tokens": ["aye"], "top_logprobs": top}
        said = {"message": {"role": "assistant", "content": "aye"}} if self.route == "chat" else {"text": "aye"}
        choices = [{"index": index, "finish_reason": "stop", "logprobs": logprobs, **said} for index in range(count)]
        usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        return {
            "id": "x", "object": self.object_name, "created": 1, "model": "m", "choices": choices, "usage": usage
        }  # fmt: skip

    def _chunk(self, reason: str | None) -> dict[str, Any]:
        said = {"delta": {"role": "assistant", "content": "aye"}} if self.route == "chat" else {"text": "aye"}
        name = "chat.completion.chunk" if self.route == "chat" else "text_completion"
        choice = {"index": 0, "finish_reason": reason, "logprobs": None, **said}
        return {"id": "x", "object": name, "created": 1, "model": "m", "choices": [choice]}


def judge(
    check: Check,
    server: StrictServer,
    *,
    mutant: Mutant | None = None,
    examples: int = 3,
    shrink: bool = True,
    seed: int = 5,
    response: Callable[[], Mapping[str, Any]] | None = None,
    schemas: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Run one check against the server with that mutant."""
    server.mutant = mutant
    settings = Settings(
        seed=seed, examples=examples, shrink=shrink, key="a-key-for-tests", request_schemas=schemas or {}
    )
    api = Api(server, CONTRACT, settings, Shared(), scope=check.id, route=check.route)
    return judged(check, api)


def forgetful(given: Mapping[str, Any], mutant: Mutant) -> dict[str, Any]:
    """The schema without the keywords that the mutant forgets: an independent way to forget them."""
    result: dict[str, Any] = copy.deepcopy(_inlined(given, given))
    _strip(result, mutant)
    return result


def _inlined(node: Any, root: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, root) for each in node]
    if not isinstance(node, Mapping):
        return node
    target = root["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else {}
    return {key: _inlined(each, root) for key, each in {**target, **node}.items() if key != "$ref"}


def _strip(node: Any, mutant: Mutant) -> None:
    if isinstance(node, list):
        for each in node:
            _strip(each, mutant)
    if not isinstance(node, dict):
        return
    for keyword, owner in node.get("x-requirements", {}).items():
        if isinstance(owner, dict):
            forgotten = {name for name, each in owner.items() if (each, keyword) in mutant.forgets}
            node[keyword] = [name for name in node.get(keyword, ()) if name not in forgotten]
        elif (owner, keyword) in mutant.forgets:
            node.pop(keyword, None)
    for key, each in node.items():
        if not key.startswith("x-"):
            _strip(each, mutant)

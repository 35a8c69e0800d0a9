"""The fault server: the conformant stand-in, or one that deviates from it in one way.

Law: without a deviation it conforms; with a fault it breaks one thing; with a legal variation it still conforms.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import Any

from benchmarks.detection.catalogue import find
from benchmarks.detection.editing import put_text
from benchmarks.detection.model import FILTERED_ANSWER, FILTERED_PROMPT, KEY, Call, Deviation
from benchmarks.detection.openapi import document
from conformance.wire.answer import Answer, Ask
from reference_server import relay
from reference_server.asgi import App, Receive, Scope, Send
from reference_server.paced import Paced
from reference_server.serve import run, standin_app
from reference_server.standin import StandinOptions
from schemas.contracts import CONTRACTS

BASES = ("plain", "slow", "limited", "described")
_EVERY = 40
_FILTERED = (
    "The response was filtered due to the prompt triggering Microsoft's content management policy. "
    "Please modify your prompt and retry."
)


class Base:
    """A conformant server with a content filter; `limited` refuses now and then, `described` offers its description."""

    def __init__(self, name: str) -> None:
        if name not in BASES:
            raise ValueError(f"no base {name}; there are {', '.join(BASES)}")
        self.name = name
        options = StandinOptions(ttft_s=0.01, itl_s=0.02) if name == "slow" else StandinOptions()
        standin = standin_app(CONTRACTS["azure-llama"], key=KEY, limits=None, options=options)
        # Answers are taken whole before they are changed, so the pace of a stream is given to what leaves in the end.
        standin.paced = Paced(standin.varied, 0)
        self.app: App = standin
        self._served = 0

    async def answer(self, scope: Scope, receive: Receive, ask: Ask) -> Answer:
        """What it answers to that request, in whole."""
        answer = await relay.answered(self.app, scope, ask, receive)
        path = ask.path.partition("?")[0]
        if path in ("/openapi.json", "/swagger.json") and self.name == "described":
            return replace(answer, status=200).with_json(_true_document())
        if answer.status != 200 or not ask.route:
            return answer
        self._served += 1
        if self.name == "limited" and self._served % _EVERY == 0:
            message = "Rate limit is exceeded. Try again in 1 seconds."
            refused = answer.with_error(429, message)
            return refused.with_header("retry-after", "1").with_header("cache-control", None)
        return _filtered(ask, answer)


class FaultServer:
    """The ASGI app; `deviation` None is the control."""

    def __init__(self, deviation: Deviation | None = None, base: str = "plain") -> None:
        self._deviation = deviation
        self.base = Base(deviation.base if deviation else base)
        self._state: dict[Any, Any] = {}
        self.requests = 0
        inner = self.base.app if self.base.name == "slow" and not self._around else self._relayed
        app: App = deviation.app(inner) if deviation and deviation.app else inner
        self._app: App = app if self.base.name == "slow" else Paced(app)

    @property
    def _around(self) -> Any:
        return self._deviation.around if self._deviation else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            self.requests += 1
            await self._app(scope, receive, send)

    async def _relayed(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await relay.asked(scope, receive, send)
        if asked is None:
            return

        async def serve(ask: Ask) -> Answer:
            return await self.base.answer(scope, receive, ask)

        around = self._around
        answer = await (around(Call(asked, serve, self._state)) if around else serve(asked))
        await relay.deliver(answer, send)


def _true_document() -> dict[str, Any]:
    """The document with every parameter; the one for other tools leaves out what they would misread."""
    value = document()
    for name, schema in value["components"]["schemas"].items():
        if name.endswith("Request"):
            schema["properties"]["best_of"] = {"type": "integer", "minimum": 1, "default": 1}
            schema["properties"]["use_beam_search"] = {"type": "boolean", "default": False}
    return value


def _filtered(ask: Ask, answer: Answer) -> Answer:
    """The answer of the content filter to prompts that hold its words."""
    if FILTERED_PROMPT.encode() in ask.raw:
        refused = answer.with_error(400).with_header("cache-control", None)
        told = {"message": _FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
        return refused.with_json({"error": told})
    if FILTERED_ANSWER.encode() in ask.raw:

        def blank(choice: dict[str, Any]) -> None:
            put_text(choice, "")
            choice["logprobs"] = None
            if choice["finish_reason"]:
                choice["finish_reason"] = "content_filter"

        return answer.edit_choices(blank)
    return answer


def main() -> None:
    """Serve until standard input ends or a signal comes, after one line with the URL."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.server", description=__doc__)
    parser.add_argument(
        "--deviation", default="", help="id of a fault or of a legal variation; without it, the control"
    )
    parser.add_argument("--base", choices=BASES, default="plain", help="which control")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stay", action="store_true", help="do not end with standard input")
    asked = parser.parse_args()
    app = FaultServer(find(asked.deviation) if asked.deviation else None, asked.base)
    if not asked.stay:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    run(app, port=asked.port, on_started=lambda url: print(url, flush=True))
    print(f"requests {app.requests}", flush=True)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

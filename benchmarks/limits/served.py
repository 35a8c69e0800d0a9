"""The stand-in on a free port with a limiter of these cases, in a process of its own: prints its address."""

from __future__ import annotations

import json
import sys
from typing import Any

import reference_server.limits
from benchmarks.limits.cases import Case, lie
from reference_server import asgi
from reference_server.limits import Limits
from reference_server.meters import Meter
from reference_server.serve import run, standin_app
from schemas.contracts import get


class Lying:
    """Changes what the endpoint says about its limits, as the case's trap has it."""

    def __init__(self, app: asgi.App, case: Case) -> None:
        self._app = app
        self._case = case

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        async def changed(message: asgi.Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(self._headers(message["headers"]))}
            await send(message)

        await self._app(scope, receive, changed)

    def _headers(self, headers: Any) -> Any:
        for name, value in headers:
            if name == b"retry-after":
                told = lie(self._case.trap, float(value))
                if told is not None:
                    yield name, b"%d" % told
            elif name == b"x-ratelimit-limit-requests" and self._case.trap == "limit doubled":
                yield name, b"%d" % (2 * int(value))
            else:
                yield name, value


def main() -> None:
    case = Case(**json.loads(sys.argv[1]))

    def meter_of(*_: object) -> Meter:
        return case.meter()

    reference_server.limits.meter_of = meter_of  # type: ignore[assignment]
    limits = Limits(requests_per_minute=case.limit or None, tokens_per_minute=None)
    app = standin_app(get("azure-llama"), limits=limits)
    run(Lying(app, case), "127.0.0.1", 0, lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()

"""Plain and layered in one and the same vLLM: what is asked for below `/plain` goes around the layer.

Two processes that serve the same model differ by more than the layer costs, by where their memory and threads came to
lie. In one process only the layer is different from turn to turn. `--middleware` names this class in place of ours.
"""

from __future__ import annotations

from reference_server import asgi
from reference_server.vllm.entry import Middleware

PLAIN = "/plain"


class Switch(Middleware):
    """vLLM's own answer below `PLAIN`, without a key; the layered one everywhere else."""

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or pass on an event of the server's life."""
        if scope["type"] == "http" and scope["path"].startswith(PLAIN + "/"):
            path = scope["path"].removeprefix(PLAIN)
            await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        else:
            await super().__call__(scope, receive, send)


NAME = f"{Switch.__module__}.{Switch.__qualname__}"

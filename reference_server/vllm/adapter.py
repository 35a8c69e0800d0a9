"""A place for what adapts vLLM's dialect: passes everything on."""

from __future__ import annotations

from reference_server import asgi
from schemas.model import Contract


class VllmAdapter:
    """Passes requests on as they are."""

    def __init__(self, app: asgi.App, *, contract: Contract, model: str) -> None:
        self._app, self._contract, self._model = app, contract, model

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

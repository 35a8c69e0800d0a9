"""The class that `vllm serve --middleware` names: the contract in front of vLLM, inside vLLM's own process.

Law: vLLM builds it with its app alone; it reads its settings once, from what `SEATRIAL_LAYER` names, and forgets where.
"""

from __future__ import annotations

import os
from pathlib import Path

from reference_server import asgi
from reference_server.content_hook import hook
from reference_server.layer import ContractLayer
from reference_server.vllm.adapter import VllmAdapter
from reference_server.vllm.settings import VARIABLE, LayerSettings
from schemas.contracts import get


class Middleware:
    """The layered app; what is not HTTP passes to vLLM as it comes."""

    def __init__(self, app: asgi.App) -> None:
        self._app = app
        self._layered = layered(app, _settings())

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or pass on an event of the server's life."""
        await (self._layered if scope["type"] == "http" else self._app)(scope, receive, send)


def layered(app: asgi.App, settings: LayerSettings) -> asgi.App:
    """The app of vLLM under the contract, from the inside out: dialect, content filter, contract."""
    contract = get(settings.contract)
    adapted: asgi.App = VllmAdapter(app, contract=contract, model=settings.model)
    return ContractLayer(
        hook(settings.content_filter)(adapted),
        contract=contract,
        key=settings.key,
        limits=settings.limits,
        lenient=settings.lenient,
        model=settings.model,
        context_length=settings.context_length,
    )


def _settings() -> LayerSettings:
    place = os.environ.pop(VARIABLE, None)
    if place is None:
        raise RuntimeError(f"{VARIABLE} does not name the layer's settings; start vLLM with `seatrial serve`")
    # A pipe's end under /dev/fd can be read as a file, and is empty from then on.
    return LayerSettings.from_json(Path(place).read_bytes())

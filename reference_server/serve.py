"""A server on a real socket: for a test as a context manager, for the command line until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import uvicorn

from reference_server import asgi
from reference_server.content_filter import Filtered
from reference_server.faults import Faulty, Mutant
from reference_server.layer import ContractLayer
from reference_server.limits import DEFAULT, Limits
from reference_server.paced import SECONDS, Paced
from reference_server.standin import Standin, StandinOptions
from reference_server.variations import VARIATIONS, Variation, Varied
from schemas.model import Contract

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """A running server; `url` has scheme, host and port, without a slash at the end."""

    url: str
    port: int


class StandinApp:
    """The stand-in behind its contract; `mutant` and `variation` may be replaced while it serves.

    `pace` is the seconds between the events of a long stream.
    """

    def __init__(
        self, layer: ContractLayer, mutant: Mutant | None, variation: Variation | None, pace: float = SECONDS
    ) -> None:
        self.layer = layer
        self.faulty = Faulty(layer, mutant)
        self.varied = Varied(self.faulty, variation)
        # Outermost, so that a mutant or a variation that holds events back holds them back for as long as they take.
        self.paced = Paced(self.varied, pace)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request."""
        await self.paced(scope, receive, send)

    @property
    def mutant(self) -> Mutant | None:
        """The fault of requests that begin now."""
        return self.faulty.mutant

    @mutant.setter
    def mutant(self, mutant: Mutant | None) -> None:
        self.faulty.mutant = mutant

    @property
    def variation(self) -> Variation | None:
        """The variation of requests that begin now."""
        return self.varied.variation

    @variation.setter
    def variation(self, variation: Variation | None) -> None:
        self.varied.variation = variation


def standin_app(
    contract: Contract,
    *,
    key: str | None = None,
    options: StandinOptions | None = None,
    seed: int | None = None,
    limits: Limits | None = DEFAULT,
    mutant: Mutant | None = None,
    variation: Variation | str | None = None,
    lenient: bool = False,
) -> StandinApp:
    """The conformant server of that contract, with room for a mutant and a variation (or the name of one).

    `seed` overrides that of `options`; `limits` None means none. `KeyError` for a name that no variation has.
    """
    options = options or StandinOptions()
    if seed is not None:
        options = replace(options, seed=seed)
    layer = ContractLayer(
        Filtered(Standin(options)),
        contract=contract,
        key=key,
        limits=limits,
        lenient=lenient,
        model=options.model,
        context_length=options.context_length,
    )
    named = VARIATIONS[variation] if isinstance(variation, str) else variation
    # Who gives delays of his own wants those and no others.
    return StandinApp(layer, mutant, named, SECONDS if options.ttft_s == options.itl_s == 0 else 0.0)


@contextlib.contextmanager
def serving(app: asgi.App, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """Serve that app from a thread while the context lasts; port 0 takes a free one.

    `OSError` when the address cannot be had; `RuntimeError` when the server does not start or stop in time.
    """
    listener = _bound(host, port)
    server = _Server(_config(app))
    thread = threading.Thread(target=_serve, args=(server, listener), name="reference-server", daemon=True)
    thread.start()
    try:
        if not server.began.wait(_START_SECONDS) or not server.started:
            raise RuntimeError("the reference server did not start")
        yield _described(host, listener)
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        if thread.is_alive():
            server.force_exit = True
            thread.join(_STOP_SECONDS)
        listener.close()
        if thread.is_alive():
            raise RuntimeError("the reference server did not stop")


def run(
    app: asgi.App, host: str = "127.0.0.1", port: int = 8000, on_started: Callable[[str], None] | None = None
) -> None:
    """Serve that app until SIGINT or SIGTERM; `on_started` gets the URL. `OSError` when the address cannot be had."""
    listener = _bound(host, port)
    server = _Server(_config(app))
    url = _described(host, listener).url

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, server)
        server.on_started = (lambda: on_started(url)) if on_started else None
        await server.serve(sockets=[listener])

    try:
        asyncio.run(serve())
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers, telling when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.began = threading.Event()
        self.on_started: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        try:
            await super().startup(sockets)
        finally:
            self.began.set()
        if self.started and self.on_started:
            self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`."""
        yield


def _stop(server: _Server) -> None:
    # Asked twice, it does not wait for streams that are still going.
    server.force_exit = server.should_exit
    server.should_exit = True


def _serve(server: _Server, listener: socket.socket) -> None:
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        server.began.set()


def _config(app: asgi.App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="httptools" if importlib.util.find_spec("httptools") else "h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        # A stream that outlives its server is cut after this many seconds.
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        backlog=2048,
    )


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise OSError(f"cannot listen on {host}:{port}: a port is a number from 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def _described(host: str, listener: socket.socket) -> Server:
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return Server(f"http://{shown}:{port}", port)

"""A real vLLM on a real socket, under the contract or plain, for as long as a context lasts.

Law: whatever ends the context, or this process, no process of vLLM is left; the key is in no command line, in no log,
and in no variable but the one of a plain vLLM.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reference_server.content_hook import place_of
from reference_server.serve import Server
from reference_server.vllm import command
from reference_server.vllm.command import VllmOptions
from reference_server.vllm.device import Device, choose_device
from reference_server.vllm.errors import PortTakenError, SetupError, StartError
from reference_server.vllm.installation import Installation, find_vllm
from reference_server.vllm.kept import Kept
from reference_server.vllm.settings import VARIABLE, LayerSettings
from reference_server.vllm.story import PORT_TAKEN, Follower, advice, ending, last_lines, tail

Tell = Callable[[str, float], None]

_TRIES = 3
_POLL = 0.1
_PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class VllmServer(Server):
    """A running vLLM; `status` is None as long as it runs, then its exit status."""

    device: Device
    log: Path
    status: Callable[[], int | None] = field(repr=False)


@contextlib.contextmanager
def serving_vllm(
    options: VllmOptions,
    layer: LayerSettings,
    *,
    environ: Mapping[str, str],
    tell: Tell | None = None,
) -> Iterator[VllmServer]:
    """Start `vllm serve`, yield it once it is healthy, and leave nothing of it behind.

    `tell` gets the stage and the seconds since the start, several times a second. A plain server has of `layer` only
    the key. Raises `SetupError` before anything is started, `StartError` when vLLM does not get healthy in time.
    """
    command.check(options)
    installed = find_vllm(options.executable, environ, *_modules(options, layer))
    device = choose_device(options.device, installed, environ)
    log = _log_file(options.log)
    with tempfile.TemporaryDirectory(prefix="seatrial-vllm-") as folder, contextlib.ExitStack() as stack:
        child = command.environment(options, device, environ, layer.key)
        lent = installed.prepare(Path(folder))
        if lent:
            child["PYTHONPATH"] = os.pathsep.join(filter(None, (str(lent), child.get("PYTHONPATH"))))
        for tries_left in reversed(range(_TRIES)):
            port = _free_port(options.host, options.port)
            kept = _started(options, layer, installed, device, port, child, log)
            stack.callback(kept.stop)
            try:
                _until_healthy(options, kept, port, log, tell)
                break
            except PortTakenError:
                # Between our look and its own another process was faster.
                kept.stop()
                if options.port or not tries_left:
                    raise
        shown = f"[{options.host}]" if ":" in options.host else options.host
        yield VllmServer(f"http://{shown}:{port}", port, device, log, kept.status)


def _modules(options: VllmOptions, layer: LayerSettings) -> tuple[str, ...]:
    """The modules beside our own that the layer needs in vLLM's environment."""
    place = None if options.plain else place_of(layer.content_filter)
    return (place[0].partition(".")[0],) if place else ()


def _started(
    options: VllmOptions,
    layer: LayerSettings,
    installed: Installation,
    device: Device,
    port: int,
    environ: Mapping[str, str],
    log: Path,
) -> Kept:
    words = [str(installed.executable), *command.arguments(options, device, port)]
    with log.open("ab") as opened:
        opened.write(f"seatrial: {command.shown(words)}\n".encode())
    secret = {} if options.plain else {"variable": VARIABLE, "secret": layer.to_json()}
    return Kept(words, environ, log, stop_timeout=options.patience, **secret)  # type: ignore[arg-type]


def _until_healthy(options: VllmOptions, kept: Kept, port: int, log: Path, tell: Tell | None) -> None:
    began = time.monotonic()
    follower = Follower(log)
    while True:
        seconds = time.monotonic() - began
        stage = follower.stage()
        if tell:
            tell(stage, seconds)
        status = kept.status()
        if status is not None:
            raise _ended(status, log)
        answer = _health(options.host, port)
        if answer is not None and answer[0] == 500:
            raise _failed("vLLM has started, but answers with a failure", log)
        # With 503 it says that it is not ready.
        if answer is not None and answer[0] != 503 and kept.status() is None:
            if not options.plain and b'"ok"' not in answer[1]:
                raise _failed("vLLM has started without the layer in front of it", log)
            return
        if seconds > options.start_timeout:
            more = f"it was still {stage}; a larger --start-timeout gives it longer"
            raise _failed(f"vLLM was not ready within {options.start_timeout:g} s: {more}", log)
        time.sleep(_POLL)


def _ended(status: int, log: Path) -> StartError:
    said = tail(log)
    message = f"vLLM ended while it started ({ending(status)}): {advice(said) or 'its last lines say why'}"
    kind = PortTakenError if PORT_TAKEN.search(said) else StartError
    return kind(message, log=log, last=last_lines(said))


def _failed(message: str, log: Path) -> StartError:
    return StartError(message, log=log, last=last_lines(tail(log)))


def _health(host: str, port: int) -> tuple[int, bytes] | None:
    """Status and body of `/health`; None while nobody answers."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(reached, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status, answer.read(4096)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _free_port(host: str, port: int) -> int:
    """That port, or a free one for 0; `SetupError` when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as looking:
            looking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            looking.bind(address)
            return int(looking.getsockname()[1])
    except OSError as error:
        raise SetupError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port or --host"
        ) from None


def _log_file(asked: Path | None) -> Path:
    """The log, empty, which only this user can read."""
    try:
        if asked is None:
            number, name = tempfile.mkstemp(prefix="seatrial-vllm-", suffix=".log")
            os.close(number)
            return Path(name)
        os.close(os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise SetupError(
            f"cannot write the log {asked}: {error.strerror or error}; choose another --vllm-log"
        ) from None
    return asked.absolute()

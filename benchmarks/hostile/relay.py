"""A relay before a good endpoint that turns hostile on the requests that somebody chooses."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.conformance.hostile import PATIENCE, Peer, Script, Server, serving

# Whether a request (head and body) is the one to be hostile to.
Chooser = Callable[[bytes], bool]


def every(_: bytes) -> bool:
    """Every request."""
    return True


def streams(request: bytes) -> bool:
    """Requests that ask for a stream."""
    return b'"stream": true' in request


def greedy(request: bytes) -> bool:
    """Requests at temperature 0: many checks, on both routes, and neither the preflight nor the smallest request."""
    return b'"temperature": 0,' in request or b'"temperature": 0}' in request


@contextmanager
def relaying(upstream: str, behaviour: Script, turns: Chooser) -> Iterator[Server]:
    """A server that hands requests on to `upstream`, except those that `turns` chooses."""

    def script(peer: Peer) -> None:
        peer.take()
        if not peer.request:
            return
        if turns(peer.request):
            behaviour(peer)
        else:
            _relay(peer, upstream)

    with serving(script) as server:
        yield server


def _relay(peer: Peer, upstream: str) -> None:
    head, _, body = peer.request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    where = urlsplit(upstream)
    with (
        contextlib.suppress(OSError),
        socket.create_connection((where.hostname or "", where.port or 0), PATIENCE) as good,
    ):
        good.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        while part := good.recv(65536):
            peer.send(part)

"""Raw loopback servers for tests: each connection follows a script, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PATIENCE = 10.0


@dataclass
class Server:
    """A listening server: what it was sent, by request, and how many connections it took."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    # Another server, for redirects.
    elsewhere: str = "http://127.0.0.1:9"


class Peer:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server
        self.request = b""

    def take(self) -> bytes:
        """Read one request; empty when the client is gone. `request` has it whole."""
        data = self.request = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        size = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        while len(body) < size:
            body += self.sock.recv(65536)
        self.request = head + b"\r\n\r\n" + body
        self.server.requests.append(self.request)
        return body

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, seconds: float = 0.01) -> None:
        """Send byte by byte, for as long as the test lasts."""
        for byte in data:
            if self.server.over.wait(seconds):
                return
            self.send(bytes([byte]))

    def hang(self) -> None:
        """Do nothing until the test is over."""
        self.server.over.wait(PATIENCE)

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer], None]


def answer(body: bytes = b"{}", *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    """A whole answer with its length."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def head(*, kind: str = "text/event-stream", more: str = "") -> bytes:
    """The head of a chunked answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n{more}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the last one when empty."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def always(data: bytes) -> Script:
    """Answer every request of a connection with the same bytes."""

    def script(peer: Peer) -> None:
        while True:
            peer.take()
            if not peer.server.requests:
                return
            peer.send(data)

    return script


def once(data: bytes) -> Script:
    """Answer one request with these bytes, then close."""

    def script(peer: Peer) -> None:
        peer.take()
        peer.send(data)

    return script


@contextlib.contextmanager
def serving(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port; the nth connection follows the nth script, and the last script serves all later ones."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)
    scheme = "https" if tls else "http"
    server = Server(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []
    socks: list[socket.socket] = []

    def talk(sock: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError):
            sock.settimeout(PATIENCE)
            if tls is not None:
                sock = tls.wrap_socket(sock, server_side=True)
            script(Peer(sock, server))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not server.over.is_set():
                try:
                    sock, _ = listener.accept()
                except TimeoutError:
                    continue  # a busy machine may take that long between two connections
                if server.over.is_set():
                    sock.close()
                    return
                script = scripts[min(server.connections, len(scripts) - 1)]
                server.connections += 1
                socks.append(sock)
                threads.append(threading.Thread(target=talk, args=(sock, script), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), timeout=1).close()
        acceptor.join(PATIENCE)
        listener.close()
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)

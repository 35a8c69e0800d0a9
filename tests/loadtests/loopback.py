"""Servers on a loopback socket that answer exactly the bytes of a script, in threads of their own."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[socket.socket, bytes], None]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk(text: str = "", finish: str | None = None, **more: object) -> bytes:
    """One event of a chat stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def stream_of(tokens: int) -> bytes:
    """A whole conformant answer: a role chunk, `tokens` chunks with text, the end with its usage, `[DONE]`."""
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    events = [chunk(), *(chunk(f"word{n} ") for n in range(tokens)), chunk("", "length", usage=usage), DONE]
    return HEAD + b"".join(chunked(event) for event in events) + END


def with_status(status: int, headers: bytes = b"", body: bytes = b'{"error": "no"}') -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), headers, body)


@dataclass
class Loopback:
    """A running server: where it is, what it was sent, and how many connections it has seen."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(*pieces: bytes) -> Script:
    """A script that sends these pieces one by one."""

    def script(connection: socket.socket, request: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


def then_close(*pieces: bytes) -> Script:
    """A script that sends these pieces and closes the connection."""

    def script(connection: socket.socket, request: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_RDWR)

    return script


@contextmanager
def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Serve that script to every request, until the block is left."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = Loopback(listener.getsockname()[1])
    open_now: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.connections += 1
                open_now.append(connection)
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            talk = connection if tls is None else tls.wrap_socket(connection, server_side=True)
            open_now.append(talk)
            talk.settimeout(20)
            talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := read_request(talk):
                server.requests.append(request)
                script(talk, request)
        connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        for one in [listener, *open_now]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join(timeout=5)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = (line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    length = int(next(lengths, 0))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

"""What a machine allows: a closed loop on bare sockets, with nothing but the clock read when bytes have come.

It is run as a program of its own, without the rest of Seatrial, and prints in JSON the ms to the first token of each
request. Where even this is milliseconds off, the machine was, and no client's figure of that run means anything.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

_BODY = b'{"model": "calib", "messages": [{"role": "user", "content": "x"}], "max_tokens": %d, "stream": true}'
_FIRST = b"data: "
_SECONDS = 60.0  # without a byte


def ask(tokens: int) -> bytes:
    """One request, as bytes."""
    body = _BODY % tokens
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def measured(port: int, streams: int, requests: int, tokens: int) -> list[float]:
    """The ms to the first token of each of so many requests, `streams` at a time."""
    request, poll = ask(tokens), select.epoll()
    sockets: dict[int, socket.socket] = {}
    # When a stream was asked for, and the end of what it said last; 0.0 once its first token has come.
    asked: dict[int, float] = {}
    tails: dict[int, bytes] = {}
    for _ in range(min(streams, requests)):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[opened.fileno()] = opened
        poll.register(opened, select.EPOLLIN)
    left, found = requests, []
    for number, opened in sockets.items():
        asked[number], tails[number] = time.perf_counter(), b""
        opened.sendall(request)
        left -= 1
    while asked:
        ready = poll.poll(_SECONDS)
        if not ready:
            raise SystemExit("the server went silent")
        for number, _ in ready:
            data = sockets[number].recv(1 << 16)
            now = time.perf_counter()
            if not data:
                raise SystemExit("the server closed a connection")
            if asked[number] and _FIRST in data:
                found.append((now - asked[number]) * 1000)
                asked[number] = 0.0
            tails[number] = (tails[number] + data)[-16:]
            if not tails[number].endswith(b"\r\n0\r\n\r\n"):
                continue
            if left:
                left -= 1
                asked[number], tails[number] = time.perf_counter(), b""
                sockets[number].sendall(request)
            else:
                del asked[number]
    return found


if __name__ == "__main__":
    print(json.dumps(measured(*map(int, sys.argv[1:5]))))

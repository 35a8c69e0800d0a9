"""Asks as fast as answers come, over as many connections as wanted: one thread, `epoll`, and no parsing of answers."""

from __future__ import annotations

import re
import select
import socket
import time
from dataclasses import dataclass, field

_END = b"0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass
class Slice:
    """What one server did in a slice of time: seconds of wall and of the client's CPU, ms to each first byte."""

    requests: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    first_ms: list[float] = field(default_factory=list)


@dataclass
class _Line:
    """A connection, what is known of the answer on it (bytes to come, None for chunked), and when it was asked."""

    socket: socket.socket
    asked_at: float = 0.0
    begun: bool = False
    to_come: int | None = None


class Lines:
    """Open connections to one server."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        for _ in range(count):
            opened = socket.create_connection(address, timeout=10)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines[opened.fileno()] = _Line(opened)
            self._poll.register(opened, select.EPOLLIN)

    def run(self, request: bytes, seconds: float) -> Slice:
        """Ask on every connection, again and again, for that long; the last answers are waited for."""
        done = Slice()
        begun, cpu = time.perf_counter(), time.process_time()
        for line in self._lines.values():
            _ask(line, request)
        open_lines = len(self._lines)
        while open_lines:
            ready = self._poll.poll(10)
            if not ready:
                raise SystemExit("the server did not answer within ten seconds")
            for number, _ in ready:
                line = self._lines[number]
                if not self._read(line, done):
                    continue
                done.requests += 1
                if time.perf_counter() - begun < seconds:
                    _ask(line, request)
                else:
                    open_lines -= 1
        done.wall, done.cpu = time.perf_counter() - begun, time.process_time() - cpu
        return done

    def close(self) -> None:
        for line in self._lines.values():
            line.socket.close()
        self._poll.close()

    def _read(self, line: _Line, done: Slice) -> bool:
        """Read what has come; whether the answer is complete."""
        data = line.socket.recv(1 << 18)
        if not data:
            raise SystemExit("the server closed a connection")
        if not line.begun:
            done.first_ms.append((time.perf_counter() - line.asked_at) * 1000)
            head, blank, _ = data.partition(b"\r\n\r\n")
            if not blank or not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"the server answered {head[:200]!r}")
            line.begun = True
            length = _LENGTH.search(head + b"\r\n")
            line.to_come = len(head) + 4 + int(length[1]) if length else None
        if line.to_come is None:
            return data.endswith(_END)
        line.to_come -= len(data)
        return line.to_come == 0


def _ask(line: _Line, request: bytes) -> None:
    line.begun, line.to_come = False, None
    line.asked_at = time.perf_counter()
    line.socket.sendall(request)

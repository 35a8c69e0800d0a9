"""A server of streams whose true send times are known: a process of its own, so that it shares nothing with its client.

It prints its port, serves until its stdin ends, and then prints when it sent what. Standard library only, and started
without site-packages, so that it is there in a tenth of a second. Law: a time is taken just before the bytes are sent.
"""

from __future__ import annotations

import heapq
import json
import select
import socket
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
# Nobody's server for longer than that, whatever became of its client.
MOST_SECONDS = 60.0
_MOST_REQUEST = 1 << 16


def piece(text: str) -> bytes:
    """One event as a chunk of the body."""
    event = f"data: {text}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(content: str, finish: str | None) -> str:
    choice = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": finish}
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]})


class Server:
    """Streams of `tokens` tokens each, the first `ttft` seconds after its request, the others `itl` seconds apart."""

    def __init__(self, ttft: float, itl: float, tokens: int) -> None:
        self._ttft, self._itl, self._tokens = ttft, itl, tokens
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.sent: dict[str, list[int]] = {}
        self._due: list[tuple[float, int, int, str]] = []
        self._sockets: dict[int, socket.socket] = {}
        self._buffers: dict[int, bytes] = {}
        self._poll = select.poll()
        self._poll.register(self.listener, select.POLLIN)
        self._next, self._last = piece(_chunk(" word", None)), piece(_chunk(" word", "length")) + piece("[DONE]") + END

    def serve(self, until: int | None = None) -> None:
        """Serve until the descriptor `until` can be read, which the end of a pipe is."""
        if until is not None:
            self._poll.register(until, select.POLLIN)
        ending = time.monotonic() + MOST_SECONDS
        while (now := time.monotonic()) < ending:
            wait = self._due[0][0] - now if self._due else 1.0
            for descriptor, _ in self._poll.poll(max(0.0, wait) * 1000):
                if descriptor == until:
                    return
                self._ready(descriptor)
            self._send_what_is_due()

    def _ready(self, descriptor: int) -> None:
        if descriptor == self.listener.fileno():
            self._accept()
            return
        data = self.receive(self._sockets[descriptor])
        if data is None:
            return
        held = self._buffers[descriptor] + data
        if not data or len(held) > _MOST_REQUEST:
            self._drop(descriptor)
            return
        head, found, body = held.partition(b"\r\n\r\n")
        length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
        if not found or len(body) < length:
            self._buffers[descriptor] = held
            return
        self._buffers[descriptor] = body[length:]
        name = self.name_of(head)
        self.sent[name] = []
        self._socket_sends(descriptor, HEAD)
        heapq.heappush(self._due, (time.monotonic() + self.ttft_of(name), 0, descriptor, name))

    def name_of(self, head: bytes) -> str:
        """What a request is called where the times are told: its path."""
        return head.split(b" ", 2)[1].decode("ascii", "replace")

    def ttft_of(self, name: str) -> float:
        """Seconds from that request to its first token."""
        del name
        return self._ttft

    def welcome(self, connection: socket.socket) -> socket.socket:
        """A connection as it was accepted, ready to be read without waiting."""
        connection.setblocking(False)
        return connection

    def receive(self, connection: socket.socket) -> bytes | None:
        """What has arrived: None for nothing yet, no bytes for the end."""
        try:
            return connection.recv(_MOST_REQUEST)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            try:
                connection = self.welcome(accepted)
            except OSError:
                accepted.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._buffers[connection.fileno()] = b""
            self._poll.register(connection, select.POLLIN)

    def _send_what_is_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            due, index, descriptor, name = heapq.heappop(self._due)
            if descriptor not in self._sockets:
                continue
            last = index + 1 == self._tokens
            self.sent[name].append(time.perf_counter_ns())
            self._socket_sends(descriptor, self._last if last else self._next)
            if not last:
                heapq.heappush(self._due, (due + self._itl, index + 1, descriptor, name))

    def _socket_sends(self, descriptor: int, data: bytes) -> None:
        try:
            self._sockets[descriptor].send(data)
        except OSError:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._sockets.pop(descriptor).close()


def main() -> None:
    """Serve as `TTFT_S ITL_S TOKENS` on the command line say."""
    ttft, itl, tokens = sys.argv[1:4]
    server = Server(float(ttft), float(itl), int(tokens))
    sys.stdout.write(f"{server.listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.serve(sys.stdin.fileno())
    sys.stdout.write(json.dumps(server.sent))


if __name__ == "__main__":
    main()

"""Our own calibrated server with what a benchmark needs beside it: `python -m benchmarks.load.own_server SETTINGS`.

SETTINGS is a JSON object: ttft and itl in seconds, tokens; if wanted certificate and key (files), and slow_every: so
often a request has ten times the TTFT. It prints its port and, when its stdin ends, when each request came and each
token went, in ns. Requests are numbered in the order in which they come.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

# As a program it is started without site-packages, from wherever.
sys.path.insert(0, str(Path(__file__).parents[2]))

from loadtests.calibrated import Server


class OwnServer(Server):
    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings["ttft"], settings["itl"], settings["tokens"])
        self.came: list[int] = []
        self._slow_every = settings.get("slow_every", 0)
        self._context: ssl.SSLContext | None = None
        if settings.get("certificate"):
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(settings["certificate"], settings["key"])

    def name_of(self, head: bytes) -> str:  # noqa: ARG002 - numbers name them here
        self.came.append(time.perf_counter_ns())
        return str(len(self.came) - 1)

    def ttft_of(self, name: str) -> float:
        slow = self._slow_every and int(name) % self._slow_every == self._slow_every // 2
        return self._ttft * (10 if slow else 1)

    def welcome(self, connection: socket.socket) -> socket.socket:
        if self._context is not None:
            # Connections are opened before anything is measured.
            connection.settimeout(5)
            connection = self._context.wrap_socket(connection, server_side=True)
        connection.setblocking(False)
        return connection

    def receive(self, connection: socket.socket) -> bytes | None:
        try:
            return connection.recv(1 << 16)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            return b""


def main() -> None:
    server = OwnServer(json.loads(sys.argv[1]))
    sys.stdout.write(f"{server.listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.serve(sys.stdin.fileno())
    sys.stdout.write(json.dumps([[came, *server.sent[str(n)]] for n, came in enumerate(server.came)]))


if __name__ == "__main__":
    main()

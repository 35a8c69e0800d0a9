from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtests.launch import run_load
from loadtests.pool import Pool
from loadtests.proxies import ProxyError, chosen_proxy, proxy_of
from loadtests.streams import read_stream
from loadtests.target import TargetError, target
from schemas.contracts import get
from tests.loadtests.loopback import Loopback, answer, serving, stream_of, then_close, with_status

CHAT = get("azure-llama").operation("chat")
PASSWORD = "a-password"
REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


def relay(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def tunnels() -> Iterator[Loopback]:
    """A proxy that leads each CONNECT on and remembers its head."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Loopback(listener.getsockname()[1])
    opened: list[socket.socket] = [listener]

    def lead(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            proxy.requests.append(head)
            host, _, port = head.split(b" ")[1].rpartition(b":")
            beyond = socket.create_connection((host.decode(), int(port)))
            opened.append(beyond)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=relay, args=(beyond, connection), daemon=True).start()
            relay(connection, beyond)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                opened.append(connection)
                threading.Thread(target=lead, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_tls_goes_through_a_tunnel_and_the_certificate_is_the_endpoints(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(answer(stream_of(3)), tls=context) as server, tunnels() as proxy:
        way = proxy_of(f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
        trusted = Pool("127.0.0.1", server.port, tls=True, ca_file=str(certificate[0]), proxy=way)
        readings = [read_stream(trusted, REQUEST, deadline=5) for _ in range(2)]
        trusted.close()
        unknown = Pool("127.0.0.1", server.port, tls=True, proxy=way)
        refused = read_stream(unknown, REQUEST, deadline=5)
    assert [reading.outcome for reading in readings] == ["ok", "ok"]
    assert readings[1].reused
    assert (refused.outcome, "certificate" in refused.detail) == ("refused", True)
    told = base64.b64encode(f"user:{PASSWORD}".encode())
    for head in proxy.requests:
        assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (server.port, server.port))
        assert b"Proxy-Authorization: Basic " + told + b"\r\n" in head
    # What the endpoint is sent says nothing of the proxy.
    assert server.requests == [REQUEST, REQUEST]


def test_plain_http_asks_the_proxy_for_the_whole_address() -> None:
    with serving(answer(stream_of(3))) as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        where = target("http://endpoint.test:8080/base", CHAT, "the-key", proxy=url)
        pool = Pool(where.host, where.port, proxy=where.proxy)
        reading = read_stream(pool, where.request(b"{}"), deadline=5)
        pool.close()
    assert reading.outcome == "ok"
    head = proxy.requests[0].decode()
    assert head.startswith("POST http://endpoint.test:8080/base/v1/chat/completions")
    assert "\r\nHost: endpoint.test:8080\r\n" in head
    assert "\r\nProxy-Authorization: Basic " in head
    assert PASSWORD not in repr(where)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (answer(with_status(407, body=b"who are you?")), "the proxy answered 407: who are you?"),
        (then_close(), "the proxy closed the connection"),
        (then_close(b"SSH-2.0\r\n\r\n"), "not http"),
    ],
)
def test_a_proxy_that_does_not_let_us_through_is_named(script: Any, why: str) -> None:
    with serving(script) as proxy:
        pool = Pool("endpoint.test", 443, tls=True, proxy=proxy_of(f"127.0.0.1:{proxy.port}"))
        reading = read_stream(pool, REQUEST, deadline=5)
    assert reading.outcome == "refused"
    assert why in reading.detail


@pytest.mark.parametrize(
    "url", ["https://proxy:1", "socks5://proxy:1", "http://", "http://proxy/path", "http://[x", "http://p:99999"]
)
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(ProxyError):
        proxy_of(url)
    with pytest.raises(TargetError):
        target("http://endpoint.test", CHAT, "", proxy=url)


def test_an_address_without_a_scheme_is_http() -> None:
    assert proxy_of("proxy:3128").name == "proxy:3128"
    assert proxy_of("http://[::1]:3128/").host == "::1"


ENVIRON = {"HTTPS_PROXY": f"http://u:{PASSWORD}@a:1", "http_proxy": "http://b:2", "HTTP_PROXY": "http://c:3"}


@pytest.mark.parametrize(
    ("given", "url", "more", "expected"),
    [
        (None, "https://h", {}, None),
        ("", "https://h", {}, None),
        ("http://p:1", "https://h", {}, "http://p:1"),
        ("env", "https://h/v1", {}, ENVIRON["HTTPS_PROXY"]),
        ("env", "http://h/v1", {}, "http://b:2"),
        ("env", "http://h/v1", {"NO_PROXY": "x,h"}, None),
        ("env", "http://in.h:80/v1", {"no_proxy": ".h"}, None),
        ("env", "http://in.h:80/v1", {"no_proxy": "*"}, None),
        ("env", "http://other/v1", {"NO_PROXY": "h"}, "http://b:2"),
    ],
)
def test_the_environment_is_asked_only_when_told_so(
    given: str | None, url: str, more: dict[str, str], expected: str | None
) -> None:
    assert chosen_proxy(given, url, {**ENVIRON, **more}) == expected


def test_without_a_proxy_of_its_scheme_all_proxy_serves() -> None:
    assert chosen_proxy("env", "https://h", {"ALL_PROXY": "http://all:1"}) == "http://all:1"
    assert chosen_proxy("env", "https://h", {}) is None


def test_a_password_on_the_command_line_is_refused_and_not_repeated() -> None:
    with pytest.raises(ProxyError, match="--proxy env") as refused:
        chosen_proxy(f"http://u:{PASSWORD}@p:1", "https://h", {})
    assert PASSWORD not in str(refused.value)
    way = proxy_of(f"http://u:{PASSWORD}@p:1")
    assert PASSWORD not in repr(way)
    assert PASSWORD in way.secrets


def test_a_password_that_a_proxy_echoes_is_not_written() -> None:
    records: list[dict[str, Any]] = []

    def echoes(connection: socket.socket, request: bytes) -> None:
        connection.sendall(with_status(407, body=request[:600] + PASSWORD.encode()))

    with serving(echoes) as proxy:
        orders = {
            "target": "http://endpoint.test",
            "overrides": {"rate": 30, "duration": 0.1, "max_tokens": 4, "deadline": 5, "warmup": 0},
            "proxy": f"http://u:{PASSWORD}@127.0.0.1:{proxy.port}",
            "self_check": False,
        }
        run_load(orders, "", records.append)
    written = str(records)
    assert records[-1]["proxy"] == f"127.0.0.1:{proxy.port}"
    assert "status 407" in written
    assert PASSWORD not in written
    assert base64.b64encode(f"u:{PASSWORD}".encode()).decode() not in written
    assert not any(PASSWORD in value for value in os.environ.values())

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.sockets import Interrupted, Recorder
from conformance.transport import Decoder, RecordingTransport, TransportFailure, trusted
from tests.conformance.hostile import Peer, always, answer, chunk, head, serving

LOOPBACK = str(Path(__file__).with_name("loopback.pem"))


def _get(
    url: str, recorder: Recorder | None = None, *, context: ssl.SSLContext | None = None, connect: float = 5.0
) -> bytes:
    transport = RecordingTransport(ssl_context=context)
    extensions: dict[str, Any] = {"timeout": {"connect": connect}}
    if recorder is not None:
        extensions["recorder"] = recorder
    try:
        return transport.handle_request(httpx.Request("GET", url, extensions=extensions)).read()
    finally:
        transport.close()


def _fails(url: str, recorder: Recorder | None = None, **more: Any) -> TransportFailure:
    with pytest.raises(TransportFailure) as caught:
        _get(url, recorder, **more)
    return caught.value


@pytest.fixture(scope="module")
def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOOPBACK)
    return context


@pytest.fixture(scope="module")
def strangers() -> ssl.SSLContext:
    return trusted()


# -- as a transport of httpx


def test_an_ordinary_client_can_use_it() -> None:
    with serving(always(answer(b'{"a": 1}'))) as server, httpx.Client(transport=RecordingTransport()) as client:
        assert [client.post(server.url, json={}).json() for _ in range(3)] == [{"a": 1}] * 3
        assert server.connections == 1


def test_the_time_outs_of_an_ordinary_client_hold() -> None:
    with (
        serving(Peer.hang) as server,
        httpx.Client(transport=RecordingTransport(), timeout=0.05) as client,
        pytest.raises(httpx.TransportError, match="timed out"),
    ):
        client.get(server.url)


def test_the_recorder_has_times_and_bytes_of_the_wire() -> None:
    recorder = Recorder()
    before = time.perf_counter_ns()
    data = answer(b"12345")
    with serving(always(data)) as server:
        assert _get(server.url, recorder) == b"12345"
    assert before < recorder.written_ns < recorder.read_ns < time.perf_counter_ns()
    assert recorder.received == len(data)
    assert recorder.head_size == len(data) - 5
    assert (recorder.reused, recorder.eof) == (False, False)


def test_a_chunked_body_and_its_connection_are_kept() -> None:
    transport = RecordingTransport()
    with serving(always(head() + chunk(b"a") + chunk(b"b") + chunk(b""))) as server:
        for _ in range(3):
            assert transport.handle_request(httpx.Request("GET", server.url)).read() == b"ab"
        assert server.connections == 1
        transport.close()


def test_an_answer_left_half_read_takes_its_connection_with_it() -> None:
    transport = RecordingTransport()

    def script(peer: Peer) -> None:
        peer.take()
        peer.send(head() + chunk(b"a"))
        peer.hang()

    with serving(script, always(answer(b"next"))) as server:
        response = transport.handle_request(httpx.Request("GET", server.url))
        assert next(iter(response.stream)) == b"a"  # type: ignore[arg-type]
        response.close()
        assert transport.handle_request(httpx.Request("GET", server.url)).read() == b"next"
        transport.close()


def test_each_thread_has_a_connection_of_its_own_and_keeps_it() -> None:
    transport = RecordingTransport()
    with serving(always(answer(b"a")), always(answer(b"b")), always(answer(b"c"))) as server:
        bodies: list[set[bytes]] = []

        def ask() -> None:
            asked = (transport.handle_request(httpx.Request("GET", server.url)) for _ in range(4))
            bodies.append({response.read() for response in asked})

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join(5)
        assert bodies == [{b"a"}, {b"b"}, {b"c"}]
        assert server.connections == 3
        transport.close()


# -- names, connections, TLS


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    failed = _fails("http://no.such.host.invalid/")
    assert failed.kind == "dns"
    assert "not known" in failed.detail


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_: Any, flags: int = 0, **__: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    began = time.monotonic()
    failed = _fails("http://slow.invalid/", connect=0.05)
    release.set()
    assert (failed.kind, time.monotonic() - began < 5) == ("dns", True)


def test_the_second_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    with serving(always(answer(b"here"))) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = int(server.url.rsplit(":", 1)[1])
        dead = real("127.0.0.1", closed.getsockname()[1], type=socket.SOCK_STREAM)
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: dead + real("127.0.0.1", port, type=socket.SOCK_STREAM)
        )
        assert _get(f"http://two.invalid:{port}/") == b"here"


def test_a_host_that_takes_no_connection_ends_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        failed = _fails(f"http://127.0.0.1:{full.getsockname()[1]}/", connect=0.05)
        for sock in waiting:
            sock.close()
    assert failed.kind == "connect"
    assert "timed out" in failed.detail


def test_tls_with_an_authority_of_ones_own(server_tls: ssl.SSLContext) -> None:
    context = trusted(LOOPBACK)
    recorder = Recorder()
    with serving(always(answer(b"secret")), tls=server_tls) as server:
        assert _get(server.url, recorder, context=context) == b"secret"
        assert recorder.received == len(answer(b"secret"))


def test_a_connection_under_tls_is_kept(server_tls: ssl.SSLContext) -> None:
    transport = RecordingTransport(ssl_context=trusted(LOOPBACK))
    with serving(always(head() + chunk(b"a" * 50_000) + chunk(b"")), tls=server_tls) as server:
        for _ in range(3):
            assert transport.handle_request(httpx.Request("GET", server.url)).read() == b"a" * 50_000
        assert server.connections == 1
        transport.close()


def test_tls_with_an_unknown_authority_is_refused(server_tls: ssl.SSLContext, strangers: ssl.SSLContext) -> None:
    with serving(always(answer()), tls=server_tls) as server:
        failed = _fails(server.url, context=strangers)
        assert server.requests == []
    assert failed.kind == "tls"
    assert "certificate is not trusted" in failed.detail


def test_tls_for_another_name_is_refused(server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(always(answer()), tls=server_tls) as server:
        port = int(server.url.rsplit(":", 1)[1])
        here = socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: here)
        failed = _fails(f"https://other.invalid:{port}/", context=trusted(LOOPBACK))
    assert failed.kind == "tls"
    assert "other.invalid" in failed.detail


def test_tls_against_a_server_that_has_none(strangers: ssl.SSLContext) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(script) as server:
        assert _fails(server.url.replace("http:", "https:"), context=strangers).kind == "tls"


def test_a_handshake_that_never_ends(strangers: ssl.SSLContext) -> None:
    with serving(Peer.hang) as server:
        failed = _fails(server.url.replace("http:", "https:"), context=strangers, connect=0.05)
    assert (failed.kind, "timed out" in failed.detail) == ("tls", True)


# -- deadlines and stopping


def test_a_server_that_does_not_read_ends_in_time() -> None:
    transport = RecordingTransport()
    with serving(Peer.hang) as server:
        request = httpx.Request("POST", server.url, content=b"x" * 50_000_000)
        # Only now, since building so large a request may take as long.
        request.extensions["recorder"] = Recorder(deadline=time.monotonic() + 0.1)
        with pytest.raises(TransportFailure) as caught:
            transport.handle_request(request)
    transport.close()
    assert caught.value.kind == "timeout"


def test_a_stop_that_is_set_sends_nothing() -> None:
    stop = threading.Event()
    stop.set()
    with serving(always(answer())) as server:
        with pytest.raises(Interrupted):
            _get(server.url, Recorder(stop=stop))
        assert server.requests == []


# -- content codings


@given(body=st.binary(max_size=500), cuts=st.lists(st.integers(1, 40), max_size=5))
def test_decoding_does_not_depend_on_the_cuts(body: bytes, cuts: list[int]) -> None:
    for name, coded in (
        ("gzip", gzip.compress(body)),
        ("deflate", zlib.compress(body)),
        ("identity", body),
        ("", body),
    ):
        decoder = Decoder(name, 500)
        at, whole = 0, b""
        for cut in [*cuts, len(coded)]:
            whole += decoder.feed(coded[at : at + cut])
            at += cut
        decoder.finish()
        assert whole == body


def test_a_bomb_is_never_unpacked_beyond_its_bound() -> None:
    decoder = Decoder("gzip", 1000)
    with pytest.raises(TransportFailure, match="1000 bytes") as caught:
        decoder.feed(gzip.compress(b"0" * 50_000_000))
    assert caught.value.kind == "too-large"


def test_a_body_of_exactly_the_bound_is_whole() -> None:
    decoder = Decoder("gzip", 1000)
    assert len(decoder.feed(gzip.compress(b"0" * 1000))) == 1000
    decoder.finish()

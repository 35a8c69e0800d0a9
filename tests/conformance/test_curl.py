from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.wire.curl import curl_line
from conformance.wire.exchange import Sent
from conformance.wire.redact import PLACEHOLDER
from tests.conformance.hostile import Server, always, answer, serving

JSON = ("Content-Type", "application/json")
BEARER = ("Authorization", f"Bearer {PLACEHOLDER}")
KEY = "k3y'with\"$odd `characters\\"

needs_curl = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not installed"
)


def _run(line: str, *, key: str = KEY) -> str:
    assert "\n" not in line
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "SEATRIAL_API_KEY": key,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["bash", "-s"], input=line.encode(), capture_output=True, env=environment, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def _sent_by(sent: Sent, server: Server, *, key: str = KEY) -> tuple[bytes, list[bytes], bytes]:
    """The request line, the header lines and the body that the line makes curl send."""
    server.requests.clear()
    _run(curl_line(sent, server.url), key=key)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    return lines[0], lines[1:], body


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(always(answer(b"hello", more="Connection: close\r\n"))) as running:
        yield running


def test_the_line_is_what_a_person_would_write() -> None:
    sent = Sent("POST", "/v1/chat/completions", (BEARER, JSON), b'{"messages": [], "max_tokens": 8}')
    assert curl_line(sent, "https://a.example/") == (
        "curl -sS -i -N --max-time 60 -X POST https://a.example/v1/chat/completions "
        "-H \"Authorization: Bearer $SEATRIAL_API_KEY\" -H 'Content-Type: application/json' "
        '--data-binary \'{"messages": [], "max_tokens": 8}\''
    )


@needs_curl
def test_the_line_prints_the_answer_with_its_head(server: Server) -> None:
    printed = _run(curl_line(Sent("POST", "/v1/x", (BEARER, JSON), b"{}"), server.url))
    assert printed.startswith("HTTP/1.1 200 OK")
    assert printed.endswith("hello")


BODIES = [
    b"{}",
    b"",
    b"plain",
    b'it\'s "quoted" $HOME $(id) `id` \\n \\\\ ! !! ~ * ? # & | ; < >',
    b"line\nbreak\r\n\ttab",
    b"it's\nboth \\ and \\x41 and \x1b[0m",
    "é ⛵ 海 \u2028 \u202e \u00a0 \ufeff".encode(),
    "é\n⛵\x00".encode(),
    b"\x00\x01\xff\xfe",
    b"\x00",
    b"@/etc/hostname",
    b"@- and more",
    b"-X DELETE",
    b"--data x",
    b" leading and trailing ",
    b"\n",
    b"%41%00 \\0 \\1",
    b"a" * 200_000,
    b"'\n" * 80_000,
    json.dumps({"messages": [{"role": "user", "content": 'it\'s a "test"\n$x `y` \\ é'}]}).encode(),
]


@needs_curl
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_the_bytes_of_the_body_arrive(server: Server, body: bytes) -> None:
    line, headers, arrived = _sent_by(Sent("POST", "/v1/x", (BEARER, JSON), body), server)
    assert line == b"POST /v1/x HTTP/1.1"
    assert arrived == body
    assert f"Authorization: Bearer {KEY}".encode() in headers
    assert [h for h in headers if h.lower().startswith(b"content-type")] == [b"Content-Type: application/json"]


@needs_curl
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(st.characters(codec="utf-8"), max_size=60).map(str.encode) | st.binary(max_size=60))
def test_any_bytes_arrive(server: Server, body: bytes) -> None:
    assert _sent_by(Sent("POST", "/v1/x", (JSON,), body), server)[2] == body


@needs_curl
@pytest.mark.parametrize(
    "body",
    [
        f'{{"prompt": "{PLACEHOLDER}"}}',
        f"{PLACEHOLDER}x",
        f"it's\n{PLACEHOLDER}!",
        f"`{PLACEHOLDER}`$x",
        f"{PLACEHOLDER}{PLACEHOLDER}",
        PLACEHOLDER,
    ],
)
def test_the_key_is_filled_in_by_the_shell_wherever_it_stood(server: Server, body: str) -> None:
    line, headers, arrived = _sent_by(
        Sent("POST", f"/v1/x?k={PLACEHOLDER}", (("X-Key", PLACEHOLDER), JSON), body.encode()), server, key="k3y"
    )
    assert arrived == body.replace(PLACEHOLDER, "k3y").encode()
    assert line == b"POST /v1/x?k=k3y HTTP/1.1"
    assert b"X-Key: k3y" in headers


@needs_curl
def test_only_the_requests_own_headers_are_sent(server: Server) -> None:
    sent = Sent("POST", "/v1/x", (("X-Empty", ""), ("X-A", "1"), ("X-A", "it's $2")), b"{}")
    _, headers, _ = _sent_by(sent, server)
    assert not [h for h in headers if h.lower().startswith((b"content-type", b"authorization"))]
    assert [h for h in headers if h.startswith(b"X-")] == [b"X-Empty:", b"X-A: 1", b"X-A: it's $2"]


@needs_curl
def test_a_long_body_does_not_wait_for_leave_to_continue(server: Server) -> None:
    body = b"a" * 1_200_000
    _, headers, arrived = _sent_by(Sent("POST", "/v1/x", (JSON,), body), server)
    assert not [h for h in headers if h.lower().startswith(b"expect")]
    assert arrived == body


@needs_curl
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("DELETE", "/v1/x"),
        ("PUT", "/a/../b/./c"),
        ("POST", "/x?a[]={1,2}&b='c'"),
        ("OPTIONS", "/"),
        ("HEAD", "/v1/x"),
    ],
)
def test_methods_and_paths(method: str, path: str) -> None:
    data = answer(b"", more="Connection: close\r\n")
    with serving(always(data)) as server:
        _run(curl_line(Sent(method, path, ()), server.url))
        assert server.requests[0].split(b"\r\n")[0] == f"{method} {path} HTTP/1.1".encode()

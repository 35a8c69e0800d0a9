from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from loadtests.web.guard import Guard, is_local


def answered(host: str, method: str = "GET", **headers: str) -> tuple[str, dict[str, str]]:
    """Status and headers of what stands behind a guard bound to that address."""
    seen: list[Any] = []

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Access-Control-Allow-Origin", "*"), ("X-Frame-Options", "SAMEORIGIN"), ("X-Other", "1")])
        return [b"done"]

    environ = {"REQUEST_METHOD": method, "HTTP_HOST": "127.0.0.1:8089", **headers}
    list(Guard(app, host)(environ, lambda status, headers: seen.extend([status, headers])))
    return seen[0], dict(seen[1])


def test_other_sites_are_not_told_that_they_may_read() -> None:
    status, headers = answered("127.0.0.1")
    assert status == "200 OK"
    assert "Access-Control-Allow-Origin" not in headers
    assert (headers["X-Frame-Options"], headers["X-Other"]) == ("DENY", "1")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8089"}, True),
        ({"HTTP_ORIGIN": "http://127.0.0.1:8089", "HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_ORIGIN": "http://127.0.0.1:9999"}, False),
        ({"HTTP_ORIGIN": "https://evil.example"}, False),
        ({"HTTP_ORIGIN": "null"}, False),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
    ],
)
def test_orders_come_from_the_page_itself(headers: dict[str, str], *, allowed: bool) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert answered("127.0.0.1", method, **headers)[0].startswith("200" if allowed else "403")


def test_a_name_that_somebody_points_at_this_machine_is_refused() -> None:
    assert answered("127.0.0.1", HTTP_HOST="evil.example:8089")[0].startswith("403")
    assert answered("127.0.0.1", HTTP_HOST="[::1]:8089")[0].startswith("200")
    assert answered("127.0.0.1", HTTP_HOST="localhost")[0].startswith("200")
    assert answered("127.0.0.1", HTTP_HOST="")[0].startswith("403")
    # Where others may reach it, it has whatever name they know it by, and a login.
    assert answered("0.0.0.0", HTTP_HOST="load.example:8089")[0].startswith("200")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("", False),
        ("*", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_which_addresses_are_of_this_machine(host: str, *, local: bool) -> None:
    assert is_local(host) is local

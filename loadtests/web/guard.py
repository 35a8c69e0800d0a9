"""Keeps other sites out of a page that can start a load: whose requests are answered, and what browsers are told.

Law: a request that changes something comes from the page itself, and a page on this machine answers to this machine's
names only. Locust lets every site read and post; without this, a page that somebody visits could send the key anywhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# For pages of ours: what they need is served beside them, and nothing is written into them by hand.
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# For the report, which has no script at all and its style within.
REPORT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
# For locust's own page, which has scripts and styles within.
_LOCUST = (
    "default-src 'self' 'unsafe-inline' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = ("Access-Control-", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
_EVERYWHERE = frozenset({"", "*"})


def is_local(host: str) -> bool:
    """Whether what is bound to that address is reached from this machine only."""
    if host in _EVERYWHERE:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The application behind a door: it refuses what other sites send, and takes back what locust allows them."""

    def __init__(self, app: App, host: str) -> None:
        self._app = app
        self._local = is_local(host)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        why = self._why_not(environ)
        if why:
            start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(why)))])
            return [why.encode()]

        def guarded(status: str, headers: Headers, *rest: Any) -> Any:
            return start(status, _safe(headers), *rest)

        return self._app(environ, guarded)

    def _why_not(self, environ: dict[str, Any]) -> str:
        host = str(environ.get("HTTP_HOST", ""))
        # A name that somebody else's name server points at this machine is how other sites get in.
        if self._local and not is_local(_name(host)):
            return "this page answers to names of this machine only\n"
        if environ["REQUEST_METHOD"] in _READING:
            return ""
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and urlsplit(origin).netloc != host:
            return "this page takes no orders from other sites\n"
        if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in {"same-origin", "none"}:
            return "this page takes no orders from other sites\n"
        return ""


def _name(host: str) -> str:
    """The host without its port."""
    try:
        return urlsplit(f"//{host}").hostname or "?"
    except ValueError:
        return "?"


def _safe(headers: Headers) -> Headers:
    kept = [(name, value) for name, value in headers if not name.startswith(_OURS)]
    if not any(name.lower() == "content-security-policy" for name, _ in kept):
        kept.append(("Content-Security-Policy", _LOCUST))
    return [
        *kept,
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]

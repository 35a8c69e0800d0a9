"""The proxy between us and an endpoint: named by the user or, when the user says so, by the environment.

Law: nothing is taken from the environment unasked, for a proxy's time would be counted as the endpoint's; and its
password is in no log, no report and no command line.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from loadtests.replies import NOT_HTTP, Reply
from loadtests.scanner import TooLarge, excerpt

# In place of an address: take what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
FROM_ENVIRONMENT = "env"

_MOST_HEAD = 1 << 14


class ProxyError(ValueError):
    """An address that is no proxy's; the message says why and never has its password."""


@dataclass(frozen=True)
class Proxy:
    """Where it is and how it is told who asks (a header's value; empty for nobody in particular)."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What may be shown of it."""
        return f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be shown nowhere, in each form in which it may be echoed."""
        coded = self.authorization.removeprefix("Basic ")
        password = base64.b64decode(coded).decode("utf-8", "replace").partition(":")[2]
        return tuple(one for one in (coded, password) if one)

    def tunnel(self, sock: Any, host: str, port: int) -> None:
        """Have an open connection to the proxy led on to that host; raises `OSError` when it does not."""
        name = f"[{host}]" if ":" in host else host
        lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        reply, body = Reply(most_head=_MOST_HEAD), b""
        try:
            while not reply.headed:
                data = sock.recv(4096)
                if not data:
                    raise ConnectionError("the proxy closed the connection")
                body = reply.take(data)
        except (TooLarge, *NOT_HTTP):
            raise ConnectionError("what the proxy answered is not HTTP") from None
        if reply.status // 100 != 2:
            said = f": {excerpt(body, 100)}" if body else ""
            raise ConnectionError(f"the proxy answered {reply.status}{said}")


def proxy_of(url: str) -> Proxy:
    """The proxy at an address such as http://user:password@host:3128; `ProxyError` for anything else."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProxyError("the address of the proxy cannot be read") from None
    if parts.scheme != "http":
        raise ProxyError(f"a proxy is spoken to by http, not by {parts.scheme!r}")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ProxyError("a proxy's address is http://HOST:PORT and nothing more")
    told = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        told = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(host, port or 80, told)


def chosen_proxy(given: str | None, url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy's address for that endpoint: `given`, or the environment's where that is `env`; None for none.

    Raises `ProxyError` for a password on a command line, which every user of the machine can read.
    """
    if not given:
        return None
    if given != FROM_ENVIRONMENT:
        if "@" in given:
            raise ProxyError("a proxy's password is given in HTTPS_PROXY or HTTP_PROXY, with --proxy env")
        proxy_of(given)
        return given
    found = _from_environment(url, environ)
    if found is not None:
        proxy_of(found)
    return found


def _from_environment(url: str, environ: Mapping[str, str]) -> str | None:
    parts = urlsplit(url)
    values = {name.lower(): value for name, value in environ.items() if name.lower().endswith("_proxy") and value}
    # The lower-case spelling wins, as it does with curl.
    values.update({name: value for name, value in environ.items() if name in values and value})
    if proxy_bypass_environment(parts.netloc.rpartition("@")[2], {"no": values.get("no_proxy", "")}):
        return None
    return values.get(f"{parts.scheme}_proxy") or values.get("all_proxy")

"""Where requests go and how one is spelled: the only module here that holds the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from loadtests.prompts import prompt
from loadtests.proxies import Proxy, ProxyError, proxy_of
from schemas.model import Operation, Route

# What people paste: the page of a deployment shows the whole address of a route.
_PASTED = ("/v1/chat/completions", "/v1/completions", "/chat/completions", "/completions", "/v1")


class TargetError(ValueError):
    """The address or the key cannot be used; the message says why and never has the key."""


@dataclass(frozen=True)
class Target:
    """An endpoint's route, ready to be asked. `parameters` are set in each body, over the contract's example."""

    host: str
    port: int
    tls: bool
    path: str
    route: Route
    head: bytes = field(repr=False)
    example: Mapping[str, Any]
    parameters: Mapping[str, Any]
    proxy: Proxy | None = None

    @property
    def label(self) -> str:
        """What the request is called in statistics."""
        return self.path.partition("?")[0]

    def body(self, *, seed: int, number: int, prompt_tokens: int, max_tokens: int) -> bytes:
        """The body of the `number`-th request: a prompt of its own, streamed, no longer than `max_tokens`."""
        text = prompt(seed, number, prompt_tokens)
        asked = {"prompt": text} if self.route == "completions" else {"messages": [{"role": "user", "content": text}]}
        return json.dumps(
            {**self.example, **self.parameters, **asked, "max_tokens": max_tokens, "stream": True}
        ).encode()

    def request(self, body: bytes) -> bytes:
        """The whole request as it is written."""
        return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body)


def target(
    url: str,
    operation: Operation,
    key: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    proxy: str | None = None,
) -> Target:
    """The route of an endpoint below `url`; `TargetError` for an address, a proxy or a key that cannot be used."""
    parts = _split(url)
    try:
        way = proxy_of(proxy) if proxy else None
    except ProxyError as error:
        raise TargetError(str(error)) from None
    base = parts.path.rstrip("/")
    base = next((base.removesuffix(tail) for tail in _PASTED if base.endswith(tail)), base)
    path = base + operation.path + (f"?{urlencode(query)}" if query else "")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    where = f"{name}:{port}" if parts.port else str(name)
    # A proxy that leads no tunnel is told the whole address, and by whom it is asked, with each request.
    plain = None if tls else way
    lines = {
        "Host": where,
        **({"Proxy-Authorization": plain.authorization} if plain and plain.authorization else {}),
        # Nobody is told who asks without a key; a server that needs none is no special case.
        **({"Authorization": f"Bearer {key}"} if key else {}),
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        # A compressed stream could not be timed.
        "Accept-Encoding": "identity",
        "User-Agent": "seatrial-load",
        **(headers or {}),
    }
    asked = f"http://{where}{path}" if plain else path
    head = f"POST {asked} HTTP/1.1\r\n" + "".join(f"{line}: {value}\r\n" for line, value in lines.items())
    if not head.isascii() or len(head.splitlines()) != len(lines) + 1 or not head.replace("\r\n", "").isprintable():
        raise TargetError("the key or the address has a character that a request's head cannot carry")
    fixed = dict(parameters or {})
    if known := sorted({"prompt", "messages", "max_tokens", "stream"} & set(fixed)):
        raise TargetError(f"{', '.join(known)}: set by the load profile")
    return Target(str(parts.hostname), port, tls, path, operation.route, head.encode(), operation.example, fixed, way)


def _split(url: str) -> SplitResult:
    """The address in its parts; `TargetError` for one that is no plain http(s) address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        shown = repr(url) if "@" not in url else "what was given"
        raise TargetError(f"{shown} is no http:// or https:// address of an endpoint")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise TargetError("the address of an endpoint has no user, query or fragment: give what comes before them")
    return parts

"""What a refusal may not show: the place in the server's code where it failed, or the key.

Law: patterns that only a program's own report has, so that an error which repeats a prompt is no alarm.
"""

from __future__ import annotations

import re

from conformance.wire.exchange import Exchange
from conformance.wire.redact import PLACEHOLDER, Redactor

# How much of a refusal is looked at.
MOST = 1 << 16
_TRACES = {
    "Python": r"Traceback \(most recent call last\)|File \"[^\"\n]{1,300}\.py[cx]?\", line \d+",
    "JVM": r"\bat [\w$.<>/]{3,200}\([\w$-]{1,100}\.(?:java|kt|scala|groovy):\d+\)",
    "JavaScript": r"\bat [^\n]{0,300}?\.[cm]?[jt]sx?:\d+:\d+",
    "Go": r"\bgoroutine \d+ \[[a-z ,\d]+\]:",
    "Rust": r"thread '[^'\n]{1,100}'(?: \(\d+\))? panicked at|\bRUST_BACKTRACE=",
    ".NET": r"\bat [\w.`<>+\[\]]{3,200}\([^)\n]{0,300}\) in [^\n]{1,300}:line \d+",
    "Ruby": r"\.rb:\d+:in [`']",
    "PHP": r"PHP (?:Fatal|Parse) error:|Stack trace:\s{1,4}#0 ",
}
_TRACE = re.compile("|".join(f"(?P<T{number}>{pattern})" for number, pattern in enumerate(_TRACES.values())))
_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|h1)\b", re.IGNORECASE)


def trace(exchange: Exchange) -> str:
    """The language of the stack trace that an answer shows; empty when it shows none."""
    text = exchange.body[:MOST].decode("utf-8", "replace")
    # In JSON a line break is two characters, and so would hide where a line begins.
    for escaped, plain in (("\\n", "\n"), ("\\t", "\t"), ('\\"', '"')):
        text = text.replace(escaped, plain)
    found = _TRACE.search(text)
    return "" if found is None else list(_TRACES)[int((found.lastgroup or "T0")[1:])]


def is_page(exchange: Exchange) -> bool:
    """Whether an answer is a web page, by its label or by its first tag."""
    return exchange.media_type == "text/html" or _PAGE.match(exchange.body) is not None


def shows_key(exchange: Exchange, key: str) -> bool:
    """Whether an answer repeats the key, in its body or its head, in any spelling."""
    redactor = Redactor([key])
    head = (redactor.text(part) for pair in exchange.headers for part in pair)
    return PLACEHOLDER.encode() in redactor.raw(exchange.body) or any(PLACEHOLDER in part for part in head)

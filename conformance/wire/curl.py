"""A request as one line of bash that sends the same bytes again, with the key left to the reader's environment.

Law: the line runs as it stands. The key is only ever `$SEATRIAL_API_KEY`: a request is redacted before it gets here.
"""

from __future__ import annotations

import base64
import re

from conformance.wire.exchange import Headers, Sent
from conformance.wire.redact import PLACEHOLDER

# Linux takes no argument longer than 128 KiB; a builtin's arguments (printf) are not bound by that.
_LONGEST_ARGUMENT = 100_000
_CURL_EXPECTS_100 = 1 << 20
_VARIABLE = PLACEHOLDER.removeprefix("$")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def curl_line(sent: Sent, base_url: str, *, max_time: int = 60) -> str:
    """One line for bash that sends that request to `base_url` and prints the answer with its head.

    Bytes that no command line can carry (NUL, invalid UTF-8, very long bodies) are piped in. `max_time` is in seconds.
    """
    url = base_url.rstrip("/") + (sent.path if sent.path.startswith("/") else f"/{sent.path}")
    words = ["curl", "-sS", "-i", "-N", "--max-time", str(max_time)]
    words += ["-I"] if sent.method == "HEAD" and not sent.body else ["-X", _word(sent.method)]
    if re.search(r"[\[\]{}]", url):
        words.append("--globoff")
    if re.search(r"/\.{1,2}(?:[/?]|$)", url):
        words.append("--path-as-is")
    words.append(_word(url))
    for header in _headers(sent):
        words += ["-H", _word(header)]
    before, data = _body(sent.body)
    return before + " ".join(words + data)


def _headers(sent: Sent) -> list[str]:
    lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in sent.headers]
    # What curl would add of its own accord and the request did not have.
    if sent.body and not _has(sent.headers, "content-type"):
        lines.append("Content-Type:")
    if len(sent.body) >= _CURL_EXPECTS_100 and not _has(sent.headers, "expect"):
        lines.append("Expect:")
    return lines


def _has(headers: Headers, name: str) -> bool:
    return any(key.lower() == name for key, _ in headers)


def _body(body: bytes) -> tuple[str, list[str]]:
    """What comes before curl in the pipe, and curl's own arguments."""
    if not body:
        return "", []
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"printf %s {base64.b64encode(body).decode('ascii')} | base64 -d | ", ["--data-binary", "@-"]
    if len(body) > _LONGEST_ARGUMENT:
        return f"printf %s {_word(text)} | ", ["--data-binary", "@-"]
    # A leading @ means a file to --data-binary, and nothing to --data-raw.
    return "", ["--data-raw" if text.startswith("@") else "--data-binary", _word(text)]


def _word(text: str) -> str:
    """One word for bash that is exactly that text, but for the key, which the shell fills in."""
    if PLACEHOLDER not in text:
        return _literal(text)
    if not re.search(r'["\\`!]', text) and text.count("$") == text.count(PLACEHOLDER) and text.isprintable():
        return '"' + re.sub(rf"\${_VARIABLE}(?=\w)", f"${{{_VARIABLE}}}", text) + '"'
    pieces = text.split(PLACEHOLDER)
    return f'"{PLACEHOLDER}"'.join(_literal(piece) if piece else "" for piece in pieces)


def _literal(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:=@%+,-]+", text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "'\\''") + "'"
    # Only $'…' can say a line break within one line; bytes, not \u, so that it holds in any locale.
    return "$'" + "".join(_escaped(character) for character in text) + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8"))

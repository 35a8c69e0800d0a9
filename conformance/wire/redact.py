"""Takes the key out of whatever is about to be written down.

Law: the literal key, wherever it occurs and however it is encoded, and the values of headers that are known by their
exact names. Never the word 'token': `max_tokens`, `usage` and `x-ratelimit-remaining-tokens` stay as they are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

PLACEHOLDER = "$SEATRIAL_API_KEY"
REDACTED = "[redacted]"
SHORTEST_KEY = 4
# Our own checks send the key without its last character; what repeats that shows all but one of them. A part of a
# shorter key is too likely to be a word.
CUT = "$SEATRIAL_CUT_KEY"
SHORTEST_CUT = 9

# What our own checks send to see it refused: public, and a log that hid them could not be read or replayed.
WRONG_KEY = "seatrial-wrong-key"
WRONG_BASIC = "Basic " + base64.b64encode(f"seatrial:{WRONG_KEY}".encode()).decode("ascii")

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "api-key",
        "apikey",
        "x-api-key",
        "x-apikey",
        "ocp-apim-subscription-key",
        "x-functions-key",
        "x-goog-api-key",
        "x-auth-token",
        "x-amz-security-token",
        "cookie",
        "set-cookie",
        "set-cookie2",
    }
)

# Values of those headers that show nothing: the placeholder or a public credential, with a scheme or without.
_HARMLESS = re.compile(
    rf"[ \t]*(?:(?:[A-Za-z][A-Za-z0-9-]*[ \t]+)?(?:{re.escape(PLACEHOLDER)}|{re.escape(WRONG_KEY)})"
    rf"|{re.escape(WRONG_BASIC)}|(?i:bearer|basic)?)[ \t]*"
)

# What this program says of itself in a record: a key that happens to be such a word must not make a log unreadable.
_OURS = frozenset(
    [
        "type",
        "id",
        "scope",
        "method",
        "failure",
        "check",
        "area",
        "route",
        "cites",
        "status",
        "exchanges",
        "command",
        "contract",
        "profile",
        "planned",
    ]
)

# Shorter pieces of base64 than this are too likely to occur by chance.
_SHORTEST_PIECE = 8


class Redactor:
    """Replaces each key by `$SEATRIAL_API_KEY`, in text, bytes, headers and records; without keys, in headers only.

    All of a key but its last character is replaced too, by `$SEATRIAL_CUT_KEY`.

    Raises `ValueError` for a key of fewer than 4 characters: replacing it everywhere would leave nothing to read, and
    not replacing it would show it.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        known = list(keys)
        # In the other case it is no key, but what repeats that shows it as well.
        known += [key.swapcase() for key in known if len(key) >= SHORTEST_CUT]
        known = sorted(set(known), key=lambda key: (-len(key), key))
        if any(len(key) < SHORTEST_KEY for key in known):
            raise ValueError(f"a key of fewer than {SHORTEST_KEY} characters cannot be kept out of a log")
        source = "|".join(
            pattern
            for number, key in enumerate(known)
            for pattern in (*map(re.escape, _encoded(key)), _spelled(key, f"cut{number}"))
        )
        self._text = re.compile(source) if source else None
        self._bytes = re.compile(source.encode("utf-8")) if source else None
        # What has none of these has no key in it. Looking for them takes a hundredth of the patterns' time.
        pieces = {piece for key in known for piece in (key[:-1] if len(key) >= SHORTEST_CUT else key, *_encoded(key))}
        escapes = {"%", "\\" if any(set(key) & set("\"'/\\") for key in known) else "\\u"}
        self._signs = sorted(pieces | escapes)
        self._raw_signs = [sign.encode("utf-8") for sign in self._signs]

    def text(self, text: str) -> str:
        """The text with every spelling of a key replaced."""
        if self._text is None or not any(sign in text for sign in self._signs):
            return text
        return self._text.sub(_placeholder, text)

    def raw(self, data: bytes) -> bytes:
        """The bytes with every spelling of a key replaced; keys are looked for in UTF-8."""
        if self._bytes is None or not any(sign in data for sign in self._raw_signs):
            return data
        return self._bytes.sub(lambda found: _placeholder(found).encode(), data)

    def header(self, name: str, value: str) -> str:
        """The value of a header as it may be shown: `[redacted]` when the name is secret and the value not harmless."""
        shown = self.text(value)
        if name.strip().lower() in SECRET_HEADERS and not _HARMLESS.fullmatch(shown):
            return REDACTED
        return shown

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The headers as they may be shown, in their order."""
        return tuple((self.text(name), self.header(name, value)) for name, value in headers)

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record of the log as it may be written: every string in it, bodies in base64 included.

        `arrivals` count bytes of the body, so where the body changes length they change with it.
        """
        clean = {key: value if key in _OURS else self._value(key, value) for key, value in record.items()}
        response = record.get("response")
        if isinstance(response, Mapping) and isinstance(record.get("arrivals"), list):
            same = all(clean["response"].get(name) == response.get(name) for name in ("text", "base64"))
            clean["arrivals"] = self._moved(record["arrivals"], b"" if same else _body(response))
        return clean

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._base64(value) if key == "base64" else self.text(value)
        if isinstance(value, Mapping):
            if key == "headers":
                return {self.text(str(name)): self._one(str(name), text) for name, text in value.items()}
            return {name: self._value(name, item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            if key == "headers" and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
                return [[self._one("", name), self._one(str(name), text)] for name, text in value]
            return [self._value("", item) for item in value]
        return value

    def _one(self, name: str, value: Any) -> Any:
        return self.header(name, value) if isinstance(value, str) else self._value("", value)

    def _base64(self, value: str) -> str:
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            return self.text(value)
        clean = self.raw(data)
        return value if clean == data else base64.b64encode(clean).decode("ascii")

    def _moved(self, arrivals: list[Any], body: bytes) -> list[Any]:
        """The arrivals with each offset where it is once the body has been redacted."""
        found = [] if self._bytes is None else list(self._bytes.finditer(body))
        if not found:
            return [list(pair) for pair in arrivals]
        spans = [(*match.span(), len(_placeholder(match))) for match in found]
        moved = []
        for ns, offset in arrivals:
            at = offset
            for start, end, width in spans:
                if offset >= end:
                    at += width - (end - start)
                elif offset > start:
                    at += min(offset - start, width - 1) - (offset - start)
            moved.append([ns, at])
        return moved


def _body(response: Mapping[str, Any]) -> bytes:
    if isinstance(response.get("base64"), str):
        try:
            return base64.b64decode(response["base64"], validate=True)
        except ValueError:
            return b""
    return str(response.get("text", "")).encode("utf-8")


def _placeholder(found: re.Match[Any]) -> str:
    """What stands for a key, or for all of it but its last character."""
    return CUT if (found.lastgroup or "").startswith("cut") else PLACEHOLDER


def _spelled(key: str, cut: str) -> str:
    """A pattern for the key with each character plain, JSON-escaped or percent-encoded, in any mixture.

    The group `cut` takes part where the last character is not there, or is another one.
    """
    spelled = [f"(?:{'|'.join(_spellings(character))})" for character in key]
    if len(key) < SHORTEST_CUT:
        return "".join(spelled)
    return "".join(spelled[:-1]) + f"(?:{spelled[-1]}|(?P<{cut}>))"


def _spellings(character: str) -> list[str]:
    # Backslashes and percent signs double each time that JSON is put into JSON, or a URL into a URL. The counts are
    # bounded, since a hostile answer of nothing else would take quadratic time.
    escapes = "".join(f"\\\\{{1,4}}u{_hex(code, 4)}" for code in _utf16(character))
    encoded = "".join(f"%(?:25){{0,3}}{_hex(byte, 2)}" for byte in character.encode("utf-8"))
    plain = r"\\{1,4}" if character == "\\" else re.escape(character)
    if character in "\"'/":
        plain = r"\\{0,4}" + plain
    # The longer ones first: `%25` is a percent sign, and only without the other two digits a plain one.
    return [escapes, encoded, plain]


def _utf16(character: str) -> list[int]:
    code = ord(character)
    if code < 0x10000:
        return [code]
    return [0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF)]


def _hex(value: int, digits: int) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{value:0{digits}x}")


def _encoded(key: str) -> list[str]:
    """The key in base64, alone or inside something longer, in either alphabet, percent-encoded or not."""
    data = key.encode("utf-8")
    pieces: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode("ascii")
        pieces |= {whole, whole.rstrip("="), quote(whole, safe="")}
        for before in range(3):
            # The characters that depend on the key alone: those which share bits with a neighbour are left out.
            text = encode(b"\0" * before + data).decode("ascii")
            piece = text[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
            if len(piece) >= _SHORTEST_PIECE:
                pieces |= {piece, quote(piece, safe="")}
    return sorted(pieces, key=lambda piece: (-len(piece), piece))

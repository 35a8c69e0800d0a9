"""Events and tokens out of a stream's bytes, cheaply: bytes are scanned, and JSON is parsed only where it decides.

Law: which payloads come out does not depend on how the bytes were cut. The rules of the event stream are those of
`conformance.wire.sse`; this reader exists because a load generator has a microsecond for an event and not twenty.
"""

from __future__ import annotations

import re
from typing import Any

from conformance.wire.timing import chunk_of, content_of, has_content

# A quote inside a JSON string is escaped, so these can only match a key of the document followed by its value.
_CONTENT = re.compile(rb'"(?:content|text)"\s*:\s*"[^"]')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([a-z_]*)"')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_BOM = b"\xef\xbb\xbf"


class TooLarge(Exception):
    """An event, a head or an answer is larger than the bound for it."""


class EventScanner:
    """Splits a body into the payloads of its events; `most` bounds one event in bytes."""

    def __init__(self, *, most: int = 1 << 20) -> None:
        self._most = most
        self._tail = bytearray()
        self._after_cr = False
        self._first = True
        self.error: bytes | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that this piece of the body completed; an `event: error` goes to `error` as well."""
        if self._after_cr or b"\r" in data:
            data = self._newlines(data)
        if not self._tail and data.endswith(b"\n\n"):
            return self._payloads(data[:-2].split(b"\n\n"))
        tail = self._tail
        begin = 0
        search = max(0, len(tail) - 1)
        tail += data
        blocks: list[bytes] = []
        while (end := tail.find(b"\n\n", search)) >= 0:
            blocks.append(bytes(tail[begin:end]))
            begin = search = end + 2
        del tail[:begin]
        if len(tail) > self._most:
            raise TooLarge(f"an event is longer than {self._most} bytes")
        return self._payloads(blocks)

    def close(self) -> list[bytes]:
        """The payload of an event that no blank line ended, when the stream ends with one."""
        rest = bytes(self._tail)
        self._tail.clear()
        return self._payloads([rest.rstrip(b"\n")])

    def _newlines(self, data: bytes) -> bytes:
        """Each CR, LF or CRLF as one LF. A CR ends its line at once: waiting for its LF would delay the event."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _payloads(self, blocks: list[bytes]) -> list[bytes]:
        found = []
        for block in blocks:
            if block.startswith(b"data:") and b"\n" not in block:
                found.append(block[6:] if block.startswith(b" ", 5) else block[5:])
                self._first = False
            elif block and (payload := self._by_lines(block)) is not None:
                found.append(payload)
        return found

    def _by_lines(self, block: bytes) -> bytes | None:
        if self._first:
            block = block.removeprefix(_BOM)
            self._first = False
        data: list[bytes] = []
        name = b""
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        if not data:
            return None
        payload = b"\n".join(data)
        if name == b"error" and self.error is None:
            self.error = payload
        return payload


class Tally:
    """What the payloads of one stream add up to. `times` has the arrival (ns) of every payload with content.

    `keep` is how many bytes of its text are wanted afterwards.
    """

    def __init__(self, keep: int = 0) -> None:
        self._keep = keep
        self._kept: list[bytes] = []
        self.times: list[int] = []
        self.done = False
        self.finish = ""
        self.error = ""
        self.malformed = ""
        self._usage: bytes | None = None

    def take(self, payload: bytes, at: int) -> None:
        """Count one payload that arrived at `at` (ns)."""
        content = _CONTENT.search(payload) is not None
        finish = _FINISH.search(payload)
        if finish is not None:
            self.finish = finish.group(1).decode("ascii")
        if b'"usage"' in payload and _USAGE.search(payload) is not None:
            self._usage = payload
        # The first content is what users wait for, so it is parsed; anything unusual is parsed as well.
        if (not self.times if content else finish is None) or b'"error"' in payload or not payload.endswith(b"}"):
            content = self._parsed(payload)
        if content:
            self.times.append(at)
            # Each has a byte of text at the least. They are parsed when nobody waits for the next.
            if len(self._kept) < self._keep:
                self._kept.append(payload)

    def text(self) -> str:
        """The beginning of what was said, as far as it was wanted."""
        return "".join(content_of(_object(payload) or {}) for payload in self._kept)

    def usage(self) -> tuple[int | None, int | None]:
        """The stream's own count of (prompt, completion) tokens; None for what it does not tell."""
        usage = (_object(self._usage or b"") or {}).get("usage")
        if not isinstance(usage, dict):
            return None, None
        return _whole(usage.get("prompt_tokens")), _whole(usage.get("completion_tokens"))

    def _parsed(self, payload: bytes) -> bool:
        """Whether the payload has content, by its JSON; notes the end, an error, or that it is no JSON object."""
        if payload.strip() == b"[DONE]":
            self.done = True
            return False
        document = _object(payload)
        if document is None:
            self.malformed = self.malformed or f"not a JSON object: {excerpt(payload)}"
            return False
        if document.get("error"):
            self.error = self.error or excerpt(payload)
        return has_content(document)


def excerpt(raw: bytes, most: int = 200) -> str:
    """The beginning of some bytes as one line of text."""
    text = " ".join(raw[: 4 * most].decode("utf-8", "replace").split())
    return text if len(text) <= most else f"{text[:most]}…"


def _object(payload: bytes) -> dict[str, Any] | None:
    return chunk_of(payload.decode("utf-8", "replace"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

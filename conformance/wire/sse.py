"""Server-sent events out of bytes, with no I/O.

Law: what is read does not depend on how the bytes were cut into chunks; it is what the WHATWG rules say of the whole
body (HTML, 9.2.6 "Interpreting an event stream"), except that an event which the end cut off is kept and marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 1 << 20
MAX_EVENT = 8 << 20

_LINE_END = re.compile(rb"[\r\n]")
_BOM = b"\xef\xbb\xbf"


class SseTooLong(ValueError):
    """A line or an event is longer than the reader's bound."""


@dataclass(frozen=True)
class Event:
    """One event. `event` is empty when the stream names no type, and `id` is the last id that the stream has set.

    `start` and `end` are byte offsets in the body: of the event's first field line, and just after the byte that
    completed the event (of a CRLF, the CR). `terminated` is false for an event that no blank line ended; `valid_utf8`
    is false when bytes that are not UTF-8 were replaced by U+FFFD.
    """

    data: str
    event: str = ""
    id: str = ""
    retry: int | None = None
    start: int = 0
    end: int = 0
    terminated: bool = True
    valid_utf8: bool = True


class SseReader:
    """Reads events from chunks of a body; bounds are in bytes. One reader reads one body."""

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self._max_line = max_line
        self._max_event = max_event
        self._tail = bytearray()  # the line that has not ended yet
        self._at = 0  # offset of the next byte that `feed` gets
        self._line_start = 0
        self._after_cr = False
        self._first_line = True
        self._last_id = ""
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._retry: int | None = None
        self._start: int | None = None
        self._size = 0
        self._valid = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completed; raises `SseTooLong`, after which the reader is of no more use."""
        if self._closed:
            raise ValueError("the reader is closed")
        events: list[Event] = []
        base, begin = self._at, 0
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == 0x0A:
                begin = 1
                self._line_start += 1
        while (found := _LINE_END.search(chunk, begin)) is not None:
            ending = found.start()
            line = chunk[begin:ending]
            if self._tail:
                line = bytes(self._tail) + line
                self._tail.clear()
            event = self._line(line, base + ending + 1)
            if event is not None:
                events.append(event)
            begin = ending + 1
            if chunk[ending] == 0x0D:
                if begin == len(chunk):
                    self._after_cr = True
                elif chunk[begin] == 0x0A:
                    begin += 1
            self._line_start = base + begin
        self._tail += chunk[begin:]
        self._at = base + len(chunk)
        self._bound(len(self._tail))
        return events

    def close(self) -> Event | None:
        """The event that the end of the body cut off, marked as not terminated; None when there is none."""
        if self._closed:
            return None
        self._closed = True
        if self._tail:
            line = bytes(self._tail)
            self._tail.clear()
            self._line(line, self._at)
        return self._take(self._at, terminated=False)

    def _line(self, line: bytes, end: int) -> Event | None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        self._bound(len(line))
        if not line:
            return self._take(end, terminated=True)
        if line[0] == 0x3A:  # a comment
            return None
        if self._start is None:
            self._start = self._line_start
        self._size += len(line)
        self._field(line)
        return None

    def _field(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            text = line.decode("utf-8", "replace")
            self._valid = False
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._last_id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= 18:
            self._retry = int(value)

    def _take(self, end: int, *, terminated: bool) -> Event | None:
        event = None
        if self._data:  # an event without data is not dispatched
            event = Event(
                data="\n".join(self._data),
                event=self._event,
                id=self._last_id,
                retry=self._retry,
                start=self._start or 0,
                end=end,
                terminated=terminated,
                valid_utf8=self._valid,
            )
        self._begin()
        return event

    def _bound(self, line: int) -> None:
        if line > self._max_line:
            raise SseTooLong(f"a line of the event stream is longer than {self._max_line} bytes")
        if self._size + line > self._max_event:
            raise SseTooLong(f"an event is longer than {self._max_event} bytes")


def read_events(body: bytes) -> Iterator[Event]:
    """The events of a whole body, the one that its end cut off included; never raises."""
    reader = SseReader(max_line=len(body), max_event=len(body))
    yield from reader.feed(body)
    last = reader.close()
    if last is not None:
        yield last

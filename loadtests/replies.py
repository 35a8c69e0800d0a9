"""The head and the body of one HTTP/1.1 answer, by llhttp: the well-kept parser that geventhttpclient carries."""

from __future__ import annotations

from http.client import HTTPException

from geventhttpclient._parser import HTTPResponseParser

from loadtests.scanner import TooLarge

# What the parser raises for bytes that are not HTTP; a header that is not UTF-8 is a ValueError.
NOT_HTTP = (HTTPException, ValueError)


class Reply(HTTPResponseParser):
    """Fed with what a socket brought; `body` has what has arrived of the body since it was last taken."""

    def __init__(self, *, most_head: int = 1 << 16) -> None:
        super().__init__()
        self.headed = False
        self.complete = False
        self.excess = False
        self.headers: dict[str, str] = {}
        self._room = most_head
        self._name = ""
        self._in_value = False
        self._pieces: list[bytearray] = []

    def take(self, data: bytes) -> bytes:
        """Feed what arrived (nothing: the connection was closed); the body in it. Raises `TooLarge` or a `NOT_HTTP`."""
        if not self.headed:
            self._room -= len(data)
            if self._room < 0:
                raise TooLarge("the head of the answer is too large")
        self.feed(data)
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces = []
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    @property
    def status(self) -> int:
        """The status code."""
        return self.get_code()

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request."""
        return self.complete and not self.excess and self.should_keep_alive()

    def _on_message_begin(self) -> None:
        # Bytes behind the answer would be taken for the next one: such a connection is not used again.
        self.excess = self.complete

    def _on_status(self, message: str) -> None:
        """Not of interest."""

    def _on_header_field(self, text: str) -> None:
        if self.headed:
            return
        self._name = text if self._in_value or not self._name else self._name + text
        self._in_value = False

    def _on_header_value(self, text: str) -> None:
        if self.headed:
            return
        name = self._name.lower()
        self.headers[name] = self.headers.get(name, "") + text if self._in_value else text
        self._in_value = True

    def _on_headers_complete(self) -> int:
        if self.get_code() >= 200:
            self.headed = True
        else:
            self.headers.clear()
        self._name, self._in_value = "", False
        return 0

    def _on_body(self, data: bytearray) -> None:
        if not self.excess:
            self._pieces.append(data)

    def _on_message_complete(self) -> None:
        # 1xx answers are complete as well, and announce the real one.
        self.complete = self.headed

"""A log as a courier: the same requests get the answers that they got then, and nothing is sent anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from conformance.check import Inconclusive
from conformance.endpoint import MOST_REMEMBERED
from conformance.throttle import THROTTLED
from conformance.wire.exchange import Exchange, Sent
from conformance.wire.redact import PLACEHOLDER, Redactor

# What a client adds for the connection's sake; a newer client may add something else.
_UNJUDGED = frozenset({"host", "user-agent", "accept-encoding", "connection", "content-length"})

_Key = tuple[str, int, bytes]


class Replay:
    """Answers from recorded exchanges; requests are to be made with `$SEATRIAL_API_KEY` as the key.

    An answer is found by what sent the request (scope and ordinal) and by the request itself: method, path, judged
    headers, body, and after how many events it was left. Raises `Inconclusive` for a request that the log does not
    have, and for one that was throttled to the end.
    """

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._redactor = Redactor([PLACEHOLDER])
        self._answers: dict[_Key, Exchange] = {}
        self._asked: set[tuple[str, int]] = set()
        self.throttled: list[Exchange] = []
        for exchange in exchanges:
            if exchange.status == THROTTLED and len(self.throttled) < MOST_REMEMBERED:
                self.throttled.append(exchange)
            if not exchange.superseded:
                self._answers[self._key(exchange.scope, exchange.ordinal, exchange.sent)] = exchange
                self._asked.add((exchange.scope, exchange.ordinal))

    def deliver(
        self,
        sent: Sent,
        *,
        scope: str,
        ordinal: int,
        deadline: float,  # noqa: ARG002 - nothing is waited for
        tokens: int,  # noqa: ARG002 - nothing is spent
        honour_429: bool = True,
    ) -> Exchange:
        """The recorded exchange of that request; see `Courier`."""
        exchange = self._answers.get(self._key(scope, ordinal, sent))
        if exchange is None:
            why = "it has another request in its place" if (scope, ordinal) in self._asked else "it was never sent"
            raise Inconclusive(f"the log has no answer to this request: {why}")
        if exchange.status == THROTTLED and honour_429:
            raise Inconclusive("the endpoint answered 429 to the end when this was recorded")
        return exchange

    def _key(self, scope: str, ordinal: int, sent: Sent) -> _Key:
        digest = hashlib.blake2b(digest_size=16)
        # Redacted again, so that a request made with the placeholder meets one that was redacted on its way to the log.
        judged = sorted((n.lower(), v) for n, v in self._redactor.headers(sent.headers) if n.lower() not in _UNJUDGED)
        for text in (sent.method, self._redactor.text(sent.path), *(part for pair in judged for part in pair)):
            digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        digest.update(b"\0" + self._redactor.raw(sent.body))
        if sent.leave_after:
            digest.update(b"\0leave_after %d" % sent.leave_after)
        return scope, ordinal, digest.digest()

"""One request and everything that came back: bytes with their arrival times, never an interpretation of them.

Law: an exchange is what was on the wire. Parsing happens on demand from `body`, so a log replays exactly.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conformance.wire.sse import Event, read_events

Headers = tuple[tuple[str, str], ...]

# Why an exchange has no complete answer. The first three never reached the endpoint's HTTP server.
UNREACHABLE = ("dns", "connect", "tls")
FAILURES = (*UNREACHABLE, "timeout", "reset", "protocol", "too-large", "too-long", "encoding")


class NotJson(ValueError):
    """The body is not JSON; the message says where it stops being JSON."""


@dataclass(frozen=True)
class Sent:
    """A request as it went out. `path` has the query; `headers` keep their order and repeats.

    With `leave_after` the client closes the connection once so many events of a stream are in; 0 reads to the end.
    """

    method: str
    path: str
    headers: Headers
    body: bytes = b""
    leave_after: int = 0

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON; `NotJson` when it is not."""
        return _parse(self.body)


@dataclass(frozen=True)
class Exchange:
    """A request with its answer, or with the reason why there is none.

    `scope` and `ordinal` say which check sent it, as its how-manieth request: a replay finds it by them. `arrivals` are
    (nanoseconds since the request was written, bytes of body received so far), one for each read from the socket that
    brought body. `failure` is one of `FAILURES` or empty; a body cut by a bound keeps what had arrived. `superseded`
    marks an answer (429) after which the same request was sent again. `left` marks a body that the client did not
    read to its end, as the request says.
    """

    id: str
    scope: str
    ordinal: int
    sent: Sent
    started: float
    status: int | None = None
    headers: Headers = ()
    body: bytes = b""
    arrivals: tuple[tuple[int, int], ...] = ()
    head_ns: int = 0
    end_ns: int = 0
    failure: str = ""
    detail: str = ""
    superseded: bool = False
    left: bool = False

    def header(self, name: str) -> str | None:
        """The first header of that name, any case; None when absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case; empty when absent."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON; `NotJson` when it is not."""
        return _parse(self.body)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The server-sent events of the body, in order."""
        return tuple(read_events(self.body))

    def to_record(self) -> dict[str, Any]:
        """The exchange as a JSON object for the log; `from_record` is its inverse."""
        record: dict[str, Any] = {
            "type": "exchange",
            "id": self.id,
            "scope": self.scope,
            "ordinal": self.ordinal,
            "started": self.started,
            "request": {
                "method": self.sent.method,
                "path": self.sent.path,
                "headers": [list(pair) for pair in self.sent.headers],
                **_packed(self.sent.body),
                **({"leave_after": self.sent.leave_after} if self.sent.leave_after else {}),
            },
            "failure": self.failure,
            "detail": self.detail,
            "superseded": self.superseded,
            "head_ns": self.head_ns,
            "end_ns": self.end_ns,
            "arrivals": [list(pair) for pair in self.arrivals],
        }
        if self.left:
            record["left"] = True
        if self.status is not None:
            record["response"] = {
                "status": self.status,
                "headers": [list(pair) for pair in self.headers],
                **_packed(self.body),
            }
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Exchange:
        """The exchange that `to_record` wrote; `KeyError` or `TypeError` when the record is none."""
        request, response = record["request"], record.get("response", {})
        return cls(
            id=record["id"],
            scope=record["scope"],
            ordinal=record["ordinal"],
            sent=Sent(
                request["method"],
                request["path"],
                _pairs(request["headers"]),
                _unpacked(request),
                leave_after=int(request.get("leave_after", 0)),
            ),
            started=record["started"],
            status=response.get("status"),
            headers=_pairs(response.get("headers", [])),
            body=_unpacked(response),
            arrivals=tuple((int(ns), int(size)) for ns, size in record["arrivals"]),
            head_ns=record["head_ns"],
            end_ns=record["end_ns"],
            failure=record["failure"],
            detail=record["detail"],
            superseded=record["superseded"],
            left=bool(record.get("left", False)),
        )


def _parse(body: bytes) -> Any:
    """Strict JSON: NaN and Infinity, which Python's parser lets pass, are refused."""

    def refuse(token: str) -> Any:
        raise NotJson(f"{token} is not JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise NotJson(f"invalid UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except NotJson:
        raise
    except ValueError:
        raise NotJson("a number has thousands of digits, which no reader is bound to take") from None


def _packed(body: bytes) -> dict[str, str]:
    """Readable where it can be: text when it is UTF-8, base64 otherwise."""
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def _unpacked(record: Mapping[str, Any]) -> bytes:
    if "base64" in record:
        return base64.b64decode(record["base64"])
    return str(record.get("text", "")).encode("utf-8")


def _pairs(value: list[list[str]]) -> Headers:
    return tuple((name, text) for name, text in value)

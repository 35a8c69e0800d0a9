"""The evidence for a failing check, bounded: what was sent, what came back, how to send it again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from conformance.wire.curl import curl_line
from conformance.wire.exchange import Exchange
from reports.model import Outcome, Run
from reports.visible import excerpt, one_line, visible

# Headers that say nothing about a contract, and would push those that do out of sight.
_DULL = frozenset({"accept-encoding", "connection", "content-length", "date", "host", "server", "user-agent"})
_LONGEST_CURL = 6_000


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One exchange as text, each part visible and bounded. `curl` sends the request again."""

    exchange: str
    request_head: str
    request_body: str
    answer_head: str
    answer_body: str
    curl: str
    milliseconds: float
    answered: bool

    @property
    def request(self) -> str:
        """Head and body of the request."""
        return _joined(self.request_head, self.request_body)

    @property
    def answer(self) -> str:
        """Head and body of the answer; an empty body is told, because it may be what is wrong."""
        return _joined(self.answer_head, self.answer_body or ("(no body)" if self.answered else ""))


def evidence(run: Run, outcome: Outcome, *, most: int = 1600, laid_out: bool = True) -> tuple[Evidence, ...]:
    """The exchanges that an outcome rests on, the decisive one first; bodies cut to about `most` characters.

    `laid_out` gives a short JSON document a line for each key.
    """
    return shown(run, tuple(reversed(outcome.exchanges)), most=most, laid_out=laid_out)


def shown(run: Run, names: tuple[str, ...], *, most: int = 1600, laid_out: bool = True) -> tuple[Evidence, ...]:
    """The exchanges of those ids that the run has, in that order; bodies cut to about `most` characters."""
    found = (run.exchanges.get(name) for name in names)
    return tuple(_shown(exchange, run.target, most, laid_out) for exchange in found if exchange is not None)


def _shown(exchange: Exchange, target: str, most: int, laid_out: bool) -> Evidence:
    sent = exchange.sent
    return Evidence(
        exchange=visible(exchange.id),
        request_head=_head(f"{sent.method} {sent.path}", sent.headers),
        request_body=_body(sent.body, most, laid_out),
        answer_head=_answer_head(exchange),
        answer_body=_body(exchange.body, most, laid_out),
        curl=_curl(exchange, target),
        milliseconds=exchange.end_ns / 1e6,
        answered=exchange.status is not None,
    )


def _curl(exchange: Exchange, target: str) -> str:
    line = visible(curl_line(exchange.sent, target))
    if len(line) <= _LONGEST_CURL:
        return line
    # A line that was cut would not run, so there is none at all.
    return f"# {len(line):,} characters, too long to show; the request is exchange {visible(exchange.id)} in the log"


def _answer_head(exchange: Exchange) -> str:
    lines = []
    if exchange.status is not None:
        lines.append(_head(f"HTTP {exchange.status}", exchange.headers))
    if exchange.failure:
        detail = f" ({exchange.detail})" if exchange.detail else ""
        lines.append(visible(f"No complete answer: {exchange.failure}{detail}"))
    return "\n".join(lines)


def _head(first: str, headers: tuple[tuple[str, str], ...]) -> str:
    shown = [f"{one_line(name, 80)}: {one_line(value, 200)}" for name, value in headers if name.lower() not in _DULL]
    return "\n".join([one_line(first, 300), *shown[:20]])


def _body(body: bytes, most: int, laid_out: bool) -> str:
    text = body.decode("utf-8", "backslashreplace")
    if laid_out and len(text) <= most:
        text = _laid_out(text)
    return visible(excerpt(text, most))


def _laid_out(text: str) -> str:
    """The document with a line for each key; as it is where that would lose anything (a repeated key)."""
    try:
        value = json.loads(text)
        written = {
            json.dumps(value, ensure_ascii=ascii_only, separators=separators)
            for ascii_only in (True, False)
            for separators in ((",", ":"), (", ", ": "))
        }
    except (ValueError, RecursionError):
        return text
    if text.strip() not in written or not isinstance(value, dict | list):
        return text
    # Where it came with escapes it is shown with them: they are what was sent.
    return json.dumps(value, indent=2, ensure_ascii=text.isascii())


def _joined(head: str, body: str) -> str:
    return f"{head}\n\n{body}" if body else head

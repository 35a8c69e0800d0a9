r"""What a hostile endpoint does with a request that it has read, one function each, in one table.

Law: a behaviour ends when the client hangs up or when its server is over.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from tests.conformance.hostile import Peer, Script, answer, chunk, head

# What a terminal, a browser, an XML parser or a Markdown viewer would obey.
NASTY = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.invalid\x07<script>alert(1)</script><img src=x onerror=alert(2)>"
    "]]></failure>&lt;&#x0;| **x** `y` ![z](http://evil.invalid/z)\u202e\u2028\x00\x9b31m\ud800\r\n::error::pwned"
)
BIG = 100 << 20
_MEGABYTE = b"x" * (1 << 20)


def document(text: Any = "calm", **changes: Any) -> dict[str, Any]:
    """An answer of either route."""
    return {
        "id": "x",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "text": text,
                "message": {"role": "assistant", "content": text},
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        **changes,
    }


def sending(data: bytes) -> Script:
    """Answers with those bytes and hangs up."""
    return lambda peer: peer.send(data)


def _repeating(first: bytes, part: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(first)
        while not peer.server.over.is_set():
            peer.send(part)

    return script


def _then(first: bytes, after: Callable[[Peer], None]) -> Script:
    def script(peer: Peer) -> None:
        peer.send(first)
        peer.server.over.wait(0.01)
        after(peer)

    return script


def _slowly(first: bytes, rest: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(first)
        peer.drip(rest, 1.0)

    return script


def _bomb(peer: Peer) -> None:
    # 100 MB of zeros in 100 KB, made once.
    peer.send(answer(_bombed(), more="Content-Encoding: gzip\r\n"))


@cache
def _bombed() -> bytes:
    return gzip.compress(b"0" * BIG, 9)


def _line(kind: str, start: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(head(kind=kind) + chunk(start))
        for _ in range(BIG >> 20):
            peer.send(chunk(_MEGABYTE))
        peer.send(chunk(b""))

    return script


def _redirect(status: str) -> Script:
    def script(peer: Peer) -> None:
        where = f"Location: {peer.server.elsewhere}/v1/chat/completions\r\n"
        peer.send(answer(b"", status=status, more=where))

    return script


def _json(value: Any, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), status=status)


def _raw(text: str) -> bytes:
    return answer(json.dumps(document("TEXT")).replace('"TEXT"', text).encode("utf-8", "surrogatepass"))


def _stream(*chunks: str) -> bytes:
    events = b"".join(chunk(f"data: {one}\n\n".encode("utf-8", "surrogatepass")) for one in chunks)
    return head() + events + chunk(b"")


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def _everywhere(value: Any, text: str) -> Any:
    """The document with that text in every string."""
    if isinstance(value, dict):
        return {name: _everywhere(one, text) for name, one in value.items()} | {text: text}
    if isinstance(value, list):
        return [_everywhere(one, text) for one in value]
    return text if isinstance(value, str) else value


def _numbers(number: str) -> bytes:
    text = json.dumps(document())
    for name in ("index", "created", "prompt_tokens", "completion_tokens", "total_tokens"):
        for value in (0, 1, 2):
            text = text.replace(f'"{name}": {value}', f'"{name}": {number}')
    lists = f'{{"tokens": ["a"], "token_logprobs": [{number}], "text_offset": [{number}],'
    lists += f' "top_logprobs": [{{"a": {number}}}]}}'
    return answer(text.replace('"logprobs": null', f'"logprobs": {lists}').encode())


_ODD: tuple[Any, ...] = (None, True, 7, -1, 0.5, 1e308, "", "x", [], {}, [None], [[]], [7], {"": None}, ["x", 1])


def _bent(value: Any, chance: random.Random, often: float) -> Any:
    """The value with some of its parts, or itself, replaced by something of another shape."""
    if chance.random() < often:
        return chance.choice(_ODD)
    if isinstance(value, dict):
        return {name: _bent(one, chance, often) for name, one in value.items() if chance.random() > often / 2}
    return [_bent(one, chance, often) for one in value] if isinstance(value, list) else value


def _shapes(often: float) -> Script:
    """Answers whose parts have shapes at random, with a status and a media type that promise a good one."""
    chance = random.Random(7)
    arrays = {"tokens": ["a", "b"], "token_logprobs": [-1, -2.0], "top_logprobs": [{"a": -1}, {"b": -2}]}
    entry = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -1.0}]}

    def script(peer: Peer) -> None:
        logprobs = chance.choice([arrays | {"text_offset": [0, 1]}, {"content": [entry, entry]}])
        made = document("ab")
        made["choices"][0] |= {"logprobs": logprobs, "delta": {"role": "assistant", "content": "ab"}}
        if b'"stream": true' in peer.request:
            events = [json.dumps(_bent(made, chance, often)) for _ in range(chance.randrange(1, 5))]
            peer.send(_stream(*events, "[DONE]"))
        else:
            peer.send(_json(_bent(made, chance, often)))

    return script


_START = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ERROR = {"error": {"code": NASTY, "message": NASTY, "param": NASTY, "type": NASTY, "status": 400}, NASTY: NASTY}


def _table() -> Iterator[tuple[str, Script]]:
    yield "endless body", _repeating(head(kind="application/json"), chunk(_MEGABYTE))
    yield "endless body without framing", _repeating(_START + b"\r\n", _MEGABYTE)
    yield "endless stream", _repeating(head(), chunk(b'data: {"choices": []}\n\n' * 1000))
    yield "endless comments", _repeating(head(), chunk(b": ping\n\n" * 1000))
    yield "no bytes", lambda peer: peer.hang()
    yield "a byte a second, head", _slowly(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000)
    yield "a byte a second, body", _slowly(_START + b"Content-Length: 1000\r\n\r\n", b" " * 1000)
    yield "a byte a second, stream", _slowly(head() + b"3e8\r\n", b"data: x\n" * 125)
    yield "gzip bomb", _bomb
    yield "100 MB line", _line("application/json", b'{"id": "')
    yield "100 MB event", _line("text/event-stream", b'data: {"id": "')
    yield "headers without end", _repeating(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 1000)
    yield "one header without end", _repeating(b"HTTP/1.1 200 OK\r\nX-Y: ", _MEGABYTE)
    yield "1xx without end", _repeating(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
    redirects = {"redirect to another host": "307 Temporary Redirect", "see another host": "303 See Other"}
    yield from ((name, _redirect(status)) for name, status in redirects.items())
    yield "content-length too long", sending(_START + b"Content-Length: 500\r\n\r\n{}")
    yield "content-length too short", sending(_START + b"Content-Length: 1\r\n\r\n" + json.dumps(document()).encode())
    yield "content-length is no number", sending(_START + b"Content-Length: many\r\n\r\n{}")
    yield "content-length negative", sending(_START + b"Content-Length: -5\r\n\r\n{}")
    yield "two content-lengths", sending(_START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    yield "reset at once", lambda peer: peer.reset()
    yield "reset in the head", _then(b"HTTP/1.1 200 OK\r\nConte", lambda peer: peer.reset())
    yield "reset in the body", _then(_START + b"Content-Length: 500\r\n\r\n{", lambda peer: peer.reset())
    yield "reset in a stream", _then(head() + chunk(b'data: {"id": 1}\n\n'), lambda peer: peer.reset())
    yield "closed at once", sending(b"")
    yield "another protocol", sending(b"SSH-2.0-OpenSSH_9.9\r\n")
    yield "binary garbage", sending(bytes(range(256)) * 8)
    yield "HTTP/9.9", sending(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    for status in ("999", "099"):
        yield f"status {status}", sending(f"HTTP/1.1 {status} What\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    yield "chunk size is garbage", sending(head() + b"zz\r\n{}\r\n")
    yield "chunk size is huge", sending(head() + b"ffffffffffffffffff\r\n{}\r\n")
    yield "nasty strings", sending(_json(_everywhere(document(), NASTY)))
    yield "nasty error", sending(_json(_ERROR, "400 Bad Request"))
    yield "nasty crash", sending(answer(NASTY.encode("utf-8", "surrogatepass"), status="500 Oh", kind="text/html"))
    yield "nasty stream", sending(_stream(json.dumps(_everywhere(document(), NASTY)), NASTY, "[DONE]"))
    yield "nasty header", sending(_START + b"X-A: \x9b31m<script>\xff\r\nContent-Length: 2\r\n\r\n{}")
    yield "escape in a header", sending(_START + b"X-A: \x1b[2J\r\nContent-Length: 2\r\n\r\n{}")
    yield "raw lone surrogate", sending(_raw('"\ud800"'))
    for levels in (100, 300, 900, 100_000):
        yield f"nested {levels} deep", sending(_raw(_nested(levels)))
        yield f"a document nested {levels} deep", sending(answer(_nested(levels).encode()))
        yield f"an event nested {levels} deep", sending(_stream(_nested(levels), f'{{"choices": {_nested(levels)}}}'))
    for number in ("1e999", "-1e999", "1E400", "9" * 300, "9" * 400, "9" * 5000, "1e-999", "-0", "NaN"):
        yield f"numbers {number[:6]}{'…' if len(number) > 6 else ''} ({len(number)})", sending(_numbers(number))
    for often in (0.02, 0.05, 0.15):
        yield f"shapes at random, {often:.0%}", _shapes(often)
    yield "2 MB of text", sending(_json(document("z" * (2 << 20))))
    yield "7 MB of text", sending(_json(document("z" * (7 << 20))))
    yield "100,000 choices", sending(_json(document(choices=[{"index": 0}] * 100_000)))
    yield "100,000 keys", sending(_json(document(**{f"k{number}": number for number in range(100_000)})))
    yield "429 without end", sending(answer(b"{}", status="429 Too Many", more="Retry-After: 0\r\n"))
    yield "429 for a day", sending(answer(b"{}", status="429 Too Many", more="Retry-After: 86400\r\n"))


BEHAVIOURS: Mapping[str, Script] = dict(_table())

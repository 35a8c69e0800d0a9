"""What a request is charged at the door and settled at the end, however its answer ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from reference_server import asgi
from reference_server.admission import account_name, answer_estimate, prompt_estimate, used_by
from reference_server.answer_length import AnswerLength
from reference_server.layer import ContractLayer
from reference_server.limits import Limits
from schemas.model import Contract

PATH = "/v1/completions"
# Ten tokens of prompt and fifty of answer: sixty at the door.
BODY = {"prompt": "a" * 40, "max_tokens": 50}
USAGE = b'"usage": {"prompt_tokens": 7, "total_tokens": 12, "completion_tokens": 5}'
EVENT = b'data: {"choices": [{"index": 0, "text": "a \\"prompt_tokens\\": 9"}]}\n\n'
JSON_HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
STREAM_HEAD = {**JSON_HEAD, "headers": [(b"Content-Type", b"text/event-stream; charset=utf-8")]}


def part(body: bytes, *, more: bool = True) -> asgi.Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Says:
    """An upstream that sends these messages, and then raises or returns."""

    def __init__(self, messages: Sequence[asgi.Message], ends: BaseException | None = None) -> None:
        self.messages = messages
        self.ends = ends

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        for message in self.messages:
            await send(dict(message))
        if self.ends is not None:
            raise self.ends


async def asked(
    layer: ContractLayer,
    body: Any = BODY,
    key: str = "",
    on_sent: Callable[[], Awaitable[None]] | None = None,
    path: str = PATH,
) -> list[asgi.Message]:
    sent: list[asgi.Message] = []
    raw = json.dumps(body).encode()

    async def send(message: asgi.Message) -> None:
        sent.append(message)
        if on_sent:
            await on_sent()

    async def receive() -> asgi.Message:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"application/json"), (b"authorization", key.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    await layer(scope, asgi.replay(raw, receive), send)
    return sent


def limited(app: asgi.App, contract: Contract, **limits: Any) -> ContractLayer:
    return ContractLayer(app, contract=contract, key=None, limits=Limits(window="sliding", **limits))


def left(layer: ContractLayer, name: str = "tokens") -> int:
    limiter = layer._limiter
    return int(limiter.headers(limiter.account(""))[f"x-ratelimit-remaining-{name}"])


def used_after(app: asgi.App, contract: Contract) -> int:
    """The tokens that one request counted, once it is over."""
    layer = limited(app, contract, tokens_per_minute=1_000)

    async def run() -> None:
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):
            await asked(layer)

    asyncio.run(run())
    return 1_000 - left(layer)


STREAM = [STREAM_HEAD, *[part(EVENT)] * 4]
DONE = part(b"data: [DONE]\n\n", more=False)
CASES: dict[str, tuple[list[asgi.Message], BaseException | None, int]] = {
    "a document with usage": ([JSON_HEAD, part(b'{"choices": [], ' + USAGE + b"}", more=False)], None, 12),
    "a document cut in pieces": (
        [JSON_HEAD, part(b'{"choices": [], ' + USAGE[:20]), part(USAGE[20:] + b"}", more=False)], None, 12),
    "a long document": ([JSON_HEAD, part(b'{"x": "' + b"y" * 300_000 + b'", ' + USAGE + b"}", more=False)], None, 12),
    "a document without usage": ([JSON_HEAD, part(b'{"choices": []}', more=False)], None, 60),
    "a document that breaks off": ([JSON_HEAD, part(b'{"choices": [')], None, 10),
    "a stream with usage": ([*STREAM, part(b"data: {" + USAGE + b"}\n\n"), DONE], None, 12),
    "a stream without usage": ([*STREAM, DONE], None, 10 + 5),
    "a stream of odd pieces": ([STREAM_HEAD, part(EVENT[:-1]), part(EVENT[-1:] + EVENT), DONE], None, 10 + 3),
    "a long stream": ([STREAM_HEAD, *[part(EVENT)] * 5_000, DONE], None, 10 + 5_001),
    "a stream that the client leaves": (STREAM, None, 10 + 4),
    "a stream that is cancelled": (STREAM, asyncio.CancelledError(), 10 + 4),
    "a stream that fails": (STREAM, RuntimeError("no memory"), 10 + 4),
    "a stream that counts as it goes": (
        [STREAM_HEAD, part(b"data: {" + USAGE + b"}\n\n"), part(b"data: {" + USAGE.replace(b"5", b"6") + b"}\n\n")],
        None, 13),
    "a refusal": ([{**JSON_HEAD, "status": 400}, part(b'{"error": {}}', more=False)], None, 0),
    "no answer, by a fault": ([], RuntimeError("no memory"), 0),
    "no answer, for the client is gone": ([], asgi.DisconnectError(), 10),
    "no answer, cancelled": ([], asyncio.CancelledError(), 10),
    "no answer and no fault": ([], None, 10),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_settled_however_it_ends(case: str, contract: Contract) -> None:
    messages, ends, used = CASES[case]
    # A stream longer than the minute has tokens leaves none, and is told apart by its head start.
    assert used_after(Says(messages, ends), contract) == min(used, 1_000)


def test_tokens_are_given_back_before_the_client_has_the_last_byte(contract: Contract) -> None:
    layer = limited(Says([JSON_HEAD, part(b"{" + USAGE + b"}", more=False)]), contract, tokens_per_minute=100)
    seen: list[int] = []

    async def look() -> None:
        seen.append(left(layer))

    asyncio.run(asked(layer, on_sent=look))
    assert seen == [40, 88]


def test_replies_may_end_in_another_order_than_they_began(contract: Contract) -> None:
    async def run() -> None:
        gates = [asyncio.Event(), asyncio.Event()]
        waiting = iter(gates)

        async def slow(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            await next(waiting).wait()
            await send(dict(JSON_HEAD))
            await send(part(b"{" + USAGE + b"}", more=False))

        layer = limited(slow, contract, tokens_per_minute=1_000)
        first, second = asyncio.create_task(asked(layer)), asyncio.create_task(asked(layer))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert left(layer) == 1_000 - 120
        gates[1].set()
        await second
        assert left(layer) == 1_000 - 72
        gates[0].set()
        await first
        assert left(layer) == 1_000 - 24

    asyncio.run(run())


def test_a_request_larger_than_the_minute_passes_alone_and_then_nothing(contract: Contract) -> None:
    layer = limited(Says([JSON_HEAD, part(b"{}", more=False)]), contract, tokens_per_minute=100)
    large = {**BODY, "max_tokens": 500}

    def status(body: Any) -> int:
        return int(asyncio.run(asked(layer, body))[0]["status"])

    assert [status(BODY), status(large)] == [200, 429]
    other = limited(Says([JSON_HEAD, part(b"{}", more=False)]), contract, tokens_per_minute=100)
    assert [int(asyncio.run(asked(other, body))[0]["status"]) for body in (large, BODY, large)] == [200, 429, 429]
    # What is refused for its tokens counts as no request.
    assert left(other, "requests") == 999


def test_what_is_refused_for_its_body_counts_as_a_request(contract: Contract) -> None:
    layer = limited(Says([]), contract, requests_per_minute=2)
    assert [int(asyncio.run(asked(layer, {"prompt": 1}))[0]["status"]) for _ in range(3)] == [400, 400, 429]
    assert left(layer, "tokens") == 200_000


def estimate(body: dict[str, Any]) -> int:
    prompt = prompt_estimate(body)
    return prompt + answer_estimate(body, prompt, AnswerLength("chat", 16))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, ""),
        ("", ""),
        ("Bearer key", "key"),
        ("bearer  key ", "key"),
        ("key", "key"),
        ("BEARER", "BEARER"),
    ],
)
def test_a_key_has_one_account_however_it_is_spelt(header: str | None, name: str) -> None:
    headers = [] if header is None else [(b"authorization", header.encode())]
    assert account_name({"headers": headers}) == name


def test_an_estimate_counts_all_that_may_be_generated() -> None:
    assert estimate({"prompt": "a" * 40, "max_tokens": 10}) == 20
    assert estimate({"prompt": "a", "n": 2, "best_of": 5, "max_tokens": 10}) == 51
    assert estimate({"prompt": "a", "n": 3, "best_of": 1, "max_tokens": 10}) == 31
    assert answer_estimate({"n": 2, "max_tokens": 10**9}, 1, AnswerLength("chat", 16, ceiling=2048)) == 4096
    assert estimate({"messages": [{"role": "user", "content": "abcd"}, {"role": "user", "content": "e"}]}) == 2 + 16
    assert prompt_estimate({"prompt": ["abcd", "e"], "max_tokens": 10}) == 2


@pytest.mark.parametrize("most", [10**400, 1e300, float("inf"), float("nan"), None, "many"])
def test_an_estimate_of_a_strange_number_is_no_reason_to_fail(most: Any, contract: Contract) -> None:
    assert estimate({"prompt": "a", "max_tokens": most}) >= 1
    layer = ContractLayer(Says([JSON_HEAD, part(b"{}", more=False)]), contract=contract, key=None, lenient=True)
    assert asyncio.run(asked(layer, {"prompt": "a", "max_tokens": most}))[0]["status"] in (200, 400)


def test_usage_is_read_from_the_end_of_an_answer() -> None:
    assert used_by(b'{"text": "x \\"prompt_tokens\\": 1, \\"completion_tokens\\": 2"}') is None
    assert used_by(b'{"prompt_tokens":1,"completion_tokens" : 2}') == 3
    assert used_by(b'{"prompt_tokens":1}') is None

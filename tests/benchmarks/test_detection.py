"""The fault server of the detection benchmark: every fault changes something, a legal variation breaks nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from benchmarks.detection.catalogue import FAULTS, LEGAL, find
from benchmarks.detection.model import FILTERED_ANSWER, FILTERED_PROMPT, KEY, Deviation
from benchmarks.detection.server import BASES, FaultServer
from reference_server.tinylm import tiny_lm

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
BEARER = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "accept-encoding": "gzip"}
WORDS = (
    'The ship "left" the <quay>\nand  the cr\u00e9w \u05e9\u05dc\u05d5\u05dd \U0001f6a2 \0 slept. '
    + "Sails and ropes. " * 20
)
HISTORY = [
    {"role": role, "content": f"{WORDS if place == 1 else 'Hello there,'} {place}"}
    for place, role in enumerate(["system", "user", "assistant", "user", "assistant", "user"])
]
Got = tuple[int, dict[str, str], bytes]
Probe = tuple[str, str, dict[str, str], bytes]


def ask(path: str, headers: dict[str, str] | None = None, **body: Any) -> Probe:
    told = {"prompt": "Hello there"} if path == COMPLETIONS else {"messages": [{"role": "user", "content": "Hello"}]}
    return (
        "POST",
        path,
        BEARER if headers is None else headers,
        json.dumps(kept({**told, "max_tokens": 12, **body})).encode(),
    )


def kept(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not ...}


def sent(raw: bytes, method: str = "POST", path: str = COMPLETIONS, **headers: str) -> Probe:
    return method, path, {**BEARER, **headers}, raw


def probes() -> list[Probe]:
    other = {COMPLETIONS: "messages", CHAT: "prompt"}
    both = [ask(path, **{**body, other[path]: ...}) for body in BODIES for path in (COMPLETIONS, CHAT)]
    wrong = [
        ask(COMPLETIONS, {"content-type": "application/json", **headers}, **body)
        for body in ({}, {"stream": True}, {"max_tokens": "x"})
        for headers in KEYS
    ]
    query = f"{COMPLETIONS}?api-key={KEY}"
    return [*both, *wrong, *ODD, ("POST", query, {"content-type": "application/json"}, ODD[0][3])]


BODIES: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 0, "max_tokens": 60},
    {"temperature": 2, "seed": 3},
    {"stream": True, "temperature": 0},
    {"stream": True, "temperature": 0, "ignore_eos": True, "max_tokens": 60},
    {"logprobs": 2, "n": 2},
    {"logprobs": 0},
    {"logprobs": 2, "stream": True, "n": 2},
    {"n": 3},
    {"n": 3, "stream": True},
    {"n": 2, "best_of": 3},
    {"n": 2, "best_of": 3, "use_beam_search": True, "temperature": 0},
    {"best_of": 3},
    {"stop": "the", "temperature": 0, "max_tokens": 60},
    {"stop": " THE", "temperature": 0, "max_tokens": 60},
    {"stop": ["harbour", " can do"], "temperature": 0, "max_tokens": 60},
    {"stop": [" can do", "ship"], "temperature": 0, "max_tokens": 60},
    {"stop": " harbour ", "temperature": 0, "max_tokens": 60},
    {"stop": " can", "temperature": 0, "max_tokens": 60, "stream": True},
    {"stop": None},
    {"stop": "Hello", "temperature": 0},
    {"ignore_eos": True, "temperature": 0, "max_tokens": 60},
    {"ignore_eos": False, "temperature": 0, "max_tokens": 60},
    {"skip_special_tokens": False, "ignore_eos": True, "temperature": 0, "max_tokens": 60},
    {"stop_token_ids": tiny_lm().encode(" ship can"), "temperature": 0},
    {"max_tokens": 1},
    {"max_tokens": ...},
    {"top_p": 0.05, "n": 3},
    {"top_p": 1},
    {"presence_penalty": 2, "max_tokens": 60, "n": 2},
    {"presence_penalty": -2, "max_tokens": 60},
    {"temperature": 1, "use_beam_search": False},
    {"prompt": WORDS, "messages": HISTORY},
    {"prompt": FILTERED_PROMPT, "messages": [{"role": "user", "content": FILTERED_PROMPT}]},
    {},
    {"prompt": FILTERED_ANSWER, "messages": [{"role": "user", "content": FILTERED_ANSWER}]},
    {"prompt": FILTERED_ANSWER, "messages": [{"role": "user", "content": FILTERED_ANSWER}], "stream": True},
    {"prompt": 5, "messages": [{"role": "user"}]},
    {"prompt": ..., "messages": [{"role": "robot", "content": "x"}]},
    {"prompt": "x", "messages": [{"content": "x"}]},
    {"prompt": "Hello there, who goes by this way tonight, and why?", "messages": HISTORY[:1]},
    *({name: value} for name, value in (
        ("temperature", 2.5), ("temperature", -1), ("temperature", "0.5"), ("top_p", 2), ("top_p", -1),
        ("presence_penalty", 3), ("presence_penalty", -3), ("max_tokens", -1), ("max_tokens", 2.5),
        ("max_tokens", "5"), ("max_tokens", 5000), ("max_tokens", 10**30), ("n", 0), ("n", "2"), ("n", True),
        ("ignore_eos", "no"), ("stop", 5), ("stop", [5]), ("best_of", 0), ("use_beam_search", True),
        ("logprobs", -1), ("logprobs", "2"), ("stop_token_ids", ["a"]), ("skip_special_tokens", "yes"), ("odd", 1),
    )),
    {"n": 3, "best_of": 2},
    {"best_of": 3, "stream": True},
    {"use_beam_search": True, "best_of": 3, "temperature": 1},
    {"stream": True, "max_tokens": "x"},
]  # fmt: skip
KEYS: list[dict[str, str]] = [
    {},
    {"authorization": "Bearer"},
    {"authorization": "Bearer wrong"},
    {"authorization": f"Bearer {KEY[:-2]}"},
    {"authorization": f"Bearer {KEY}x"},
    {"authorization": f"Bearer {KEY.lower()}"},
    {"authorization": f"Bearer {'x' * len(KEY)}"},
    {"authorization": f"Token {KEY}"},
    {"authorization": "Basic eDp4"},
    {"api-key": "x"},
]
ODD: list[Probe] = [
    sent(b'{"prompt": "a", "max_tokens": 2}'),
    sent(b'{"prompt": "a"'),
    sent(b'{"prompt": "b", "max_tokens": 2}'),
    *map(sent, (b"", b"[]", b"null", b"1", b'\xef\xbb\xbf{"prompt": "a"}', b'{"prompt": "\xff"}')),
    *map(sent, (b'{"prompt": ' + b"[" * 300 + b"]" * 300 + b"}", b'{"prompt": "a", "temperature": NaN}')),
    sent(b'{"prompt": "a", "temperature": 1e999}'),
    sent(b'{"prompt": "a", "prompt": "b", "max_tokens": 2}'),
    sent(b'{"prompt": "' + b"a" * (1 << 20) + b'"}'),
    sent(b"prompt=a", **{"content-type": "application/x-www-form-urlencoded"}),
    sent(b'{"prompt": "a", "max_tokens": 2}', **{"content-type": "application/json; charset=utf-8"}),
    sent(b"", "GET"),
    sent(b"", "DELETE"),
    sent(b"", "GET", "/nowhere"),
    sent(b"", "GET", "/openapi.json"),
    sent(b"", "GET", "/swagger.json"),
]
# Behaviour in time, told apart by the tests further down.
TIMED = {"streaming.buffered", "streaming.burst", "streaming.open-end", "isolation.leaver-breaks",
         "isolation.leaver-hangs", "errors.hangs-after", "errors.hangs-on-max-tokens"}  # fmt: skip


async def answered(app: FaultServer, probe: Probe, seen: list[Any] | None = None, leave: int = 0) -> Got:
    """What the app answers; `seen` gets every message, and the client leaves after `leave` of them."""
    method, path, headers, raw = probe
    route, _, query = path.partition("?")
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": route, "raw_path": route.encode(), "headers": told,
             "query_string": query.encode(), "http_version": "1.1", "scheme": "http", "client": None}  # fmt: skip
    status, got, parts, gone, given = 0, {}, [], asyncio.Event(), False

    async def receive() -> dict[str, Any]:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": raw, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, got
        if seen is not None:
            seen.append((message["type"], message.get("more_body")))
            if leave and len(seen) >= leave:
                gone.set()
        if message["type"] == "http.response.start":
            status = message["status"]
            got = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    gone.set()
    return status, got, b"".join(parts)


def plainly(answer: Got) -> Any:
    """The answer without what differs from one run to the next."""
    status, headers, body = answer
    body = re.sub(rb'("id": ?"(chat)?cmpl-)[0-9a-f]+', rb"\1", body)
    told = [int(stamp) for stamp in re.findall(rb'"created": ?(\d{10})\b', body)]
    body = re.sub(rb'"created": ?(\d{10})\b', lambda m: b'"created": %d' % (int(m[1]) - told[0]), body)
    return status, {name: value for name, value in headers.items() if name != "date"}, body


async def differs(one: Deviation, base: list[Any], asked: Iterable[Probe]) -> bool:
    app, together = FaultServer(one), []
    for probe, expected in zip(asked, base, strict=True):
        if plainly(await answered(app, probe)) != expected:
            return True
        together.append(probe)
    pairs = [ask(COMPLETIONS, temperature=0, prompt=f"{word} the") for word in ("Under", "Over")]
    pairs += [ask(COMPLETIONS, temperature=0, stream=True, prompt=f"{word} the") for word in ("In", "By")]
    alone = [plainly(await answered(app, probe)) for probe in pairs]
    for at in (0, 2):
        beside = await asyncio.gather(*(answered(app, probe) for probe in pairs[at : at + 2]))
        if [plainly(answer) for answer in beside] != alone[at : at + 2]:
            return True
    return False


@pytest.fixture(scope="module")
def asked() -> list[Probe]:
    return probes()


@pytest.fixture(scope="module")
def controls(asked: list[Probe]) -> dict[str, list[Any]]:
    async def run(base: str) -> list[Any]:
        app = FaultServer(base=base)
        return [plainly(await answered(app, probe)) for probe in asked]

    return {base: asyncio.run(run(base)) for base in BASES if base != "slow"}


def test_there_are_enough_and_each_has_a_name_a_title_and_a_source() -> None:
    assert len(FAULTS) >= 150
    assert len(LEGAL) >= 25
    everything = (*FAULTS, *LEGAL)
    assert len({one.id for one in everything}) == len(everything)
    assert len({one.title for one in everything}) == len(everything)
    assert all(one.title and one.about and (one.around or one.app) for one in everything)


@pytest.mark.parametrize("one", [f for f in FAULTS if f.id not in TIMED], ids=lambda one: one.id)
def test_a_fault_changes_at_least_one_exchange(
    one: Deviation, asked: list[Probe], controls: dict[str, list[Any]]
) -> None:
    assert asyncio.run(differs(one, controls[one.base], asked))


@pytest.mark.parametrize("one", LEGAL, ids=lambda one: one.id)
def test_a_legal_variation_answers_a_plain_request(one: Deviation) -> None:
    app = FaultServer(one)
    for path in (COMPLETIONS, CHAT):
        for stream in (False, True):
            assert asyncio.run(answered(app, ask(path, max_tokens=2, stream=stream)))[0] == 200


@pytest.mark.parametrize(
    ("name", "order"), [("buffered", "0123 0123"), ("burst", "0 0 1 1 23 23"), ("open-end", "0 0 1 1 2 2 3")]
)
def test_streams_are_held_back(name: str, order: str) -> None:
    """`order` has what the server had sent, in turn with what the client had got."""
    told: list[tuple[str, int]] = []
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}

    async def server(scope: Any, receive: Any, send: Any) -> None:
        for place in range(4):
            told.append(("sent", place))
            body = {"type": "http.response.body", "body": b"%d" % place, "more_body": place < 3}
            await send(body if place else head)

    async def client(message: Any) -> None:
        place = int(message["body"]) if message.get("body") else 0
        if (message["type"] == "http.response.start") == (place == 0) and not (name == "open-end" and place == 3):
            told.append(("got", place))

    async def run() -> None:
        wrap = find(f"streaming.{name}").app
        assert wrap
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wrap(server)({}, None, client), 0.05)  # type: ignore[arg-type]

    asyncio.run(run())
    runs = ["".join(str(place) for _, place in run) for _, run in itertools.groupby(told, key=lambda one: one[0])]
    assert " ".join(runs) == order


def test_a_client_that_leaves_a_stream_breaks_the_next_request() -> None:
    async def run(leave: int) -> int:
        app = FaultServer(find("isolation.leaver-breaks"))
        await answered(app, ask(COMPLETIONS, stream=True, max_tokens=4), [], leave)
        return (await answered(app, ask(COMPLETIONS, max_tokens=1)))[0]

    assert asyncio.run(run(2)) == 500
    assert asyncio.run(run(0)) == 200


@pytest.mark.parametrize("name", sorted(TIMED & {"streaming.open-end", "errors.hangs-on-max-tokens"}))
def test_what_hangs_hangs(name: str) -> None:
    probe = ask(COMPLETIONS, stream=True) if name.startswith("streaming") else ask(COMPLETIONS, max_tokens=0)

    async def run() -> None:
        await asyncio.wait_for(answered(FaultServer(find(name)), probe), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(run())

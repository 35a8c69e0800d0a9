from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.sse import read_events
from conformance.wire.timing import content_of
from loadtests.scanner import EventScanner, Tally, TooLarge, excerpt

BODIES = {
    "plain": b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n',
    "crlf": b'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n',
    "cr": b"data: one\r\rdata: two\r\r",
    "no space": b"data:one\n\ndata:  two\n\n",
    "comments": b": ping\n\n: ping\ndata: one\n\n:\n\n",
    "bom": b"\xef\xbb\xbfdata: one\n\ndata: two\n\n",
    "many lines": b"data: one\ndata: two\nid: 7\nretry: 10\n\n",
    "names": b"event: message\ndata: one\n\nevent: error\ndata: two\n\n",
    "blank lines": b"\n\n\n\ndata: one\n\n\n\n\ndata: two\n\n",
    "no data": b"event: ping\n\ndata\n\ndata: one\n\n",
    "utf-8": 'data: {"content":"żółć 🚢"}\n\ndata: é\n\n'.encode(),
    "mixed": b"data: one\n\r\ndata: two\r\n\ndata: three\r\r\n",
}


def payloads(*pieces: bytes) -> list[bytes]:
    scanner = EventScanner()
    found = [payload for piece in pieces for payload in scanner.feed(piece)]
    return found + scanner.close()


@pytest.mark.parametrize("name", BODIES)
def test_the_payloads_are_those_of_the_event_stream_rules_however_the_bytes_are_cut(name: str) -> None:
    body = BODIES[name]
    expected = [event.data.encode() for event in read_events(body)]
    assert payloads(body) == expected
    assert payloads(*(body[i : i + 1] for i in range(len(body)))) == expected
    for cut in range(len(body)):
        assert payloads(body[:cut], body[cut:]) == expected


@given(
    st.lists(st.sampled_from([b"data: a", b"data:", b"data", b": c", b"event: x", b"\n", b"\r", b"\r\n", b"\n\n"])),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_random_bodies_and_cuts_agree_with_the_exact_reader(parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(parts)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(edges)]
    assert payloads(*pieces) == [event.data.encode() for event in read_events(body)]


def test_an_event_is_complete_at_the_cr_that_ends_it() -> None:
    scanner = EventScanner()
    assert scanner.feed(b"data: one\r\n\r") == [b"one"]
    assert scanner.feed(b"\ndata: two\r\n\r\n") == [b"two"]


def test_an_endless_event_is_given_up_at_its_bound() -> None:
    scanner = EventScanner(most=1000)
    for _ in range(1000):
        scanner.feed(b"x")
    with pytest.raises(TooLarge):
        scanner.feed(b"x")


def test_an_event_named_error_is_noted() -> None:
    scanner = EventScanner()
    assert scanner.feed(b'event: error\ndata: {"m":1}\n\n') == [b'{"m":1}']
    assert scanner.error == b'{"m":1}'


def event(**delta: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}).encode()


def test_only_content_that_is_not_empty_counts() -> None:
    tally = Tally()
    for at, payload in enumerate(
        [
            event(role="assistant", content=""),
            event(reasoning_content="hm"),
            event(content="one"),
            event(content=""),
            event(content='"content":"x'),
            b'{"choices":[{"index":0,"text":"three","finish_reason":null}]}',
            b'{"choices":[]}',
            b" [DONE]",
        ]
    ):
        tally.take(payload, at)
    assert tally.times == [2, 4, 5]
    assert tally.done
    assert not tally.malformed


def test_content_inside_other_fields_is_no_content() -> None:
    tally = Tally()
    tally.take(b'{"choices":[],"prompt_filter_results":[{"text":"x"}]}', 1)
    tally.take(event(content="real"), 2)
    assert tally.times == [2]


def test_the_last_usage_is_the_one_that_holds() -> None:
    tally = Tally()
    tally.take(b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}', 1)
    tally.take(b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}', 2)
    tally.take(b'{"choices":[],"usage":null}', 3)
    assert tally.usage() == (3, 2)
    assert Tally().usage() == (None, None)


def test_usage_that_is_no_count_is_none() -> None:
    tally = Tally()
    tally.take(b'{"usage":{"prompt_tokens":-1,"completion_tokens":true}}', 1)
    assert tally.usage() == (None, None)


@pytest.mark.parametrize("payload", [b'{"error":{"message":"overloaded"}}', b'{"choices":[],"error":"x"}'])
def test_an_error_in_the_stream_is_seen(payload: bytes) -> None:
    tally = Tally()
    tally.take(payload, 1)
    assert tally.error


def test_the_word_error_in_a_token_is_no_error() -> None:
    tally = Tally()
    tally.take(event(content='the "error" is'), 1)
    tally.take(b'{"choices":[{"index":0,"delta":{"content":"x"}}],"error":null}', 2)
    assert not tally.error
    assert tally.times == [1, 2]


@pytest.mark.parametrize(
    "payload", [b"", b"hello", b"{", b"[1]", b'{"choices":[{"delta":{"content":"x"', b"[" * 100_000]
)
def test_a_payload_that_is_no_json_object_is_malformed(payload: bytes) -> None:
    tally = Tally()
    tally.take(payload, 1)
    assert tally.malformed
    assert not tally.times


def test_an_excerpt_is_one_short_line_even_of_hostile_bytes() -> None:
    assert excerpt(b"a\r\n b\x00\xff") == "a b\x00\ufffd"
    assert len(excerpt(b"x" * 10_000)) == 201


def test_the_text_of_a_stream_is_kept_as_far_as_it_is_wanted() -> None:
    said = [
        b'{"choices":[{"index":0,"text":"%b","finish_reason":null}]}' % word for word in (b"one ", b"two ", b"three")
    ]
    for keep, text in ((0, ""), (2, "one two "), (50, "one two three")):
        tally = Tally(keep)
        for payload in (*said, b'{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}', b"[DONE]"):
            tally.take(payload, 1)
        assert (tally.text(), len(tally.times)) == (text, 3)
    chat = Tally(9)
    chat.take(b'{"choices":[{"index":0,"delta":{"role":"assistant","content":"A\\u00e9"}}]}', 1)
    assert chat.text() == "Aé"


@pytest.mark.parametrize("odd", [{}, {"choices": []}, {"choices": [7]}, {"choices": [{"delta": {"content": 7}}]}])
def test_what_has_no_text_says_nothing(odd: dict[str, object]) -> None:
    assert content_of(odd) == ""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.sse import Event, SseReader, SseTooLong, read_events


def _all(body: bytes, cuts: list[int] | None = None) -> list[Event]:
    reader = SseReader()
    events: list[Event] = []
    at = 0
    for cut in [*sorted(c for c in cuts or [] if c <= len(body)), len(body)]:
        events += reader.feed(body[at:cut])
        at = cut
    last = reader.close()
    return events if last is None else [*events, last]


def _feed(reader: SseReader, chunk: bytes) -> None:
    for _ in range(1000):
        reader.feed(chunk)


def _data(body: bytes) -> list[str]:
    return [event.data for event in read_events(body)]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: a\n\n", ["a"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a \n\n", [" a "]),
        (b"data: a\r\n\r\n", ["a"]),
        (b"data: a\r\r", ["a"]),
        (b"data: a\r\n\rdata: b\n\r\n", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data\n\n", [""]),
        (b"data\ndata\n\n", ["\n"]),
        (b"data: a:b\n\n", ["a:b"]),
        (b": comment\n\ndata: a\n: another\n\n", ["a"]),
        (b"\n\n\ndata: a\n\n\n\n", ["a"]),
        (b"Data: a\n\n", []),
        (b"other: a\ndata: b\n\n", ["b"]),
        (b"event: ping\n\ndata: a\n\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
        (b"", []),
        (b"\n", []),
        ("data: zee\u2028\u0085ën ⛵\n\n".encode(), ["zee\u2028\u0085ën ⛵"]),
        (b"data: [DONE]\n\n", ["[DONE]"]),
    ],
)
def test_the_rules_of_the_event_stream(body: bytes, data: list[str]) -> None:
    assert _data(body) == data


def test_type_id_and_retry() -> None:
    events = list(
        read_events(
            b"id: 1\nevent: add\nretry: 10\ndata: a\n\ndata: b\n\nid: x\0\nretry: 1s\ndata: c\n\nid\ndata: d\n\n"
        )
    )
    assert [(e.event, e.id, e.retry) for e in events] == [
        ("add", "1", 10),
        ("", "1", None),
        ("", "1", None),
        ("", "", None),
    ]


@pytest.mark.parametrize("body", [b"data: a\n\ndata: b", b"data: a\n\ndata: b\n", b"data: a\r\n\r\ndata: b\r\n"])
def test_an_event_that_the_end_cut_off_is_kept_and_marked(body: bytes) -> None:
    assert [(e.data, e.terminated) for e in read_events(body)] == [("a", True), ("b", False)]


def test_a_cut_comment_or_field_name_is_no_event() -> None:
    assert _data(b"data: a\n\n: keep-al") == ["a"]
    assert _data(b"data: a\n\nevent: add\n") == ["a"]


def test_bytes_that_are_not_utf8_are_replaced_and_flagged() -> None:
    good, bad = read_events("data: é\n\n".encode() + b"data: a\xffb\n\n")
    assert good.valid_utf8
    assert (bad.valid_utf8, bad.data) == (False, "a\N{REPLACEMENT CHARACTER}b")


def test_offsets_point_into_the_body() -> None:
    body = b": hello\n\ndata: a\n\n\nevent: x\ndata: b\n\ndata: c"
    events = list(read_events(body))
    assert [body[e.start : e.end] for e in events] == [b"data: a\n\n", b"event: x\ndata: b\n\n", b"data: c"]


def test_a_crlf_event_is_complete_with_the_cr_of_its_blank_line() -> None:
    body = b"data: a\r\n\r\ndata: b\r\n\r\n"
    events = list(read_events(body))
    assert [body[e.start : e.end] for e in events] == [b"data: a\r\n\r", b"data: b\r\n\r"]


def test_an_event_is_handed_out_with_its_last_byte() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n") == []
    assert [e.data for e in reader.feed(b"\r")] == ["a"]
    assert reader.feed(b"\n") == []
    assert reader.close() is None


PIECES = st.sampled_from(
    [
        b"data",
        b":",
        b" ",
        b"a",
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"id: 7",
        b"event: e",
        b"\xef\xbb\xbf",
        "ë⛵".encode(),
        b"\xff",
        b"\0",
    ]
)
BODIES = st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=60)


@given(body=BODIES, cuts=st.lists(st.integers(0, 90), max_size=20))
def test_what_is_read_does_not_depend_on_the_cuts(body: bytes, cuts: list[int]) -> None:
    whole = list(read_events(body))
    assert _all(body, cuts) == whole
    assert _all(body, list(range(len(body)))) == whole


@given(body=BODIES)
def test_offsets_never_overlap(body: bytes) -> None:
    at = 0
    for event in read_events(body):
        assert at <= event.start < event.end <= len(body)
        at = event.end


def test_a_line_is_bounded_while_it_is_still_arriving() -> None:
    with pytest.raises(SseTooLong, match="line"):
        _feed(SseReader(max_line=100), b"data" * 10)


def test_an_event_is_bounded() -> None:
    with pytest.raises(SseTooLong, match="event"):
        _feed(SseReader(max_event=100), b"data: aaaaaaaa\n")


def test_a_whole_body_is_never_too_long() -> None:
    body = b"data: " + b"a" * (2 << 20) + b"\n\n"
    assert [len(e.data) for e in read_events(body)] == [2 << 20]


def test_a_closed_reader_reads_no_more() -> None:
    reader = SseReader()
    reader.close()
    assert reader.close() is None
    with pytest.raises(ValueError, match="closed"):
        reader.feed(b"data: a\n\n")

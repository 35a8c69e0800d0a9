from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.wire.exchange import Exchange, Sent
from conformance.wire.redact import (
    CUT,
    PLACEHOLDER,
    REDACTED,
    SHORTEST_CUT,
    WRONG_BASIC,
    WRONG_KEY,
    Redactor,
)
from conformance.wire.sse import read_events

KEY = "s3cr+t/K3y=="
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\\%"), max_size=20)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# -- the key, wherever it is


@pytest.mark.parametrize(
    "spelled",
    [
        KEY,
        quote(KEY, safe=""),
        "s3cr%2bt%2fK3y%3d%3d",
        quote(quote(KEY, safe=""), safe=""),
        quote_plus(KEY),
        KEY.replace("/", "\\/"),
        KEY.replace("+", "\\u002b").replace("=", "\\u003D"),
        json.dumps(json.dumps(KEY.replace("+", "\\u002b")))[3:-3],
        _b64(KEY),
        _b64(KEY).rstrip("="),
        quote(_b64(KEY), safe=""),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        "".join(f"%{ord(c):02X}" for c in KEY),
        "".join(f"\\u{ord(c):04x}" for c in KEY),
    ],
)
def test_a_key_in_any_spelling_is_replaced(spelled: str) -> None:
    redactor = Redactor([KEY])
    assert redactor.text(f"a {spelled} b") == f"a {PLACEHOLDER} b"
    assert redactor.raw(b"\xff" + spelled.encode() + b"\0") == b"\xff" + PLACEHOLDER.encode() + b"\0"


# Building a pattern takes its time on a busy machine.
@settings(deadline=None)
@given(key=KEYS, before=AROUND, after=AROUND)
def test_nothing_of_a_key_is_left(key: str, before: str, after: str) -> None:
    redactor = Redactor([key])
    for spelled in (key, json.dumps(key)[1:-1], quote(key, safe="")):
        clean = redactor.text(before + spelled + after)
        assert PLACEHOLDER in clean
        if key not in PLACEHOLDER + before + after:
            assert key not in clean.replace(PLACEHOLDER, "\0")
    for user in ("", "u", "us", "user:"):
        coded = redactor.text(_b64(f"{user}{key}!"))
        assert PLACEHOLDER in coded
        assert len(coded.replace(PLACEHOLDER, "")) <= len(_b64(user)) + 8


@settings(deadline=None)
@given(
    key=st.text(st.sampled_from("aB7/+='\"\\%é"), min_size=4, max_size=12),
    data=st.data(),
)
def test_what_a_quick_look_lets_pass_has_no_key_in_it(key: str, data: st.DataObject) -> None:
    redactor = Redactor([key])
    parts = [key, key[:-1], key.swapcase(), _b64("u" + key), quote(key), json.dumps(key), json.dumps(json.dumps(key))]
    parts += [
        key.replace("/", "\\/"),
        "".join(f"\\u{ord(c):04x}" for c in key),
        key.replace("a", "\\\\u0061"),
        "x",
        "\\",
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(parts), max_size=3)))
    assert redactor._text is not None
    assert redactor._bytes is not None
    if redactor.text(text) == text:
        assert redactor._text.search(text) is None or PLACEHOLDER in text
    assert redactor.raw(text.encode()).decode() == redactor.text(text)


@given(text=st.text(max_size=200))
def test_text_without_the_key_is_left_alone(text: str) -> None:
    assert Redactor(["a-key-that-is-nowhere"]).text(text) == text
    assert Redactor().text(text) == text


def test_redacting_twice_is_redacting_once() -> None:
    once = Redactor([KEY]).text(f"x{KEY}y")
    assert Redactor([KEY, PLACEHOLDER]).text(once) == once


def test_the_longer_of_two_keys_goes_first() -> None:
    assert (
        Redactor(["abcdefgh", "abcdefgh-and-more"]).text("abcdefgh-and-more abcdefgh") == f"{PLACEHOLDER} {PLACEHOLDER}"
    )


@pytest.mark.parametrize("key", ["", "a", "abc"])
def test_a_key_that_would_blank_everything_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="4 characters"):
        Redactor([key])


def test_a_short_key_is_found_only_whole() -> None:
    redactor = Redactor(["test"])
    assert redactor.text("a test of testing") == f"a {PLACEHOLDER} of {PLACEHOLDER}ing"
    assert redactor.text("es ts dGVz") == "es ts dGVz"


@pytest.mark.parametrize("body", [b"\\" * 200_000, b"%" * 200_000, b"%25" * 70_000, KEY[:-2].encode() * 19_000])
def test_a_hostile_body_takes_linear_time(body: bytes) -> None:
    began = time.process_time()
    assert Redactor([KEY, 'quo"ted/k\\ey']).raw(body) == body
    assert time.process_time() - began < 5


# -- headers


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", f"Bearer {KEY}", f"Bearer {PLACEHOLDER}"),
        ("authorization", KEY, PLACEHOLDER),
        ("Authorization", "Bearer someone-elses", REDACTED),
        ("Authorization", f"Bearer {KEY}x", REDACTED),
        ("Authorization", KEY[:-1], REDACTED),
        ("Authorization", f"Bearer {WRONG_KEY}", f"Bearer {WRONG_KEY}"),
        ("Authorization", WRONG_KEY, WRONG_KEY),
        ("Authorization", WRONG_BASIC, WRONG_BASIC),
        ("Authorization", "Basic " + _b64(f"user:{KEY}"), REDACTED),
        ("Authorization", "", ""),
        ("Authorization", "Bearer", "Bearer"),
        ("Authorization", "Bearer ", "Bearer "),
        ("Authorization", "hunter2", REDACTED),
        ("API-Key", KEY, PLACEHOLDER),
        ("x-api-key", "other", REDACTED),
        ("Ocp-Apim-Subscription-Key", "other", REDACTED),
        ("Proxy-Authorization", "Basic abc", REDACTED),
        ("Cookie", "session=1", REDACTED),
        ("Set-Cookie", "session=1; HttpOnly", REDACTED),
        ("X-Debug", f"you sent {KEY}", f"you sent {PLACEHOLDER}"),
        ("x-ratelimit-remaining-tokens", "199000", "199000"),
        ("x-ratelimit-limit-tokens", "200000", "200000"),
        ("x-token-count", "12", "12"),
        ("WWW-Authenticate", 'Bearer realm="x"', 'Bearer realm="x"'),
    ],
)
def test_headers(name: str, value: str, shown: str) -> None:
    assert Redactor([KEY]).header(name, value) == shown


def test_headers_keep_their_order_and_repeats() -> None:
    given_headers = (("A", "1"), ("Set-Cookie", "x"), ("a", KEY))
    assert Redactor([KEY]).headers(given_headers) == (("A", "1"), ("Set-Cookie", REDACTED), ("a", PLACEHOLDER))


# -- records


def _exchange(**changes: Any) -> Exchange:
    fields: dict[str, Any] = {
        "id": "x000001",
        "scope": "chat.auth.bearer",
        "ordinal": 3,
        "sent": Sent("POST", f"/v1/x?key={quote(KEY)}", (("Authorization", f"Bearer {KEY}"),), b'{"max_tokens": 8}'),
        "started": 1.5,
        "status": 200,
        "headers": (("Set-Cookie", "a=b"), ("x-ratelimit-remaining-tokens", "7")),
        "body": b'{"usage": {"total_tokens": 7}}',
        "arrivals": ((9, 30),),
        "detail": f"said {KEY}",
    }
    return Exchange(**{**fields, **changes})


def _redacted(exchange: Exchange, key: str = KEY) -> Exchange:
    return Exchange.from_record(json.loads(json.dumps(Redactor([key]).record(exchange.to_record()))))


def test_an_exchange_is_redacted_everywhere_and_nowhere_else() -> None:
    clean = _redacted(_exchange())
    assert clean == _exchange(
        sent=Sent(
            "POST", f"/v1/x?key={PLACEHOLDER}", (("Authorization", f"Bearer {PLACEHOLDER}"),), b'{"max_tokens": 8}'
        ),
        headers=(("Set-Cookie", REDACTED), ("x-ratelimit-remaining-tokens", "7")),
        detail=f"said {PLACEHOLDER}",
    )


def test_the_word_token_survives() -> None:
    body = (
        b'{"max_tokens": 16, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "token": "the"}'
    )
    headers = (
        ("x-ratelimit-remaining-tokens", "5"),
        ("x-ratelimit-reset-tokens", "1s"),
        ("content-type", "application/json"),
    )
    before = _exchange(body=body, headers=headers, sent=Sent("POST", "/v1/x", headers, body), detail="tokens")
    assert _redacted(before) == before


def test_a_body_in_base64_is_redacted_inside() -> None:
    assert (
        _redacted(_exchange(body=b"\xff " + KEY.encode() + b" \xfe", arrivals=())).body
        == b"\xff " + PLACEHOLDER.encode() + b" \xfe"
    )


def test_a_record_is_not_changed_in_place() -> None:
    record = _exchange().to_record()
    before = json.dumps(record)
    Redactor([KEY]).record(record)
    assert json.dumps(record) == before


def test_other_records_are_walked_whole() -> None:
    record = {
        "type": "outcome",
        "message": f"leaked {KEY}",
        "settings": {"headers": {"Api-Key": "other", "X-Ok": KEY}, "depth": [{"deep": [KEY, 1, None, True]}]},
    }
    assert Redactor([KEY]).record(record) == {
        "type": "outcome",
        "message": f"leaked {PLACEHOLDER}",
        "settings": {
            "headers": {"Api-Key": REDACTED, "X-Ok": PLACEHOLDER},
            "depth": [{"deep": [PLACEHOLDER, 1, None, True]}],
        },
    }


def test_a_key_that_is_a_word_of_ours_leaves_the_record_readable() -> None:
    before = _exchange(sent=Sent("POST", "/v1/x", ()), scope="chat.exchange", detail="")
    assert _redacted(before, "exchange").scope == "chat.exchange"
    assert Redactor(["exchange"]).record(before.to_record())["type"] == "exchange"


@pytest.mark.parametrize("key", ["short-k1", "a-key-that-is-longer-than-its-placeholder"])
@pytest.mark.parametrize("cut", [0, 3, 8, 20])
def test_arrivals_still_point_at_the_same_events(key: str, cut: int) -> None:
    first, second = f"data: {key} and {key}\n\n".encode(), b"data: b\n\n"
    at = 6 + cut
    arrivals = ((1, at), (2, len(first)), (3, len(first) + len(second)))
    clean = _redacted(_exchange(body=first + second, arrivals=arrivals), key)
    ends = [event.end for event in read_events(clean.body)]
    assert [size for ns, size in clean.arrivals[1:]] == ends
    assert 0 <= clean.arrivals[0][1] < ends[0]


# -- nearly the key, which our own checks send


def test_a_key_without_its_last_character_is_replaced_by_another_word() -> None:
    redactor = Redactor([KEY])
    for spelled in (KEY[:-1], quote(KEY[:-1], safe=""), KEY[:-1].replace("/", "\\/")):
        assert redactor.text(f"a {spelled} b") == f"a {CUT} b"
        assert redactor.text(f"a {spelled}0 b") == f"a {CUT}0 b"
    assert redactor.text(f"{KEY} {KEY[:-1]} {KEY[:-2]}") == f"{PLACEHOLDER} {CUT} {KEY[:-2]}"
    # A header that holds it is not taken for one that holds the key itself.
    assert redactor.header("Authorization", f"Bearer {KEY[:-1]}") == REDACTED


@pytest.mark.parametrize("key", ["a-key-ends-in-%G", "a-key-ends-in-\\G"])
def test_a_key_that_can_be_read_in_two_ways_is_taken_whole(key: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in key[:-1]) + key[-1]
    for spelled in (key, quote(key), quote(quote(key)), json.dumps(key)[1:-1], escaped):
        assert Redactor([key]).text(f"<{spelled}>") == f"<{PLACEHOLDER}>"


def test_a_part_of_a_short_key_stays() -> None:
    short = "k" * (SHORTEST_CUT - 1)
    assert Redactor([short]).text(f"{short} {short[:-1]}") == f"{PLACEHOLDER} {short[:-1]}"


def test_arrivals_move_with_nearly_the_key() -> None:
    body = f"{KEY[:-1]}0;{KEY};end".encode()
    record = {"type": "exchange", "response": {"text": body.decode()}, "arrivals": [[1, 13], [2, len(body)]]}
    clean = Redactor([KEY]).record(record)
    assert clean["response"]["text"] == f"{CUT}0;{PLACEHOLDER};end"
    assert clean["arrivals"] == [[1, len(CUT) + 2], [2, len(clean["response"]["text"])]]

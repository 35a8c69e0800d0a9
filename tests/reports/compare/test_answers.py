"""Endings, refusals and headers of the same requests side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from conformance.wire.exchange import Exchange
from reports.compare.traffic import traffic_of
from tests.reports.compare.runs import answered, compared, document, headers, of, only, run_of, story
from tests.reports.samples import changed, outcome

REFUSED = {"error": {"message": "no", "code": 400}}


def test_a_refusal_that_became_an_answer_is_left_to_its_check(tmp_path: Path) -> None:
    before, after = answered([REFUSED] * 3, statuses=[400] * 3), answered([document()] * 3)
    silent = compared(tmp_path, story(before), story(after))
    found = only(silent, "errors")
    assert (found.subject, found.grade) == ("400 became 200", "information")
    assert "3 requests of chat.answers" in found.title
    assert "no check's verdict differs" in found.note
    judged = changed(story(after), outcome("chat.answers", "fail", "chat.head.route"))
    base = changed(story(before), outcome("chat.answers", "pass", "chat.head.route"))
    assert only(compared(tmp_path, base, judged), "errors").note == "judged by chat.answers"


def test_a_breakdown_is_a_warning_whatever_the_checks_say(tmp_path: Path) -> None:
    good = answered([document()] * 3)
    for bad in (
        answered([{"error": "oops"}] * 3, statuses=[500] * 3),
        [replace(one, failure="reset", detail="gone") for one in good],
    ):
        assert only(compared(tmp_path, story(good), story(bad)), "errors").grade == "warning"
        assert only(compared(tmp_path, story(bad), story(good)), "errors").grade == "better"


def test_400_and_422_are_no_more_than_information(tmp_path: Path) -> None:
    sides = [story(answered([REFUSED] * 9, statuses=[status] * 9)) for status in (400, 422)]
    comparison = compared(tmp_path, *sides)
    assert only(comparison, "errors").grade == "information"
    assert comparison.exit_code == 0


def test_the_shape_of_a_refusal_is_told_with_its_keys(tmp_path: Path) -> None:
    flat = {"detail": [{"loc": ["body"], "msg": "no"}]}
    sides = [story(answered([body] * 2, statuses=[400] * 2)) for body in (REFUSED, flat)]
    found = only(compared(tmp_path, *sides), "errors")
    assert (found.baseline, found.candidate) == ("{error: {code, message}}", "{detail: [{loc: …, msg}]}")
    page = story(answered([b"<html>"] * 2, statuses=[400] * 2))
    assert only(compared(tmp_path, sides[0], page), "errors").candidate == "application/json, no JSON object"


def test_other_words_in_a_refusal_are_no_difference(tmp_path: Path) -> None:
    sides = [story(answered([{"error": {"message": word}}] * 9, statuses=[400] * 9)) for word in ("no", "never")]
    assert not compared(tmp_path, *sides).differences


def test_headers_that_are_gone_are_told(tmp_path: Path) -> None:
    plain = [replace(one, headers=(("content-type", "application/json"),)) for one in answered([document()] * 9)]
    more = [headers(one, {"X-Request-Id": "r", "x-ratelimit-remaining-tokens": "7"}) for one in plain]
    comparison = compared(tmp_path, story(more), story(plain))
    assert {one.subject for one in of(comparison, "headers")} == {"a request id", "rate limits"}
    (table,) = [one for one in comparison.tables if one.name == "Headers"]
    assert ("rate limits", "9 of 9", "0 of 9") in table.rows


def test_another_media_type_is_told_with_where(tmp_path: Path) -> None:
    before = answered([document()] * 2)
    after = [replace(one, headers=(("content-type", "text/plain"),)) for one in before]
    found = next(one for one in of(compared(tmp_path, story(before), story(after)), "headers"))
    assert (found.baseline, found.candidate, found.places) == ("application/json", "text/plain", ("chat document",))


def test_requests_are_paired_by_check_and_then_by_bytes(tmp_path: Path) -> None:
    ours = answered([document()] * 4)
    # The other run sent them in another order, one from another check, and one not at all.
    theirs = [replace(one, id=f"y{one.id}", ordinal=9 - one.ordinal) for one in reversed(ours[:3])]
    theirs[0] = replace(theirs[0], scope="chat.other")
    sides = [run_of(story(side), tmp_path, name) for name, side in (("a", ours), ("b", theirs))]
    traffic = traffic_of(*sides)
    assert {(one.baseline.id, one.candidate.id) for one in traffic.pairs} == {
        (f"x000{number}", f"yx000{number}") for number in range(3)
    }


def test_a_model_s_name_does_not_part_equal_requests(tmp_path: Path) -> None:
    ours = answered([document()] * 2)
    theirs = [
        replace(one, sent=replace(one.sent, body=one.sent.body.replace(b"{", b'{"model": "m", ', 1))) for one in ours
    ]
    sides = [
        run_of(story(side, settings={"model": model}), tmp_path, model or "none")
        for side, model in ((ours, None), (theirs, "m"))
    ]
    assert len(traffic_of(*sides).pairs) == 2


def test_an_answer_that_was_sent_again_after_a_429_counts_once(tmp_path: Path) -> None:
    ours = answered([document()])
    throttled = replace(ours[0], id="x9", status=429, superseded=True, body=b"{}")
    comparison = compared(tmp_path, story(ours), story([throttled, *ours]))
    assert not comparison.differences


def test_requests_with_other_headers_are_other_requests(tmp_path: Path) -> None:
    def with_key(value: str, scope: str) -> list[Exchange]:
        (one,) = answered([document()])
        sent = replace(one.sent, headers=(("Content-Type", "application/json"), ("Authorization", value)))
        return [replace(one, sent=sent, scope=scope)]

    (usual,) = with_key("Bearer $SEATRIAL_API_KEY", "a")
    keyless = replace(usual, sent=replace(usual.sent, headers=usual.sent.headers[:1]))
    ours, wrong, none = (
        run_of(story(side, settings={"key": key}), tmp_path, name)
        for name, side, key in (
            ("usual", [usual], True),
            ("wrong", with_key("Bearer wrong", "b"), True),
            ("none", [keyless], False),
        )
    )
    assert not traffic_of(ours, wrong).pairs
    # An endpoint that wants no key is asked the same without one, in the same check; elsewhere that is a probe.
    assert len(traffic_of(ours, none).pairs) == 1
    probe = run_of(story([replace(keyless, scope="c")], settings={"key": False}), tmp_path, "probe")
    assert not traffic_of(ours, probe).pairs

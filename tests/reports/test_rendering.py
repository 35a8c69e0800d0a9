"""The parts that the formats are made of: visible text, excerpts, evidence, pictures, and the terminal's stream."""

from __future__ import annotations

import io
import math
from datetime import timedelta
from pathlib import Path

import pytest

from reports import terminal
from reports.chart import chart
from reports.evidence import evidence
from reports.formats import FORMATS
from reports.gate import Gate, Waiver
from reports.judge import judge
from reports.loads import MEASURES, Latency, summarize
from reports.stats import Distribution
from reports.view import counts_line
from reports.visible import excerpt, one_line, visible
from tests.reports import samples
from tests.reports.samples import TODAY, Story, changed, exchange, failing, passing


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\tand\nlines", "plain\tand\nlines"),
        ("caf\u00e9 \u4f60\u597d \U0001f600", "caf\u00e9 \u4f60\u597d \U0001f600"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("a\r\nb", "a\\r\nb"),
        ("\u202e\u2066\u200b\ufeff", "\\u202e\\u2066\\u200b\\ufeff"),
        ("\u2028\ud83d\uffff", "\\u2028\\ud83d\\uffff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_visible_is_idempotent_over_everything() -> None:
    every = "".join(map(chr, range(0x3000))) + "\ud800\ufffe\U000e0001"
    once = visible(every)
    assert visible(once) == once


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n\n b\t c ") == "a b c"
    assert len(one_line("x" * 1000, 50)) == 50


def test_an_excerpt_keeps_both_ends_and_says_what_is_missing() -> None:
    text = "a" * 5000 + "z" * 5000
    short = excerpt(text, 1000)
    assert short.startswith("aaa")
    assert short.endswith("zzz")
    assert "9,000 characters left out" in short
    assert excerpt("short", 1000) == "short"


def evidence_of(folder: Path, body: object, answer: object, **rest: object) -> str:
    story = passing()
    story.exchanges = [exchange(1, body, answer=answer, **rest)]  # type: ignore[arg-type]
    changed(story, failing("chat.stream.done", "x0001", "t", "m"))
    run = story.run(folder)
    (shown,) = evidence(run, next(one for one in run.outcomes if one.status == "fail"))
    return f"{shown.request}\n---\n{shown.answer}"


def test_json_is_laid_out_where_nothing_is_lost(tmp_path: Path) -> None:
    assert '"prompt": "x",\n  "n": 2' in evidence_of(tmp_path, {"prompt": "x", "n": 2}, {})
    for kept in (b'{"n": 1, "n": 2}', b'{"n":1.0000000000000000001}', b'{"n" :1}', b'{"n":1,}', b'"text"'):
        assert kept.decode() in evidence_of(tmp_path, kept, {})


def test_evidence_is_bounded(tmp_path: Path) -> None:
    long = evidence_of(tmp_path, {"prompt": "x" * 500_000}, {"text": "y" * 500_000})
    assert len(long) < 10_000
    assert "too long to show" not in long
    assert "characters left out" in long


def test_evidence_says_why_there_is_no_answer(tmp_path: Path) -> None:
    assert "No complete answer: timeout (30 s)" in evidence_of(
        tmp_path, {}, None, status=None, failure="timeout", detail="30 s"
    )


def test_an_empty_body_is_told(tmp_path: Path) -> None:
    assert evidence_of(tmp_path, {}, b"").endswith("(no body)")


def test_evidence_that_is_not_in_the_log_is_left_out(tmp_path: Path) -> None:
    story = changed(passing(), failing("chat.stream.done", "x9999", "t", "m"))
    run = story.run(tmp_path)
    assert evidence(run, run.outcomes[-1]) == ()
    assert "chat.stream.done" in terminal.render(run, judge(run, Gate(), TODAY))


def test_a_picture_s_bars_stand_on_the_axis_and_stay_inside(tmp_path: Path) -> None:
    (load,) = Story(loads=[samples.load_record()]).run(tmp_path).loads
    summary = summarize(load, {})
    assert {one.measure.key for one in summary.latencies} <= {measure.key for measure in MEASURES}
    for latency in summary.latencies:
        picture = chart(latency)
        assert picture.bars
        assert picture.ticks
        for bar in picture.bars:
            assert picture.left <= bar.x <= picture.right
            assert bar.y + bar.height == pytest.approx(picture.bottom, abs=0.2)
            assert bar.height > 0
        for mark in (*picture.marks, *picture.ticks):
            assert picture.left <= mark.x <= picture.right
        assert [mark.label.split()[0] for mark in picture.marks] == ["p50", "p95", "p99"]


@pytest.mark.parametrize("values", [(5.0,), (0.0,), (0.0, 0.0001), (0.01, 600_000.0), (99.9, 100.1)])
def test_a_picture_of_odd_values(values: tuple[float, ...]) -> None:
    found = Distribution(values=tuple(sorted(values)), counts=(1,) * len(values))
    percentiles = {percent: found.percentile(percent) for percent in (50.0, 90.0, 95.0, 99.0)}
    picture = chart(Latency(measure=MEASURES[0], distribution=found, percentiles=percentiles))
    assert all(math.isfinite(bar.x + bar.height) for bar in picture.bars)
    assert picture.ticks


def test_a_measure_without_words_is_shown_by_its_key(tmp_path: Path) -> None:
    record = samples.load_record()
    record["histograms"]["queue"] = record["histograms"]["ttft"]
    (load,) = Story(loads=[record]).run(tmp_path).loads
    assert [one.measure.name for one in summarize(load, {}).latencies][-1] == "queue"


def test_terminal_is_plain_unless_the_stream_is_a_terminal(tmp_path: Path) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    run = samples.eventful().run(tmp_path)
    verdict = judge(run, samples.gate(), TODAY)
    plain, tty, forced = io.StringIO(), Tty(), Tty()
    terminal.show(run, verdict, plain)
    terminal.show(run, verdict, tty)
    terminal.show(run, verdict, forced, colour=False)
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" in tty.getvalue()
    assert "\x1b" not in forced.getvalue()
    assert plain.getvalue().startswith("DOES NOT CONFORM")


def test_terminal_survives_an_encoding_without_its_characters(tmp_path: Path) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    run = samples.eventful().run(tmp_path)
    terminal.show(run, judge(run, samples.gate(), TODAY), stream)
    stream.flush()
    assert b"DOES NOT CONFORM" in raw.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_width_is_kept_but_for_what_is_copied(tmp_path: Path, width: int) -> None:
    run = Story(loads=[samples.load_record()], command="load").run(tmp_path)
    text = terminal.render(run, judge(run, Gate(), TODAY), width=width)
    assert all(len(line) <= max(width, 40) for line in text.splitlines() if not line.startswith("- "))


def test_a_stale_waiver_is_in_every_format(tmp_path: Path) -> None:
    waiver = Waiver(check="chat.gone", reason="r", until=TODAY + timedelta(days=1), line=1)
    run = passing().run(tmp_path)
    verdict = judge(run, Gate(waivers=(waiver,)), TODAY)
    for name, render in FORMATS.items():
        assert "chat.gone" in render(run, verdict), name


def test_counts_are_in_one_order(tmp_path: Path) -> None:
    run = samples.eventful().run(tmp_path)
    passed = sum(outcome.status == "pass" for outcome in run.outcomes)
    assert counts_line(judge(run, samples.gate(), TODAY)) == (
        f"{passed} passed, 4 failed, 1 warned, 1 waived, 1 skipped, 1 blocked, 1 inconclusive, 1 errors"
    )


def test_a_report_is_the_same_each_time(tmp_path: Path) -> None:
    run = samples.eventful().run(tmp_path)
    verdict = judge(run, samples.gate(), TODAY)
    for render in FORMATS.values():
        assert render(run, verdict) == render(run, verdict)

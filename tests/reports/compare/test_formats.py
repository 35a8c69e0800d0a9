"""The formats of a comparison: the same counts and ids in each, and nothing hostile gets out of its place."""

from __future__ import annotations

import html as html_text
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.compare import terminal, words
from reports.compare.build import compare
from reports.compare.formats import FORMATS
from reports.compare.model import Comparison
from reports.gate import Gate
from reports.markdown import MAX_BYTES
from tests.reports import samples
from tests.reports.compare.runs import answered, compared, document, run_of, story
from tests.reports.samples import HOSTILE, TODAY, changed, exchange, failing, outcome

HARSH = HOSTILE.replace("\ud83d", "")


def eventful(tmp_path: Path) -> Comparison:
    """A comparison with every grade and area, and what a hostile endpoint may write in each place."""
    body = {"messages": [{"role": "user", "content": HARSH}], "max_tokens": 4}
    before = story([*answered([document()] * 9), exchange(99, body, answer={"ok": HARSH})])
    made = [document(id=None, usage={"prompt_tokens": 8, HARSH: 2}) | {HARSH: 1}] * 9
    after = story([*answered(made, ms=[90.0 + n for n in range(9)]), exchange(99, body, status=500, answer={HARSH: 1})])
    changed(
        after,
        failing("chat.stream.done", "x0099", "The last event is `[DONE]`.", HARSH),
        outcome("completions.stream.done", "fail", message=HARSH),
        outcome("chat.error.status", "fail", message="5xx | <b>"),
        outcome("chat.request.n", "inconclusive", message=HARSH),
    )
    changed(before, outcome("chat.request.top_p", "fail", message=HARSH))
    sides = [
        run_of(side, tmp_path, name, target=f"http://{name}/<i>|", started=HARSH)
        for name, side in (("a", before), ("b", after))
    ]
    sides[1] = replace(sides[1], outcomes=tuple(replace(one, title=one.title + HARSH) for one in sides[1].outcomes))
    return compare(sides[0], sides[1], Gate(), TODAY)


def plain(name: str, text: str) -> str:
    text = html_text.unescape(html_text.unescape(text))
    if name == "html":
        text = html_text.unescape(re.sub(r"<[^>]*>", "", text))
    return " ".join(text.replace("`", "").split())


def test_the_story_has_every_grade_but_a_waiver(tmp_path: Path) -> None:
    counts = eventful(tmp_path).counts
    assert all(counts[grade] for grade in ("breaking", "open", "warning", "better", "information"))


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_shows_the_same_verdict_counts_and_ids(name: str, tmp_path: Path) -> None:
    comparison = eventful(tmp_path)
    text = plain(name, FORMATS[name](comparison))
    assert words.HEADLINES[comparison.status].lower() in text.lower()
    for grade, count in comparison.counts.items():
        if count:
            title = words.GRADE_TITLES[grade]
            assert re.search(rf"{title} \(?{count}\)?", text), (name, title)
        for one in comparison.graded(grade):
            if one.area in {"checks", "options"}:
                assert one.subject in text, (name, one.subject)
    for table in comparison.tables:
        assert table.name in text


@pytest.mark.parametrize("name", list(FORMATS))
def test_both_answers_and_the_words_stand_beside_a_breaking_check(name: str, tmp_path: Path) -> None:
    text = plain(name, FORMATS[name](eventful(tmp_path)))
    assert "terminated by a payload [DONE]" in text
    assert "curl -sS" in text
    assert "HTTP 200" in text
    assert "HTTP 500" in text


@pytest.mark.parametrize("name", list(FORMATS))
def test_nothing_hostile_gets_out_of_its_place(name: str, tmp_path: Path) -> None:
    text = FORMATS[name](eventful(tmp_path))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069\u200b]", text)
    if name == "html":
        assert "<img" not in text
        assert "</script>" not in text
        assert "<i>|" not in text
        assert not re.search(r"(?:src|href)=\"(?!#)", text)
        assert "default-src 'none'" in text
    if name == "markdown":
        outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert "<img" not in outside
        assert "javascript:" not in outside
        assert "@someone" not in outside
        for table in re.findall(r"(?:^\|.*\|$\n?)+", outside, flags=re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.strip().splitlines()}) == 1, table


def test_links_within_the_page_lead_somewhere(tmp_path: Path) -> None:
    text = FORMATS["html"](eventful(tmp_path))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_a_terminal_obeys_only_us(tmp_path: Path) -> None:
    coloured = terminal.render(eventful(tmp_path), colour=True)
    assert "\x1b[" in coloured
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", coloured)


def test_markdown_stays_within_its_bound_and_names_every_breaking_check(tmp_path: Path) -> None:
    def flood(status: str) -> Any:
        made = story()
        made.outcomes += [
            outcome(f"chat.custom-{n}", status, f"row-{n}", message="so " * 90 if status == "fail" else "")
            for n in range(600)
        ]
        return made

    comparison = compared(tmp_path, flood("pass"), flood("fail"))
    text = FORMATS["markdown"](comparison)
    assert len(text.encode()) <= MAX_BYTES
    assert "Shortened to fit" in text
    for subject in comparison.breaking:
        assert f"`{subject}`" in text


def test_no_difference_is_said_plainly(tmp_path: Path) -> None:
    comparison = compared(tmp_path, story(), story())
    for name, render in FORMATS.items():
        text = plain(name, render(comparison))
        assert "no breaking difference" in text.lower()
        assert "0 breaking" in text


def test_checks_of_one_requirement_are_one_finding(tmp_path: Path) -> None:
    broken = changed(story(), *(outcome(f"{route}.stream.done", "fail") for route in ("chat", "completions")))
    groups = words.grouped(compared(tmp_path, story(), broken).graded("breaking"))
    assert [group.subjects for group in groups] == [("chat.stream.done", "completions.stream.done")]
    assert samples.TARGET in FORMATS["terminal"](compared(tmp_path, story(), broken))

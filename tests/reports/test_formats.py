"""The law of the formats: the same counts and failing ids, and nothing an endpoint wrote gets out of its place."""

from __future__ import annotations

import html as html_text
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from conformance.wire.curl import curl_line
from conformance.wire.exchange import Sent
from reports import markdown, terminal, view
from reports.coverage import STATES
from reports.formats import FORMATS
from reports.gate import Gate
from reports.judge import Verdict, judge
from reports.model import Run
from tests.reports import samples
from tests.reports.loads import goodput
from tests.reports.samples import HOSTILE, TODAY, Story, changed, outcome, passing

Case = tuple[Run, Verdict]


def many(number: int) -> Story:
    """A run in which that many checks fail."""
    story = passing()
    story.exchanges = [samples.exchange(1, {"prompt": "x"}, answer={"text": "y" * 3000})]
    story.outcomes += [
        samples.failing(f"chat.flood.check-{n:04d}", "x0001", "A fact | holds.", f"it `does` not, {n}")
        for n in range(number)
    ]
    return story


def unfinished() -> Story:
    """A run that was interrupted, with checks that have not run."""
    story = passing()
    story.planned = [one.check for one in story.outcomes]
    story.outcomes = story.outcomes[:40]
    story.end = "interrupted"
    return story


STORIES: dict[str, Callable[[], Story]] = {
    "eventful": samples.eventful,
    "passing": passing,
    "unfinished": unfinished,
    "empty": Story,
    "load": lambda: Story(loads=[samples.load_record()], command="load"),
    "flood": lambda: many(400),
    "lacking": samples.lacking,
    "repeated": samples.repeated,
}


@pytest.fixture(params=STORIES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    run = STORIES[request.param]().run(tmp_path)
    return run, judge(run, samples.gate(), TODAY)


def plain(name: str, text: str) -> str:
    """What a reader of that format reads."""
    if name == "html":
        text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        return html_text.unescape(re.sub(r"<[^>]+>", "", text))
    if name == "junit":
        root = ET.fromstring(text)
        texts = [part for element in root.iter() for part in (element.text or "", *element.attrib.values())]
        return "\n".join(texts)
    return html_text.unescape(text)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same_verdict_counts_and_failing_ids(case: Case, name: str) -> None:
    run, verdict = case
    text = plain(name, FORMATS[name](run, verdict))
    assert view.HEADLINES[verdict.status].lower() in text.lower()
    for counted, count in view.shown_counts(verdict):
        assert re.search(rf"\b{count} {counted}\b", text), (counted, count)
    for check in verdict.failing:
        assert re.search(rf"{re.escape(check)}(?![\w.-])", text), check
    assert sum(verdict.counts.values()) == len(run.outcomes) + len(run.not_run)


@pytest.mark.parametrize("name", FORMATS)
def test_a_check_that_did_not_fail_is_never_shown_among_the_failing(case: Case, name: str) -> None:
    run, verdict = case
    text = FORMATS[name](run, verdict)
    if name == "junit":
        shown = {c.get("name") for c in ET.fromstring(text)[0].iter("testcase") if c.find("failure") is not None}
        assert shown == set(verdict.failing)
    if name == "html":
        section = re.search(r'<section id="fail">(.*?)</section>', text, re.DOTALL)
        assert set(re.findall(r'id="check-([^"]+)"', section[1] if section else "")) == set(verdict.failing)
    if name == "markdown" and len(verdict.failing) < 50:
        section = re.search(r"### Failed.*?\n\n(.*?)\n\n", text, re.DOTALL)
        cells = re.findall(r"^\| ((?:`[^`|]+`(?:, )?)+) \|", section[1] if section else "", re.MULTILINE)
        assert set(re.findall(r"`([^`]+)`", " ".join(cells))) == set(verdict.failing)
    if name == "terminal" and len(verdict.failing) < 20:
        section = re.search(r"^Failed \(\d+[^)]*\)$(.*?)(?:^\w[\w ]+ \(\d+\)$|\Z)", text, re.DOTALL | re.MULTILINE)
        found = re.findall(
            r"^(?:(?:MUST|SHOULD|MAY) | {9}(?=(?:chat|completions)\.\S+: ))([^\s:]+)",
            section[1] if section else "",
            re.MULTILINE,
        )
        assert set(found) == set(verdict.failing)


def test_every_reason_is_in_every_format(case: Case) -> None:
    run, verdict = case
    for name, render in FORMATS.items():
        text = " ".join(plain(name, render(run, verdict)).split())
        for reason in verdict.reasons:
            assert reason[:200] in text, name


def test_markdown_stays_under_its_bound_with_every_failing_id(case: Case) -> None:
    run, verdict = case
    assert len(markdown.render(run, verdict).encode()) <= markdown.MAX_BYTES


def test_a_flood_beyond_all_bounds_still_makes_a_summary(tmp_path: Path) -> None:
    run = many(3000).run(tmp_path)
    text = markdown.render(run, judge(run, Gate(), TODAY))
    assert len(text.encode()) <= markdown.MAX_BYTES
    assert "3000 failed" in text
    assert "Shortened to fit" in text


# Hostile text


def hostile(folder: Path) -> Case:
    story = changed(
        passing(),
        samples.failing("chat.stream.done", "x0001", HOSTILE, HOSTILE, count=2),
        outcome("chat.error.status", "fail", message=HOSTILE, hint=HOSTILE),
        outcome("chat.request.n", "skip", message=HOSTILE),
        outcome("chat.request.stop", readings={"erratum.stop-type": HOSTILE}),
        samples.failing(f"chat.{HOSTILE}", "x0002", "t", "m"),
    )
    body = HOSTILE.encode("utf-8", "surrogatepass")
    story.exchanges = [
        samples.exchange(1, body, answer=body, detail=HOSTILE, failure="reset"),
        samples.exchange(2, body, answer={"text": HOSTILE}),
    ]
    story.exchanges[0] = story.exchanges[0].__class__(
        **{**vars(story.exchanges[0]), "headers": (("x-evil", HOSTILE), ("content-type", "text/html"))}
    )
    record = samples.load_record()
    record |= {"profile": HOSTILE, "reason": HOSTILE, "valid": False}
    story.loads = [record]
    story.contract = "azure-llama"
    story.end_reason = HOSTILE
    run = story.run(folder)
    return run, judge(run, Gate(slo={"ttft_p95_ms": 1.0}), TODAY)


SPANS = ((0, 9), (11, 32), (127, 160), (0x200B, 0x2010), (0x2028, 0x202F), (0x2060, 0x2070), (0xD800, 0xE000))
FORBIDDEN = frozenset(code for span in SPANS for code in range(*span)) | {0x61C, 0xFEFF, 0xFFFE, 0xFFFF}


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_or_bidirectional_character_gets_out(tmp_path: Path, name: str) -> None:
    text = FORMATS[name](*hostile(tmp_path))
    found = {hex(ord(character)) for character in text if ord(character) in FORBIDDEN}
    assert found == set()
    text.encode("utf-8")
    assert "\\x1b" in text
    assert "\\u202e" in text
    assert "\u05e9\u05dc\u05d5\u05dd" in text  # letters of every script stay


class Tags(HTMLParser):
    """The elements of a page and the text outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "input", "br", "rect", "line", "i"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line", "i"}:
            assert self.open.pop() == tag


def test_html_has_only_its_own_elements(tmp_path: Path) -> None:
    text = FORMATS["html"](*hostile(tmp_path))
    page = Tags()
    page.feed(text)
    assert page.open == []
    assert not {"script", "img", "link", "iframe", "object", "a href"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|\b49\b", text)
    assert "{{ 7*7 }}" in html_text.unescape(text)


@pytest.mark.parametrize("make", [samples.eventful, many], ids=["eventful", "flood"])
def test_html_needs_nothing_but_itself(tmp_path: Path, make: Callable[..., Story]) -> None:
    run = (make(30) if make is many else make()).run(tmp_path)
    text = FORMATS["html"](run, judge(run, samples.gate(), TODAY))
    page = Tags()
    page.feed(text)
    assert page.open == []
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert any(name == "content" and value and value.startswith(policy) for name, value in page.attributes)
    for name, value in page.attributes:
        assert name not in {"src", "srcset", "action", "background"}
        assert name != "href" or (value or "").startswith("#")
    assert "url(" not in text
    assert "@import" not in text


def test_links_within_the_page_lead_somewhere(tmp_path: Path) -> None:
    run = samples.eventful().run(tmp_path)
    text = FORMATS["html"](run, judge(run, samples.gate(), TODAY))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert set(re.findall(r'<label for="([^"]+)"', text)) <= set(ids)


def test_the_filter_of_the_coverage_hides_rows_and_nothing_else(tmp_path: Path) -> None:
    run = samples.eventful().run(tmp_path)
    text = FORMATS["html"](run, judge(run, samples.gate(), TODAY))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    hiding = [
        selectors for selectors in re.findall(r"([^{}]+)\{ display: none; \}", style[1]) if ":checked" in selectors
    ]
    assert len(hiding) == len(STATES) - 1
    for selectors in hiding:
        assert "label" not in selectors
        assert all("~ .chapters " in selector for selector in selectors.split(", "))
    assert style[1].count('label[for="show-') == len(STATES)


def test_html_escapes_what_came_back(tmp_path: Path) -> None:
    text = FORMATS["html"](*hostile(tmp_path))
    assert "</script>" not in text
    assert "&lt;/script&gt;" in text
    assert "<img" not in text


def test_markdown_reads_nothing_of_it(tmp_path: Path) -> None:
    text = FORMATS["markdown"](*hostile(tmp_path))
    outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<img" not in outside
    assert "</script" not in outside
    assert "javascript:" not in re.sub(r"`[^`]*`", "", outside)
    assert "@someone" not in re.sub(r"`[^`]*`", "", outside)
    # The fence around evidence is longer than any within it, so a model cannot close it.
    assert "````text" in text
    # A pipe of the model's is no border of a cell: every row of a table has as many as its head.
    for table in re.findall(r"(?:^\|.*\|$\n?)+", outside, flags=re.MULTILINE):
        borders = {len(re.findall(r"(?<!\\)\|", row)) for row in table.strip().splitlines()}
        assert len(borders) == 1, table


def test_junit_is_xml_whatever_came_back(tmp_path: Path) -> None:
    text = FORMATS["junit"](*hostile(tmp_path))
    ET.fromstring(text)
    assert "]]>" not in text
    assert "<img" not in text


def test_terminal_obeys_only_us(tmp_path: Path) -> None:
    run, verdict = hostile(tmp_path)
    coloured = terminal.render(run, verdict, colour=True)
    assert "\x1b[" in coloured
    # Nothing but colours of our own: no titles, no cursor, no screen.
    rest = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert "\x1b" not in rest
    assert "\x07" not in rest


def test_the_curl_line_of_a_failure_can_be_copied_from_every_format(tmp_path: Path) -> None:
    story = samples.eventful()
    run = story.run(tmp_path)
    verdict = judge(run, samples.gate(), TODAY)
    sent: Sent = story.exchanges[0].sent
    for name, render in FORMATS.items():
        assert curl_line(sent, samples.TARGET) in plain(name, render(run, verdict)), name


def test_the_page_s_words_stand_beside_the_evidence(tmp_path: Path) -> None:
    run = samples.eventful().run(tmp_path)
    verdict = judge(run, samples.gate(), TODAY)
    for name, render in FORMATS.items():
        text = plain(name, render(run, verdict)).replace("`", "")
        assert "except from the last one which is terminated by a payload [DONE]." in text, name
        assert "no [DONE] followed" in text, name


@pytest.mark.parametrize(("valid", "shown"), [(True, True), (False, False)])
def test_of_a_load_that_is_not_valid_no_format_has_a_figure_of_the_endpoint(
    tmp_path: Path, valid: bool, shown: bool
) -> None:
    record = samples.load_record(valid=valid, reason="" if valid else "the client was late") | {"goodput": goodput()}
    run = samples.Story(loads=[record]).run(tmp_path)
    verdict = judge(run, samples.gate(), TODAY)
    (load,) = verdict.loads
    names = {one.measure.key for one in load.latencies}
    assert "lateness" in names
    assert ("ttft" in names, load.rate > 0, load.load.goodput is not None) == (shown, shown, shown)
    for name in ("terminal", "html", "markdown"):
        text = plain(name, FORMATS[name](run, verdict))
        found = [words in text for words in ("whole answers per second", "output tokens per second", "End to end")]
        assert found == [shown] * 3, name
        assert shown or "the client was late" in text

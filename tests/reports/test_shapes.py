"""What a load record says beside its latencies: read strictly, and shown alike by every format."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from reports import figures
from reports.formats import FORMATS
from reports.gate import Gate
from reports.judge import judge
from reports.lines import course_chart, curve_chart
from reports.log import LogError
from reports.model import Run
from tests.reports import loads
from tests.reports.samples import HOSTILE, TODAY, Story

LINE = loads.timeline([[20.0]])
PROFILES = ("streaming", "capacity", "burst", "soak", "mixed")


def run_of(folder: Path, *records: dict[str, Any]) -> Run:
    return Story(loads=list(records), command="load").run(folder)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_what_a_load_showed(tmp_path: Path, profile: str, kind: str) -> None:
    run = run_of(tmp_path, loads.record(profile))
    verdict = judge(run, Gate(), TODAY)
    text = FORMATS[kind](run, verdict)
    flat = " ".join(text.replace("&#34;", '"').split())
    facts = dict(figures.facts(verdict.loads[0]))
    assert "95.8 % of requests were good" in facts["Goodput"]
    assert "6,400" in flat or "tokens per second" in flat
    for name, words in facts.items():
        assert name.split(":")[0] in flat
        assert words.split(" ")[0] in flat
    wanted = {
        "capacity": "at least 12 and below 13 requests per second",
        "burst": "as before 3 to 4 s after the burst",
        "soak": "no change is shown",
        "mixed": "chat-whole",
    }.get(profile, "good")
    assert wanted in (flat if kind != "terminal" else flat.replace("- ", "-")) or kind == "junit"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_that_nothing_was_judged_and_how_it_would_be(tmp_path: Path, kind: str) -> None:
    run = run_of(tmp_path, loads.record("streaming"))
    told = FORMATS[kind](run, judge(run, Gate(), TODAY))
    text = " ".join(re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), told).split()).lower()
    assert "measured; no objectives set, nothing judged" in text
    assert "set one in [slo] of gate.toml, such as ttft_p95_ms = 800" in text
    assert "conforms" not in re.sub(r"<style>.*?</style>", "", text)
    if kind == "junit":
        assert '<skipped message="measured' in text


def test_a_capacity_has_its_knee_and_what_was_spent(tmp_path: Path) -> None:
    (load,) = judge(run_of(tmp_path, loads.record("capacity")), Gate(), TODAY).loads
    facts = dict(figures.facts(load))
    assert "from about 12 requests per second on" in facts["Knee"]
    assert facts["Spent"] == "2,000 requests, 90,000 tokens, 120 s in all trials together"
    assert load.load.capacity is not None
    verdicts = [row[2] for row in figures.curve_rows(load.load.capacity)]
    assert verdicts == ["first look", "first look", "good", "good", "not good", "not good, cut short"]


def box(words: str, place: tuple[float, float], anchor: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of words in a picture, roughly."""
    wide, (x, y) = 6.0 * len(words), place
    left = x - wide if anchor == "end" else x
    return left, left + wide, y - 9, y + 2


def test_pictures_stay_inside_their_frame(tmp_path: Path) -> None:
    capacity, burst, soak = (
        one.load for one in judge(run_of(tmp_path, *map(loads.record, PROFILES[1:4])), Gate(), TODAY).loads
    )
    assert capacity.capacity is not None
    assert burst.course is not None
    assert soak.course is not None
    pictures = [
        curve_chart(capacity.capacity),
        course_chart(burst.course, (10.0, 15.0)),
        course_chart(soak.course, None),
    ]
    for picture in pictures:
        assert picture is not None
        assert [line.name for line in picture.lines] == ["p50", "p95"]
        assert picture.across
        assert len(picture.upward) >= 2
        if picture is pictures[2]:
            # Latencies that are near each other stand over an axis that begins at nothing.
            assert picture.upward[0] == (picture.bottom, "0 ms")
        for line in picture.lines:
            for x, y, label in line.dots:
                assert picture.left <= x <= picture.right
                assert picture.top <= y <= picture.bottom
                assert label
        assert all(picture.left <= mark.x <= picture.right and math.isfinite(mark.x) for mark in picture.marks)
        boxes = [box(mark.label, (mark.x, mark.y), mark.anchor) for mark in picture.marks]
        boxes += [box(line.name, line.place, "end") for line in picture.lines]
        apart = [not (a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]) for a, b in combinations(boxes, 2)]
        assert all(apart), boxes
    assert [mark.label for mark in pictures[0].marks] == ["good", "not good"]  # type: ignore[union-attr]
    assert "2.5e+03" not in pictures[0].summary  # type: ignore[union-attr]


def test_a_picture_needs_two_points(tmp_path: Path) -> None:
    record = loads.record("soak", timeline=loads.timeline([[20.0, 21.0]]))
    (load,) = run_of(tmp_path, record).loads
    assert load.course is not None
    assert course_chart(load.course, None) is None


def test_words_of_a_log_cannot_break_a_report(tmp_path: Path) -> None:
    record = loads.record("capacity", capacity=loads.capacity(why=HOSTILE))
    record["kinds"] = {HOSTILE: {"requests": 1, "ok": 1, "unit": "us", "encoded": "AAAA"}}
    run = run_of(tmp_path, record)
    verdict = judge(run, Gate(), TODAY)
    assert "<img src=x" not in FORMATS["html"](run, verdict)
    for render in FORMATS.values():
        assert not {"\x00", "\x1b", "\x9b", "\u202e"} & set(render(run, verdict))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("goodput", {}),
        ("goodput", loads.goodput(good=500)),
        ("goodput", loads.goodput(requests=True)),
        ("goodput", loads.goodput(missed={"ttft": -1})),
        ("goodput", loads.goodput(bounds={"ttft": "x"})),
        ("timeline", {"window": 0, "step": 1.02, "least_ms": 0.01, "windows": []}),
        ("timeline", {"window": 1, "step": 1.0, "least_ms": 0.01, "windows": []}),
        ("timeline", {"window": 1, "step": 1.02, "least_ms": 0.01, "windows": [{"at": 1}]}),
        ("timeline", {**LINE, "windows": [{**LINE["windows"][0], "ttft": [[9, 1], [3, 1]]}]}),
        ("timeline", {**LINE, "windows": [{**LINE["windows"][0], "ok": True}]}),
        ("capacity", {}),
        ("capacity", {**loads.capacity(), "low": "fast"}),
        ("capacity", loads.capacity(curve=[{"rate": 3.0}])),
        ("kinds", {"chat": {"requests": 1}}),
        ("spent", []),
    ],
)  # fmt: skip
def test_a_damaged_part_is_an_error_with_its_line(tmp_path: Path, part: str, value: Any) -> None:
    with pytest.raises(LogError, match="line 2: the load record"):
        run_of(tmp_path, loads.record(**{part: value}))

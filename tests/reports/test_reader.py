"""Reading a log back: what was written comes out, a cut-off end is told, damage is one clear error."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from reports.log import LogError
from reports.model import Outcome, Run
from tests.reports import samples
from tests.reports.samples import Story


def test_what_was_written_comes_out(tmp_path: Path) -> None:
    story = samples.eventful()
    run = story.run(tmp_path)
    assert run.outcomes == tuple(story.outcomes)
    assert list(run.exchanges.values()) == story.exchanges
    assert (run.target, run.contract, run.seed, run.command) == (samples.TARGET, "azure-llama", 7, "trial")
    assert run.planned == tuple(outcome.check for outcome in story.outcomes)
    assert run.loads[0].counts == {"ok": 400, "429": 6, "timeout": 1}
    assert run.complete
    assert run.end is not None
    assert run.end.requests == len(story.exchanges)


def test_samples_are_kept_only_when_asked_for(tmp_path: Path) -> None:
    path = samples.eventful().write(tmp_path / "run.jsonl")
    assert Run.read(path).samples == ()
    assert Run.read(path).sample_count == 12
    kept = Run.read(path, samples=True)
    assert len(kept.samples) == 12
    assert kept.samples[1].t_first == pytest.approx(0.41)


def test_many_samples_cost_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    story = Story(loads=[samples.load_record(ok=10)], command="load", end=None)
    story.write(path)
    line = json.dumps(samples.sample_record(1), separators=(",", ":")) + "\n"
    with path.open("a", encoding="utf-8") as file:
        for _ in range(40):
            file.write(line * 2_000)
    assert path.stat().st_size > 12_000_000
    tracemalloc.start()
    run = Run.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.sample_count == 80_000
    assert peak < 2_000_000


@pytest.mark.parametrize("keep", [1, 10, 200])
def test_a_cut_off_last_line_is_left_out(tmp_path: Path, keep: int) -> None:
    path = samples.eventful().write(tmp_path / "run.jsonl")
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:-2]) + whole[-2][:keep])
    run = Run.read(path)
    assert run.truncated
    assert not run.complete
    assert "cut off" in run.incomplete
    assert len(run.outcomes) == len(samples.eventful().outcomes)


def test_every_cut_of_a_log_is_read_or_refused(tmp_path: Path) -> None:
    story = Story(outcomes=[samples.outcome("chat.stream.done")], exchanges=[samples.exchange(1, {}, answer={})])
    path = story.write(tmp_path / "run.jsonl")
    content = path.read_bytes()
    head = content.index(b"\n")
    for end in range(len(content) - 1):
        path.write_bytes(content[:end])
        if end < head:
            with pytest.raises(LogError):
                Run.read(path)
        else:
            assert Run.read(path).complete is (end == len(content) - 1)


def test_a_last_line_without_its_line_feed_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = samples.eventful().write(tmp_path / "run.jsonl")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert Run.read(path).complete


def test_no_end(tmp_path: Path) -> None:
    story = samples.eventful()
    story.end = None
    run = story.run(tmp_path)
    assert not run.complete
    assert not run.truncated
    assert "no end" in run.incomplete


def test_interrupted(tmp_path: Path) -> None:
    story = samples.eventful()
    story.end, story.end_reason = "interrupted", "stopped from the keyboard"
    assert story.run(tmp_path).incomplete == "the run was interrupted: stopped from the keyboard"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "no whole line"),
        (b"\x00" * 100, "no whole line"),
        (b"hello\nworld\n", "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"type":"outcome"}\n', "first record"),
        (b'{"type":"run"}\n', "no 'format'"),
        (b'{"type":"run","format":99}\n', "newer"),
        (b'{"type":"run","format":"1"}\n', "not an int"),
        (b"[" * 100_000 + b"\n", "not JSON"),
    ],
)
def test_what_is_no_log(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "no.jsonl"
    path.write_bytes(content)
    with pytest.raises(LogError, match=message) as caught:
        Run.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(LogError, match="cannot read"):
            Run.read(path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "17",
        '{"type":"outcome"}',
        '{"type":"outcome","check":"a","title":"t","area":"x","cites":[],"status":"great"}',
        '{"type":"outcome","check":"a","title":"t","area":"x","cites":[3],"status":"pass"}',
        '{"type":"outcome","check":"a","title":"t","area":"x","cites":[],"status":"pass","requests":true}',
        '{"type":"exchange","id":"x"}',
        '{"type":"exchange","id":"x","scope":"s","ordinal":0,"request":[],"started":0,"arrivals":[]}',
        '{"type":"load","profile":"p","valid":true,"counts":{"ok":-1}}',
        '{"type":"load","profile":"p","valid":true,"histograms":{"ttft":"x"}}',
        '{"type":"end","status":"fine"}',
        '{"type":"run","format":1}',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = Story(outcomes=[samples.outcome("a.b")], end=None).write(tmp_path / "run.jsonl")
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(LogError, match="line 3: ") as caught:
        Run.read(path)
    assert "\n" not in str(caught.value)


def test_nothing_counts_after_the_end(tmp_path: Path) -> None:
    path = Story(outcomes=[samples.outcome("a.b")]).write(tmp_path / "run.jsonl")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(samples.outcome("a.c").to_record()) + "\n")
    with pytest.raises(LogError, match="follows the run's end"):
        Run.read(path)


def test_trying_again_does_not_pay(tmp_path: Path) -> None:
    story = Story(
        outcomes=[samples.outcome("a.b"), samples.outcome("a.b", "fail", message="once"), samples.outcome("a.b")]
    )
    (only,) = story.run(tmp_path).outcomes
    assert (only.status, only.message) == ("fail", "once")


def test_unknown_kinds_of_record_are_notes(tmp_path: Path) -> None:
    path = Story(outcomes=[samples.outcome("a.b")], end=None).write(tmp_path / "run.jsonl")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type":"note","text":"hello"}\n{"type":"end","status":"complete"}\n')
    assert Run.read(path).complete


def test_the_users_own_rows_are_requirements(tmp_path: Path) -> None:
    row = {"id": "chat.own.max_tokens", "level": "MUST", "quote": "at most 64"}
    run = Story(outcomes=[samples.outcome("a.b")], rows=[row]).run(tmp_path)
    assert (run.rows[0].id, run.rows[0].level, run.rows[0].source) == ("chat.own.max_tokens", "MUST", "your schema")
    bad = Story(outcomes=[samples.outcome("a.b")], rows=[row | {"level": "PERHAPS"}])
    with pytest.raises(LogError, match=r"line 1: .*PERHAPS"):
        bad.run(tmp_path)


def test_an_outcome_of_an_unknown_status_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="not one of"):
        Outcome(check="a", title="t", area="x", route=None, cites=("a",), status="good")

"""`seatrial tiny-llama` writes a model, and says in one line why it does not."""

from __future__ import annotations

from pathlib import Path

from tests.seatrial.conftest import Command


def test_a_model_is_written_and_the_next_step_is_said(seatrial: Command, tmp_path: Path) -> None:
    result = seatrial("tiny-llama", "a model")
    assert result.code == 0
    assert (tmp_path / "a model" / "model.safetensors").stat().st_size > 1_000_000
    assert "seatrial serve --engine vllm --model 'a model'" in result.out


def test_a_folder_with_files_is_left_alone_unless_forced(seatrial: Command, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    result = seatrial("tiny-llama", "full")
    assert result.code == 2
    assert "full is not empty" in result.line
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert seatrial("tiny-llama", "full", "--force").code == 0
    assert (folder / "notes.txt").read_text() == "mine"


def test_where_nothing_can_be_written_is_one_line(seatrial: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/model"):
        result = seatrial("tiny-llama", place)
        assert result.code == 2
        assert f"cannot write to {place}" in result.line

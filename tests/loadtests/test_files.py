from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests import files
from loadtests.files import FileError, FilePrompt, Trace, read_prompts, read_trace


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_trace_is_one_offset_a_line(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, "t.txt", "0.5\n\n1\n2.25\n")) == Trace((0.0, 0.5, 1.75))


def test_a_trace_has_lengths_under_any_of_the_names_that_are_in_use(tmp_path: Path) -> None:
    lines = [{"timestamp": 1000 * n, "input_length": 10 + n, "output_length": 5, "hash_ids": [1]} for n in range(3)]
    mooncake = written(tmp_path, "m.jsonl", "\n".join(map(json.dumps, lines)))
    assert read_trace(mooncake) == Trace((0.0, 1.0, 2.0), (10, 11, 12), (5, 5, 5))
    table = written(tmp_path, "t.csv", "Offset,prompt_tokens,max_tokens\n0,20,4\n0.25,30,8\n")
    assert read_trace(table) == Trace((0.0, 0.25), (20, 30), (4, 8))


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    assert len(read_trace(written(tmp_path, "t.txt", "0\n1\n")).offsets) == 2
    assert len(read_trace(written(tmp_path, "t.txt", "0\n1\n2\n")).offsets) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.txt", "", "no arrivals"),
        ("t.txt", "0\nsoon\n", "line 2: offset is a number"),
        ("t.txt", "-1\n", "line 1: offset is a number"),
        ("t.txt", "nan\n", "line 1: offset is a number"),
        ("t.txt", "1\n0\n", "line 2: it is due before"),
        ("t.txt", "0\n90000\n", "86,400"),
        ("t.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("t.jsonl", "{\n", "line 1: not a JSON object"),
        ("t.jsonl", '{"at": 3}\n', "line 1: no `offset`"),
        ("t.jsonl", '{"offset": true}\n', "line 1: offset is a number"),
        ("t.jsonl", '{"offset": 0, "max_tokens": 0}\n', "line 1: max_tokens is a number from 1"),
        ("t.jsonl", '{"offset": 0, "max_tokens": 1}\n{"offset": 1}\n', "all or none"),
        ("t.csv", "0,20\n1,30\n", "line 2: no `offset`"),
    ],
)
def test_a_line_that_is_no_arrival_is_refused_with_its_number(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(FileError, match=message):
        read_trace(written(tmp_path, name, text))


def test_prompts_are_one_a_line_or_json_lines(tmp_path: Path) -> None:
    plain = written(tmp_path, "p.txt", "\ufeffTell me of the sea.\n\n  And of ships. \n")
    assert read_prompts(plain) == (
        FilePrompt((("user", "Tell me of the sea."),)),
        FilePrompt((("user", "And of ships."),)),
    )
    rows = [
        {"prompt": "Hi", "max_tokens": 7},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hö"}]},
    ]
    found = read_prompts(written(tmp_path, "p.jsonl", "\n".join(map(json.dumps, rows))))
    assert found[0] == FilePrompt((("user", "Hi"),), 7)
    assert found[1].messages == (("system", "Be brief."), ("user", "Hö"))
    assert found[1].size == 9 + 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", " \n", "no prompt"),
        ("p.jsonl", "3\n", "line 1: not a JSON object"),
        ("p.jsonl", '{"prompt": ""}\n', "line 1: neither"),
        ("p.jsonl", '{"messages": []}\n', "line 1: neither"),
        ("p.jsonl", '{"messages": [{"role": "nobody", "content": "x"}]}\n', "line 1: a message has a role"),
        ("p.jsonl", '{"messages": [{"role": "user", "content": 3}]}\n', "line 1: a message has a role"),
        ("p.jsonl", '{"prompt": "x", "max_tokens": 0}\n', "line 1: max_tokens is a number"),
    ],
)
def test_a_line_that_is_no_prompt_is_refused_with_its_number(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(FileError, match=message):
        read_prompts(written(tmp_path, name, text))


def test_files_that_cannot_be_read_or_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError, match="cannot read"):
        read_trace(str(tmp_path / "none.txt"))
    with pytest.raises(FileError, match="cannot read"):
        read_prompts(str(tmp_path))
    (tmp_path / "raw").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not UTF-8"):
        read_prompts(str(tmp_path / "raw"))
    monkeypatch.setattr(files, "MOST_LINES", 2)
    with pytest.raises(FileError, match="4 lines"):
        read_trace(written(tmp_path, "long.txt", "0\n1\n2\n"))
    monkeypatch.setattr(files, "MOST_BYTES", 2)
    with pytest.raises(FileError, match="bytes"):
        read_trace(written(tmp_path, "wide.txt", "0\n1\n"))

"""Files of the user's that shape a load: recorded traces and prompts, read whole and bounded.

Law: a line that cannot be understood is an error with its number; nothing of a file is left out silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20
MOST_LINES = 1_000_000
_LONGEST = 1_000_000

# The columns of a trace: ours first, then what published traces call them. A `timestamp` is in milliseconds, as in
# Mooncake's traces; an offset is in seconds.
_OFFSETS = {"offset": 1.0, "offset_s": 1.0, "timestamp_ms": 1e-3, "timestamp": 1e-3}
_PROMPTS = ("prompt_tokens", "input_length", "input_tokens")
_ANSWERS = ("max_tokens", "output_length", "output_tokens")
_ROLES = ("system", "user", "assistant")


class FileError(ValueError):
    """A file cannot be used: one line with the file, the line and what is expected."""


@dataclass(frozen=True)
class Trace:
    """Recorded arrivals: offsets in seconds from 0, ascending, with lengths in tokens where the trace has them."""

    offsets: tuple[float, ...]
    prompt_tokens: tuple[int, ...] = ()
    max_tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class FilePrompt:
    """One prompt of a file: its messages as (role, text), and the most tokens of its answer if the file says it."""

    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None = None

    @property
    def size(self) -> int:
        """The bytes of all its texts: no tokenizer makes more tokens of them."""
        return sum(len(text.encode()) for _, text in self.messages)


def read_trace(path: str) -> Trace:
    """The trace in a file: `.jsonl`, `.csv` with a head, or one offset in seconds a line; `FileError` for no trace."""
    return _trace(path, *_state(path))


def read_prompts(path: str) -> tuple[FilePrompt, ...]:
    """The prompts in a file: `.jsonl` with `prompt` or `messages`, else one a line; `FileError` when there is none."""
    return _prompts(path, *_state(path))


@lru_cache(maxsize=4)
def _trace(path: str, modified: int, size: int) -> Trace:
    del modified, size
    rows = list(_rows(path))
    if not rows:
        raise FileError(f"{path} has no arrivals; write one offset in seconds a line, or JSON lines with `offset`")
    offsets, prompts, answers = [], [], []
    for number, row in rows:
        column = next((name for name in _OFFSETS if name in row), None)
        if column is None:
            raise FileError(f"{path}, line {number}: no `offset` (seconds) or `timestamp` (milliseconds)")
        offsets.append(_number(path, number, column, row[column], 0, 1e15) * _OFFSETS[column])
        prompts.append(_length(path, number, row, _PROMPTS))
        answers.append(_length(path, number, row, _ANSWERS))
    for (number, _), (before, after) in zip(rows[1:], pairwise(offsets), strict=True):
        if after < before:
            raise FileError(f"{path}, line {number}: it is due before the line above it; sort the trace by time")
    if offsets[-1] - offsets[0] > 86_400:
        raise FileError(f"{path} lasts {offsets[-1] - offsets[0]:,.0f} s; a day (86,400 s) is the most")
    return Trace(
        tuple(round(offset - offsets[0], 9) for offset in offsets),
        _column(path, prompts, _PROMPTS[0]),
        _column(path, answers, _ANSWERS[0]),
    )


def _column(path: str, values: list[int | None], name: str) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    if known and len(known) < len(values):
        raise FileError(f"{path}: some lines have `{name}` and others have none; all or none must have it")
    return tuple(known)


def _rows(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        lines = _lines(path)
        reader = csv.DictReader(line for _, line in lines)
        # The head is line 1; blank lines do not occur in what `_lines` gives.
        for (number, _), row in zip(lines[1:], reader, strict=False):
            yield number, {str(name).strip().lower(): value for name, value in row.items()}
        return
    for number, line in _lines(path):
        yield number, _object(path, number, line) if suffix == ".jsonl" else {"offset": line}


@lru_cache(maxsize=4)
def _prompts(path: str, modified: int, size: int) -> tuple[FilePrompt, ...]:
    del modified, size
    jsonl = Path(path).suffix.lower() == ".jsonl"
    found = tuple(
        _prompt(path, number, _object(path, number, line)) if jsonl else FilePrompt((("user", line),))
        for number, line in _lines(path)
    )
    if not found:
        raise FileError(f"{path} has no prompt; write one a line, or JSON lines with `prompt` or `messages`")
    return found


def _prompt(path: str, number: int, row: Mapping[str, Any]) -> FilePrompt:
    most = row.get("max_tokens")
    if most is not None:
        most = int(_number(path, number, "max_tokens", most, 1, _LONGEST))
    if isinstance(row.get("prompt"), str) and row["prompt"]:
        return FilePrompt((("user", row["prompt"]),), most)
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise FileError(f"{path}, line {number}: neither a `prompt` with text nor a list of `messages`")
    return FilePrompt(tuple(_message(path, number, message) for message in messages), most)


def _message(path: str, number: int, message: Any) -> tuple[str, str]:
    if (
        not isinstance(message, dict)
        or message.get("role") not in _ROLES
        or not isinstance(message.get("content"), str)
    ):
        raise FileError(f"{path}, line {number}: a message has a role ({', '.join(_ROLES)}) and a content that is text")
    return message["role"], message["content"]


def _object(path: str, number: int, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise FileError(f"{path}, line {number}: not a JSON object")
    return row


def _length(path: str, number: int, row: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    name = next((name for name in names if row.get(name) not in (None, "")), None)
    return None if name is None else int(_number(path, number, name, row[name], 1, _LONGEST))


def _number(path: str, number: int, name: str, given: Any, least: float, most: float) -> float:
    try:
        value = float("nan") if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        value = float("nan")
    if not least <= value <= most:
        raise FileError(
            f"{path}, line {number}: {name} is a number from {least:g} to {most:,g}, not {str(given)[:40]!r}"
        )
    return value


def _lines(path: str) -> list[tuple[int, str]]:
    """The lines with something in them and their numbers."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not UTF-8 text") from None
    lines = text.split("\n")
    if len(lines) > MOST_LINES + 1:
        raise FileError(f"{path} has {len(lines):,} lines; {MOST_LINES:,} are the most")
    return [(number, stripped) for number, line in enumerate(lines, 1) if (stripped := line.strip())]


def _state(path: str) -> tuple[int, int]:
    """When the file was changed and its size, so that a file that changed is read again."""
    try:
        state = Path(path).stat()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    if state.st_size > MOST_BYTES:
        raise FileError(f"{path} has {state.st_size:,} bytes; {MOST_BYTES:,} are the most")
    return state.st_mtime_ns, state.st_size

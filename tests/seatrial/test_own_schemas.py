from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.contracts import get
from seatrial.errors import UserError
from seatrial.own_schemas import read_schemas

CONTRACT = get("azure-llama")
CHAT = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
    },
}


def file(folder: Path, value: Any, name: str = "own.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_schema_finds_its_route_by_its_properties_or_by_name(tmp_path: Path) -> None:
    path = file(tmp_path, CHAT)
    assert read_schemas([str(path)], CONTRACT) == {"chat": CHAT}
    both = {"type": "object", "properties": {"temperature": {"type": "number"}}}
    other = file(tmp_path, both, "other.json")
    assert read_schemas([f"completions={other}", str(path)], CONTRACT) == {"completions": both, "chat": CHAT}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON Schema"),
        ({"type": "object"}, "no `properties`"),
        ({"properties": {"temperature": {}}}, "say which route"),
        ({"properties": {"messages": {"type": "strange"}}}, "own.json"),
        ({"properties": {"messages": {"type": "array", "contains": {}}}}, "contains"),
        ({"properties": {"messages": {"$ref": "#/$defs/none"}}}, "points to nothing"),
        ('{"properties": {"messages": {"minimum": NaN}}}', "own.json"),
    ],
)
def test_a_schema_that_cannot_drive_checks_is_refused_in_one_line(tmp_path: Path, content: Any, says: str) -> None:
    path = file(tmp_path, content)
    with pytest.raises(UserError) as raised:
        read_schemas([str(path)], CONTRACT)
    message = str(raised.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


def test_two_schemas_for_a_route_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, CHAT)
    with pytest.raises(UserError, match="already"):
        read_schemas([str(path), f"chat={path}"], CONTRACT)
    with pytest.raises(UserError, match="cannot read"):
        read_schemas([str(tmp_path / "none.json")], CONTRACT)

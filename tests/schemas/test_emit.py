"""The laws of the emitted files: known keywords, every one owned, byte for byte what the rows say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import __main__ as command
from schemas import contracts, emit
from schemas.model import ContractError, Object

KEYWORDS = frozenset(
    {
        "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "items", "prefixItems",
        "properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties",
        "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "$ref",
        "$defs", "$schema", "$id", "title", "description", "default", "examples",
    }
)  # fmt: skip
SILENT = frozenset(
    {"properties", "patternProperties", "$defs", "$schema", "$id", "title", "description", "default", "examples", "if"}
)
FILES = emit.emit_all()
DOCUMENTS = {path: json.loads(text) for path, text in FILES.items()}


def members(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas one level below, each with the keyword that holds it."""
    for keyword, value in schema.items():
        if keyword in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            yield from ((keyword, member) for member in value.values())
        elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems", "x-unjudged"):
            yield from ((keyword, member) for member in value)
        elif keyword in ("items", "additionalProperties", "not", "if", "then", "else") and isinstance(value, Mapping):
            yield keyword, value


def below(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for _, member in members(schema):
        yield from below(member)


def unowned(schema: Mapping[str, Any], where: str = "#") -> Iterator[str]:
    """Where a keyword constrains without the id of a requirement; a rule's entry answers for what is inside it."""
    owners = schema.get("x-requirements", {})
    for keyword, value in schema.items():
        if keyword.startswith("x-") or keyword in SILENT or keyword == "allOf":
            continue
        if keyword not in owners:
            yield f"{where}/{keyword}"
        elif keyword == "required" and list(owners[keyword]) != value:
            yield f"{where}/required"
    for keyword, member in members(schema):
        if keyword == "allOf":
            is_rule = member.get("x-requirements", {}).keys() == member.keys() & {"then", "else", "not"}
            if not is_rule:
                yield f"{where}/allOf"
        elif keyword not in ("if", "x-unjudged"):
            yield from unowned(member, f"{where}/{keyword}")


@pytest.mark.parametrize("path", FILES)
def test_a_file_is_a_2020_12_schema_with_known_keywords(path: str) -> None:
    Draft202012Validator.check_schema(DOCUMENTS[path])
    for schema in below(DOCUMENTS[path]):
        unknown = {keyword for keyword in schema if not keyword.startswith("x-")} - KEYWORDS
        assert not unknown


@pytest.mark.parametrize("path", FILES)
def test_every_keyword_has_its_requirement(path: str) -> None:
    assert list(unowned(DOCUMENTS[path])) == []


@pytest.mark.parametrize("path", FILES)
def test_every_owner_is_a_row_of_the_contract(path: str) -> None:
    known = {row.id for row in contracts.get(path.split("/", maxsplit=1)[0]).rows()}
    for schema in below(DOCUMENTS[path]):
        for keyword, owner in schema.get("x-requirements", {}).items():
            assert keyword in schema
            owners = owner.values() if isinstance(owner, Mapping) else [owner]
            assert known.issuperset(owners)


@pytest.mark.parametrize("path", FILES)
def test_every_row_of_a_table_owns_a_keyword(path: str) -> None:
    name, file = path.split("/")
    route, part = file.split(".")[:2]
    table: Object = getattr(contracts.get(name).operation("chat" if route == "chat" else "completions"), part)
    owners: set[str] = set()
    for schema in below(DOCUMENTS[path]):
        for owner in schema.get("x-requirements", {}).values():
            owners.update(owner.values() if isinstance(owner, Mapping) else [owner])
    assert {row.id for row in table.rows()} <= owners


@pytest.mark.parametrize("path", FILES)
def test_the_file_says_what_it_is(path: str) -> None:
    document = DOCUMENTS[path]
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["x-generated-by"] == "python -m schemas --write"
    assert document["title"]
    assert ("x-example" in document) == path.endswith("request.json")
    assert FILES[path].endswith("}\n")


def test_ids_are_unique() -> None:
    ids = [document["$id"] for document in DOCUMENTS.values()]
    assert len(set(ids)) == len(ids) == len(contracts.names()) * 6


def test_paths_are_sorted_and_the_texts_stable() -> None:
    assert list(FILES) == sorted(FILES)
    assert emit.emit_all() == FILES


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith("request.json")])
def test_the_example_is_valid(path: str) -> None:
    Draft202012Validator(DOCUMENTS[path]).validate(DOCUMENTS[path]["x-example"])


def _simplest(schema: Any) -> Any:
    """A value of a property that needs companions: its least number, an object with what it requires, or true."""
    if schema.get("type") == "object":
        return dict.fromkeys(schema.get("required", ()), True)
    return schema.get("minimum", True)


def test_companions_make_a_value_valid() -> None:
    for path, document in DOCUMENTS.items():
        for name, schema in document["properties"].items():
            if "x-companions" not in schema:
                continue
            body = {**document["x-example"], **schema["x-companions"], name: _simplest(schema)}
            assert Draft202012Validator(document).is_valid(body), (path, name)
            alone = {**document["x-example"], name: _simplest(schema)}
            assert not Draft202012Validator(document).is_valid(alone), (path, name)


def test_a_printed_default_is_in_the_schema() -> None:
    properties = emit.load("azure-llama", "chat", "request")["properties"]
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    assert "messages" not in defaults
    assert len(defaults) == 13
    assert (defaults["max_tokens"], defaults["ignore_eos"], defaults["stop"]) == (16, True, None)


def test_the_committed_files_are_what_the_rows_emit() -> None:
    assert command.differences(command.FOLDER) == []
    assert command.main(["--check"]) == 0


@pytest.mark.parametrize("name", contracts.names())
def test_a_loaded_schema_equals_the_emitted_one(name: str) -> None:
    contract = contracts.get(name)
    for operation in contract.operations:
        for part in emit.PARTS:
            assert emit.load(name, operation.route, part) == emit.schema(contract, operation.route, part)


def test_a_schema_is_the_callers_to_change() -> None:
    contract = contracts.get("azure-llama")
    emit.schema(contract, "chat", "request")["properties"].clear()
    assert "messages" in emit.schema(contract, "chat", "request")["properties"]


def test_a_contract_of_ones_own_can_take_a_known_name() -> None:
    contract = contracts.get("azure-llama")
    chat = contract.operation("chat")
    bare = replace(chat, request=replace(chat.request, rules=()))
    shorter = replace(contract, operations=(bare,), errata=())
    assert "allOf" not in emit.schema(shorter, "chat", "request")
    assert "allOf" in emit.schema(contract, "chat", "request")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("azure", "chat", "request"), "azure-llama"),
        (("azure-llama", "embeddings", "request"), "completions, chat"),
        (("azure-llama", "chat", "answer"), "request, response, chunk"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(arguments: tuple[str, str, str], allowed: str) -> None:
    with pytest.raises(ContractError, match=allowed):
        emit.load(*arguments)


def written(folder: Path) -> Path:
    assert command.main(["--write"], folder) == 0
    assert command.main(["--check"], folder) == 0
    return folder


def test_write_then_check(tmp_path: Path) -> None:
    folder = written(tmp_path)
    found = {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in folder.rglob("*.json")}
    assert found == FILES


def test_check_names_a_file_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path) / "azure-llama" / "chat.chunk.json"
    file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert command.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.startswith("azure-llama/chat.chunk.json: differs from its rows")


def test_check_names_a_missing_and_a_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path)
    (folder / "openai" / "chat.request.json").rename(folder / "openai" / "tools.request.json")
    assert command.main(["--check"], folder) == 1
    report = capsys.readouterr().err
    assert "openai/chat.request.json: missing" in report
    assert "openai/tools.request.json: no row emits it" in report
    written(folder)
    assert not (folder / "openai" / "tools.request.json").exists()


def test_check_sees_a_changed_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    contract = contracts.get("azure-llama")
    text = contract.operation("completions")
    first, *others = text.request.params
    request = replace(text.request, params=(replace(first, quote=first.quote + "!"), *others))
    changed = replace(contract, operations=(replace(text, request=request), contract.operation("chat")))
    everything = MappingProxyType({**contracts.CONTRACTS, changed.name: changed})
    monkeypatch.setattr(contracts, "CONTRACTS", everything)
    assert command.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "azure-llama/completions.request.json: differs from its rows; write it with `python -m schemas --write`"
    ]


@pytest.mark.parametrize("arguments", [[], ["--write", "--check"], ["--wright"]])
def test_anything_else_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        command.main(arguments)
    assert refusal.value.code == 2
    assert "--check" in capsys.readouterr().err

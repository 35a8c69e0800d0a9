from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import checks_of
from schemas.contracts import get
from seatrial.config import find_target
from seatrial.errors import UserError
from seatrial.keys import find_key
from seatrial.options import Asked, planned, resolve

GOOD = """
[targets.prod]
url = "https://llama.example"
contract = "azure-llama"
key_env = "PROD_KEY"
model = "llama-70b"
rpm = 60
tpm = 0
timeout = 12.5

[targets.lab]
url = "http://127.0.0.1:8000"
key_file = "secrets/key"
ca_file = "ca.pem"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "seatrial.toml"
    path.write_text(text)
    return path


def options(folder: Path, target: str, environ: dict[str, str] | None = None, **asked: Any) -> Any:
    warned: list[str] = []
    made = resolve(Asked(target=target, **asked), environ=environ or {}, folder=folder, warn=warned.append)
    return made, warned


def test_a_url_needs_no_file(tmp_path: Path) -> None:
    assert find_target("https://one.example", config=None, folder=tmp_path).url == "https://one.example"


def test_a_target_of_the_file_has_its_settings(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    made, _ = options(tmp_path, "prod", {"PROD_KEY": "  prod-secret\n"})
    assert made.target.url == "https://llama.example"
    assert made.key == "prod-secret"
    assert (made.model, made.rpm, made.tpm, made.timeout) == ("llama-70b", 60, None, 12.5)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    made, _ = options(tmp_path, "prod", {"MINE": "my-own-key"}, key_env="MINE", model="other", rpm=7, timeout=3)
    assert (made.key, made.model, made.rpm, made.timeout) == ("my-own-key", "other", 7, 3.0)
    assert options(tmp_path, "prod", no_key=True)[0].key is None


def test_the_limits_are_the_contracts_unless_said(tmp_path: Path) -> None:
    contract = get("azure-llama")
    made, _ = options(tmp_path, "https://one.example", no_key=True)
    assert (made.rpm, made.tpm) == (contract.requests_per_minute, contract.tokens_per_minute)


def test_paths_of_a_file_are_relative_to_it(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    found = find_target("lab", config=path, folder=Path("/"))
    assert (found.key_file, found.ca_file) == (tmp_path / "secrets/key", tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[targets.prod]\nurl = 3", ("targets.prod.url", "text in quotes")),
        ("[targets.prod]\nmodel = 'x'", ("targets.prod.url", "missing")),
        ("[targets.prod]\nurl = 'llama.example'", ("targets.prod.url", "http")),
        ("[targets.prod]\nurl = 'https://x'\nrpn = 3", ("targets.prod.rpn", "did you mean rpm")),
        ("[targets.prod]\nurl = 'https://x'\nrpm = true", ("targets.prod.rpm", "whole number")),
        ("[targets.prod]\nurl = 'https://x'\nrpm = -1", ("targets.prod.rpm", "from 0")),
        ("[targets.prod]\nurl = 'https://x'\ntimeout = '3'", ("targets.prod.timeout", "a number")),
        ("[targets.prod]\nurl = 'https://x'\ncontract = 'nope'", ("targets.prod.contract", "azure-llama")),
        ("[targets.prod]\nurl = 'https://x'\nkey_env = ''", ("targets.prod.key_env", "empty")),
        ("[targets.prod]\nurl = 'https://x'\nkey_env = 'A'\nkey_file = 'b'", ("targets.prod.key_file", "leave one")),
        ("[targets.prod]\nurl = 'https://x'\napi_key = 'sk-1'", ("targets.prod.api_key", "key_env")),
        ("targets = 3", ("targets", "[targets.prod]")),
        ("[targets]\nprod = 'https://x'", ("targets.prod", "as a table")),
        ("[target.prod]\nurl = 'https://x'", ("target", "[targets.prod]")),
        ("[targets.prod\nurl = 1", ("not TOML", "line 1")),
        ("[targets.prud]\nurl = 'https://x'", ("'prod'", "did you mean 'prud'")),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_file_and_key(tmp_path: Path, text: str, says: tuple[str, ...]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as raised:
        find_target("prod", config=None, folder=tmp_path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    assert all(part in message for part in says), message
    assert "sk-1" not in message


def test_a_name_without_a_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no URL.*seatrial\.toml"):
        find_target("prod", config=None, folder=tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        find_target("prod", config=tmp_path / "other.toml", folder=tmp_path)


def key(**said: Any) -> tuple[str | None, list[str]]:
    warned: list[str] = []
    given = {"variable": None, "file": None, "none": False, "environ": {}, **said}
    return find_key(**given, warn=warned.append), warned


def test_the_key_comes_from_where_it_was_said(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("key-in-a-file\n")
    file.chmod(0o600)
    assert key(environ={"SEATRIAL_API_KEY": "usual-key"}) == ("usual-key", [])
    assert key(variable="OTHER", environ={"OTHER": "other-key", "SEATRIAL_API_KEY": "usual-key"}) == ("other-key", [])
    assert key(file=file, environ={"SEATRIAL_API_KEY": "usual-key"}) == ("key-in-a-file", [])
    assert key(none=True, environ={"SEATRIAL_API_KEY": "usual-key"}) == (None, [])
    # A secret that a CI system does not have is an empty variable.
    assert key(environ={"SEATRIAL_API_KEY": " "}) == (None, [])


def test_a_key_file_that_others_can_read_is_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("key-in-a-file")
    file.chmod(0o644)
    found, warned = key(file=file)
    assert found == "key-in-a-file"
    assert len(warned) == 1
    assert str(file) in warned[0]


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"two words", b"line\nline", b"\xff\xfe", "schlüssel".encode(), b"abc"]
)
def test_a_key_that_cannot_be_used_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(UserError) as raised:
        key(file=file)
    message = str(raised.value)
    assert str(file) in message
    assert "schl" not in message
    assert "two words" not in message


def test_places_without_a_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no variable NONE"):
        key(variable="NONE")
    with pytest.raises(UserError, match="is empty"):
        key(variable="NONE", environ={"NONE": ""})
    with pytest.raises(UserError, match="cannot read the key file"):
        key(file=tmp_path / "nothing")
    with pytest.raises(UserError, match="exclude each other"):
        key(variable="A", none=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("jobs", 0), ("jobs", 1000), ("budget_requests", 0), ("budget_tokens", -1), ("seed", -1), ("examples", -1),
     ("rpm", -1), ("tpm", -1), ("timeout", 0), ("model", " ")],
)  # fmt: skip
def test_a_bad_number_is_refused_with_its_option(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"--{field.replace('_', '-')} is"):
        Asked(target="https://x", **{field: value})


def test_a_url_that_is_none_and_an_unknown_contract_are_refused(tmp_path: Path) -> None:
    for url in ("ftp://x", "https://user:pass@x", "https://x/#part", "https://x?key=1"):
        with pytest.raises(UserError) as raised:
            options(tmp_path, url)
        assert "pass" not in str(raised.value).replace("password", "")
    with pytest.raises(UserError, match="azure-llama"):
        options(tmp_path, "https://x", contract="nope")
    with pytest.raises(UserError, match=r"none\.pem"):
        options(tmp_path, "https://x", ca_file=tmp_path / "none.pem")


def test_a_key_in_clear_beyond_this_machine_is_warned_about(tmp_path: Path) -> None:
    environ = {"SEATRIAL_API_KEY": "usual-key"}
    assert any("in clear" in line for line in options(tmp_path, "http://far.example", environ)[1])
    for url in ("https://far.example", "http://127.0.0.1:1", "http://localhost:1"):
        assert options(tmp_path, url, environ)[1] == []
    assert options(tmp_path, "http://far.example")[1] == []


def test_a_pasted_route_is_taken_off_and_said(tmp_path: Path) -> None:
    made, warned = options(tmp_path, "https://x/v1/chat/completions", no_key=True)
    assert made.target.url == "https://x"
    assert len(warned) == 1


def test_the_plan_has_what_the_selected_checks_need(tmp_path: Path) -> None:
    made, _ = options(tmp_path, "https://x", no_key=True, only=("chat.stream.done",))
    ids = planned(made).ids
    every = checks_of(made.contract)
    assert "chat.stream.done" in ids
    assert all(need in ids for check in ids for need in every[check].needs)
    with pytest.raises(UserError, match="no check matches"):
        planned(options(tmp_path, "https://x", no_key=True, only=("nope.*",))[0])


def test_what_is_skipped_is_not_planned_even_where_it_is_needed(tmp_path: Path) -> None:
    made, _ = options(tmp_path, "https://x", no_key=True, skip=("*.auth.query", "chat.answers"))
    ids = planned(made).ids
    assert not {"chat.auth.query", "completions.auth.query", "chat.answers"} & set(ids)
    assert {"chat.auth.none", "completions.answers"} <= set(ids)
    assert made.to_record()["skip"] == ["*.auth.query", "chat.answers"]
    with pytest.raises(UserError, match="no check matches"):
        planned(options(tmp_path, "https://x", no_key=True, skip=("nope.*",))[0])
    with pytest.raises(UserError, match="leaves no check"):
        planned(options(tmp_path, "https://x", no_key=True, only=("chat.answers",), skip=("chat.*",))[0])


def test_the_log_keeps_the_settings_and_never_the_key(tmp_path: Path) -> None:
    made, _ = options(tmp_path, "https://x", {"SEATRIAL_API_KEY": "usual-key"}, only=("chat.*",))
    assert made.to_record()["key"] is True
    assert made.to_record()["only"] == ["chat.*"]
    assert "usual-key" not in repr(made)
    assert "usual-key" not in str(made.to_record())


def test_prompts_for_the_filter_come_from_the_file_or_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, '[targets.a]\nurl = "http://a.example"\nfilter_prompts = ["one", "two"]\n')
    assert options(tmp_path, "a")[0].filter_prompts == ("one", "two")
    made = options(tmp_path, "a", filter_prompt=("mine",))[0]
    assert made.filter_prompts == ("mine",)
    assert made.to_record()["filter_prompts"] == ["mine"]
    assert options(tmp_path, "http://b.example")[0].filter_prompts == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [('"one"', "a list of texts"), ("[7]", "not empty"), ('[" "]', "not empty"), (str(["x"] * 9), "at most 8")],
)
def test_odd_prompts_for_the_filter_are_refused(tmp_path: Path, value: str, says: str) -> None:
    write(tmp_path, f'[targets.a]\nurl = "http://a.example"\nfilter_prompts = {value}\n')
    with pytest.raises(UserError, match=says):
        options(tmp_path, "a")
    with pytest.raises(UserError, match="at most 4,000"):
        Asked(target="http://b.example", filter_prompt=("x" * 5_000,))

"""The gate: every mistake in it is refused with its place and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from reports.gate import Gate, GateError, Waiver
from reports.limit_slo import LIMIT_OBJECTIVES
from reports.slo import OBJECTIVES

ROOT = Path(__file__).parents[2]

WAIVER = """
[[waiver]]
check = "chat.stream.done"
reason = "corrected in March"
until = 2030-03-31
"""


def read(folder: Path, text: str) -> Gate:
    path = folder / "gate.toml"
    path.write_text(text, encoding="utf-8")
    return Gate.read(path)


def test_without_a_file_there_are_defaults() -> None:
    gate = Gate.read()
    assert (gate.fail, gate.warn, gate.slo, gate.waivers) == (("MUST",), ("SHOULD",), {}, ())
    assert [gate.grade(level) for level in ("MUST", "SHOULD", "MAY")] == ["fail", "warn", "note"]


def test_the_projects_own_gate_is_the_defaults() -> None:
    own = Gate.read(ROOT / "gate.toml")
    default = Gate.read()
    assert replace(own, source=default.source) == default


def test_what_the_projects_own_gate_shows_in_comments_is_right(tmp_path: Path) -> None:
    text = (ROOT / "gate.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") if " = " in line or "[[" in line else line for line in text.splitlines()]
    gate = read(tmp_path, "\n".join(line for line in lines if not line.startswith("# A ")))
    assert set(gate.slo) == {*OBJECTIVES, *LIMIT_OBJECTIVES}
    assert len(gate.waivers) == 1


def test_a_whole_gate(tmp_path: Path) -> None:
    gate = read(
        tmp_path,
        '[levels]\nfail = ["MUST", "SHOULD"]\n[accept]\nskip = ["completions.*"]\n'
        f"[slo]\nttft_p95_ms = 800\nerror_rate = 0.01\n{WAIVER}",
    )
    assert gate.grade("SHOULD") == "fail"
    assert gate.warn == ()
    assert gate.accepts_skip("completions.stream.done")
    assert not gate.accepts_skip("chat.stream.done")
    assert gate.slo == {"ttft_p95_ms": 800.0, "error_rate": 0.01}
    assert gate.waivers == (
        Waiver(check="chat.stream.done", reason="corrected in March", until=date(2030, 3, 31), line=9),
    )


def test_skips(tmp_path: Path) -> None:
    assert read(tmp_path, "[accept]\nskip = true\n").accepts_skip("anything")
    assert not read(tmp_path, "[accept]\nskip = false\n").accepts_skip("anything")


def test_an_option_is_accepted_as_unsupported_by_its_name_or_with_its_route(tmp_path: Path) -> None:
    gate = read(tmp_path, '[accept]\nunsupported = ["best_of", "chat.use_*"]\n[routes]\nrequire = ["chat"]\n')
    assert gate.accepts_unsupported("chat", "best_of")
    assert gate.accepts_unsupported("completions", "best_of")
    assert gate.accepts_unsupported("chat", "use_beam_search")
    assert not gate.accepts_unsupported("completions", "use_beam_search")
    assert not gate.accepts_unsupported("chat", "n")
    assert gate.routes == ("chat",)
    assert not Gate().accepts_unsupported("chat", "n")
    assert Gate().routes == ()


def test_a_waiver_holds_on_its_last_day() -> None:
    waiver = Waiver(check="a.*", reason="r", until=date(2030, 3, 31))
    assert not waiver.expired(date(2030, 3, 31))
    assert waiver.expired(date(2030, 4, 1))


def test_a_waiver_covers_by_name_or_pattern() -> None:
    assert Waiver(check="chat.*", reason="r", until=date.max).covers("chat.stream.done")
    assert not Waiver(check="chat.stream", reason="r", until=date.max).covers("chat.stream.done")
    assert not Waiver(check="Chat.*", reason="r", until=date.max).covers("chat.stream.done")
    # An id with brackets is a name first, and only then a pattern.
    assert Waiver(check="chat.stop[0]", reason="r", until=date.max).covers("chat.stop[0]")


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("[levels]\nfial = ['MUST']\n", "line 2, levels.fial", "fail, warn"),
        ("\n[level]\nfail = ['MUST']\n", "line 2, level", "levels, accept, routes, slo, waiver"),
        ("strict = true\n", "line 1, strict", "unknown key"),
        ("[levels]\nfail = 'MUST'\n", "line 2, levels.fail", 'fail = ["MUST"]'),
        ("[levels]\nfail = ['must']\n", "line 2, levels.fail", "MUST, SHOULD, MAY"),
        ("[levels]\nfail = ['MUST']\nwarn = ['MUST']\n", "line 3, levels.warn", "in one of them"),
        ("levels = 3\n", "line 1, levels", "as a table"),
        ("[accept]\nskip = 'x'\n", "line 2, accept.skip", "true, false, or a list"),
        ("[accept]\nskip = [1]\n", "line 2, accept.skip", "list of patterns"),
        ("[accept]\nunsupported = true\n", "line 2, accept.unsupported", "chat.logprobs"),
        ("[accept]\nunsupported = ['']\n", "line 2, accept.unsupported", "list of patterns"),
        ("[accept]\nskips = true\n", "line 2, accept.skips", "skip, unsupported"),
        ("[routes]\nrequire = 'chat'\n", "line 2, routes.require", 'require = ["chat"]'),
        ("[routes]\nrequire = ['chats']\n", "line 2, routes.require", "completions, chat"),
        ("[routes]\nrequired = ['chat']\n", "line 2, routes.required", "[routes] has require"),
        ("[slo]\nttft_p95 = 800\n", "line 2, slo.ttft_p95", "ttft_p95_ms"),
        ("[slo]\n\nttft_p95_ms = '800'\n", "line 3, slo.ttft_p95_ms", "ttft_p95_ms = 800"),
        ("[slo]\nttft_p95_ms = true\n", "line 2, slo.ttft_p95_ms", "a number"),
        ("[slo]\nttft_p95_ms = nan\n", "line 2, slo.ttft_p95_ms", "a number"),
        ("[slo]\nttft_p95_ms = -1\n", "line 2, slo.ttft_p95_ms", "a number"),
        ("[slo]\nerror_rate = 1.5\n", "line 2, slo.error_rate", "share from 0 to 1"),
        ("[waiver]\ncheck = 'a'\n", "waiver", "two brackets"),
        (WAIVER.replace("reason", "because"), "line 2, [[waiver]]", "unknown key `because`"),
        (WAIVER.replace('reason = "corrected in March"', ""), "line 2, [[waiver]]", "no `reason`"),
        (WAIVER.replace("corrected in March", "  "), "line 2, [[waiver]]", "no `reason`"),
        (WAIVER.replace('check = "chat.stream.done"', ""), "line 2, [[waiver]]", "no `check`"),
        (WAIVER.replace("until = 2030-03-31", ""), "line 2, [[waiver]]", "until = 2030-01-31"),
        (WAIVER.replace("2030-03-31", '"2030-03-31"'), "line 2, [[waiver]]", "without quotes"),
        (WAIVER.replace("2030-03-31", "2030-03-31T00:00:00Z"), "line 2, [[waiver]]", "without quotes"),
        (f"{WAIVER}{WAIVER.replace('reason', 'why')}", "line 7, [[waiver]]", "unknown key `why`"),
        ("[levels\n", "line 1", "correct that line"),
        ("[levels]\nfail = ['MUST']\nfail = ['MAY']\n", "line 3", "not TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, place: str, hint: str) -> None:
    with pytest.raises(GateError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert str(tmp_path / "gate.toml") in message
    assert place in message
    assert hint in message
    assert "\n" not in message


def test_a_gate_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="cannot read"):
        Gate.read(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(GateError, match="UTF-8"):
        Gate.read(tmp_path / "latin.toml")

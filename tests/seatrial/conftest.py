from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seatrial.cli.main import run
from tests.seatrial.servers import KEY, endpoint


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

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference_server.vllm.fakes import Fake, fake_vllm


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    with fake_vllm(tmp_path / "fake") as one:
        yield one

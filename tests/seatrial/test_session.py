"""A session that is stopped at the worst moment still stops."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reports.log import LogWriter
from seatrial.options import Asked, planned, resolve
from seatrial.session import Session


def test_an_interrupt_while_the_workers_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    asked = Asked(target=server, no_key=True, only=("chat.answers",), jobs=3)
    options = resolve(asked, environ={}, folder=tmp_path, warn=lambda _: None)
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def interrupted(thread: threading.Thread) -> None:
        if started:
            raise KeyboardInterrupt
        started.append(thread)
        start(thread)

    with LogWriter(tmp_path / "run.jsonl", redact=dict) as log:
        session = Session(options, planned(options), log)
        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt), session:
            session.run()
        log.end("interrupted")
    started[0].join(timeout=5)
    assert not started[0].is_alive()

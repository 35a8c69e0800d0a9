"""Why vLLM could not be started: what the user can put right before, and what was seen while it started."""

from __future__ import annotations

from pathlib import Path


class SetupError(Exception):
    """What was asked for makes no sense or is not there; the message is one line and says what to do."""


class StartError(Exception):
    """vLLM ended, broke or took too long while it started; `last` are the last lines of its log."""

    def __init__(self, message: str, *, log: Path, last: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log = log
        self.last = last


class PortTakenError(StartError):
    """Another process took the port before vLLM did."""

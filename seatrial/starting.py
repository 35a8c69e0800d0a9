"""What a server is doing while one waits for it, on stderr: a spinner on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.text import Text

from seatrial.progress import PLAIN_SECONDS

Tell = Callable[[str, float], None]


@contextlib.contextmanager
def started_on(stream: TextIO, what: str) -> Iterator[Tell]:
    """Show stage and elapsed seconds as they are told, until the context ends."""
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status(Text(f"{what}: starting")) as spinner:
            yield lambda stage, seconds: spinner.update(Text(f"{what}: {stage}, {seconds:.0f} s"))
    else:
        yield _Lines(stream, what)


class _Lines:
    """A line when the stage changes, and one every few seconds while it does not; never more often than that."""

    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream
        self._what = what
        self._due = 0.0

    def __call__(self, stage: str, seconds: float) -> None:
        if seconds >= self._due:
            self._due = seconds + PLAIN_SECONDS
            self._stream.write(f"seatrial: {self._what}: {stage}, {seconds:.0f} s\n")
            self._stream.flush()
